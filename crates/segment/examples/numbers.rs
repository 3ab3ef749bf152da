//! Writes the numbers that other engines are compared with, as plain little-endian f32.
//!
//! `numbers prepared CASE OUT` writes the tensor of a case, `[4][D][H][W]`; `numbers logits MODEL IMAGE D,H,W PRECISION OUT`
//! those of head 0 on an image. `isa=avx2` in front lowers the instruction set. Used by `make bench-peers`.

use std::error::Error;
use std::fs;
use std::path::Path;

use kernels::{Bf16, Cell, Cpu, Half, IsaName};
use segment::artefact::Artefact;
use segment::dataset::find_one;
use segment::infer::Model;
use segment::precision::{Precision, Storage};
use segment::prepare::{Preparing, prepare};
use segment::study::Study;
use unet::{Net, Products, UnetError};
use volume::Limits;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (cpu, words) = match words.split_first() {
        Some((first, rest)) if first.starts_with("isa=") => (lowered(first)?, rest),
        _ => (Cpu::detect(), words.as_slice()),
    };
    match *words {
        ["prepared", case, out] => {
            let study = Study::read(&find_one(Path::new(case))?, &Limits::default())?;
            let (tensor, _) = prepare(&study, Preparing::Brain)?;
            write(out, &tensor.values)
        }
        ["logits", model, image, shape, precision, out] => {
            let model = Artefact::open(Path::new(model))?.model;
            let sides: Vec<usize> = shape.split(',').map(str::parse).collect::<Result<_, _>>()?;
            let shape = <[usize; 3]>::try_from(sides).map_err(|_| "give D,H,W")?;
            let precision =
                Precision::ALL.into_iter().find(|of| of.as_str() == precision).ok_or("no such precision")?;
            precision.check(cpu, &model)?;
            let bytes = fs::read(image)?;
            let image: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            let widest = model.calibration.as_ref().map(|of| of.in_order(&model.network)).transpose()?;
            let of = (&model, precision.products(widest.as_deref()));
            let logits = match precision.storage(cpu) {
                Storage::Floats => logits::<f32>(cpu, of, shape, &image)?,
                Storage::Bfloats => logits::<Bf16>(cpu, of, shape, &image)?,
                Storage::Halves => logits::<Half>(cpu, of, shape, &image)?,
            };
            write(out, &logits)
        }
        _ => Err("numbers [isa=NAME] (prepared CASE OUT | logits MODEL IMAGE D,H,W PRECISION OUT)".into()),
    }
}

fn logits<T: Cell>(
    cpu: Cpu,
    (model, products): (&Model, Products<'_>),
    shape: [usize; 3],
    image: &[f32],
) -> Result<Vec<f32>, UnetError> {
    let mut net = Net::<T>::inference(&model.network.spec(), shape, cpu, products)?;
    net.load(&model.weights);
    net.forward(image, None);
    Ok(net.logits(0).to_vec())
}

fn lowered(word: &str) -> Result<Cpu, Box<dyn Error>> {
    let name = IsaName::ALL.into_iter().find(|name| word.ends_with(name.as_str()));
    name.and_then(Cpu::lowered_to).ok_or_else(|| "this machine lacks it".into())
}

fn write(path: &str, values: &[f32]) -> Result<(), Box<dyn Error>> {
    fs::write(path, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}

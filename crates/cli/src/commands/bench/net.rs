//! A network on a patch of noise, or on the brain of a case.

use anyhow::Context;
use kernels::{Bf16, Cpu, Half, voxels};
use segment::artefact::Artefact;
use segment::choice::{Choice, Reason};
use segment::dataset::find_one;
use segment::infer::whole_image;
use segment::precision::{Precision, Storage};
use segment::prepare::prepare;
use segment::recipe::training::Products;
use segment::recipe::{DEFAULT, ORIGINAL, Recipe};
use segment::study::Study;
use serde::Serialize;
use server::config;
use std::path::Path;
use unet::loss::{DiceClasses, DiceOver, LossSpec, LossWorkspace, Targets, loss};
use unet::optim::{OptimSpec, Optimiser};
use unet::{Net, NetSpec, Purpose, weights};
use volume::Limits;

use super::by_layer::{self, LayerTime, Times};
use super::{Spread, peak_rss_mib, seconds};
use crate::Outcome;
use crate::args::{BenchNet, NetName, PassName};
use crate::commands::model;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, Usage};

/// What was measured; one object of JSON.
#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    pass: &'static str,
    patch: [usize; 3],
    parameters: usize,
    threads: usize,
    isa: &'static str,
    precision: &'static str,
    /// Why in these numbers; a training step has no other.
    chosen: Option<Reason>,
    runs: usize,
    seconds: Spread,
    /// Arithmetic of the pass by definition: 2 a product, all 27 taps, borders included.
    gflop: f64,
    /// Of the median; Winograd's filtering needs fewer operations than the definition, so this may exceed the peak.
    gflop_per_second: f64,
    peak_rss_mib: Option<f64>,
    /// Of a forward pass.
    layers: Vec<LayerTime>,
}

pub(super) fn run(cpu: Cpu, args: &BenchNet, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let (name, spec) = spec(args.name)?;
    let (precision, chosen) = precision(cpu, args)?;
    let given = match &args.case {
        Some(folder) => Given::brain(cpu, folder, (args, precision))?,
        None => Given::noise(cpu, &spec, super::patch(&args.patch)?, precision)
            .map_err(|error| Usage(format!("--patch: {error}")))?,
    };
    let patch = given.patch;
    let mut bench =
        Bench::new(cpu, &spec, given, (args.pass, precision)).map_err(|error| Usage(format!("--patch: {error}")))?;
    let bar = show.bar(u64::from(args.runs), "{spinner} {pos}/{len} runs {wide_bar}")?;
    bench.take(); // does not count: pages are touched for the first time
    bench.times.forget();
    let mut measured = Vec::new();
    for _ in 0..args.runs {
        if interrupt.is_asked() {
            break;
        }
        measured.push(seconds(|| bench.take()));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let runs = measured.len();
    let Some(seconds) = Spread::of(measured) else { return Ok(Outcome::Stopped) };
    let gflop = gflop(&spec, patch, args.pass)?;
    let pass = match args.pass {
        PassName::Forward => "forward",
        PassName::Train => "train",
    };
    let measured = Measured {
        name,
        pass,
        patch,
        parameters: bench.parameters,
        threads: rayon::current_num_threads(),
        isa: cpu.name().as_str(),
        precision: precision.as_str(),
        chosen,
        runs,
        seconds,
        gflop,
        gflop_per_second: gflop / seconds.median,
        peak_rss_mib: peak_rss_mib(),
        layers: bench.layers(cpu, &spec, patch)?,
    };
    tell(&measured, show)?;
    Ok(if interrupt.is_asked() { Outcome::Stopped } else { Outcome::Done })
}

fn tell(measured: &Measured, show: Show) -> anyhow::Result<()> {
    if show.is_json() {
        return show::result(&serde_json::to_string(measured)?);
    }
    let Measured { name, pass, patch: [d, h, w], precision, runs, seconds, gflop, .. } = measured;
    let layers =
        if measured.layers.is_empty() { String::new() } else { format!("\n\n{}", by_layer::said(&measured.layers)) };
    show::result(&format!(
        "{name}, {pass}, {d} x {h} x {w}, {precision}{}, {}, {} threads: {:.3} s (least {:.3}, most {:.3} of {runs} \
         runs), {gflop:.1} GFLOP, {:.0} GFLOP/s, peak {:.0} MiB{layers}",
        measured.chosen.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default(),
        measured.isa,
        measured.threads,
        seconds.median,
        seconds.min,
        seconds.max,
        measured.gflop_per_second,
        measured.peak_rss_mib.unwrap_or(f64::NAN),
    ))
}

/// What was typed, or the fastest, and why; a training step knows f32, and bf16 in tiles.
fn precision(cpu: Cpu, args: &BenchNet) -> anyhow::Result<(Precision, Option<Reason>)> {
    let refused = |why: &str| anyhow::Error::from(Usage(format!("--precision: {why}")));
    let choice = match (args.pass, args.precision.named()) {
        (PassName::Train, None | Some(Precision::F32)) => return Ok((Precision::F32, None)),
        (PassName::Train, Some(Precision::Bf16)) => {
            Products::Bf16.purpose(cpu).map_err(|none| refused(&none.to_string()))?;
            return Ok((Precision::Bf16, None));
        }
        (PassName::Train, Some(_)) => return Err(refused("a training step is computed in f32 or bf16")),
        (PassName::Forward, Some(precision)) => {
            precision.check_machine(cpu).map_err(|unable| refused(&unable.to_string()))?;
            Choice::named(precision)
        }
        (PassName::Forward, None) => {
            Choice::fastest(cpu, Precision::Int16.check_machine(cpu), config::user_cache().as_deref())
        }
    };
    Ok((choice.precision, Some(choice.chosen)))
}

pub(super) fn spec(name: NetName) -> anyhow::Result<(&'static str, NetSpec)> {
    let of = |text| Recipe::parse(text, Path::new("a recipe inside the program")).map(|recipe| recipe.network.spec());
    Ok(match name {
        NetName::N32 => ("n32", NetSpec::n32()),
        NetName::Default => ("default", of(DEFAULT)?),
        NetName::Original => ("original", of(ORIGINAL)?),
        NetName::Nnunet => ("nnunet", super::nnunet()),
    })
}

/// What a network computes.
struct Given {
    patch: [usize; 3],
    image: Vec<f32>,
    weights: Vec<f32>,
    /// How wide the inputs of convolutions are, where products are integers.
    widest: Option<Vec<f32>>,
}

impl Given {
    /// Noise, and weights from a seed.
    fn noise(cpu: Cpu, spec: &NetSpec, patch: [usize; 3], precision: Precision) -> Result<Self, unet::UnetError> {
        let weights = weights::initial(spec, 1)?;
        let is_integer = matches!(precision, Precision::Int16 | Precision::Int8);
        let widest = if is_integer { Some(widest(cpu, spec, &weights)?) } else { None };
        Ok(Self { patch, image: noise(spec.inputs * voxels(patch)), weights, widest })
    }

    /// A case as `segment` gives it to the model inside in one pass.
    fn brain(cpu: Cpu, folder: &Path, (args, precision): (&BenchNet, Precision)) -> anyhow::Result<Self> {
        if !matches!((args.name, args.pass), (NetName::Default, PassName::Forward)) {
            return Err(Usage("--case: only a forward pass of the default network".to_owned()).into());
        }
        let Artefact { model, card, .. } = model::open(Path::new("default"))?;
        precision.check(cpu, &model)?;
        let study = Study::read(&find_one(folder)?, &Limits::default())?;
        let (tensor, _) = prepare(&study, card.recipe.preparing.method)?;
        let (patch, image) = whole_image(tensor.shape, &tensor.values, model.network.spec().multiple());
        let widest = model.calibration.as_ref().map(|of| of.in_order(&model.network)).transpose()?;
        Ok(Self { patch, image, weights: model.weights, widest })
    }
}

/// Dice and cross-entropy over all outputs: what the default recipe minimises.
const LOSS: LossSpec = LossSpec {
    dice: 1.0,
    cross_entropy: 1.0,
    dice_over: DiceOver::Sample,
    dice_classes: DiceClasses::All,
    smooth: 1e-5,
};

/// A network laid out for one kind of pass.
enum Laid {
    Training(Net),
    Floats(Net),
    Halves(Net<Half>),
    Bfloats(Net<Bf16>),
}

/// A network with all that a run needs.
struct Bench {
    net: Laid,
    outputs: usize,
    parameters: usize,
    image: Vec<f32>,
    targets: Vec<u8>,
    grads: Vec<f32>,
    optimiser: Optimiser,
    workspace: LossWorkspace,
    steps: u64,
    times: Times,
}

impl Bench {
    fn new(
        cpu: Cpu,
        spec: &NetSpec,
        given: Given,
        (pass, precision): (PassName, Precision),
    ) -> Result<Self, unet::UnetError> {
        let Given { patch, image, weights, widest } = given;
        let products = precision.products(widest.as_deref());
        let mut net = match (pass, precision.storage(cpu)) {
            (PassName::Train, _) => {
                let purpose = if precision == Precision::Bf16 { Purpose::TrainInTiles } else { Purpose::Train };
                Laid::Training(Net::new(spec, patch, purpose, cpu)?)
            }
            (PassName::Forward, Storage::Floats) => Laid::Floats(Net::new(spec, patch, Purpose::Infer, cpu)?),
            (PassName::Forward, Storage::Bfloats) => Laid::Bfloats(Net::inference(spec, patch, cpu, products)?),
            (PassName::Forward, Storage::Halves) => Laid::Halves(Net::inference(spec, patch, cpu, products)?),
        };
        match &mut net {
            Laid::Training(net) | Laid::Floats(net) => net.load(&weights),
            Laid::Halves(net) => net.load(&weights),
            Laid::Bfloats(net) => net.load(&weights),
        }
        let (n, trained) = (voxels(patch), if pass == PassName::Train { weights.len() } else { 0 });
        let adam = OptimSpec::Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
        Ok(Self {
            parameters: weights.len(),
            net,
            outputs: spec.outputs,
            image,
            targets: vec![0; if pass == PassName::Train { spec.outputs * n } else { 0 }],
            grads: vec![0.0; trained],
            optimiser: Optimiser::new(adam, trained, &[]),
            workspace: LossWorkspace::new((1, spec.outputs, n)),
            steps: 0,
            times: Times::default(),
        })
    }

    /// What each layer of a forward pass took.
    fn layers(self, cpu: Cpu, spec: &NetSpec, patch: [usize; 3]) -> anyhow::Result<Vec<LayerTime>> {
        let layers = match &self.net {
            Laid::Training(_) => return Ok(Vec::new()),
            Laid::Floats(net) => net.layers(),
            Laid::Halves(net) => net.layers(),
            Laid::Bfloats(net) => net.layers(),
        };
        let gflop = gflop_by_layer(spec, patch)?;
        // Of the heads inference computes the finest alone.
        let is_computed = |layer: &str| layer == "head.0" || !layer.starts_with("head.");
        let of =
            |layer: &str| gflop.iter().find(|(name, _)| name == layer && is_computed(name)).map(|(_, gflop)| *gflop);
        Ok(by_layer::lines(cpu, layers, self.times, of))
    }

    fn take(&mut self) {
        self.steps += 1;
        let net = match &mut self.net {
            Laid::Floats(net) => return self.times.forward(net, &self.image),
            Laid::Halves(net) => return self.times.forward(net, &self.image),
            Laid::Bfloats(net) => return self.times.forward(net, &self.image),
            Laid::Training(net) => net,
        };
        net.forward(&self.image, Some(self.steps));
        self.grads.fill(0.0);
        for (_, logits, d_logits) in net.heads_mut() {
            let shape = (1, self.outputs, logits.len() / self.outputs);
            let targets = Targets::Regions(&self.targets[..logits.len()]);
            loss(&LOSS, logits, targets, shape, &mut self.workspace, 1.0, d_logits);
        }
        net.backward(&mut self.grads);
        self.optimiser.step(net.weights_mut(), &self.grads, 1e-3);
    }
}

/// How wide inputs of convolutions are, found on a small patch of the same noise: the memory of a pass in f32 is not to
/// count.
fn widest(cpu: Cpu, spec: &NetSpec, weights: &[f32]) -> Result<Vec<f32>, unet::UnetError> {
    let patch = [32_usize.next_multiple_of(spec.multiple()); 3];
    let mut net = Net::new(spec, patch, Purpose::Infer, cpu)?;
    net.load(weights);
    let mut widest = Vec::new();
    net.calibrate(&noise(spec.inputs * voxels(patch)), &mut widest);
    Ok(widest)
}

/// Numbers from -1 to 1 that no kernel could profit from.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 0x9E37_79B9_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f32::from(i16::from_le_bytes([state.to_le_bytes()[1], state.to_le_bytes()[2]])) / 32768.0
    };
    (0..len).map(next).collect()
}

/// Arithmetic of a pass. A step is the forward pass, and as much again for the gradients of weights and of inputs, the
/// image's left out.
fn gflop(spec: &NetSpec, patch: [usize; 3], pass: PassName) -> anyhow::Result<f64> {
    let layers = gflop_by_layer(spec, patch)?;
    let forward: f64 = layers.iter().map(|(_, gflop)| gflop).sum();
    let of_image: f64 = layers.iter().filter(|(name, _)| name == "encoder.0.0").map(|(_, gflop)| gflop).sum();
    Ok(if pass == PassName::Train { 3.0 * forward - of_image } else { forward })
}

/// Arithmetic of each layer that has some, forward: 2 a product, all taps, borders included.
fn gflop_by_layer(spec: &NetSpec, patch: [usize; 3]) -> anyhow::Result<Vec<(String, f64)>> {
    let mut layers = Vec::new();
    for param in Net::params(spec)?.iter().filter(|param| param.decays()) {
        let level: u32 = param.name.split('.').nth(1).and_then(|level| level.parse().ok()).context("a level")?;
        let n_voxels = voxels(patch) as f64 / 8_f64.powi(i32::try_from(level)?);
        // A transposed convolution has one tap for each voxel of its output, one of 3 x 3 x 3 has 27, a head one.
        let taps = if param.shape[2..] == [3, 3, 3] { 27.0 } else { 1.0 };
        let gflop = 2e-9 * taps * (param.shape[0] * param.shape[1]) as f64 * n_voxels;
        layers.push((param.name.trim_end_matches(".weight").to_owned(), gflop));
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 962.5 GFLOP at 128 x 128 x 128 and 406 at 96: counted for PyTorch's net of the same description.
    #[test]
    fn the_reference_net_has_its_arithmetic() {
        let of = |side, pass| gflop(&NetSpec::n32(), [side; 3], pass).unwrap();
        assert!((of(128, PassName::Forward) - 962.5).abs() < 0.05, "{}", of(128, PassName::Forward));
        assert!((of(96, PassName::Forward) - 406.0).abs() < 0.5);
        let first = 2e-9 * 27.0 * 4.0 * 32.0 * 128_f64.powi(3);
        assert!((of(128, PassName::Train) - (3.0 * of(128, PassName::Forward) - first)).abs() < 1e-6);
    }
}

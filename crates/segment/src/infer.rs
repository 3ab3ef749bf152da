//! A prepared case through the network: in one pass or in tiles with Gaussian weights, mirrored or not.

use kernels::{Bf16, Cell, Cpu, Half, voxels};
use rayon::prelude::*;
use unet::{Net, Products, UnetError};

use crate::decode::{Scale, decision, decode_classes, decode_regions};
use crate::precision::{Calibration, Precision, Storage};
use crate::prepare::Tensor4;
use crate::recipe::inference::{Inference, Mode};
use crate::recipe::training::{Network, Outputs};
use crate::sample::signed;
use crate::train::Flow;

/// Why a case did not go through.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// Of the network.
    #[error(transparent)]
    Unet(#[from] UnetError),
    /// The caller said stop.
    #[error("stopped on request")]
    Stopped,
}

/// A network and its weights, ready for any case.
#[derive(Debug, Clone)]
pub struct Model {
    /// What it is.
    pub network: Network,
    /// Its weights, in the arena's order.
    pub weights: Vec<f32>,
    /// What integers must know of it, if anyone looked.
    pub calibration: Option<Calibration>,
}

/// What a network found in a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    /// Tissue codes `[D][H][W]`.
    pub codes: Vec<u8>,
    /// Numbers that integers could not hold ([`Net::lost`]): many mean a case unlike those of the calibration.
    pub lost: u64,
}

/// What the network finds in a prepared case. Runs on the current rayon pool. `progress` hears the share of passes done and
/// may stop the work between two of them.
///
/// # Errors
/// If the network cannot be laid out, or `progress` said stop.
pub fn infer(
    cpu: Cpu,
    (model, precision): (&Model, Precision),
    how: &Inference,
    tensor: &Tensor4,
    progress: &mut dyn FnMut(f64) -> Flow,
) -> Result<Inferred, InferError> {
    let widest = model.calibration.as_ref().map(|c| c.in_order(&model.network)).transpose()?;
    let model = (model, precision.products(widest.as_deref()));
    match precision.storage(cpu) {
        Storage::Floats => passes::<f32>(cpu, model, how, tensor, progress),
        Storage::Bfloats => passes::<Bf16>(cpu, model, how, tensor, progress),
        Storage::Halves => passes::<Half>(cpu, model, how, tensor, progress),
    }
}

fn passes<T: Cell>(
    cpu: Cpu,
    (model, products): (&Model, Products<'_>),
    how: &Inference,
    tensor: &Tensor4,
    progress: &mut dyn FnMut(f64) -> Flow,
) -> Result<Inferred, InferError> {
    let spec = model.network.spec();
    let tile = tile_shape(how, tensor.shape, spec.multiple());
    let starts: Vec<Vec<i64>> = (0..3).map(|a| starts(tensor.shape[a], tile[a], how.overlap)).collect();
    let tiles = starts[0].iter().flat_map(|&z| starts[1].iter().flat_map(move |&y| [(z, y)]));
    let tiles: Vec<[i64; 3]> = tiles.flat_map(|(z, y)| starts[2].iter().map(move |&x| [z, y, x])).collect();
    let mirrors = mirrors(how);
    let mut net = Net::<T>::inference(&spec, tile, cpu, products)?;
    net.load(&model.weights);
    let mut codes = vec![0; voxels(tensor.shape)];
    let mut image = vec![0.0; tensor.channels * voxels(tile)];
    let passes: Vec<Window> = tiles
        .iter()
        .flat_map(|&start| mirrors.iter().map(move |&mirror| Window { case: tensor.shape, tile, start, mirror }))
        .collect();
    let mut sum = Sum::new(tensor.shape, tile, if passes.len() > 1 { spec.outputs } else { 0 });
    for (pass, window) in passes.iter().enumerate() {
        if progress(pass as f64 / passes.len() as f64) == Flow::Stop {
            return Err(InferError::Stopped);
        }
        window.cut(&tensor.values, &mut image);
        if passes.len() == 1 {
            // No logits: they would be written, read once, and forgotten.
            let (decision, code_of) = decision(model.network.outputs, how.thresholds);
            let mut decided = vec![0; voxels(tile)];
            net.decide(&image, &decision, &mut decided);
            window.each_row(|case, tile, len| {
                for (code, &byte) in codes[case..case + len].iter_mut().zip(&decided[tile..tile + len]) {
                    *code = code_of[usize::from(byte & 7)];
                }
            });
        } else {
            net.forward_by_output(&image, |output, logits| sum.add(window, output, logits));
        }
    }
    if passes.len() > 1 {
        decode(model.network.outputs, how, sum.mean(), &mut codes);
    }
    Ok(Inferred { codes, lost: net.lost() })
}

/// A case in the middle of an image that the network can take whole: its shape, a multiple of `multiple`, and its values.
pub fn whole_image(case: [usize; 3], values: &[f32], multiple: usize) -> ([usize; 3], Vec<f32>) {
    let tile = case.map(|n| n.next_multiple_of(multiple));
    let start = [0, 1, 2].map(|a| starts(case[a], tile[a], 0.0)[0]);
    let mut image = vec![0.0; values.len() / voxels(case) * voxels(tile)];
    Window { case, tile, start, mirror: [false; 3] }.cut(values, &mut image);
    (tile, image)
}

fn decode(outputs: Outputs, how: &Inference, logits: &[f32], codes: &mut [u8]) {
    match outputs {
        Outputs::Regions => decode_regions(logits, Scale::Logit, how.thresholds, codes),
        Outputs::Classes => decode_classes(logits, codes),
    }
}

/// One pass over everything, or the recipe's tile (never larger than the case needs).
fn tile_shape(how: &Inference, case: [usize; 3], multiple: usize) -> [usize; 3] {
    let whole = case.map(|n| n.next_multiple_of(multiple));
    match how.mode {
        Mode::Whole => whole,
        Mode::Tiles => [0, 1, 2].map(|a| how.tile[a].next_multiple_of(multiple).min(whole[a])),
    }
}

/// Starts of tiles along one axis: the first and the last touch the ends, the others lie evenly between. A case smaller
/// than the tile lies in its middle.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within a case")]
fn starts(case: usize, tile: usize, overlap: f64) -> Vec<i64> {
    if case <= tile {
        return vec![-signed((tile - case) / 2)];
    }
    let step = (tile as f64 * (1.0 - overlap)).max(1.0);
    let room = (case - tile) as f64;
    let n = (room / step).ceil() as usize + 1;
    (0..n).map(|i| (room * i as f64 / (n - 1) as f64).round() as i64).collect()
}

/// Weights along one axis: a Gaussian of an eighth of the tile, as in nnU-Net, never below a thousandth.
#[expect(clippy::cast_possible_truncation, reason = "a weight")]
fn bell(tile: usize) -> Vec<f32> {
    let (centre, sigma) = ((tile as f64 - 1.0) / 2.0, tile as f64 / 8.0);
    (0..tile).map(|i| (-0.5 * ((i as f64 - centre) / sigma).powi(2)).exp().max(1e-3) as f32).collect()
}

/// All combinations of the mirrored axes.
fn mirrors(how: &Inference) -> Vec<[bool; 3]> {
    let mut all = vec![[false; 3]];
    for axis in &how.mirror {
        for mut m in all.clone() {
            m[axis.index()] = true;
            all.push(m);
        }
    }
    all
}

/// A tile over a case: where it starts (negative where it sticks out), and along which axes it is mirrored.
struct Window {
    case: [usize; 3],
    tile: [usize; 3],
    start: [i64; 3],
    mirror: [bool; 3],
}

impl Window {
    /// Calls `f(place in the case, place in the tile, length)` for each row that both have, unmirrored.
    fn each_row(&self, mut f: impl FnMut(usize, usize, usize)) {
        // Where the tile begins in the case, and the case in the tile: one of the two is 0.
        let into_case = self.start.map(|start| usize::try_from(start).unwrap_or(0));
        let into_tile = self.start.map(|start| usize::try_from(-start).unwrap_or(0));
        let end = |a: usize| (into_case[a] + self.tile[a] - into_tile[a]).min(self.case[a]);
        let ([z0, y0, x0], [z1, y1, x1]) = (into_case, [0, 1, 2].map(end));
        let inside = |n: usize, a: usize| n - into_case[a] + into_tile[a];
        for z in z0..z1 {
            for y in y0..y1 {
                let case = (z * self.case[1] + y) * self.case[2] + x0;
                let tile = (inside(z, 0) * self.tile[1] + inside(y, 1)) * self.tile[2] + inside(x0, 2);
                f(case, tile, x1 - x0);
            }
        }
    }

    /// Place `at` of the unmirrored tile in the mirrored one.
    fn mirrored(&self, at: usize) -> usize {
        let [d, h, w] = self.tile;
        let flip = |a: usize, n: usize, i: usize| if self.mirror[a] { n - 1 - i } else { i };
        (flip(0, d, at / (h * w)) * h + flip(1, h, at / w % h)) * w + flip(2, w, at % w)
    }

    /// Index in the case of index `i` of the mirrored tile along an axis; nothing outside of the case.
    fn place(&self, axis: usize, i: usize) -> Option<usize> {
        let unmirrored = if self.mirror[axis] { self.tile[axis] - 1 - i } else { i };
        let place = usize::try_from(self.start[axis] + signed(unmirrored)).ok()?;
        (place < self.case[axis]).then_some(place)
    }

    /// From values `[C][D][H][W]` of the case to those of the tile, zero outside of the case.
    fn cut(&self, values: &[f32], image: &mut [f32]) {
        let [depth, h, w] = self.tile;
        let [case_depth, case_h, case_w] = self.case;
        let columns: Vec<usize> = (0..w).filter(|&x| self.place(2, x).is_some()).collect();
        let inside = columns[0]..columns[0] + columns.len();
        image.par_chunks_exact_mut(h * w).enumerate().for_each(|(n, plane)| {
            plane.fill(0.0);
            let (channel, z) = (n / depth, n % depth);
            let Some(z) = self.place(0, z) else { return };
            for (y, row) in plane.chunks_exact_mut(w).enumerate() {
                let Some(y) = self.place(1, y) else { continue };
                let row = &mut row[inside.clone()];
                let from = ((channel * case_depth + z) * case_h + y) * case_w + self.first_column();
                row.copy_from_slice(&values[from..from + row.len()]);
                if self.mirror[2] {
                    row.reverse();
                }
            }
        });
    }

    /// The first column of the case in the tile.
    fn first_column(&self) -> usize {
        usize::try_from(self.start[2]).unwrap_or(0)
    }
}

/// Weighted logits of the tiles of a case.
struct Sum {
    case: [usize; 3],
    tile: [usize; 3],
    bells: [Vec<f32>; 3],
    /// `[R][D][H][W]`.
    logits: Vec<f32>,
    weights: Vec<f32>,
}

impl Sum {
    /// Room for `outputs` logits a voxel; none for 0.
    fn new(case: [usize; 3], tile: [usize; 3], outputs: usize) -> Self {
        let n = voxels(case);
        let weights = vec![0.0; if outputs > 0 { n } else { 0 }];
        Self { case, tile, bells: tile.map(bell), logits: vec![0.0; outputs * n], weights }
    }

    /// Adds the logits of one output.
    fn add(&mut self, window: &Window, output: usize, logits: &[f32]) {
        let n = voxels(self.case);
        let plane = &mut self.logits[output * n..][..n];
        let [_, h, w] = self.tile;
        window.each_row(|case, tile, len| {
            let edge = self.bells[0][tile / (h * w)] * self.bells[1][tile / w % h];
            for i in 0..len {
                let weight = edge * self.bells[2][(tile + i) % w];
                if output == 0 {
                    self.weights[case + i] += weight;
                }
                plane[case + i] += weight * logits[window.mirrored(tile + i)];
            }
        });
    }

    /// The weighted means, in place of the sums.
    fn mean(&mut self) -> &[f32] {
        for plane in self.logits.chunks_exact_mut(self.weights.len()) {
            plane.iter_mut().zip(&self.weights).for_each(|(sum, weight)| *sum /= weight);
        }
        &self.logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{self, Recipe};
    use std::path::Path;

    #[test]
    fn a_window_holds_what_lies_under_it_mirrored_or_not() {
        let case = [3, 4, 5];
        let values: Vec<f32> = (1..=2 * 60_u8).map(f32::from).collect();
        for bits in 0..8 {
            let mirror = [0, 1, 2].map(|axis| bits >> axis & 1 == 1);
            for (tile, start) in [([4, 4, 8], [0, 0, -1]), ([2, 3, 2], [1, 0, 3]), ([5, 8, 5], [-1, -2, 0])] {
                let window = Window { case, tile, start, mirror };
                let mut image = vec![f32::NAN; 2 * voxels(tile)];
                window.cut(&values, &mut image);
                let mut expected = vec![0.0; image.len()];
                for channel in 0..2 {
                    window.each_row(|from, to, len| {
                        for i in 0..len {
                            expected[channel * voxels(tile) + window.mirrored(to + i)] =
                                values[channel * 60 + from + i];
                        }
                    });
                }
                assert_eq!(image, expected, "{tile:?} at {start:?}, mirrored {mirror:?}");
            }
        }
    }

    #[test]
    fn one_pass_decides_what_its_logits_say() {
        let mut recipe = Recipe::parse(recipe::DEFAULT, Path::new("default")).unwrap();
        recipe.network.widths = vec![8, 16];
        recipe.network.deep_supervision = vec![1.0];
        recipe.inference.mode = Mode::Whole;
        recipe.inference.mirror = vec![];
        let (cpu, shape) = (Cpu::detect(), [13, 20, 17]);
        let values: Vec<f32> = (0..4 * voxels(shape)).map(|i| (i as f32 * 0.37).sin()).collect();
        let tensor = Tensor4 { channels: 4, shape, values };
        for outputs in [Outputs::Regions, Outputs::Classes] {
            recipe.network.outputs = outputs;
            let spec = recipe.network.spec();
            let weights = unet::weights::initial(&spec, 3).unwrap();
            let model = Model { network: recipe.network.clone(), weights, calibration: None };
            let how = &recipe.inference;
            let found = infer(cpu, (&model, Precision::F32), how, &tensor, &mut |_| Flow::Continue).unwrap().codes;
            let (tile, image) = whole_image(shape, &tensor.values, spec.multiple());
            let mut net = Net::<f32>::inference(&spec, tile, cpu, Products::Floats).unwrap();
            net.load(&model.weights);
            net.forward(&image, None);
            let mut of_tile = vec![0; voxels(tile)];
            decode(outputs, how, net.logits(0), &mut of_tile);
            let start = [0, 1, 2].map(|axis| starts(shape[axis], tile[axis], 0.0)[0]);
            let mut expected = vec![9; voxels(shape)];
            Window { case: shape, tile, start, mirror: [false; 3] }.each_row(|case, tile, len| {
                expected[case..case + len].copy_from_slice(&of_tile[tile..tile + len]);
            });
            assert_eq!(found, expected, "{outputs:?}");
            assert!(
                (1..4).any(|code| found.contains(&code)) && found.contains(&0),
                "{outputs:?}: something is decided"
            );
        }
    }
}

//! A prepared case through the network: in one pass or in tiles with Gaussian weights, mirrored or not.

use kernels::{Cell, Cpu, Half, voxels};
use unet::{Net, UnetError};

use crate::decode::{Scale, decode_classes, decode_regions};
use crate::precision::{Calibration, Precision};
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
    match precision {
        Precision::F32 => passes::<f32>(cpu, (model, None), how, tensor, progress),
        Precision::F16 => passes::<Half>(cpu, (model, None), how, tensor, progress),
        Precision::Int16 => {
            let calibration = model.calibration.as_ref();
            let widest = calibration.map(|c| c.in_order(&model.network)).transpose()?;
            passes::<Half>(cpu, (model, widest.as_deref()), how, tensor, progress)
        }
    }
}

fn passes<T: Cell>(
    cpu: Cpu,
    (model, widest): (&Model, Option<&[f32]>),
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
    let mut net = Net::<T>::inference(&spec, tile, cpu, widest)?;
    net.load(&model.weights);
    let n = voxels(tensor.shape);
    let mut codes = vec![0; n];
    let mut image = vec![0.0; tensor.channels * voxels(tile)];
    let passes = tiles.len() * mirrors.len();
    let mut sum = vec![0.0f32; if passes > 1 { spec.outputs * n } else { 0 }];
    let mut weights = vec![0.0f32; if passes > 1 { n } else { 0 }];
    let gauss = [0, 1, 2].map(|a| bell(tile[a]));
    for (pass, (start, mirror)) in tiles.iter().flat_map(|t| mirrors.iter().map(move |m| (t, m))).enumerate() {
        if progress(pass as f64 / passes as f64) == Flow::Stop {
            return Err(InferError::Stopped);
        }
        let window = Window { case: tensor.shape, tile, start: *start, mirror: *mirror };
        window.cut(&tensor.values, &mut image);
        net.forward(&image, None);
        if passes == 1 {
            let mut tile_codes = vec![0; voxels(tile)];
            decode(model.network.outputs, how, net.logits(0), &mut tile_codes);
            window.each_row(|case, tile, len| codes[case..case + len].copy_from_slice(&tile_codes[tile..tile + len]));
        } else {
            window.add(net.logits(0), &gauss, &mut sum, &mut weights);
        }
    }
    if passes > 1 {
        for plane in sum.chunks_exact_mut(n) {
            plane.iter_mut().zip(&weights).for_each(|(s, w)| *s /= w);
        }
        decode(model.network.outputs, how, &sum, &mut codes);
    }
    Ok(Inferred { codes, lost: net.lost() })
}

/// A case in the middle of an image that the network can take whole: its shape, a multiple of `multiple`, and its values.
pub(crate) fn whole_image(case: [usize; 3], values: &[f32], multiple: usize) -> ([usize; 3], Vec<f32>) {
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

    /// From values `[C][D][H][W]` of the case to those of the tile.
    fn cut(&self, values: &[f32], image: &mut [f32]) {
        image.fill(0.0);
        for (from, to) in values.chunks_exact(voxels(self.case)).zip(image.chunks_exact_mut(voxels(self.tile))) {
            self.each_row(|case, tile, len| {
                if self.mirror.contains(&true) {
                    for i in 0..len {
                        to[self.mirrored(tile + i)] = from[case + i];
                    }
                } else {
                    to[tile..tile + len].copy_from_slice(&from[case..case + len]);
                }
            });
        }
    }

    fn add(&self, logits: &[f32], bells: &[Vec<f32>; 3], sum: &mut [f32], weights: &mut [f32]) {
        let (n, t) = (voxels(self.case), voxels(self.tile));
        let [_, h, w] = self.tile;
        self.each_row(|case, tile, len| {
            let edge = bells[0][tile / (h * w)] * bells[1][tile / w % h];
            for i in 0..len {
                let weight = edge * bells[2][(tile + i) % w];
                let at = self.mirrored(tile + i);
                weights[case + i] += weight;
                for (plane, logits) in sum.chunks_exact_mut(n).zip(logits.chunks_exact(t)) {
                    plane[case + i] += weight * logits[at];
                }
            }
        });
    }
}

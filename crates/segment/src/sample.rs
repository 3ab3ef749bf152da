//! Cases as training sees them, and the choice of the next patch.

use std::fmt;
use std::sync::Arc;

use crate::augment::carve::Carve;
use crate::random::Rng;
use crate::recipe::drawing::Sampling;

/// Channels of a case: one for each of the four sequences.
pub const CHANNELS: usize = 4;

/// Code of a voxel outside the brain: all channels are exactly 0 there and no tissue is marked.
///
/// It lives beside the tissue codes while a patch is made, and becomes background (0) at the end.
pub const AIR: u8 = 255;

/// True for the codes of the three tissues of a tumour.
#[inline]
pub fn is_tumour(code: u8) -> bool {
    (1..=3).contains(&code)
}

/// A prepared case: what training sees.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of the case in its data set.
    pub name: String,
    /// `[D, H, W]`.
    pub shape: [usize; 3],
    /// `[4][D][H][W]`, normalised; 0 in all channels outside the brain.
    pub image: Vec<f32>,
    /// Tissue codes, `[D][H][W]`.
    pub labels: Vec<u8>,
}

/// Why a case cannot be trained on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseFault {
    /// The arrays do not have the lengths that the shape asks for.
    #[error("case {name}: {image} intensities and {labels} labels do not fit its shape {shape:?}")]
    Length {
        /// Name of the case.
        name: String,
        /// `[D, H, W]`.
        shape: [usize; 3],
        /// Length of the image.
        image: usize,
        /// Length of the labels.
        labels: usize,
    },
    /// A label is no tissue code.
    #[error("case {name}: label {code} at voxel {voxel} is no tissue code (0 to 3)")]
    UnknownTissue {
        /// Name of the case.
        name: String,
        /// The code.
        code: u8,
        /// Its place in the array.
        voxel: usize,
    },
    /// An intensity is NaN or infinite.
    #[error("case {name}: an intensity at voxel {voxel} is not finite")]
    NotFinite {
        /// Name of the case.
        name: String,
        /// Its place in the array.
        voxel: usize,
    },
    /// There is no case to train on.
    #[error("no case to train on: give at least one labelled case")]
    NoCases,
}

/// A case laid out for cutting patches: the four channels of a voxel lie together.
pub struct Source {
    /// Name of the case.
    pub name: String,
    /// `[D, H, W]`.
    pub shape: [usize; 3],
    /// Intensities, `[D][H][W]`, four channels each.
    pub voxels: Vec<[f32; CHANNELS]>,
    /// Tissue codes or [`AIR`], `[D][H][W]`.
    pub codes: Vec<u8>,
    /// Least intensity of each channel in the brain: where the scanner's zero lies after normalisation.
    pub floor: [f32; CHANNELS],
    /// The tumour, ready to be pasted elsewhere.
    pub carve: Option<Carve>,
    /// Places of the voxels of tissue 1, 2, 3.
    tissues: [Vec<u32>; 3],
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Source {
    /// Lays a case out; `margin` is the number of voxels that are carved around its tumour.
    ///
    /// # Errors
    /// If lengths, labels or intensities are wrong.
    pub fn new(case: Case, margin: usize) -> Result<Self, CaseFault> {
        let Case { name, shape, image, labels } = case;
        let n = shape.iter().product::<usize>();
        if labels.len() != n || image.len() != CHANNELS * n || n == 0 {
            return Err(CaseFault::Length { name, shape, image: image.len(), labels: labels.len() });
        }
        if let Some(voxel) = image.iter().position(|v| !v.is_finite()) {
            return Err(CaseFault::NotFinite { name, voxel });
        }
        if let Some((voxel, &code)) = labels.iter().enumerate().find(|(_, code)| **code > 3) {
            return Err(CaseFault::UnknownTissue { name, code, voxel });
        }
        let voxels: Vec<[f32; CHANNELS]> =
            (0..n).map(|voxel| std::array::from_fn(|channel| image[channel * n + voxel])).collect();
        let mut codes = labels;
        let mut floor = [f32::INFINITY; CHANNELS];
        let mut tissues = [Vec::new(), Vec::new(), Vec::new()];
        for (voxel, (code, value)) in codes.iter_mut().zip(&voxels).enumerate() {
            if is_tumour(*code) {
                tissues[usize::from(*code) - 1].extend(u32::try_from(voxel));
            } else if value.iter().all(|&v| v == 0.0) {
                *code = AIR;
                continue;
            }
            floor.iter_mut().zip(value).for_each(|(low, v)| *low = low.min(*v));
        }
        let floor = floor.map(|low| if low.is_finite() { low } else { 0.0 });
        let carve = Carve::of(&codes, shape, margin);
        Ok(Self { name, shape, voxels, codes, floor, carve, tissues })
    }

    /// Number of voxels of tissue 1, 2, 3.
    pub fn tissue_counts(&self) -> [usize; 3] {
        [0, 1, 2].map(|tissue| self.tissues[tissue].len())
    }

    fn place(&self, voxel: usize) -> [usize; 3] {
        let [_, h, w] = self.shape;
        [voxel / (h * w), voxel / w % h, voxel % w]
    }

    /// A voxel of a tissue that is chosen with equal chance among those present; `None` without a tumour.
    fn tumour_voxel(&self, rng: &mut Rng) -> Option<[usize; 3]> {
        let present: Vec<&Vec<u32>> = self.tissues.iter().filter(|voxels| !voxels.is_empty()).collect();
        let voxels = present.get(rng.below(present.len()))?;
        let voxel = *voxels.get(rng.below(voxels.len()))?;
        Some(self.place(usize::try_from(voxel).ok()?))
    }

    /// A voxel of the brain; the middle of the case if 200 tries hit none.
    fn brain_voxel(&self, rng: &mut Rng) -> [usize; 3] {
        let hit = (0..200).map(|_| rng.below(self.codes.len())).find(|&voxel| self.codes[voxel] != AIR);
        hit.map_or(self.shape.map(|n| n / 2), |voxel| self.place(voxel))
    }
}

/// Everything that patches are cut from. Cloning shares the cases.
#[derive(Debug, Clone)]
pub struct Sources {
    all: Arc<[Source]>,
    n_real: usize,
    donors: Arc<[usize]>,
}

impl Sources {
    /// Lays out real cases and phantoms; `margin` is that of [`Source::new`].
    ///
    /// # Errors
    /// If a case is faulty, or there is none.
    pub fn new(real: Vec<Case>, phantoms: Vec<Case>, margin: usize) -> Result<Self, CaseFault> {
        let n_real = real.len();
        let all =
            real.into_iter().chain(phantoms).map(|case| Source::new(case, margin)).collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            return Err(CaseFault::NoCases);
        }
        let donors = (0..n_real).filter(|&case| all[case].carve.is_some()).collect();
        Ok(Self { all: all.into(), n_real, donors })
    }

    /// All cases, real ones first.
    pub fn all(&self) -> &[Source] {
        &self.all
    }

    /// Number of real cases.
    pub fn n_real(&self) -> usize {
        self.n_real
    }

    /// Real cases with a tumour other than `target`; none for a phantom, which takes no real tumour.
    pub fn donors_for(&self, target: usize) -> Vec<usize> {
        if target >= self.n_real {
            return Vec::new();
        }
        self.donors.iter().copied().filter(|&donor| donor != target).collect()
    }
}

/// Which patch is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Seed of the training.
    pub seed: u64,
    /// Step, from 0.
    pub step: u64,
    /// Place in the batch of the step.
    pub index: u64,
    /// Running number of the patch over the whole training: the epochs are counted by it.
    pub number: u64,
    /// `[D, H, W]`.
    pub patch: [usize; 3],
}

impl Request {
    /// The stream of random numbers of this patch.
    pub fn rng(&self) -> Rng {
        Rng::for_step(self.seed, self.step, self.index)
    }
}

/// Where a patch is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchPlan {
    /// Place of the case in [`Sources::all`].
    pub case: usize,
    /// First voxel `[z, y, x]` in the case; negative or past the end where the case is smaller than the patch.
    pub start: [i64; 3],
    /// `[D, H, W]`.
    pub patch: [usize; 3],
}

/// Chooses a case and a place in it.
///
/// Cases come in shuffled epochs, so each is seen about equally often; phantoms take their share of the patches, in epochs of their own.
/// A patch stays inside the case where it fits; a smaller case stays inside the patch.
pub fn draw_patch(sources: &Sources, sampling: &Sampling, request: &Request, rng: &mut Rng) -> PatchPlan {
    let (n_real, n_phantoms) = (sources.n_real, sources.all.len() - sources.n_real);
    let phantom = rng.chance(sampling.phantom_share);
    let case = if n_phantoms > 0 && (phantom || n_real == 0) {
        n_real + turn(request.seed ^ 0x7068_616e_746f_6d73, request.number, n_phantoms)
    } else {
        turn(request.seed, request.number, n_real)
    };
    let start = draw_start(&sources.all[case], sampling, request.patch, rng);
    PatchPlan { case, start, patch: request.patch }
}

/// Whose turn it is in the shuffled epoch that `number` falls into.
#[expect(clippy::cast_possible_truncation, reason = "the remainder is below n, which is a usize")]
fn turn(seed: u64, number: u64, n: usize) -> usize {
    let epoch = number / n as u64;
    let place = (number % n as u64) as usize;
    Rng::for_step(seed, epoch, u64::MAX).order(n)[place]
}

fn draw_start(source: &Source, sampling: &Sampling, patch: [usize; 3], rng: &mut Rng) -> [i64; 3] {
    let near_tumour = if rng.chance(sampling.foreground) { source.tumour_voxel(rng) } else { None };
    let jitter = if near_tumour.is_some() { sampling.jitter } else { 0.0 };
    let centre = near_tumour.unwrap_or_else(|| source.brain_voxel(rng));
    std::array::from_fn(|axis| {
        let (n, size) = (signed(source.shape[axis]), signed(patch[axis]));
        let reach = jitter * patch[axis] as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a share of a patch is a small number")]
        let offset = rng.between([-reach, reach]).round() as i64;
        let start = signed(centre[axis]) - size / 2 + offset;
        start.clamp((n - size).min(0), (n - size).max(0))
    })
}

/// A length as a signed number; lengths of arrays in memory fit.
pub(crate) fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A patch, ready for the net.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// `[D, H, W]`.
    pub shape: [usize; 3],
    /// `[4][D][H][W]`.
    pub image: Vec<f32>,
    /// Tissue codes, `[D][H][W]`.
    pub labels: Vec<u8>,
}

impl Patch {
    /// A patch of air.
    pub fn empty(shape: [usize; 3]) -> Self {
        let n = shape.iter().product();
        Self { shape, image: vec![0.0; CHANNELS * n], labels: vec![0; n] }
    }

    /// Takes another shape, keeping the memory where it suffices. What the arrays hold afterwards is unspecified.
    pub fn resize(&mut self, shape: [usize; 3]) {
        let n = shape.iter().product();
        self.shape = shape;
        self.image.resize(CHANNELS * n, 0.0);
        self.labels.resize(n, 0);
    }
}

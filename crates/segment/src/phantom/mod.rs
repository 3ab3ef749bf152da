//! Procedural heads with tumours on the `BraTS` grid: four sequences and exact labels from one seed.
//!
//! The first thing that a stranger sees, the data of the tests, and a part of the training patches. A seed gives the
//! same bytes on every machine and for any number of threads: each voxel is a function of the seed and its place alone.

mod anatomy;
mod contrast;
mod files;
mod noise;
mod scanner;
mod tumour;

pub use files::{PhantomError, write_phantom};

use anatomy::Head;
use noise::Dice;
use rayon::prelude::*;
use scanner::{Frame, Protocol};
use tumour::Tumour;

/// Voxels of a full-size phantom: the grid of all `BraTS` challenges, 1 mm.
pub const FULL_SHAPE: [usize; 3] = [240, 240, 155];

/// A made head: four scans on one grid and the labels that they were drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phantom {
    /// The case's name: `phantom_` and the seed, four digits or more.
    pub name: String,
    /// Voxels along x, y, z as stored.
    pub shape: [usize; 3],
    /// T1n, T1c, T2w, T2f; x fastest, stored LPS (x to Left, y to Posterior, z to Superior). Air is exactly 0, brain is
    /// 1 or more.
    pub scans: [Vec<i16>; 4],
    /// Tissue codes on the same grid: 0 background, 1 necrotic, 2 oedema, 3 enhancing.
    pub labels: Vec<u8>,
}

/// Purposes of the generators: changing how one thing is drawn must not redraw the others.
mod purpose {
    pub(super) const HEAD: u64 = 1;
    pub(super) const TUMOUR: u64 = 2;
    pub(super) const CONTRAST: u64 = 3;
    pub(super) const SCANNER: u64 = 4;
}

/// Draws the head of a seed on a grid of `shape` voxels (x, y, z).
///
/// [`FULL_SHAPE`] gives a head of natural size at 1 mm; smaller shapes give the whole head on coarser voxels, so that a
/// test can have a brain of 32 voxels. Axes shorter than 4 voxels are not supported and give an empty head.
pub fn phantom(seed: u64, shape: [usize; 3]) -> Phantom {
    let name = format!("phantom_{seed:04}");
    let len = shape.iter().product::<usize>();
    if shape.iter().any(|n| *n < 4) {
        return Phantom { name, shape, scans: std::array::from_fn(|_| vec![0; len]), labels: vec![0; len] };
    }
    // Room for a head in mm; with FULL_SHAPE the voxel is exactly 1 mm.
    let voxel = (155.0 / shape[2] as f32).max(150.0 / shape[0] as f32).max(190.0 / shape[1] as f32);
    let frame = Frame { shape, voxel };
    let scene = Scene::draw(seed, voxel);
    let truth = scene.render(frame);
    let mut dice = Dice::new(seed, purpose::SCANNER);
    let scans = std::array::from_fn(|n| {
        let protocol = Protocol::draw(&mut dice, voxel);
        protocol.scan(frame, &truth.signals[n], &truth.mask, scene.contrasts[n].scale)
    });
    Phantom { name, shape, scans, labels: truth.labels }
}

/// Everything that a seed decides before a voxel is drawn.
struct Scene {
    head: Head,
    tumour: Tumour,
    contrasts: [contrast::Contrast; 4],
    texture: [noise::Field; 2],
}

/// The head without a scanner's faults.
struct Truth {
    signals: [Vec<f32>; 4],
    labels: Vec<u8>,
    mask: Vec<u8>,
}

/// How far in mm signal is drawn beyond the stripped brain, for thick slices to average over.
const SKIRT: f32 = 5.0;

impl Scene {
    fn draw(seed: u64, voxel: f32) -> Self {
        let mut dice = Dice::new(seed, purpose::HEAD);
        let head = Head::draw(&mut dice, voxel);
        let texture = [dice.field(), dice.field()];
        let tumour = Tumour::draw(&mut Dice::new(seed, purpose::TUMOUR), &head, voxel);
        let contrasts = contrast::draw(&mut Dice::new(seed, purpose::CONTRAST));
        Self { head, tumour, contrasts, texture }
    }

    fn render(&self, frame: Frame) -> Truth {
        let plane = frame.shape[0] * frame.shape[1];
        let len = plane * frame.shape[2];
        let mut signals: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0.0; len]);
        let (mut labels, mut mask) = (vec![0_u8; len], vec![0_u8; len]);
        let [a, b, c, d] = &mut signals;
        (a.par_chunks_mut(plane), b.par_chunks_mut(plane), c.par_chunks_mut(plane), d.par_chunks_mut(plane))
            .into_par_iter()
            .zip((labels.par_chunks_mut(plane), mask.par_chunks_mut(plane)).into_par_iter())
            .enumerate()
            .for_each(|(z, ((a, b, c, d), (labels, mask)))| {
                for n in 0..plane {
                    let p = frame.point([n % frame.shape[0], n / frame.shape[0], z]);
                    if noise::ellipsoid(p, [0.0, -18.0, 5.0], [82.0, 104.0, 90.0]) < 0.0 {
                        continue;
                    }
                    let hull = self.head.hull(p);
                    if hull < -SKIRT {
                        continue;
                    }
                    let (signal, label) = self.voxel(p, hull);
                    (a[n], b[n], c[n], d[n]) = (signal[0], signal[1], signal[2], signal[3]);
                    if hull >= 0.0 {
                        (labels[n], mask[n]) = (label, 1);
                    }
                }
            });
        Truth { signals, labels, mask }
    }

    /// Signal in the four sequences and the tissue code at one point.
    fn voxel(&self, p: noise::P3, hull: f32) -> ([f32; 4], u8) {
        let origin = self.tumour.origin(p);
        let place = self.head.place(origin, hull);
        let lesion = self.tumour.lesion(p, origin, hull, &place);
        let texture = 1.6 * self.texture[0].at(origin, 13.0) + 1.4 * self.texture[1].at(origin, 4.5);
        let signals = noise::each(|n| self.contrasts[n].signal(&place, &lesion, texture));
        let label = if lesion.core >= 0.5 {
            if lesion.rim >= 0.5 { 3 } else { 1 }
        } else if lesion.oedema >= 0.5 {
            2
        } else {
            0
        };
        (signals, label)
    }
}

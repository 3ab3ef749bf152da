//! One slice of a volume as pixels: which voxel lies under a pixel, its letters, its window, the mask over it.

use super::canvas::{BLACK, Colour, mixed};
use volume::{Bounds, Volume};

/// The three planes, each named by the axis that runs through it (0 = x, 1 = y, 2 = z of a RAS volume).
///
/// Pixels run towards Left, Posterior and Inferior: the patient's right side is on the left of the axial and coronal
/// panes (radiological display), and the face looks left in the sagittal pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Seen from the feet.
    Axial,
    /// Seen from the front.
    Coronal,
    /// Seen from the patient's left.
    Sagittal,
}

impl Plane {
    /// Every plane.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
        }
    }

    /// The axis that the reader looks along.
    pub fn through(self) -> usize {
        match self {
            Self::Axial => 2,
            Self::Coronal => 1,
            Self::Sagittal => 0,
        }
    }

    /// The axes along which the columns and the rows of pixels run.
    pub(super) fn axes(self) -> [usize; 2] {
        match self {
            Self::Axial => [0, 1],
            Self::Coronal => [0, 2],
            Self::Sagittal => [1, 2],
        }
    }
}

/// A slice of a RAS volume, the part of it that is shown, and the pixels that it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub plane: Plane,
    pub slice: usize,
    bounds: Bounds,
    /// Width and height in pixels.
    pub size: [usize; 2],
}

impl View {
    /// Shows `bounds` of a slice, `scale` pixels per mm, on voxels of `spacing` mm.
    pub(super) fn new(plane: Plane, slice: usize, bounds: Bounds, spacing: [f64; 3], scale: f64) -> Self {
        let size = plane.axes().map(|axis| {
            let mm = (bounds.end[axis] - bounds.start[axis]) as f64 * spacing[axis];
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a picture of some hundred pixels"
            )]
            let pixels = (mm * scale).round().clamp(1.0, 8192.0) as usize;
            pixels
        });
        Self { plane, slice, bounds, size }
    }

    /// The voxel position under the middle of a pixel (fractions of a voxel count from voxel centres).
    fn voxel(&self, pixel: [usize; 2]) -> [f64; 3] {
        let mut at = [self.slice as f64; 3];
        for (side, axis) in self.plane.axes().into_iter().enumerate() {
            let share = (pixel[side] as f64 + 0.5) / self.size[side] as f64;
            let extent = (self.bounds.end[axis] - self.bounds.start[axis]) as f64;
            at[axis] = self.bounds.end[axis] as f64 - share * extent - 0.5;
        }
        at
    }

    /// The letters at the left, right, top and bottom, found from where the pixels really lie.
    pub(super) fn letters(&self) -> [char; 4] {
        const NAMES: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['I', 'S']];
        let [columns, rows] = self.plane.axes();
        let first = self.voxel([0, 0]);
        // One pixel past the end, so that a pane of a single pixel has two ends too.
        let last = self.voxel(self.size);
        let toward = |axis: usize, more: bool| NAMES[axis][usize::from(more)];
        let [left, top] = [columns, rows].map(|axis| first[axis] > last[axis]);
        [toward(columns, left), toward(columns, !left), toward(rows, top), toward(rows, !top)]
    }

    /// The value under each pixel, linear between voxels.
    fn values(&self, volume: &Volume<f32>) -> Vec<f32> {
        let shape = volume.grid().shape();
        let axes = self.plane.axes();
        let [width, height] = self.size;
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let at = self.voxel([x, y]);
                let mut sum = 0.0;
                for corner in 0..4_usize {
                    let mut index = [self.slice; 3];
                    let mut weight = 1.0;
                    for (side, axis) in axes.into_iter().enumerate() {
                        let (low, share) = split(at[axis], shape[axis]);
                        let upper = (corner >> side) & 1;
                        index[axis] = (low + upper).min(shape[axis] - 1);
                        weight *= if upper == 1 { share } else { 1.0 - share };
                    }
                    sum += weight * f64::from(volume.voxels()[flat(index, shape)]);
                }
                #[expect(clippy::cast_possible_truncation, reason = "the mean of four f32")]
                values.push(sum as f32);
            }
        }
        values
    }

    /// The label under each pixel, of the nearest voxel.
    fn labels(&self, labels: &Volume<u8>) -> Vec<u8> {
        let shape = labels.grid().shape();
        let [width, height] = self.size;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| [x, y]));
        pixels
            .map(|pixel| {
                let at = self.voxel(pixel);
                let index = std::array::from_fn(|axis| {
                    let (low, share) = split(at[axis], shape[axis]);
                    (low + usize::from(share >= 0.5)).min(shape[axis] - 1)
                });
                labels.voxels()[flat(index, shape)]
            })
            .collect()
    }
}

/// The voxel at or below a position, and the share of the next one.
fn split(at: f64, extent: usize) -> (usize, f64) {
    let at = at.clamp(0.0, (extent - 1) as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the volume")]
    let low = at.floor() as usize;
    (low, at - at.floor())
}

fn flat(index: [usize; 3], shape: [usize; 3]) -> usize {
    index[0] + shape[0] * (index[1] + shape[1] * index[2])
}

/// The values that are drawn black and white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Black, as all below it.
    pub low: f32,
    /// White, as all above it.
    pub high: f32,
}

impl Window {
    /// From the 0.5th to the 99.5th percentile of the voxels that are not exactly 0 (the stripped brain).
    pub fn of(volume: &Volume<f32>) -> Self {
        let mut brain: Vec<f32> = volume.voxels().iter().copied().filter(|v| *v != 0.0 && v.is_finite()).collect();
        if brain.is_empty() {
            return Self { low: 0.0, high: 1.0 };
        }
        let last = brain.len() - 1;
        let mut percentile =
            |per_mille: usize| *brain.select_nth_unstable_by(last * per_mille / 1000, f32::total_cmp).1;
        let (low, high) = (percentile(5), percentile(995));
        // A scan of one value is drawn mid-grey.
        if high > low { Self { low, high } } else { Self { low: low - 1.0, high: high + 1.0 } }
    }

    fn grey(self, value: f32) -> Colour {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        mixed(BLACK, [255; 3], if share.is_nan() { 0.0 } else { share })
    }
}

/// Colour of a tissue code: the report's blue, green and red.
pub(super) fn tissue_colour(code: u8) -> Option<Colour> {
    match code {
        1 => Some([0x3b, 0x6c, 0xff]),
        2 => Some([0x2f, 0xbf, 0x4a]),
        3 => Some([0xff, 0x3b, 0x3b]),
        _ => None,
    }
}

/// How strongly the inside of a tissue is tinted: the reader has to judge the signal under it.
const TINT: f32 = 0.16;
/// What is left of the image in the hairline around an outline.
const HAIRLINE: f32 = 0.65;

/// A slice with the mask of `labels` over it, row by row.
///
/// Each tissue has an outline of one pixel inside its border, a dark hairline outside the tumour, and a light tint.
pub(super) fn drawn(view: &View, scan: (&Volume<f32>, Window), labels: Option<&Volume<u8>>) -> Vec<Colour> {
    let values = view.values(scan.0);
    let codes = labels.map_or_else(|| vec![0; values.len()], |labels| view.labels(labels));
    let [width, height] = view.size;
    let near = |x: usize, y: usize, dx: usize, dy: usize| {
        // Steps are 0, 1, 2 for -1, 0, +1; beyond the pane lies more of the same.
        let (x, y) = ((x + dx).saturating_sub(1).min(width - 1), (y + dy).saturating_sub(1).min(height - 1));
        codes[x + width * y]
    };
    let mut image = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let grey = scan.1.grey(values[x + width * y]);
            let here = codes[x + width * y];
            let colour = if let Some(tissue) = tissue_colour(here) {
                let border = [(0, 1), (2, 1), (1, 0), (1, 2)].into_iter().any(|(dx, dy)| near(x, y, dx, dy) != here);
                mixed(grey, tissue, if border { 1.0 } else { TINT })
            } else if (0..9).any(|n| near(x, y, n % 3, n / 3) != 0) {
                mixed(grey, BLACK, HAIRLINE)
            } else {
                grey
            };
            image.push(colour);
        }
    }
    image
}

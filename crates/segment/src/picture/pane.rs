//! One slice of a volume as pixels: which voxel lies under a pixel, its letters, its window, the mask over it.

use super::canvas::{BLACK, Colour, mixed};
use std::ops::Range;
use volume::{Bounds, Upright, Volume, ranked};

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

    /// The voxel position under the middle of a pixel along a side of the picture (fractions of a voxel count from voxel
    /// centres).
    fn place(&self, side: usize, pixel: usize) -> f64 {
        let axis = self.plane.axes()[side];
        let share = (pixel as f64 + 0.5) / self.size[side] as f64;
        let extent = (self.bounds.end[axis] - self.bounds.start[axis]) as f64;
        self.bounds.end[axis] as f64 - share * extent - 0.5
    }

    /// The letters at the left, right, top and bottom, found from where the pixels really lie.
    pub(super) fn letters(&self) -> [char; 4] {
        const NAMES: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['I', 'S']];
        let [columns, rows] = self.plane.axes();
        let toward = |axis: usize, more: bool| NAMES[axis][usize::from(more)];
        // One pixel past the end, so that a pane of a single pixel has two ends too.
        let [left, top] = [0, 1].map(|side| self.place(side, 0) > self.place(side, self.size[side]));
        [toward(columns, left), toward(columns, !left), toward(rows, top), toward(rows, !top)]
    }

    /// For each pixel along a side of the picture: the voxel at or below it, the next one, and the share of that.
    fn stops(&self, side: usize, shape: [usize; 3]) -> Vec<([usize; 2], f64)> {
        let extent = shape[self.plane.axes()[side]];
        let stop = |pixel| {
            let (low, share) = split(self.place(side, pixel), extent);
            ([low, (low + 1).min(extent - 1)], share)
        };
        (0..self.size[side]).map(stop).collect()
    }

    /// The index of a voxel of the slice.
    fn index(&self, column: usize, row: usize) -> [usize; 3] {
        let [columns, rows] = self.plane.axes();
        let mut index = [self.slice; 3];
        index[columns] = column;
        index[rows] = row;
        index
    }

    /// The value under each pixel, linear between voxels.
    fn values(&self, scan: &Upright<'_, f32>) -> Vec<f32> {
        let shape = scan.grid().shape();
        let [columns, rows] = [0, 1].map(|side| self.stops(side, shape));
        let mut values = Vec::with_capacity(columns.len() * rows.len());
        for &(of_row, down) in &rows {
            for &(of_column, across) in &columns {
                let mut sum = 0.0;
                for (row, y_weight) in of_row.into_iter().zip([1.0 - down, down]) {
                    for (column, x_weight) in of_column.into_iter().zip([1.0 - across, across]) {
                        sum += x_weight * y_weight * f64::from(scan.at(self.index(column, row)));
                    }
                }
                #[expect(clippy::cast_possible_truncation, reason = "the mean of four f32")]
                values.push(sum as f32);
            }
        }
        values
    }

    /// The label under each pixel, of the nearest voxel.
    fn labels(&self, labels: &Upright<'_, u8>) -> Vec<u8> {
        let shape = labels.grid().shape();
        let [columns, rows] = [0, 1].map(|side| {
            let nearest = |([low, next], share): ([usize; 2], f64)| if share >= 0.5 { next } else { low };
            self.stops(side, shape).into_iter().map(nearest).collect::<Vec<usize>>()
        });
        let mut codes = Vec::with_capacity(columns.len() * rows.len());
        for &row in &rows {
            for &column in &columns {
                codes.push(labels.at(self.index(column, row)));
            }
        }
        codes
    }
}

/// The voxel at or below a position, and the share of the next one.
fn split(at: f64, extent: usize) -> (usize, f64) {
    let at = at.clamp(0.0, (extent - 1) as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the volume")]
    let low = at.floor() as usize;
    (low, at - at.floor())
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
        let of_brain = |count: usize| [5, 995].map(|per_mille| (count - 1) * per_mille / 1000);
        let Some([low, high]) = ranked(volume.voxels(), |v| v != 0.0 && v.is_finite(), of_brain) else {
            return Self { low: 0.0, high: 1.0 };
        };
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
pub(super) fn drawn(view: &View, scan: (&Upright<'_, f32>, Window), labels: Option<&Upright<'_, u8>>) -> Vec<Colour> {
    let values = view.values(scan.0);
    let [width, height] = view.size;
    let mut image: Vec<Colour> = values.iter().map(|&value| scan.1.grey(value)).collect();
    let codes = labels.map_or_else(Vec::new, |labels| view.labels(labels));
    let near = |x: usize, y: usize, dx: usize, dy: usize| {
        // Steps are 0, 1, 2 for -1, 0, +1; beyond the pane lies more of the same.
        let (x, y) = ((x + dx).saturating_sub(1).min(width - 1), (y + dy).saturating_sub(1).min(height - 1));
        codes[x + width * y]
    };
    let Some([columns, rows]) = tinted(&codes, view.size) else { return image };
    for y in rows {
        for x in columns.clone() {
            let here = codes[x + width * y];
            let pixel = &mut image[x + width * y];
            if let Some(tissue) = tissue_colour(here) {
                let border = [(0, 1), (2, 1), (1, 0), (1, 2)].into_iter().any(|(dx, dy)| near(x, y, dx, dy) != here);
                *pixel = mixed(*pixel, tissue, if border { 1.0 } else { TINT });
            } else if (0..9).any(|n| near(x, y, n % 3, n / 3) != 0) {
                *pixel = mixed(*pixel, BLACK, HAIRLINE);
            }
        }
    }
    image
}

/// Columns and rows of the pixels that have a code, and one more on each side; nothing where no pixel has one.
fn tinted(codes: &[u8], [width, height]: [usize; 2]) -> Option<[Range<usize>; 2]> {
    let mut found: Option<[Range<usize>; 2]> = None;
    for (y, row) in codes.chunks_exact(width).enumerate() {
        let Some(first) = row.iter().position(|&code| code != 0) else { continue };
        let last = row.iter().rposition(|&code| code != 0).unwrap_or(first);
        let [columns, rows] = found.unwrap_or([first..last, y..y]);
        found = Some([columns.start.min(first)..columns.end.max(last), rows.start..y]);
    }
    let grown = |of: Range<usize>, end: usize| of.start.saturating_sub(1)..(of.end + 2).min(end);
    found.map(|[columns, rows]| [grown(columns, width), grown(rows, height)])
}

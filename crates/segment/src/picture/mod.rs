//! Pictures for people: the overview of a segmented case, the slices of an inspected one, a comparison with a reference.
//!
//! Each function returns the bytes of a PNG (8-bit RGB). The patient's right side is on the left of the picture, every
//! pane carries its letters, and every picture says that it is for research use only. Equal input gives equal bytes.

mod canvas;
mod font;
mod pane;
mod sheet;
mod slice;

use crate::labels::{LabelMap, Tissue};
use crate::study::Sequence;
pub use pane::{Plane, Window};
use pane::{View, drawn};
use rayon::prelude::*;
use sheet::{Row, Sheet};
pub use slice::{Shown, slice};
use thiserror::Error;
use volume::{Bounds, Grid, Ml, Mm3, Upright, Volume};

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum PictureError {
    /// No scan was given.
    #[error("no scan to draw")]
    NoScan,
    /// A scan or a label map has another number of voxels along an axis than the first scan.
    #[error("grids differ: {first:?} and {second:?} voxels (R, A, S)")]
    ShapesDiffer {
        /// Voxels of the first scan along Right, Anterior, Superior.
        first: [usize; 3],
        /// Voxels of the other volume.
        second: [usize; 3],
    },
    /// The picture could not be encoded.
    #[error("the picture could not be encoded")]
    Encoding(#[from] png::EncodingError),
}

/// What a picture shows.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The case's name, written on top.
    pub name: &'a str,
    /// The scans by sequence, in the order of [`Sequence::ALL`], in any storage order, on one grid; a missing sequence
    /// leaves its panes empty.
    pub scans: [Option<&'a Volume<f32>>; 4],
    /// The tumour on the same grid, if there is a mask.
    pub labels: Option<&'a LabelMap>,
}

/// Three planes (rows: axial, coronal, sagittal) of every sequence (columns) where the tumour's cross-section is
/// largest, with the mask over them and the volume of each tissue; without a tumour, through the middle of the brain.
///
/// # Errors
/// [`PictureError::NoScan`], [`PictureError::ShapesDiffer`].
pub fn overview(subject: &Subject<'_>) -> Result<Vec<u8>, PictureError> {
    let codes = subject.labels.map(codes_of);
    let scene = Scene::new(subject, codes.as_ref())?;
    let rows = Plane::ALL.map(|plane| {
        let view = scene.view(plane, PANE);
        Row { head: scene.place(&view), view }
    });
    let mut sheet = Sheet::new(subject.name, "", &Sequence::ALL.map(title), &rows);
    let labels = scene.labels.as_ref().map(|tumour| &tumour.labels);
    let places = (0..12).map(|n| ([n % 4, n / 4], scene.windowed(n % 4), labels));
    lay(&mut sheet, &rows, &places.collect::<Vec<_>>());
    sheet.rulers(scene.scale(PANE));
    Ok(sheet.finish(&scene.legend())?)
}

/// A pane of a sheet: column and row, scan and window, mask.
type Pane<'a> = ([usize; 2], Option<(&'a Upright<'a, f32>, Window)>, Option<&'a Upright<'a, u8>>);

/// Draws the panes, all at a time, and lays them on the sheet.
fn lay(sheet: &mut Sheet<'_>, rows: &[Row], panes: &[Pane<'_>]) {
    let draw = |&(at, scan, labels): &Pane<'_>| (at, scan.map(|scan| drawn(&rows[at[1]].view, scan, labels)));
    let images: Vec<_> = panes.par_iter().map(draw).collect();
    for (at, image) in images {
        sheet.pane(at, image.as_deref());
    }
}

/// The axial slice of the four sequences side by side, as the report's figure shows it: above with the mask, below
/// without; one row if there is no mask. The slice is the tumour's largest, else the middle of the brain.
///
/// # Errors
/// [`PictureError::NoScan`], [`PictureError::ShapesDiffer`].
pub fn inspection(subject: &Subject<'_>) -> Result<Vec<u8>, PictureError> {
    let codes = subject.labels.map(codes_of);
    let scene = Scene::new(subject, codes.as_ref())?;
    let view = scene.view(Plane::Axial, PANE);
    let mut rows = vec![Row { head: scene.place(&view), view }];
    if scene.labels.is_some() {
        rows.push(Row { head: "without the mask".into(), view });
    }
    let mut sheet = Sheet::new(subject.name, "", &Sequence::ALL.map(title), &rows);
    let labels = [scene.labels.as_ref().map(|tumour| &tumour.labels), None];
    let places = (0..4 * rows.len()).map(|n| ([n % 4, n / 4], scene.windowed(n % 4), labels[n / 4]));
    lay(&mut sheet, &rows, &places.collect::<Vec<_>>());
    sheet.rulers(scene.scale(PANE));
    Ok(sheet.finish(&scene.legend())?)
}

/// A prediction beside its reference on one axial slice: rows T1c and T2f; columns the scan, the reference, the
/// prediction. The slice is the largest of the reference, or of the prediction if the reference is empty.
///
/// `note` is written beside the name, for instance the case's scores; the subject's labels are the reference.
///
/// # Errors
/// [`PictureError::NoScan`] if neither T1c nor T2f is there, [`PictureError::ShapesDiffer`].
pub fn comparison(subject: &Subject<'_>, prediction: &LabelMap, note: &str) -> Result<Vec<u8>, PictureError> {
    let shown = [Sequence::T1c, Sequence::T2f];
    let scans = Sequence::ALL.map(|one| subject.scans[one.index()].filter(|_| shown.contains(&one)));
    let (reference, predicted) = (subject.labels.map(codes_of), codes_of(prediction));
    let scene = Scene::new(&Subject { scans, ..*subject }, reference.as_ref())?;
    let predicted = Tumour::of(&predicted);
    scene.check(predicted.labels.grid())?;
    let seen = scene.labels.as_ref().filter(|reference| reference.bounds.is_some()).unwrap_or(&predicted);
    let view = scene.view_of(Plane::Axial, SMALL_PANE, Some(seen));
    let rows = shown.map(|sequence| Row { head: format!("{}  {}", title(sequence), scene.place(&view)), view });
    let mut sheet = Sheet::new(subject.name, note, &["scan", "reference", "prediction"], &rows);
    let labels = [None, scene.labels.as_ref().map(|tumour| &tumour.labels), Some(&predicted.labels)];
    let places = (0..6).map(|n| ([n % 3, n / 3], scene.windowed(shown[n / 3].index()), labels[n % 3]));
    lay(&mut sheet, &rows, &places.collect::<Vec<_>>());
    sheet.rulers(scene.scale(SMALL_PANE));
    Ok(sheet.finish(&names())?)
}

/// Pixels along the longest side of the brain.
const PANE: f64 = 352.0;
/// The same where many pictures stand on one page.
const SMALL_PANE: f64 = 290.0;

/// What readers call a sequence.
fn title(sequence: Sequence) -> &'static str {
    match sequence {
        Sequence::T1n => "T1",
        Sequence::T1c => "T1 + contrast",
        Sequence::T2w => "T2",
        Sequence::T2f => "T2 FLAIR",
    }
}

/// The tissues with the names of their colours.
fn names() -> [(u8, String); 3] {
    [(1, "blue: necrotic core".into()), (2, "green: oedema".into()), (3, "red: enhancing tumour".into())]
}

fn codes_of(labels: &LabelMap) -> Volume<u8> {
    labels.map(Tissue::code)
}

/// A mask, and the box of what is marked in it.
struct Tumour<'a> {
    labels: Upright<'a, u8>,
    bounds: Option<Bounds>,
}

impl<'a> Tumour<'a> {
    fn of(codes: &'a Volume<u8>) -> Self {
        let labels = Upright::of(codes);
        let bounds = labels.bounds(|code| code != 0);
        Self { labels, bounds }
    }

    /// Calls `meet` with place and code of each voxel of the box.
    fn each(&self, mut meet: impl FnMut([usize; 3], u8)) {
        let Some(Bounds { start, end }) = self.bounds else { return };
        for z in start[2]..end[2] {
            for y in start[1]..end[1] {
                for x in start[0]..end[0] {
                    meet([x, y, z], self.labels.at([x, y, z]));
                }
            }
        }
    }
}

/// A subject seen in RAS order, and what of it is shown.
struct Scene<'a> {
    scans: [Option<(Upright<'a, f32>, Window)>; 4],
    labels: Option<Tumour<'a>>,
    grid: Grid,
    bounds: Bounds,
}

impl<'a> Scene<'a> {
    /// `codes`: the subject's labels.
    fn new(subject: &Subject<'a>, codes: Option<&'a Volume<u8>>) -> Result<Self, PictureError> {
        let windowed = |scan: &'a Volume<f32>| (Upright::of(scan), Window::of(scan));
        let mut found: Vec<_> = subject.scans.par_iter().map(|scan| scan.map(windowed)).collect();
        let scans: [_; 4] = std::array::from_fn(|n| found[n].take());
        let labels = codes.map(Tumour::of);
        let each = || scans.iter().flatten().map(|(scan, _)| scan);
        let grid = *each().next().ok_or(PictureError::NoScan)?.grid();
        let brain = each().find_map(|scan| scan.bounds(|value| value != 0.0));
        let whole = Bounds::whole(grid.shape());
        let mut scene = Self { scans, labels, grid, bounds: brain.unwrap_or(whole) };
        for (scan, _) in scene.scans.iter().flatten() {
            scene.check(scan.grid())?;
        }
        if let Some(labels) = &scene.labels {
            scene.check(labels.labels.grid())?;
            if let (Some(_), Some(tumour)) = (brain, labels.bounds) {
                let Bounds { start, end } = scene.bounds;
                scene.bounds = Bounds {
                    start: std::array::from_fn(|axis| start[axis].min(tumour.start[axis])),
                    end: std::array::from_fn(|axis| end[axis].max(tumour.end[axis])),
                };
            }
        }
        scene.bounds = scene.bounds.grown(2, grid.shape());
        Ok(scene)
    }

    fn check(&self, grid: &Grid) -> Result<(), PictureError> {
        let [first, second] = [self.grid.shape(), grid.shape()];
        if first == second { Ok(()) } else { Err(PictureError::ShapesDiffer { first, second }) }
    }

    /// Scan `n` with its window.
    fn windowed(&self, n: usize) -> Option<(&Upright<'a, f32>, Window)> {
        self.scans[n].as_ref().map(|(scan, window)| (scan, *window))
    }

    /// Pixels per mm when the longest side of the brain takes `pane` pixels.
    fn scale(&self, pane: f64) -> f64 {
        let (shape, spacing) = (self.bounds.shape(), self.grid.spacing());
        let longest = (0..3).map(|axis| shape[axis] as f64 * spacing[axis]).fold(0.0, f64::max);
        pane / longest
    }

    fn view(&self, plane: Plane, pane: f64) -> View {
        self.view_of(plane, pane, self.labels.as_ref())
    }

    /// The slice with the largest cross-section of `tumour`, else the middle one.
    fn view_of(&self, plane: Plane, pane: f64, tumour: Option<&Tumour<'_>>) -> View {
        let axis = plane.through();
        let mut areas = vec![0_u32; self.grid.shape()[axis]];
        if let Some(tumour) = tumour {
            tumour.each(|at, code| areas[at[axis]] += u32::from(code != 0));
        }
        let mut slice = usize::midpoint(self.bounds.start[axis], self.bounds.end[axis] - 1);
        let mut largest = 0;
        for (n, area) in areas.into_iter().enumerate() {
            if area > largest {
                (slice, largest) = (n, area);
            }
        }
        View::new(plane, slice, self.bounds, self.grid.spacing(), self.scale(pane))
    }

    /// Name and position of a slice in words, counted from 1 towards Right, Anterior, Superior.
    ///
    /// Not in mm: the origin of challenge files is a corner of the array, so that a right-sided lesion would be said to
    /// lie to the left.
    fn place(&self, view: &View) -> String {
        format!("{}, slice {} of {}", view.plane.name(), view.slice + 1, self.grid.shape()[view.plane.through()])
    }

    /// The tissues with their volumes; nothing if there is no mask.
    fn legend(&self) -> Vec<(u8, String)> {
        let Some(labels) = &self.labels else { return Vec::new() };
        if labels.bounds.is_none() {
            return vec![(0, "no tumour in the mask".into())];
        }
        let mut counts = [0_u64; 256];
        labels.each(|_, code| counts[usize::from(code)] += 1);
        let mut legend = Vec::from(names());
        for (code, text) in &mut legend {
            let Ml(ml) = Mm3(counts[usize::from(*code)] as f64 * self.grid.voxel_volume().0).to_ml();
            // As everywhere: one decimal, two below 1 ml.
            let decimals = if ml < 1.0 { 2 } else { 1 };
            *text = format!("{text} {ml:.decimals$} ml");
        }
        legend
    }
}

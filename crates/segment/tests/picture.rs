//! Pictures: left is left whatever the storage order, the mask is seen, and odd cases are drawn too.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

use segment::labels::{LabelMap, Tissue};
use segment::phantom::phantom;
use segment::picture::{PictureError, Subject, comparison, inspection, overview};
use segment::study::Sequence;
use volume::{Affine, Grid, Limits, Orientation, Volume};

const BLUE: [u8; 3] = [0x3b, 0x6c, 0xff];
const GREEN: [u8; 3] = [0x2f, 0xbf, 0x4a];
const RED: [u8; 3] = [0xff, 0x3b, 0x3b];

/// A decoded picture.
struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Pixels {
    fn of(png: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut rgb).unwrap();
        assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight), "RGB8");
        Self { width: frame.width as usize, height: frame.height as usize, rgb }
    }

    /// The middle of all pixels of exactly this colour inside a rectangle given by shares of the picture.
    fn middle_of(&self, colour: [u8; 3], x: [f64; 2], y: [f64; 2]) -> Option<[f64; 2]> {
        let (mut sum, mut n) = ([0.0; 2], 0.0);
        for (at, _) in self.rgb.chunks_exact(3).enumerate().filter(|(_, pixel)| *pixel == colour) {
            let place = [(at % self.width) as f64 / self.width as f64, (at / self.width) as f64 / self.height as f64];
            if (x[0]..x[1]).contains(&place[0]) && (y[0]..y[1]).contains(&place[1]) {
                sum = [sum[0] + place[0], sum[1] + place[1]];
                n += 1.0;
            }
        }
        (n > 0.0).then(|| sum.map(|sum| sum / n))
    }

    fn has(&self, colour: [u8; 3]) -> bool {
        self.middle_of(colour, [0.0, 1.0], [0.0, 1.0]).is_some()
    }
}

fn grid(shape: [usize; 3]) -> Grid {
    let affine = Affine::axis_aligned([1.0; 3], [-12.0, -15.0, -10.0]).unwrap();
    Grid::new(shape, affine, &Limits::default()).unwrap()
}

const SHAPE: [usize; 3] = [24, 30, 20];

/// Where the rows of an overview of that shape lie: axial, coronal, sagittal.
const ROWS: [[f64; 2]; 3] = [[0.0, 0.44], [0.44, 0.7], [0.7, 0.95]];

/// A ball of brain, RAS, and a lump of enhancing tumour around a voxel.
fn head(lump: [usize; 3]) -> (Volume<f32>, LabelMap) {
    let mut scan = Volume::filled(grid(SHAPE), 0.0);
    let mut labels = Volume::filled(grid(SHAPE), Tissue::Background);
    for n in 0..scan.grid().len() {
        let at = [n % 24, n / 24 % 30, n / 720];
        let far = |from: [f64; 3], radii: [f64; 3]| {
            (0..3).map(|a| ((at[a] as f64 - from[a]) / radii[a]).powi(2)).sum::<f64>()
        };
        if far([11.5, 14.5, 9.5], [11.0, 14.0, 9.0]) < 1.0 {
            scan.voxels_mut()[n] = 100.0 + (n % 17) as f32;
        }
        if far(lump.map(|v| v as f64), [2.5; 3]) < 1.0 {
            labels.voxels_mut()[n] = Tissue::Enhancing;
        }
    }
    (scan, labels)
}

fn subject<'a>(scan: &'a Volume<f32>, labels: Option<&'a LabelMap>) -> Subject<'a> {
    Subject { name: "case", scans: [Some(scan); 4], labels }
}

#[test]
fn the_patients_right_is_on_the_left_of_the_picture() {
    // Right, anterior, superior.
    let (scan, labels) = head([17, 22, 13]);
    let picture = Pixels::of(&overview(&subject(&scan, Some(&labels))).unwrap());
    // First column of panes; the rows are axial, coronal, sagittal.
    let first = [0.0, 0.25];
    let [x, y] = picture.middle_of(RED, first, ROWS[0]).unwrap();
    assert!(x < 0.125 && y < 0.24, "axial: right is left, anterior is up: {x} {y}");
    let [x, y] = picture.middle_of(RED, first, ROWS[1]).unwrap();
    assert!(x < 0.125 && y < 0.56, "coronal: right is left, superior is up: {x} {y}");
    let [x, y] = picture.middle_of(RED, first, ROWS[2]).unwrap();
    assert!(x < 0.125 && y < 0.82, "sagittal: anterior is left, superior is up: {x} {y}");

    let (scan, labels) = head([6, 7, 6]);
    let picture = Pixels::of(&inspection(&subject(&scan, Some(&labels))).unwrap());
    let [x, y] = picture.middle_of(RED, first, [0.0, 0.48]).unwrap();
    assert!(x > 0.13 && y > 0.25, "the patient's left and back: {x} {y}");
    let second_row = picture.middle_of(RED, [0.0, 1.0], [0.52, 0.9]);
    assert!(second_row.is_none(), "the second row is without the mask: {second_row:?}");
}

#[test]
fn every_storage_order_gives_the_same_picture() {
    let (scan, labels) = head([17, 22, 13]);
    let expected = overview(&subject(&scan, Some(&labels))).unwrap();
    for order in Orientation::all() {
        let (scan, labels) = (order.from_ras(&scan), order.from_ras(&labels));
        let picture = overview(&subject(&scan, Some(&labels))).unwrap();
        assert!(picture == expected, "stored {}", order.code());
    }
}

#[test]
fn a_phantom_shows_its_three_tissues_on_the_side_where_they_are() {
    let head = phantom(2, [60, 60, 48]);
    let scans = Sequence::ALL.map(|sequence| head.scan(sequence).unwrap());
    let labels = head.label_map().unwrap();
    let subject = Subject { name: &head.name, scans: scans.each_ref().map(Some), labels: Some(&labels) };
    let png = inspection(&subject).unwrap();
    let picture = Pixels::of(&png);
    assert!(png == inspection(&subject).unwrap(), "equal input, equal bytes");
    assert!([BLUE, GREEN, RED].into_iter().all(|colour| picture.has(colour)), "all three colours");
    // Stored LPS: x grows to the patient's left, as the columns of the picture do.
    let right = head.labels.iter().enumerate().filter(|(n, code)| **code != 0 && n % 60 < 30).count();
    let all = head.labels.iter().filter(|code| **code != 0).count();
    let [x, _] = picture.middle_of(GREEN, [0.0, 0.25], [0.0, 0.48]).unwrap();
    assert_eq!(2 * right > all, x < 0.127, "{right} of {all} voxels on the right, drawn at {x}");
}

#[test]
fn without_a_tumour_or_a_mask_the_brain_is_drawn() {
    let (scan, _) = head([6, 7, 6]);
    let nothing = Volume::filled(grid(SHAPE), Tissue::Background);
    for labels in [None, Some(&nothing)] {
        let subject = subject(&scan, labels);
        for png in [overview(&subject).unwrap(), inspection(&subject).unwrap()] {
            let picture = Pixels::of(&png);
            assert!(picture.has([255, 255, 255]), "a bright voxel");
            assert!(!picture.has(RED), "no tumour");
        }
    }
    let png = comparison(&subject(&scan, None), &nothing, "empty").unwrap();
    assert!(Pixels::of(&png).has([255, 255, 255]), "a bright voxel");
}

#[test]
fn a_tumour_of_one_voxel_is_seen_in_every_pane() {
    let (scan, mut labels) = head([17, 22, 13]);
    labels.voxels_mut().fill(Tissue::Background);
    labels.voxels_mut()[8 + 24 * (9 + 30 * 7)] = Tissue::Necrotic;
    let picture = Pixels::of(&overview(&subject(&scan, Some(&labels))).unwrap());
    for column in 0..4 {
        for row in ROWS {
            let across = [f64::from(column) / 4.0, f64::from(column + 1) / 4.0];
            assert!(picture.middle_of(BLUE, across, row).is_some(), "column {column}, row at {row:?}");
        }
    }
}

#[test]
fn a_comparison_shows_reference_and_prediction_apart() {
    let (scan, reference) = head([17, 22, 13]);
    let (_, other) = head([6, 22, 13]);
    let prediction = other.map(|tissue| if tissue == Tissue::Enhancing { Tissue::Oedema } else { tissue });
    let picture = Pixels::of(&comparison(&subject(&scan, Some(&reference)), &prediction, "Dice 0.00").unwrap());
    let rows = [0.1, 0.9];
    let [left, middle, right] = [[0.0, 0.34], [0.34, 0.66], [0.66, 1.0]];
    assert!(picture.middle_of(RED, left, rows).is_none(), "the first column is the scan alone");
    assert!(picture.middle_of(RED, middle, rows).is_some(), "the reference");
    assert!(picture.middle_of(GREEN, middle, rows).is_none(), "only the reference");
    assert!(picture.middle_of(GREEN, right, rows).is_some(), "the prediction");
    assert!(picture.middle_of(RED, right, rows).is_none(), "only the prediction");
}

#[test]
fn odd_scans_are_drawn() {
    let (scan, labels) = head([17, 22, 13]);
    let zeros = Volume::filled(grid(SHAPE), 0.0);
    let flat = Volume::filled(grid(SHAPE), 7.0);
    let mut holes = scan.clone();
    holes.voxels_mut()[5000] = f32::NAN;
    holes.voxels_mut()[5001] = f32::INFINITY;
    let negative = scan.map(|value| value - 200.0);
    for odd in [&zeros, &flat, &holes, &negative] {
        let picture = Pixels::of(&overview(&subject(odd, Some(&labels))).unwrap());
        assert!(picture.has(RED) && picture.width > 300, "the mask is there");
    }
    let one = Volume::filled(grid([1, 1, 1]), 3.0);
    let dot = Volume::filled(grid([1, 1, 1]), Tissue::Oedema);
    assert!(Pixels::of(&overview(&subject(&one, Some(&dot))).unwrap()).has(GREEN), "a volume of one voxel");
    let thin = Volume::filled(grid([200, 1, 1]), 3.0);
    assert!(Pixels::of(&overview(&subject(&thin, None)).unwrap()).height > 50, "a line of voxels");
    let name = "\u{b1cc}\u{c885}\u{c591} ".repeat(60);
    let named = Subject { name: &name, ..subject(&scan, Some(&labels)) };
    assert!(inspection(&named).is_ok(), "a long name in another script");
}

#[test]
fn a_missing_sequence_leaves_its_panes_empty_and_no_scan_is_a_fault() {
    let (scan, labels) = head([17, 22, 13]);
    let mut few = subject(&scan, Some(&labels));
    few.scans[Sequence::T2w.index()] = None;
    let picture = Pixels::of(&overview(&few).unwrap());
    assert!(picture.middle_of(RED, [0.5, 0.75], [0.0, 0.9]).is_none(), "the third column is empty");
    assert!(picture.middle_of(RED, [0.75, 1.0], [0.0, 0.9]).is_some(), "the fourth is drawn");
    few.scans = [None; 4];
    assert!(matches!(overview(&few), Err(PictureError::NoScan)), "nothing to draw");
    few.scans[Sequence::T1n.index()] = Some(&scan);
    assert!(matches!(comparison(&few, &labels, ""), Err(PictureError::NoScan)), "neither T1c nor T2f");
}

#[test]
fn other_grids_are_refused() {
    let (scan, labels) = head([17, 22, 13]);
    let small = Volume::filled(grid([5, 6, 7]), 1.0);
    let mut mixed = subject(&scan, Some(&labels));
    mixed.scans[2] = Some(&small);
    let fault = inspection(&mixed).unwrap_err();
    assert!(matches!(fault, PictureError::ShapesDiffer { first: SHAPE, second: [5, 6, 7] }), "{fault}");
    let fault = comparison(&subject(&small, None), &labels, "").unwrap_err();
    assert!(matches!(fault, PictureError::ShapesDiffer { second: SHAPE, .. }), "{fault}");
}

//! One slice alone, pixel for pixel: what a page shows before it has the volume, and small pictures for lists.

use volume::{Bounds, Orientation, Upright, Volume};

use super::PictureError;
use super::canvas::{BLACK, Canvas};
use super::pane::{Plane, View, Window, drawn};

/// Which part of a slice is shown, and how large.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown {
    /// All of it, one pixel as long as the finest voxel: the page lays its own drawing over it.
    Whole,
    /// The brain alone, in the middle of a square of so many pixels.
    Brain(usize),
}

/// The longest side of a whole slice in pixels.
const LONGEST: f64 = 2048.0;

/// A slice of a scan as PNG, with the mask over it; both in RAS order on one grid. `index` counts along the axis that
/// runs through the plane, towards Right, Anterior or Superior, and is moved into the volume if it lies outside.
///
/// The patient's right side is on the left. No letters are drawn: whoever shows the picture writes them beside it.
///
/// # Errors
/// [`PictureError::ShapesDiffer`].
pub fn slice(
    (scan, window): (&Volume<f32>, Window),
    labels: Option<&Volume<u8>>,
    (plane, index): (Plane, usize),
    shown: Shown,
) -> Result<Vec<u8>, PictureError> {
    let (shape, spacing) = (scan.grid().shape(), scan.grid().spacing());
    if let Some(labels) = labels.filter(|labels| labels.grid().shape() != shape) {
        return Err(PictureError::ShapesDiffer { first: shape, second: labels.grid().shape() });
    }
    let index = index.min(shape[plane.through()] - 1);
    let whole = Bounds::whole(shape);
    let longest = |bounds: Bounds| {
        let mm = |axis: usize| bounds.shape()[axis] as f64 * spacing[axis];
        plane.axes().map(mm).into_iter().fold(0.0, f64::max)
    };
    let (bounds, scale) = match shown {
        Shown::Whole => {
            let finest = plane.axes().map(|axis| spacing[axis]).into_iter().fold(f64::INFINITY, f64::min);
            (whole, (1.0 / finest).min(LONGEST / longest(whole)))
        }
        Shown::Brain(side) => {
            let brain = Bounds::of(scan, |value| value != 0.0).unwrap_or(whole).grown(2, shape);
            (brain, side as f64 / longest(brain))
        }
    };
    let view = View::new(plane, index, bounds, spacing, scale);
    let size = match shown {
        Shown::Whole => view.size,
        Shown::Brain(side) => [side.max(view.size[0]), side.max(view.size[1])],
    };
    let mut canvas = Canvas::new(size[0], size[1]);
    canvas.fill([0, 0], size, BLACK);
    let corner = [0, 1].map(|side| (size[side] - view.size[side]) / 2);
    let seen = Upright::new(scan, Orientation::ras());
    let labels = labels.map(|labels| Upright::new(labels, Orientation::ras()));
    canvas.image(corner, view.size[0], &drawn(&view, (&seen, window), labels.as_ref()));
    Ok(canvas.encode()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use volume::{Affine, Grid, Limits, Orientation};

    /// A volume whose right front lower voxel is bright, stored in the given orientation.
    fn bright_right(code: &str) -> Volume<f32> {
        let affine = Affine::axis_aligned([1.0, 1.0, 2.0], [0.0; 3]).unwrap();
        let grid = Grid::new([4, 5, 3], affine, &Limits::default()).unwrap();
        let mut volume = Volume::filled(grid, 1.0_f32);
        volume.voxels_mut()[3 + 4 * 4] = 9.0;
        let orientation = Orientation::all().into_iter().find(|orientation| orientation.code() == code).unwrap();
        let stored = orientation.from_ras(&volume);
        Orientation::of(stored.grid().affine()).to_ras(&stored)
    }

    fn pixels(png: &[u8]) -> ([usize; 2], Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        ([frame.width as usize, frame.height as usize], pixels)
    }

    #[test]
    fn right_is_on_the_left_whatever_the_file_stores() {
        let window = Window { low: 0.0, high: 9.0 };
        let mut seen = Vec::new();
        for code in ["RAS", "LPS", "PIR"] {
            let png = slice((&bright_right(code), window), None, (Plane::Axial, 0), Shown::Whole).unwrap();
            let (size, pixels) = pixels(&png);
            assert_eq!(size, [4, 5], "{code}");
            assert_eq!(pixels[0], 255, "{code}: right front is the upper left");
            assert!(pixels[3..].iter().all(|&byte| byte < 60), "{code}: the rest is dark");
            seen.push(png);
        }
        assert!(seen.iter().all(|png| *png == seen[0]), "the same picture");
    }

    #[test]
    fn pixels_are_square_in_mm_and_tissues_have_their_colours() {
        let scan = bright_right("RAS");
        let mut labels = scan.map(|_| 0_u8);
        labels.voxels_mut()[3 + 4 * 4] = 3;
        let window = Window { low: 0.0, high: 9.0 };
        let png = slice((&scan, window), Some(&labels), (Plane::Coronal, 99), Shown::Whole).unwrap();
        let (size, pixels) = pixels(&png);
        assert_eq!(size, [4, 6], "2 mm are two pixels");
        let last_row = 5 * 4 * 3;
        assert_eq!(pixels[last_row..last_row + 3], [0xff, 0x3b, 0x3b], "right, lowest");
        let small = slice((&scan, window), None, (Plane::Axial, 0), Shown::Brain(64)).unwrap();
        assert_eq!(super::tests::pixels(&small).0, [64, 64], "a square");
    }
}

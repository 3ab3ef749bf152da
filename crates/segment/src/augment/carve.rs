//! The part of a case that travels when its tumour is pasted elsewhere.

use crate::sample::is_tumour;

/// A tumour with a soft margin, inside its bounding box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carve {
    /// First voxel of the box in its case, `[z, y, x]`.
    pub start: [usize; 3],
    /// Shape of the box, `[D, H, W]`.
    pub shape: [usize; 3],
    /// Share of the donor in 255ths, `[D][H][W]`: 255 in the tumour, falling linearly to 0 past the margin.
    pub weight: Vec<u8>,
}

impl Carve {
    /// Carves the tumour out of a case with `margin` voxels around it; `None` if there is no tumour.
    ///
    /// `codes`: `[D][H][W]` of `shape`.
    /// The distance is Euclidean, found axis by axis within the margin.
    pub fn of(codes: &[u8], shape: [usize; 3], margin: usize) -> Option<Self> {
        let [low, high] = tumour_box(codes, shape)?;
        let start = low.map(|v| v.saturating_sub(margin));
        let end: [usize; 3] = std::array::from_fn(|axis| (high[axis] + 1 + margin).min(shape[axis]));
        let size: [usize; 3] = std::array::from_fn(|axis| end[axis] - start[axis]);
        let far = u32::try_from((margin + 1) * (margin + 1)).unwrap_or(u32::MAX);
        let mut squares = Vec::with_capacity(size.iter().product());
        for z in start[0]..end[0] {
            for y in start[1]..end[1] {
                let row = (z * shape[1] + y) * shape[2];
                let tumour = codes[row + start[2]..row + end[2]].iter().map(|&code| is_tumour(code));
                squares.extend(tumour.map(|inside| if inside { 0 } else { far }));
            }
        }
        for axis in 0..3 {
            squares = nearer_along(&squares, size, axis, margin);
        }
        let reach = (margin + 1) as f32;
        let weight = squares.iter().map(|&square| fade((square as f32).sqrt() / reach)).collect();
        Some(Self { start, shape: size, weight })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=255 before")]
fn fade(share: f32) -> u8 {
    (255.0 * (1.0 - share)).round().clamp(0.0, 255.0) as u8
}

fn tumour_box(codes: &[u8], shape: [usize; 3]) -> Option<[[usize; 3]; 2]> {
    let mut found: Option<[[usize; 3]; 2]> = None;
    for (row, line) in codes.chunks_exact(shape[2].max(1)).enumerate() {
        let Some(first) = line.iter().position(|&code| is_tumour(code)) else { continue };
        let last = line.iter().rposition(|&code| is_tumour(code)).unwrap_or(first);
        let (z, y) = (row / shape[1], row % shape[1]);
        let [low, high] = found.unwrap_or([[z, y, first], [z, y, last]]);
        found = Some([
            [low[0].min(z), low[1].min(y), low[2].min(first)],
            [high[0].max(z), high[1].max(y), high[2].max(last)],
        ]);
    }
    found
}

/// For every voxel the least of `square + offset^2` along one axis, offsets up to the margin.
fn nearer_along(squares: &[u32], shape: [usize; 3], axis: usize, margin: usize) -> Vec<u32> {
    let inner: usize = shape[axis + 1..].iter().product();
    let n = shape[axis];
    let mut nearer = squares.to_vec();
    for block in 0..squares.len() / (n * inner) {
        let first = block * n * inner;
        for at in 0..n {
            for from in at.saturating_sub(margin)..(at + margin + 1).min(n) {
                let offset = u32::try_from(at.abs_diff(from)).unwrap_or(u32::MAX);
                let square = offset.saturating_mul(offset);
                let src = &squares[first + from * inner..][..inner];
                let dst = &mut nearer[first + at * inner..][..inner];
                dst.iter_mut().zip(src).for_each(|(d, s)| *d = (*d).min(s.saturating_add(square)));
            }
        }
    }
    nearer
}

#[cfg(test)]
mod tests {
    use super::Carve;

    #[test]
    fn a_margin_fades_with_euclidean_distance() {
        let shape = [9, 9, 9];
        let mut codes = vec![0; 729];
        codes[4 * 81 + 4 * 9 + 4] = 3;
        let carve = Carve::of(&codes, shape, 3).unwrap();
        assert_eq!((carve.start, carve.shape), ([1, 1, 1], [7, 7, 7]));
        let at = |z: usize, y: usize, x: usize| carve.weight[(z * 7 + y) * 7 + x];
        // Weight 1 - distance / 4: 0, 1, sqrt 2, 3, sqrt 27 (past the margin).
        assert_eq!([at(3, 3, 3), at(3, 3, 4), at(3, 4, 4), at(0, 3, 3), at(0, 0, 0)], [255, 191, 165, 64, 0]);
    }

    #[test]
    fn no_tumour_no_carve() {
        assert_eq!(Carve::of(&[0; 8], [2, 2, 2], 2), None);
    }
}

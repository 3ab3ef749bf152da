//! Exact Euclidean distances in mm.

use rayon::prelude::*;

/// The distance in mm from the centre of each voxel to the centre of the nearest voxel of the mask: 0 inside the
/// mask, infinite everywhere if it is empty.
///
/// Mask and result are `[nx, ny, nz]`, x fastest; `spacing` is mm along x, y, z. Exact up to the rounding of f64,
/// anisotropic, linear in the number of voxels, the same for any number of threads. Source: Felzenszwalb and
/// Huttenlocher, Distance Transforms of Sampled Functions (2012): lower envelopes of parabolas, axis by axis.
///
/// # Panics
/// If the mask has not as many voxels as the shape, or a spacing is not positive.
pub fn distance_to(mask: &[bool], shape: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
    let [nx, ny, nz] = shape;
    assert_eq!(mask.len(), nx * ny * nz, "distance_to: a mask of {shape:?}");
    assert!(spacing.iter().all(|&step| step > 0.0), "distance_to: spacing {spacing:?}");
    let mut squares = vec![f64::INFINITY; mask.len()];
    if mask.is_empty() {
        return squares;
    }
    squares.par_chunks_mut(nx * ny).zip(mask.par_chunks(nx * ny)).for_each(|(slab, inside)| {
        for (row, inside) in slab.chunks_exact_mut(nx).zip(inside.chunks_exact(nx)) {
            along_row(row, inside, spacing[0]);
        }
        let mut rows: Vec<&mut [f64]> = slab.chunks_exact_mut(nx).collect();
        across_rows(&mut rows, spacing[1]);
    });
    // The rows of one y, over all z: disjoint pieces for each task.
    let mut by_y: Vec<Vec<&mut [f64]>> = (0..ny).map(|_| Vec::with_capacity(nz)).collect();
    for (row, squares) in squares.chunks_exact_mut(nx).enumerate() {
        by_y[row % ny].push(squares);
    }
    by_y.par_iter_mut().for_each(|rows| {
        across_rows(rows, spacing[2]);
        for square in rows.iter_mut().flat_map(|row| row.iter_mut()) {
            *square = square.sqrt();
        }
    });
    squares
}

/// Squared distances within one row: steps to the last voxel of the mask from either side.
fn along_row(row: &mut [f64], inside: &[bool], step: f64) {
    let mut last: Option<usize> = None;
    for (x, square) in row.iter_mut().enumerate() {
        last = if inside[x] { Some(x) } else { last };
        if let Some(last) = last {
            *square = ((x - last) as f64 * step).powi(2);
        }
    }
    let mut next: Option<usize> = None;
    for (x, square) in row.iter_mut().enumerate().rev() {
        next = if inside[x] { Some(x) } else { next };
        if let Some(next) = next {
            *square = square.min(((next - x) as f64 * step).powi(2));
        }
    }
}

/// Columns that are copied out together: the f64 of one cache line. Rows of one y are a multiple of 2 KiB apart on
/// common grids, so that walking a column in place would hit the same few sets of the cache again and again.
const COLUMNS: usize = 8;

/// Add another axis: `rows[k][x]` is the column of x at index k.
fn across_rows(rows: &mut [&mut [f64]], step: f64) {
    let nx = rows.first().map_or(0, |row| row.len());
    let n = rows.len();
    let mut envelope = Envelope { step, parabolas: Vec::with_capacity(n) };
    let mut columns = vec![0.0; COLUMNS * n];
    for x0 in (0..nx).step_by(COLUMNS) {
        let x1 = nx.min(x0 + COLUMNS);
        for (k, row) in rows.iter().enumerate() {
            row[x0..x1].iter().enumerate().for_each(|(j, &square)| columns[j * n + k] = square);
        }
        columns.chunks_exact_mut(n).take(x1 - x0).for_each(|column| envelope.replace(column));
        for (k, row) in rows.iter_mut().enumerate() {
            row[x0..x1].iter_mut().enumerate().for_each(|(j, square)| *square = columns[j * n + k]);
        }
    }
}

/// The lowest of some parabolas of equal width, left to right.
struct Envelope {
    step: f64,
    parabolas: Vec<Parabola>,
}

/// (p - vertex)² + height, lowest from `from` up to the next one's `from`.
#[derive(Clone, Copy)]
struct Parabola {
    vertex: f64,
    height: f64,
    from: f64,
}

impl Envelope {
    /// Replace the squared distances of one column by the lower envelope of the parabolas that stand on them. A column
    /// that holds nothing stays infinite.
    fn replace(&mut self, column: &mut [f64]) {
        self.parabolas.clear();
        for (k, &square) in column.iter().enumerate() {
            self.add(k, square);
        }
        let Some(&(mut current)) = self.parabolas.first() else { return };
        let mut rest = self.parabolas[1..].iter();
        let mut next = rest.next();
        for (k, square) in column.iter_mut().enumerate() {
            let position = k as f64 * self.step;
            while let Some(&parabola) = next.filter(|parabola| parabola.from < position) {
                current = parabola;
                next = rest.next();
            }
            *square = (position - current.vertex).powi(2) + current.height;
        }
    }

    /// Add a parabola to the right of all others.
    fn add(&mut self, index: usize, height: f64) {
        if height == f64::INFINITY {
            return;
        }
        let vertex = index as f64 * self.step;
        let mut from = f64::NEG_INFINITY;
        while let Some(last) = self.parabolas.last() {
            // Where the two cross; written with the difference of vertices factored out to lose fewer digits.
            let apart = vertex - last.vertex;
            from = f64::midpoint(vertex, last.vertex) + (height - last.height) / (2.0 * apart);
            if from > last.from {
                break;
            }
            self.parabolas.pop();
            from = f64::NEG_INFINITY;
        }
        self.parabolas.push(Parabola { vertex, height, from });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_voxel_and_none() {
        let mut mask = vec![false; 27];
        assert!(distance_to(&mask, [3; 3], [1.0; 3]).iter().all(|d| d.is_infinite()), "an empty mask");
        mask[0] = true;
        let found = distance_to(&mask, [3; 3], [1.0, 2.0, 3.0]);
        let at = [found[0], found[2], found[6], found[18], found[26]];
        assert_eq!(at.map(f64::to_bits), [0.0, 2.0, 4.0, 6.0, 56_f64.sqrt()].map(f64::to_bits), "{at:?}");
    }
}

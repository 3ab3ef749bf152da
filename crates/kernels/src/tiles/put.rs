//! Outputs as they are written: sums of tiles, into the rows of a volume.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use crate::gather::Write;
use crate::half::Cell;
use crate::isa::Isa;
use crate::isa::tiles::Tile;
use crate::layout::LANES;
use crate::moments::Running;

/// Where sixteen places lie in `of`, rows and their width.
pub(super) struct Places {
    pub(super) row: usize,
    pub(super) x: usize,
    /// Places from a row to the next.
    pub(super) per_row: usize,
    pub(super) of: (usize, usize),
    pub(super) write: Write,
}

impl Places {
    /// What is to be written, of sums and what is there.
    #[inline(always)]
    fn value<I: Isa, T: Cell>(&self, isa: I, sums: &[f32; LANES], there: &[T; LANES]) -> I::V {
        let sums = isa.load(sums);
        if self.write == Write::Add { isa.add(sums, T::load(isa, there)) } else { sums }
    }

    /// Writes sums of places of `TWINS` voxels each, a tile for each of them.
    #[inline(always)]
    pub(super) fn put<I: Isa, T: Cell, const TWINS: usize>(
        &self,
        isa: I,
        tiles: [&Tile; TWINS],
        rows: &mut [[T; LANES]],
        running: &mut Running<I>,
    ) {
        let (n_rows, width) = self.of;
        let (mut row, mut x, mut voxel) = (self.row, TWINS * self.x, 0);
        let of = |voxel: usize| &tiles[voxel % TWINS][voxel / TWINS];
        let mut own = *running;
        while voxel < TWINS * LANES && row < n_rows {
            let n = (TWINS * LANES - voxel).min(width - x.min(width));
            let cells = &mut rows[row * width + x.min(width)..][..n];
            let mut k = 0;
            while k + 4 <= n {
                let Some(four) = cells[k..].first_chunk_mut::<4>() else { unreachable!("within a row") };
                let (first, second) = four.split_at_mut(2);
                let at = voxel + k;
                self.put_four(isa, [of(at), of(at + 1), of(at + 2), of(at + 3)], [first, second], &mut own);
                k += 4;
            }
            while k < n {
                let v = self.value(isa, of(voxel + k), &cells[k]);
                own.add(isa, 0, v);
                T::store(isa, v, &mut cells[k]);
                k += 1;
            }
            voxel += TWINS * self.per_row - x;
            (row, x) = (row + 1, 0);
        }
        *running = own;
    }

    /// Four neighbours.
    #[inline(always)]
    fn put_four<I: Isa, T: Cell>(
        &self,
        isa: I,
        sums: [&[f32; LANES]; 4],
        [first, second]: [&mut [[T; LANES]]; 2],
        running: &mut Running<I>,
    ) {
        let (Some(first), Some(second)) = (first.first_chunk_mut::<2>(), second.first_chunk_mut::<2>()) else {
            unreachable!("two and two")
        };
        let v = [
            self.value(isa, sums[0], &first[0]),
            self.value(isa, sums[1], &first[1]),
            self.value(isa, sums[2], &second[0]),
            self.value(isa, sums[3], &second[1]),
        ];
        for k in 0..4 {
            running.add(isa, k, v[k]);
        }
        T::store_two(isa, v[0], v[1], first);
        T::store_two(isa, v[2], v[3], second);
    }
}

//! Rows of an image to words: sixteen tiles side by side in the lanes.

use super::image::Image;
use super::tiles::{Lanes, Patch};
use super::transforms::input6;
use crate::isa::{Dots, Isa};
use crate::layout::LANES;
use crate::pairs::Pairs;

/// What sixteen tiles see of a row, and zeros up to the end of the last four.
const ROW: usize = 4 * LANES + 4;

/// Planes of rounded points along y and x: `[tile row][plane][6 along y][6 along x][pair of channels][16 tiles]`, in a ring as
/// those of [`RoundedPlanes`](super::rounded::RoundedPlanes).
#[derive(Clone, Copy, Debug)]
pub(super) struct WordPlanes {
    pub(super) pairs: usize,
    depth: usize,
    height: usize,
}

impl WordPlanes {
    pub(super) fn new(pairs: usize, patch: &Patch) -> Self {
        Self { pairs, depth: 2 * patch.size[0] + 2, height: patch.size[1] }
    }

    /// Lines for all planes, and one that may be read past their end.
    pub(super) fn lines(&self) -> usize {
        self.height * self.depth * 36 * self.pairs + 1
    }

    /// Lines for what is on its way: the points along x of the rows of two channels.
    pub(super) fn on_the_way(&self) -> usize {
        2 * self.rows() * 6
    }

    /// Rows that tiles above each other see.
    fn rows(&self) -> usize {
        4 * self.height + 2
    }

    /// Where the words of two channels at points `i` along y and `j` along x begin.
    #[inline(always)]
    pub(super) fn at(&self, (y, plane): (usize, usize), (i, j): (usize, usize), pair: usize) -> usize {
        ((y * self.depth + plane % self.depth) * 36 + 6 * i + j) * self.pairs + pair
    }

    /// Transforms and rounds the planes that the tiles of `work` read, but for the first `held`.
    #[inline(always)]
    pub(super) fn read<I: Isa, D: Dots<I>>(
        &self,
        (isa, dots): (I, D),
        image: &Image<'_>,
        (work, held): (&Patch, usize),
        (planes, on_the_way): (&mut [Pairs], &mut [[Lanes; 6]]),
        widest: &mut D::W,
    ) {
        let (of_first, of_second) = on_the_way.split_at_mut(self.rows());
        for plane in 2 * work.start[0] + held..2 * (work.start[0] + work.size[0]) + 2 {
            if plane == 0 || plane > image.tiling.shape[0] {
                for y in 0..work.size[1] {
                    planes[self.at((y, plane), (0, 0), 0)..][..36 * self.pairs].fill([0; LANES]);
                }
                continue;
            }
            for pair in 0..self.pairs {
                along_x(isa, image, 2 * pair, (plane - 1, work), of_first);
                if 2 * pair + 1 < image.channels {
                    along_x(isa, image, 2 * pair + 1, (plane - 1, work), of_second);
                } else {
                    of_second.fill([[0.0; LANES]; 6]);
                }
                for y in 0..work.size[1] {
                    for j in 0..6 {
                        let (mut a, mut b) = ([isa.splat(0.0); 6], [isa.splat(0.0); 6]);
                        for i in 0..6 {
                            a[i] = isa.load(&of_first[4 * y + i][j]);
                            b[i] = isa.load(&of_second[4 * y + i][j]);
                        }
                        let (a, b) = (input6(isa, a), input6(isa, b));
                        for i in 0..6 {
                            let to = &mut planes[self.at((y, plane), (i, j), pair)];
                            dots.store(dots.pair(a[i], b[i], widest), to);
                        }
                    }
                }
            }
        }
    }
}

/// The points along x of all rows of plane `z` of a channel that the tiles of `work` see: `[row][6][16 tiles]`.
#[inline(always)]
fn along_x<I: Isa>(isa: I, image: &Image<'_>, channel: usize, (z, work): (usize, &Patch), to: &mut [[Lanes; 6]]) {
    let [depth, height, width] = image.tiling.shape;
    let next = if z + 1 < depth { height * width } else { 0 };
    // Column c stands for x = 4 * (first tile) + c - 1, row r for y = 4 * (first tile) + r - 1.
    let (first, begin) = (4 * work.start[2], usize::from(work.start[2] == 0));
    let end = (4 * work.size[2] + 2).min(width + 1 - first);
    let mut row = [0.0; ROW];
    let gain = isa.splat(image.gain);
    for r in 0..4 * work.size[1] + 2 {
        let y = 4 * work.start[1] + r;
        if y == 0 || y > height {
            to[r] = [[0.0; LANES]; 6];
            continue;
        }
        let at = channel * image.voxels + (z * height + y - 1) * width + first + begin - 1;
        let from = &image.values[at..][..end - begin];
        // The next plane's are read next.
        for line in from.chunks(LANES) {
            isa.prefetch(&line[0], next);
        }
        row[begin..end].copy_from_slice(from);
        let (Some(own), Some(next)) = (row.first_chunk(), row[4..].first_chunk()) else {
            unreachable!("a row's length")
        };
        let ([a, b, c, d], [e, f, ..]) = (isa.every_fourth(own), isa.every_fourth(next));
        let mut window = [a, b, c, d, e, f];
        for n in 0..6 {
            window[n] = isa.mul(window[n], gain);
        }
        let points = input6(isa, window);
        for j in 0..6 {
            isa.store(points[j], &mut to[r][j]);
        }
    }
}

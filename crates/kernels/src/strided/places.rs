//! What outputs see of an input, which products make which, and how the input is laid for them.

use crate::gather::Shape;
use crate::layout::{LANES, blocks};

/// The largest integer of an input and of a weight: a number that is multiplied is a sum of up to four.
pub(super) const LARGEST: f32 = 8191.0;
/// Places of an axis that two outputs see: `d0`, `e0`, `d1`, `e1`, `d2`. In the stead of `d0` and `d2` lie their differences.
pub(super) const PLACES: usize = 5;
/// The weights of a place, of the three.
pub(super) const WEIGHTS: [[f32; 3]; PLACES] =
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// Places whose products are of the first output, of both, of the second.
const FIRST: &[usize] = &[0, 1];
const BOTH: &[usize] = &[2];
const SECOND: &[usize] = &[3, 4];
/// The sums in their order.
pub(super) const PARTS: [Part; 9] = [
    Part { z: BOTH, y: BOTH, begin: [ZERO, ZERO], to: To::Kept(0) },
    Part { z: BOTH, y: FIRST, begin: [0, ZERO], to: To::Kept(1) },
    Part { z: BOTH, y: SECOND, begin: [0, ZERO], to: To::Kept(2) },
    Part { z: FIRST, y: BOTH, begin: [ZERO, ZERO], to: To::Kept(0) },
    Part { z: FIRST, y: FIRST, begin: [0, 1], to: To::Output(0, 0) },
    Part { z: FIRST, y: SECOND, begin: [0, 2], to: To::Output(0, 1) },
    Part { z: SECOND, y: BOTH, begin: [ZERO, ZERO], to: To::Kept(0) },
    Part { z: SECOND, y: FIRST, begin: [0, 1], to: To::Output(1, 0) },
    Part { z: SECOND, y: SECOND, begin: [0, 2], to: To::Output(1, 1) },
];
/// The sum that is kept at 0, after those that change.
pub(super) const ZERO: usize = 3;
/// Sums that are kept.
pub(super) const KEPT: usize = ZERO + 1;
/// What an output sees along x: at an odd place or an even one, and how far on.
pub(super) const ALONG_X: [(usize, usize); 3] = [(0, 0), (1, 0), (0, 1)];
/// Products of an output and its three neighbours.
pub(super) const TAPS: usize = PLACES * PLACES * ALONG_X.len();
/// Outputs side by side of a tile, and blocks of them.
pub(super) const TILE: usize = 12;
pub(super) const PAIR: usize = 2;

/// Products that make one sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Places along z and y.
    pub(super) z: &'static [usize],
    pub(super) y: &'static [usize],
    /// The two kept sums that it begins with.
    pub(super) begin: [usize; 2],
    pub(super) to: To,
}

/// What becomes of a sum.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// Kept for those that follow.
    Kept(usize),
    /// The output so far along z and y.
    Output(usize, usize),
}

/// The products in their order: places along z and y, and which of [`ALONG_X`].
pub(super) fn taps() -> impl Iterator<Item = [usize; 3]> {
    let rows = PARTS.iter().flat_map(|part| part.z.iter().flat_map(move |z| part.y.iter().map(move |y| (*z, *y))));
    rows.flat_map(|(z, y)| (0..ALONG_X.len()).map(move |x| [z, y, x]))
}

/// How the input rows of some pairs of rows of outputs, in two planes, are laid in scratch:
/// `[pair of blocks][place along z][pair of rows][place along y]` and in a row `[odd, even][place along x][16]`, or, of a block
/// that has no neighbour, `[place along x][16]`, its odd places and its even ones in the place of two blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strips {
    pub(super) src: Shape,
    pub(super) dst: Shape,
    pub(super) blocks: usize,
    /// Pairs of rows of outputs of a strip.
    pub(super) pairs: usize,
}

impl Strips {
    pub(super) fn new(src: Shape, inputs: usize) -> Self {
        /// Few enough that what is staged stays in the second-level cache.
        const LINES: usize = (384 << 10) / 64;
        let dst = src.map(|n| n.div_ceil(2));
        let one = Self { src, dst, blocks: blocks(inputs), pairs: 1 };
        Self { pairs: (LINES / one.len()).clamp(1, dst[1].div_ceil(2).min(4)), ..one }
    }

    /// Strips of a pair of planes.
    fn per_planes(&self) -> usize {
        self.dst[1].div_ceil(2 * self.pairs)
    }

    pub(super) fn tasks(&self) -> usize {
        self.dst[0].div_ceil(2) * self.per_planes()
    }

    /// The first plane and row of outputs of a task.
    pub(super) fn at(&self, task: usize) -> (usize, usize) {
        (task / self.per_planes() * 2, task % self.per_planes() * 2 * self.pairs)
    }

    /// How many outputs a task has.
    pub(super) fn outputs(&self, task: usize) -> usize {
        let ([depth, height, width], (z, y)) = (self.dst, self.at(task));
        (depth - z).min(2) * (height - y).min(2 * self.pairs) * width
    }

    /// Places along x, one more than outputs.
    pub(super) fn length(&self) -> usize {
        self.dst[2] + 1
    }

    /// Lines of a row of a pair of blocks, or of a block alone.
    pub(super) fn row(&self, group: usize) -> usize {
        if 2 * group + 1 < self.blocks { 2 * self.length() } else { self.length() }
    }

    /// Lines of all places.
    pub(super) fn len(&self) -> usize {
        self.blocks * self.length() * self.rows()
    }

    /// Rows of a pair of blocks.
    pub(super) fn rows(&self) -> usize {
        PLACES * self.pairs * PLACES
    }

    /// Where a pair of blocks begins.
    pub(super) fn group(&self, group: usize) -> usize {
        group * 2 * self.length() * self.rows()
    }

    /// Where each tap of the first outputs lies in a pair of blocks, or in a block alone, in words.
    pub(super) fn taps(&self, blocks: usize) -> [usize; TAPS] {
        let mut words = [0; TAPS];
        for (word, [z, y, x]) in words.iter_mut().zip(taps()) {
            let (row, (even, on)) = (z * self.pairs * PLACES + y, ALONG_X[x]);
            // The even places of a block alone lie where another block's would, two words on.
            let (line, shift) = if blocks == 1 { (row, 2 * even) } else { (2 * row + even, 0) };
            *word = (line * self.length() + on) * LANES + shift;
        }
        words
    }

    /// Where the row of the input begins that the outputs at `z`, `y` and those after them see at a place, if it is in the volume.
    #[inline(always)]
    pub(super) fn voxel_row(&self, (z, y): (usize, usize), (place_z, place_y): (usize, usize)) -> Option<usize> {
        let [depth, height, width] = self.src;
        let (z, y) = ((2 * z + place_z).checked_sub(1)?, (2 * y + place_y).checked_sub(1)?);
        if z < depth && y < height { Some((z * height + y) * width) } else { None }
    }
}

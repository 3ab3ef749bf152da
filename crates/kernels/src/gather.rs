//! One description for every direct convolution: which input voxel each tap reads, and where each output lands.
//!
//! `dst[place * i + offset] (+)= sum over taps of w[tap] * src[step * i + at]`, for `i` in `count`. A plain or strided
//! convolution is one such gather; a transposed convolution, and the data gradient of a strided one, are eight, one for
//! each parity of the output. What one gather reads forward, its weight gradient reads too.

use crate::half::Cell;
use crate::isa::{Dots, Isa};
use crate::layout::{LANES, Source};
use crate::pairs::{Pairs, cut, exceeds};

/// `[D, H, W]`.
pub type Shape = [usize; 3];

/// Voxels of a shape.
pub fn voxels(shape: Shape) -> usize {
    shape.iter().product()
}

/// Whether a result replaces what is there or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Replace.
    Overwrite,
    /// Add.
    Add,
}

/// One tap: an offset into the input, and which weight it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    pub(crate) at: [isize; 3],
    pub(crate) weight: usize,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Gather {
    pub(crate) src: Shape,
    pub(crate) dst: Shape,
    pub(crate) count: Shape,
    pub(crate) step: usize,
    pub(crate) place: usize,
    pub(crate) offset: [usize; 3],
    pub(crate) taps: Vec<Tap>,
    /// Weights of the whole layer: 27, 8 or 1.
    pub(crate) n_weights: usize,
}

/// The eight corners of a 2x2x2 cell, x fastest.
fn corners() -> impl Iterator<Item = [usize; 3]> {
    (0..8).map(|k| [k / 4, k / 2 % 2, k % 2])
}

fn cube(size: usize) -> impl Iterator<Item = [usize; 3]> {
    (0..size.pow(3)).map(move |k| [k / (size * size), k / size % size, k % size])
}

impl Gather {
    /// 3x3x3, zero padding 1, stride 1 or 2. The output has `ceil(src / stride)` voxels an axis.
    ///
    /// # Panics
    /// If an axis is empty or the stride another.
    pub fn conv3(src: Shape, stride: usize) -> Self {
        assert!(src.iter().all(|&n| n > 0) && (stride == 1 || stride == 2), "conv3: {src:?}, stride {stride}");
        let dst = src.map(|n| (n - 1) / stride + 1);
        let taps = cube(3).enumerate().map(|(weight, k)| Tap { at: k.map(|k| k as isize - 1), weight }).collect();
        Self { src, dst, count: dst, step: stride, place: 1, offset: [0; 3], taps, n_weights: 27 }
    }

    /// The data gradient of [`Gather::conv3`] on an input of shape `src`: from the output's gradient to the input's.
    ///
    /// # Panics
    /// As [`Gather::conv3`].
    pub fn conv3_back(src: Shape, stride: usize) -> Vec<Self> {
        assert!(src.iter().all(|&n| n > 0) && (stride == 1 || stride == 2), "conv3: {src:?}, stride {stride}");
        let out = src.map(|n| (n - 1) / stride + 1);
        if stride == 1 {
            let taps = cube(3).enumerate().map(|(weight, k)| Tap { at: k.map(|k| 1 - k as isize), weight }).collect();
            return vec![Self {
                src: out,
                dst: src,
                count: src,
                step: 1,
                place: 1,
                offset: [0; 3],
                taps,
                n_weights: 27,
            }];
        }
        corners()
            .map(|parity| {
                // x = 2 o + k - 1: an even x is met by k = 1 alone, an odd one by k = 0 (o = i + 1) and k = 2 (o = i).
                let reads = |p: usize, k: usize| match (p, k) {
                    (0, 1) | (1, 2) => Some(0),
                    (1, 0) => Some(1),
                    _ => None,
                };
                let taps = cube(3)
                    .enumerate()
                    .filter_map(|(weight, k)| {
                        let [z, y, x] = [0, 1, 2].map(|a| reads(parity[a], k[a]));
                        Some(Tap { at: [z?, y?, x?], weight })
                    })
                    .collect();
                let count = [0, 1, 2].map(|a| (src[a] + 1 - parity[a]) / 2);
                Self { src: out, dst: src, count, step: 1, place: 2, offset: parity, taps, n_weights: 27 }
            })
            .collect()
    }

    /// Transposed convolution 2x2x2, stride 2: the output is twice the input.
    pub fn up2(src: Shape) -> Vec<Self> {
        corners()
            .enumerate()
            .map(|(weight, offset)| {
                let taps = vec![Tap { at: [0; 3], weight }];
                Self { src, dst: src.map(|n| 2 * n), count: src, step: 1, place: 2, offset, taps, n_weights: 8 }
            })
            .collect()
    }

    /// The data gradient of [`Gather::up2`] on an input of shape `src`.
    pub fn up2_back(src: Shape) -> Self {
        let taps = corners().enumerate().map(|(weight, k)| Tap { at: k.map(|k| k as isize), weight }).collect();
        let big = src.map(|n| 2 * n);
        Self { src: big, dst: src, count: src, step: 2, place: 1, offset: [0; 3], taps, n_weights: 8 }
    }

    /// 1x1x1; its own data gradient, with the weights transposed.
    pub fn conv1(src: Shape) -> Self {
        let taps = vec![Tap { at: [0; 3], weight: 0 }];
        Self { src, dst: src, count: src, step: 1, place: 1, offset: [0; 3], taps, n_weights: 1 }
    }

    /// Shape of what it writes.
    pub fn dst_shape(&self) -> Shape {
        self.dst
    }

    /// Shape of what it reads.
    pub fn src_shape(&self) -> Shape {
        self.src
    }

    /// The smallest and largest offset of the taps on `axis`.
    pub(crate) fn reach(&self, axis: usize) -> (isize, isize) {
        let at = || self.taps.iter().map(|t| t.at[axis]);
        (at().min().unwrap_or(0), at().max().unwrap_or(0))
    }
}

/// How the input rows of a strip of output rows are laid in scratch: `[block][plane][row][phase][length][16]`, with a zero
/// halo, the pending norm and activation applied, and the columns of a step-2 gather sorted by parity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staging {
    low: [isize; 3],
    planes: usize,
    step: usize,
    length: usize,
    rows: usize,
}

impl Staging {
    pub(crate) fn new(gather: &Gather, strip: usize) -> Self {
        let reach = [0, 1, 2].map(|a| gather.reach(a));
        let span = reach.map(|(low, high)| (high - low) as usize);
        let step = gather.step;
        Self {
            low: reach.map(|(low, _)| low),
            planes: span[0] + 1,
            step,
            length: gather.count[2] + span[2] / step,
            rows: (strip - 1) * step + span[1] + 1,
        }
    }

    /// Of `rows` rows of a plane whose voxels are read singly.
    pub(crate) fn of_rows([_, _, width]: Shape, rows: usize) -> Self {
        Self { low: [0; 3], planes: 1, step: 1, length: width, rows }
    }

    /// 16-lane values of one channel block.
    pub(crate) fn block_len(&self) -> usize {
        self.planes * self.rows * self.step * self.length
    }

    /// Where `tap` of the first output of the strip lies in a block, and how far one output row is from the next.
    pub(crate) fn tap(&self, tap: Tap) -> usize {
        let [z, y, x] = [0, 1, 2].map(|a| (tap.at[a] - self.low[a]) as usize);
        ((z * self.rows + y) * self.step + x % self.step) * self.length + x / self.step
    }

    pub(crate) fn row(&self) -> usize {
        self.step * self.step * self.length
    }

    /// Lays block `b` of `source` for the output rows from `y` in plane `z`.
    #[inline(always)]
    pub(crate) fn lay<I: crate::isa::Isa, T: Cell>(
        &self,
        isa: I,
        (source, b): (&Source<'_, T>, usize),
        src: Shape,
        (z, y): (usize, usize),
        to: &mut [[f32; LANES]],
    ) {
        let (scale, shift) = source.affine(b);
        let (scale, shift, slope) = (isa.load(&scale), isa.load(&shift), isa.splat(source.slope));
        let plain = source.is_plain();
        let block = &source.values.as_chunks::<LANES>().0[b * voxels(src)..][..voxels(src)];
        for (i, row) in to[..self.block_len()].chunks_exact_mut(self.step * self.length).enumerate() {
            let Some(from) = self.row_of(src, (z, y), i) else {
                row.fill([0.0; LANES]);
                continue;
            };
            let from = &block[from..][..src[2]];
            for (phase, line) in row.chunks_exact_mut(self.length).enumerate() {
                let (begin, end, start) = self.columns(src[2], phase);
                line[..begin].fill([0.0; LANES]);
                line[end..].fill([0.0; LANES]);
                if begin == end {
                    continue;
                }
                let read = from[start..].iter().step_by(self.step);
                if plain {
                    for (to, from) in line[begin..end].iter_mut().zip(read) {
                        isa.store(T::load(isa, from), to);
                    }
                } else {
                    for (to, from) in line[begin..end].iter_mut().zip(read) {
                        let t = isa.fma(T::load(isa, from), scale, shift);
                        isa.store(isa.max(t, isa.mul(t, slope)), to);
                    }
                }
            }
        }
    }

    /// Lays all blocks of `sources` as integers, pair by pair: multiplied by the gain and cut at the limit. Returns how many
    /// were cut.
    #[inline(always)]
    pub(crate) fn lay_integers<I: Isa, D: Dots<I>, T: Cell>(
        &self,
        isa: (I, D),
        (sources, src): (&[Source<'_, T>], Shape),
        at: (usize, usize),
        (gain, limit): (f32, i16),
        staged: &mut [Pairs],
    ) -> u64 {
        let n = voxels(src);
        let in_blocks: usize = sources.iter().map(|s| s.blocks(n)).sum();
        let staged = &mut staged[..in_blocks.div_ceil(2) * self.block_len()];
        let mut widest = isa.1.zero();
        for (group, to) in staged.chunks_exact_mut(self.block_len()).enumerate() {
            let a = find_block(sources, n, 2 * group);
            let b = (2 * group + 1 < in_blocks).then(|| find_block(sources, n, 2 * group + 1));
            self.lay_pairs(isa, (a, b), src, at, (to, gain, &mut widest));
        }
        let mut found = [0; LANES];
        isa.1.store(widest, &mut found);
        if exceeds(&found, limit) { cut(isa.1, staged, limit) } else { 0 }
    }

    /// Lays a pair of blocks, or one alone, as integers.
    #[inline(always)]
    fn lay_pairs<I: Isa, D: Dots<I>, T: Cell>(
        &self,
        (isa, dots): (I, D),
        (a, b): BlockPair<'_, '_, T>,
        src: Shape,
        (z, y): (usize, usize),
        (to, gain, widest): (&mut [Pairs], f32, &mut D::W),
    ) {
        let [_, _, width] = src;
        let n = voxels(src);
        let (a, b) = (Seen::new(isa, a, n, gain), b.map(|b| Seen::new(isa, b, n, gain)));
        for (i, row) in to[..self.block_len()].chunks_exact_mut(self.step * self.length).enumerate() {
            let Some(from) = self.row_of(src, (z, y), i) else {
                row.fill([0; LANES]);
                continue;
            };
            for (phase, line) in row.chunks_exact_mut(self.length).enumerate() {
                let (begin, end, start) = self.columns(width, phase);
                line[..begin].fill([0; LANES]);
                line[end..].fill([0; LANES]);
                for (k, to) in line[begin..end].iter_mut().enumerate() {
                    let voxel = from + start + k * self.step;
                    let first = a.at(isa, voxel);
                    let second = match &b {
                        Some(b) => b.at(isa, voxel),
                        None => isa.splat(0.0),
                    };
                    dots.store(dots.pack(first, second, widest), to);
                }
            }
        }
    }

    /// Where row `i` of a staged block begins in a block of the source, if it lies in it.
    #[inline(always)]
    fn row_of(&self, [depth, height, width]: Shape, (z, y): (usize, usize), i: usize) -> Option<usize> {
        let z = (z * self.step).checked_add_signed(self.low[0] + (i / self.rows) as isize)?;
        let y = (y * self.step).checked_add_signed(self.low[1] + (i % self.rows) as isize)?;
        if z < depth && y < height { Some((z * height + y) * width) } else { None }
    }

    /// Of a staged line: its first column in the volume, the one after its last, and where the first lies in a row of the
    /// source. Column `j` stands for `x = step * j + phase + low`.
    #[inline(always)]
    fn columns(&self, width: usize, phase: usize) -> (usize, usize, usize) {
        let (first, step, width) = (phase as isize + self.low[2], self.step as isize, width as isize);
        let begin = (-first + step - 1).div_euclid(step).clamp(0, self.length as isize);
        let end = (width - first + step - 1).div_euclid(step).clamp(begin, self.length as isize);
        (begin as usize, end as usize, (first + step * begin).max(0) as usize)
    }
}

/// A block of a source, and perhaps another.
type BlockPair<'s, 'a, T> = ((&'s Source<'a, T>, usize), Option<(&'s Source<'a, T>, usize)>);

/// A block and what it owes.
pub(crate) struct Seen<'a, I: Isa, T> {
    values: &'a [[T; LANES]],
    scale: I::V,
    shift: I::V,
    slope: I::V,
}

impl<'a, I: Isa, T: Cell> Seen<'a, I, T> {
    #[inline(always)]
    pub(crate) fn new(isa: I, (source, b): (&Source<'a, T>, usize), voxels: usize, gain: f32) -> Self {
        let (scale, shift) = source.affine(b);
        let gain = isa.splat(gain);
        Self {
            values: &source.values.as_chunks().0[b * voxels..][..voxels],
            scale: isa.mul(isa.load(&scale), gain),
            shift: isa.mul(isa.load(&shift), gain),
            slope: isa.splat(source.slope),
        }
    }

    #[inline(always)]
    pub(crate) fn at(&self, isa: I, voxel: usize) -> I::V {
        let t = isa.fma(T::load(isa, &self.values[voxel]), self.scale, self.shift);
        isa.max(t, isa.mul(t, self.slope))
    }

    /// Asks for a voxel that will be read soon, if it is there.
    #[inline(always)]
    pub(crate) fn prefetch(&self, isa: I, voxel: usize) {
        if let Some(there) = self.values.get(voxel) {
            isa.prefetch(there, 0);
        }
    }
}

/// The block of the concatenated `sources` with index `b`: which source, and which block of it.
pub(crate) fn find_block<'s, 'a, T>(
    sources: &'s [Source<'a, T>],
    voxels: usize,
    b: usize,
) -> (&'s Source<'a, T>, usize) {
    let mut b = b;
    for source in sources {
        let n = source.blocks(voxels);
        if b < n {
            return (source, b);
        }
        b -= n;
    }
    unreachable!("block {b} past the sources: shapes were asserted at the kernel's front")
}

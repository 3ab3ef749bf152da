//! Direct 3x3x3 convolutions with products of bytes, forward: for low levels, whose maps are small and whose weights are many.
//!
//! An input is laid as `q = round(g x + z)`, an unsigned byte, and weights as `w = round(W / s)`, signed, one step `s` an output
//! channel. Then `sum of W x = (sum of w q - z sum of w) s / g`, borders included, where `q = z`. The range of the whole input
//! is found first and sets `g` and `z`, so there is nothing to calibrate, and nothing finite is cut.
//!
//! No sum leaves i32, whatever the weights and the input: `|w| <= 127`, and `-z <= q - z <= 255 - z`, so that what is summed so
//! far, the correction for all weights included, is at most `255 * 127` for each of `27 C` products: 2^31 for 2,455 channels.

mod range;

use crate::cpu::Cpu;
use crate::gather::{Gather, Shape, find_block, voxels};
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa, byte_place};
use crate::layout::{LANES, Source, blocks};
use crate::pairs::Words;
use range::{Block, Scale, range};
pub(crate) use range::{Range, Reach};
use rayon::prelude::*;

/// Input channels, at most.
const MOST: usize = 2048;
const _: () = assert!(27 * MOST * 255 * 127 <= i32::MAX as usize, "sums of bytes may leave i32");

/// The largest integer of a weight.
const LARGEST: f32 = 127.0;

/// Blocks of channels that are laid together.
const GROUP: usize = 4;

/// Bytes of four blocks of channels of one voxel, four neighbouring channels a word.
type Quads = [i32; LANES];

/// A 3x3x3 convolution with its weights as bytes, and the scales that go with them.
#[derive(Clone, Debug)]
pub struct DirectBytes {
    gather: Gather,
    inputs: usize,
    out_blocks: usize,
    /// `[out block][tap][group][16]`, of a word's input channels and 16 outputs.
    words: Vec<Words>,
    /// `[out block][16]`.
    steps: Vec<[f32; LANES]>,
    /// Of the integers of each output, `[out block][16]`.
    sums: Vec<[i32; LANES]>,
}

impl DirectBytes {
    /// Whether sums of so many input channels hold.
    pub fn holds(inputs: usize) -> bool {
        inputs <= MOST
    }

    /// Prepares canonical weights `[O][I][27]` of a [`Gather::conv3`].
    ///
    /// # Panics
    /// If a length does not fit, the gather is another, or there are more channels than [`DirectBytes::holds`].
    pub fn new(gather: Gather, (i, o): (usize, usize), weights: &[f32]) -> Self {
        let first = gather.taps.first().map(|tap| tap.at);
        assert!(
            gather.taps.len() == 27 && gather.place == 1 && first == Some([-1; 3]),
            "bytes: not a 3x3x3 convolution"
        );
        assert!(Self::holds(i), "bytes: {i} input channels, {MOST} at most");
        assert_eq!(weights.len(), i * o * 27, "bytes: weights");
        let (out_blocks, per_tap) = (blocks(o), groups(blocks(i)) * LANES);
        let mut layer = Self {
            gather,
            inputs: i,
            out_blocks,
            words: vec![Words([0; LANES]); out_blocks * 27 * per_tap],
            steps: vec![[1.0; LANES]; out_blocks],
            sums: vec![[0; LANES]; out_blocks],
        };
        let each = layer.words.par_chunks_exact_mut(27 * per_tap).zip(&mut layer.steps).zip(&mut layer.sums);
        each.zip(weights.par_chunks(LANES * i * 27)).for_each(|(((words, steps), sums), weights)| {
            for (lane, own) in weights.chunks_exact(i * 27).enumerate() {
                let largest = own.iter().fold(0.0_f32, |largest, w| largest.max(w.abs()));
                // All weights 0, or too small to matter: any step will do.
                if largest / LARGEST > f32::MIN_POSITIVE {
                    steps[lane] = largest / LARGEST;
                }
                for (channel, of_taps) in own.chunks_exact(27).enumerate() {
                    let (word, byte) = quad(channel);
                    for (tap, weight) in of_taps.iter().enumerate() {
                        let whole = (weight / steps[lane]).round_ties_even().clamp(-LARGEST, LARGEST) as i32;
                        sums[lane] += whole;
                        words[tap * per_tap + word].0[lane] |= (whole & 0xFF) << (8 * byte);
                    }
                }
            }
        });
        layer
    }

    /// Scratch for a `gather` from so many input blocks, whatever the number of threads.
    pub fn scratch_len(gather: &Gather, in_blocks: usize) -> usize {
        groups(in_blocks) * voxels(padded(gather.src)) * LANES
    }

    /// `dst = convolution of sources`, `[O/16][D][H][W][16]`. Returns how many numbers could not be held, which only those that
    /// are not finite cannot. The same bits on every machine that can.
    ///
    /// `sources`: blocked, their channels one after another; `scratch`: [`DirectBytes::scratch_len`].
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_int16`].
    pub fn convolve<T: Cell>(&self, cpu: Cpu, sources: &[Source<'_, T>], dst: &mut [T], scratch: &mut [f32]) -> u64 {
        let Gather { src, dst: out, .. } = self.gather;
        let n = voxels(src);
        let in_blocks: usize = sources.iter().map(|s| s.blocks(n)).sum();
        assert_eq!(in_blocks, blocks(self.inputs), "bytes: blocks of the sources");
        assert_eq!(dst.len(), self.out_blocks * voxels(out) * LANES, "bytes: dst");
        let scratch = &mut scratch[..Self::scratch_len(&self.gather, in_blocks)];
        let staged: &mut [Quads] = bytemuck::cast_slice_mut::<f32, i32>(scratch).as_chunks_mut().0;
        let range = range(cpu, sources, n);
        let scale = Scale::of(&range);
        let [depth, height, width] = padded(src);
        staged.par_chunks_exact_mut(height * width).enumerate().for_each(|(at, to)| {
            let (group, z) = (at / depth, at % depth);
            T::lay_bytes(cpu, Lay { src, sources, in_blocks, group, z, scale, to });
        });
        let (layer, staged, plane, volume) = (self, &*staged, out[1] * out[2] * LANES, voxels(out) * LANES);
        // Two blocks of outputs at a time, and the last alone if their number is odd.
        dst.par_chunks_mut(2 * volume).enumerate().for_each(|(pair, both)| {
            let (first, second) = both.split_at_mut(volume);
            let planes = first.par_chunks_exact_mut(plane);
            if second.is_empty() {
                planes.enumerate().for_each(|(z, dst)| {
                    let dst = [dst.as_chunks_mut().0];
                    T::plane_in_bytes(cpu, Plane { layer, staged, scale, out, at: (2 * pair, z), dst });
                });
            } else {
                planes.zip(second.par_chunks_exact_mut(plane)).enumerate().for_each(|(z, (first, second))| {
                    let dst = [first.as_chunks_mut().0, second.as_chunks_mut().0];
                    T::two_planes_in_bytes(cpu, Plane { layer, staged, scale, out, at: (2 * pair, z), dst });
                });
            }
        });
        range.lost
    }
}

fn groups(in_blocks: usize) -> usize {
    in_blocks.div_ceil(GROUP)
}

fn padded(src: Shape) -> Shape {
    src.map(|n| n + 2)
}

/// The word of a channel among those of a voxel or a tap, and its byte in it.
fn quad(channel: usize) -> (usize, usize) {
    let (block, lane) = (channel / LANES, channel % LANES);
    let word = (0..LANES).find(|&word| byte_place(word) == (block % GROUP, lane / 4 * 4));
    let Some(word) = word else { unreachable!("each four lanes have a word") };
    (block / GROUP * LANES + word, lane % 4)
}

/// Lays plane `z`, of the padded input, of a group of blocks.
pub(crate) struct Lay<'a, T> {
    src: Shape,
    sources: &'a [Source<'a, T>],
    in_blocks: usize,
    group: usize,
    z: usize,
    scale: Scale,
    to: &'a mut [Quads],
}

impl<'a, T: Cell> Lay<'a, T> {
    /// Block `nth` of the group. One that is not there has no weights, so any will do.
    #[inline(always)]
    fn block<I: Isa>(&self, isa: I, nth: usize) -> Block<'a, I, T> {
        let n = voxels(self.src);
        let (source, b) = find_block(self.sources, n, (GROUP * self.group + nth).min(self.in_blocks - 1));
        let values = &source.values.as_chunks().0[b * n..][..n];
        Block::new(isa, values, source.affine(b), source.slope)
    }
}

impl<T: Cell> DotKernel for Lay<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(self, isa: I, dots: D) {
        let [depth, height, width] = self.src;
        let outside = [i32::from_le_bytes([self.scale.zero as u8; 4]); LANES];
        if self.z == 0 || self.z > depth {
            self.to.fill(outside);
            return;
        }
        let blocks = [self.block(isa, 0), self.block(isa, 1), self.block(isa, 2), self.block(isa, 3)];
        let (gain, zero) = (isa.splat(self.scale.gain), isa.splat(self.scale.zero));
        for (y, row) in self.to.chunks_exact_mut(width + 2).enumerate() {
            if y == 0 || y > height {
                row.fill(outside);
                continue;
            }
            (row[0], row[width + 1]) = (outside, outside);
            let from = ((self.z - 1) * height + y - 1) * width;
            for x in 0..width {
                let mut lanes = [zero; GROUP];
                for b in 0..GROUP {
                    lanes[b] = isa.fma(blocks[b].at(isa, from + x), gain, zero);
                }
                dots.store(dots.pack_bytes(lanes), &mut row[x + 1]);
            }
        }
    }
}

/// Plane `z` of the outputs of `OB` blocks.
pub(crate) struct Plane<'a, T, const OB: usize> {
    layer: &'a DirectBytes,
    staged: &'a [Quads],
    scale: Scale,
    out: Shape,
    /// First block, and plane.
    at: (usize, usize),
    dst: [&'a mut [[T; LANES]]; OB],
}

impl<T: Cell, const OB: usize> DotKernel for Plane<'_, T, OB> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(mut self, isa: I, dots: D) {
        if self.layer.gather.step == 1 {
            self.rows::<I, D, 1>((isa, dots));
        } else {
            self.rows::<I, D, 2>((isa, dots));
        }
    }
}

impl<T: Cell, const OB: usize> Plane<'_, T, OB> {
    /// Row after row, in tiles of which the last of a row may begin within the one before it: small maps have odd widths, and
    /// a narrow tile takes as long as a wide one.
    #[inline(always)]
    fn rows<I: Isa, D: Dots<I>, const S: usize>(&mut self, isa: (I, D)) {
        let [_, height, width] = self.out;
        for y in 0..height {
            let mut x = 0;
            while x < width {
                let left = width - x;
                if left >= 12 {
                    self.tile::<I, D, S, 12>(isa, (y, x));
                    x += 12;
                } else if left > 4 && width >= 8 {
                    self.tile::<I, D, S, 8>(isa, (y, x.min(width - 8)));
                    x += 8;
                } else if width >= 4 {
                    self.tile::<I, D, S, 4>(isa, (y, x.min(width - 4)));
                    x += 4;
                } else {
                    self.tile::<I, D, S, 1>(isa, (y, x));
                    x += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn tile<I: Isa, D: Dots<I>, const S: usize, const XT: usize>(
        &mut self,
        (isa, dots): (I, D),
        (y, x): (usize, usize),
    ) {
        let Self { layer, staged, scale, .. } = *self;
        let (first, z) = self.at;
        let shape = padded(layer.gather.src);
        let (n, per_tap) = (voxels(shape), groups(blocks(layer.inputs)) * LANES);
        let mut sum = [[dots.zero(); OB]; XT];
        for o in 0..OB {
            let mut start = layer.sums[first + o];
            for lane in 0..LANES {
                start[lane] *= -(scale.zero as i32);
            }
            for i in 0..XT {
                sum[i][o] = dots.load(&start);
            }
        }
        for tap in 0..27 {
            let [kz, ky, kx] = [tap / 9, tap / 3 % 3, tap % 3];
            let at = ((S * z + kz) * shape[1] + S * y + ky) * shape[2] + S * x + kx;
            for group in 0..per_tap / LANES {
                let src = &staged[group * n + at..][..=S * (XT - 1)];
                let mut w = [&layer.words[..0]; OB];
                for o in 0..OB {
                    w[o] = &layer.words[((first + o) * 27 + tap) * per_tap + group * LANES..][..LANES];
                }
                sum = quads::<I, D, S, XT, OB>(dots, src, w, sum);
            }
        }
        for o in 0..OB {
            let back = isa.mul(isa.load(&layer.steps[first + o]), isa.splat(1.0 / scale.gain));
            let cells = &mut self.dst[o][y * self.out[2] + x..][..XT];
            for i in 0..XT {
                T::store(isa, isa.mul(dots.float(sum[i][o]), back), &mut cells[i]);
            }
        }
    }
}

/// `sum[x][o] += src[S x] . w[o]`. By value, so that the sums stay in registers.
#[inline(always)]
fn quads<I: Isa, D: Dots<I>, const S: usize, const XT: usize, const OB: usize>(
    dots: D,
    src: &[Quads],
    w: [&[Words]; OB],
    mut sum: [[D::W; OB]; XT],
) -> [[D::W; OB]; XT] {
    for k in 0..LANES {
        let mut wk = [dots.zero(); OB];
        for o in 0..OB {
            wk[o] = dots.load(&w[o][k].0);
        }
        for x in 0..XT {
            let four = dots.splat(src[S * x][k]);
            for o in 0..OB {
                sum[x][o] = dots.dot_bytes(sum[x][o], four, wk[o]);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_a_byte_of_its_own() {
        let mut places: Vec<(usize, usize)> = (0..130).map(quad).collect();
        assert!(places.iter().all(|&(word, byte)| word < 3 * LANES && byte < 4), "within three groups");
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 130, "no two in one place");
    }
}

//! 3x3x3 convolutions of stride 2 with products of 16-bit integers, forward, by minimal filtering along z and y.
//!
//! Along an axis an output sees two odd places and an even one, `y0 = w0 d0 + w1 e0 + w2 d1` and the next `y1 = w0 d1 + w1 e1 +
//! w2 d2`. Of the odd ones F(2, 2) makes both with three products instead of four (Winograd 1980): `m0 = w0 (d0 - d1)`,
//! `m1 = (w0 + w2) d1`, `m2 = w2 (d2 - d1)`, `y0 = m0 + m1 + w1 e0`, `y1 = m1 + m2 + w1 e1`. So two axes take 25 products of
//! rows instead of 36. All of it is sums of integers, so the outputs are to the bit those of the 27 taps: what leaves 32 bits
//! on the way turns over, and back.

mod places;
mod strip;

use crate::cpu::Cpu;
use crate::gather::{Shape, voxels};
use crate::half::Cell;
use crate::largest::largest;
use crate::layout::{LANES, Source, blocks};
use crate::moments::{Moments, Sums};
use crate::pairs::{HEADROOM, Pairs, Tail, Words, gain, limit, order, rounded, steps, word};
use crate::team::{Shared, run_tasks};
use places::{KEPT, LARGEST, PAIR, Strips, TAPS, TILE, WEIGHTS, taps};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use strip::Kept;

pub(crate) use strip::Strip;

/// A convolution with its weights as integers, and the scales that go with them.
#[derive(Clone, Debug)]
pub struct StridedIntegers {
    inputs: usize,
    out_blocks: usize,
    /// `[out block][tap][pair][16]`, two neighbouring input channels a word.
    pairs: Vec<Words>,
    /// `[out block][16]`: of the weights.
    steps: Vec<[f32; LANES]>,
    /// What inputs are multiplied by, if it does not follow from each.
    gain: Option<f32>,
    limit: i16,
}

impl StridedIntegers {
    /// Prepares canonical weights `[O][I][27]` for inputs that were at most `widest` in calibration ([`largest`]); if that is 0, as
    /// wide as each input is found to be.
    ///
    /// # Panics
    /// If a length does not fit or `widest` is negative or not a number.
    pub fn new((i, o): (usize, usize), weights: &[f32], widest: f32) -> Self {
        assert_eq!(weights.len(), i * o * 27, "integers: weights");
        assert!(widest >= 0.0 && widest.is_finite(), "integers: a widest input of {widest}");
        let limit = limit(27 * i).min(LARGEST);
        let (order, out_blocks) = (order(i), blocks(o));
        let per_block = TAPS * order.len();
        let mut pairs = vec![Words([0; LANES]); out_blocks * per_block];
        let mut all_steps = vec![[0.0; LANES]; out_blocks];
        pairs.par_chunks_exact_mut(per_block).zip(&mut all_steps).enumerate().for_each(|(block, (pairs, own))| {
            // One more, so that the last channel of an odd number has a neighbour.
            let mut u = vec![[0.0; LANES]; (i + 1) * 27];
            for lane in 0..LANES.min(o - block * LANES) {
                let of_lane = &weights[(block * LANES + lane) * i * 27..][..i * 27];
                u.iter_mut().zip(of_lane).for_each(|(u, w)| u[lane] = *w);
            }
            let steps = steps(&u[..i * 27], limit, LARGEST);
            *own = steps;
            for lane in 0..LANES {
                for u in &mut u {
                    // By way of 16 bits, which are 0 where a weight is no number.
                    u[lane] = f32::from(rounded(u[lane] / steps[lane]) as i16);
                }
            }
            for ([z, y, x], pairs) in taps().zip(pairs.chunks_exact_mut(order.len())) {
                let of_tap = |channel: usize, lane: usize| {
                    let at = |z: usize, y: usize| u[channel * 27 + z * 9 + y * 3 + x][lane];
                    let along_y = |z| (0..3).map(|k| WEIGHTS[y][k] * at(z, k)).sum::<f32>();
                    (0..3).map(|k| WEIGHTS[z][k] * along_y(k)).sum::<f32>()
                };
                for (&channel, pair) in order.iter().zip(pairs) {
                    pair.0 = std::array::from_fn(|lane| word(of_tap(channel, lane), of_tap(channel + 1, lane)));
                }
            }
        });
        let gain = (widest > 0.0).then(|| limit / (HEADROOM * widest));
        Self { inputs: i, out_blocks, pairs, steps: all_steps, gain, limit: limit as i16 }
    }

    /// Scratch of one thread for an input of shape `src` and so many channels.
    pub fn scratch_len(src: Shape, inputs: usize) -> usize {
        (Strips::new(src, inputs).len() + KEPT * TILE * PAIR) * LANES
    }

    /// Partial sums of [`Moments`] for an input of shape `src` and channels from `i` to `o`, whatever the number of threads.
    pub fn sums_len(src: Shape, (i, o): (usize, usize)) -> usize {
        Strips::new(src, i).tasks() * blocks(o) * size_of::<Sums>() / size_of::<f64>()
    }

    /// `dst = convolution of sources`, zero padding 1, `[O/16][D][H][W][16]` with half the voxels of `src` an axis, rounded up,
    /// and of that the `moments`, if they are asked for. Returns how many numbers were cut off because they lay outside of what
    /// the scales allow.
    ///
    /// `sources`: blocked, their channels one after another; `scratch`: [`StridedIntegers::scratch_len`] for each thread. The
    /// same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_int16`].
    pub fn convolve<T: Cell>(
        &self,
        cpu: Cpu,
        (sources, src): (&[Source<'_, T>], Shape),
        (dst, mut moments): (&mut [T], Option<&mut Moments<'_>>),
        scratch: &mut [f32],
    ) -> u64 {
        let strips = Strips::new(src, self.inputs);
        let in_blocks: usize = sources.iter().map(|s| s.blocks(voxels(src))).sum();
        assert_eq!(in_blocks, strips.blocks, "integers: blocks of the sources");
        assert_eq!(dst.len(), self.out_blocks * voxels(strips.dst) * LANES, "integers: dst");
        let sums = moments.as_deref_mut().map(|moments| {
            let channels = self.out_blocks * LANES;
            assert_eq!((moments.mean.len(), moments.variance.len()), (channels, channels), "integers: moments");
            let len = Self::sums_len(src, (self.inputs, channels));
            Shared::new(moments.sums[..len].as_chunks_mut().0.as_chunks_mut().0)
        });
        let (tail, dst, lost) = (Tail::new(self.inputs), Shared::new(dst), AtomicU64::new(0));
        let gain = self.gain.unwrap_or_else(|| gain(self.limit, largest(cpu, sources, voxels(src))));
        let back: Vec<_> = self.steps.iter().map(|steps| steps.map(|step| step / gain)).collect();
        let (paired, lone) = (strips.taps(2), strips.taps(1));
        let piece = Self::scratch_len(src, self.inputs);
        run_tasks(strips.tasks(), scratch, piece, |task, staged| {
            // SAFETY: the sums of a task are its own.
            let sums: Option<&mut [Sums]> =
                sums.as_ref().map(|sums| unsafe { sums.slice(task * self.out_blocks, self.out_blocks) });
            let staged: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(staged).as_chunks_mut().0;
            let (staged, kept) = staged.split_at_mut(strips.len());
            let kept: &mut [Kept] = kept.as_chunks_mut().0.as_chunks_mut().0;
            let Some(kept) = kept.first_chunk_mut() else { unreachable!("room for sums") };
            let at = strips.at(task);
            let strip = Strip {
                layer: self,
                gain,
                back: &back,
                strips,
                paired: &paired,
                lone: &lone,
                sources,
                tail,
                at,
                dst,
                staged,
                kept,
                sums,
            };
            lost.fetch_add(T::strip_in_integers(cpu, strip), Ordering::Relaxed);
        });
        if let Some(moments) = moments {
            let values = (0..strips.tasks()).map(|task| strips.outputs(task) as f64);
            moments.join(&values.collect::<Vec<_>>());
        }
        lost.into_inner()
    }
}

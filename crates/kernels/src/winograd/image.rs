//! The first layer in integers, straight from the planar image: what has few channels would leave most lanes empty, so sixteen
//! tiles side by side take them.
//!
//! A row of the image is transformed along x as it is read, six rows of those along y; then two channels are rounded and make
//! words, and the rest is as in [`integers`](super::integers).

use super::Winograd;
use super::forward::{March, Piece, Products, finish};
use super::input::Seen;
use super::integers::Integers;
use super::output::{Halfway, Output, back_along_x};
use super::panels::{Addends, Outputs, planes_of, thin_tile};
use super::repeats::Batch;
use super::rounded::within;
use super::tiles::{Lanes, Patch, Points, Tiling, aligned};
use super::words::WordPlanes;
use crate::cpu::Cpu;
use crate::gather::{Shape, Write};
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa};
use crate::layout::LANES;
use crate::moments::{Moments, Sums};
use crate::pairs::{Pairs, Words, cut, exceeds, n_pairs};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most channels of an image that is read so.
const CHANNELS: usize = 4;
/// Points along z of two outputs.
const ALONG_Z: usize = 4;

/// A planar image, `[C][D][H][W]`.
#[derive(Clone, Copy)]
pub(crate) struct Image<'a> {
    pub(super) tiling: Tiling,
    pub(super) values: &'a [f32],
    pub(super) channels: usize,
    pub(super) voxels: usize,
    /// All bits of the voxels that hold what the first one does, in all channels, and none of the others; and eight bytes more.
    like_first: &'a [u8],
    /// What all of it is multiplied by.
    pub(super) gain: f32,
}

impl Image<'_> {
    /// Whether `n` voxels from `voxel` on are like the first one; at most eight.
    #[inline(always)]
    fn is_air(&self, voxel: usize, n: usize) -> bool {
        let Some(eight) = self.like_first[voxel..].first_chunk() else { unreachable!("eight bytes more") };
        u64::from_le_bytes(*eight).trailing_ones() as usize >= 8 * n
    }
}

impl Seen for Image<'_> {
    /// The only boxes known to hold the same are those of air, the vector in the image's corner: to compare all bits would be half of
    /// the layer's time.
    #[inline(always)]
    fn same(&self, a: Shape, b: Shape, size: Shape) -> bool {
        let [_, height, width] = self.tiling.shape;
        for z in 0..size[0] {
            for y in 0..size[1] {
                let a = ((a[0] + z) * height + a[1] + y) * width + a[2];
                let b = ((b[0] + z) * height + b[1] + y) * width + b[2];
                if !self.is_air(a, size[2]) || !self.is_air(b, size[2]) {
                    return false;
                }
            }
        }
        true
    }

    #[inline(always)]
    fn tiling(&self) -> &Tiling {
        &self.tiling
    }
}

/// [`Image::like_first`] of an image of so many channels.
fn like_first(values: &[f32], channels: usize) -> Vec<u8> {
    const RUN: usize = 1 << 14;
    let voxels = values.len() / channels;
    let mut like = vec![u8::MAX; voxels + 8];
    like[..voxels].par_chunks_mut(RUN).enumerate().for_each(|(run, like)| {
        for plane in values.chunks_exact(voxels) {
            let first = plane[0].to_bits();
            for (like, value) in like.iter_mut().zip(&plane[run * RUN..]) {
                *like &= if value.to_bits() == first { u8::MAX } else { 0 };
            }
        }
    });
    like
}

impl Winograd {
    /// Whether [`Winograd::convolve_image`] can work through this layer: it has few channels, and `cpu` has the products.
    pub fn reads_images(&self, cpu: Cpu) -> bool {
        self.has_integers(cpu) && self.image_piece().is_some()
    }

    /// Scratch of one thread, if the layer's shape is one that reads images.
    pub(super) fn image_piece(&self) -> Option<Piece> {
        let (tiling, cut) = self.integers?;
        let (pairs, patch) = (n_pairs(self.inputs()), cut.largest());
        let fits = self.inputs() <= CHANNELS && tiling.thickness == 2 && patch.size[2] <= LANES;
        let planes = WordPlanes::new(pairs, &patch);
        fits.then(|| Piece {
            planes: (planes.lines() + planes.on_the_way()) * LANES,
            v: ALONG_Z * pairs * room(patch.rows()),
            ..self.integer_piece(&(tiling, cut))
        })
    }

    /// As [`Winograd::convolve_integers`] of a planar image, `[C][D][H][W]`.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Winograd::reads_images`].
    pub fn convolve_image<T: Cell>(
        &self,
        cpu: Cpu,
        image: &[f32],
        integers: &Integers,
        (dst, mut moments): (&mut [T], Option<&mut Moments<'_>>),
        scratch: &mut [f32],
    ) -> u64 {
        let (channels, voxels) = (self.inputs(), self.tiling.voxels());
        assert_eq!(image.len(), channels * voxels, "winograd: length of the image");
        let (Some((tiling, cut)), Some(piece)) = (self.integers, self.image_piece()) else {
            panic!("winograd: not a layer that reads images")
        };
        self.check_output(dst, scratch);
        self.check_integers(&tiling, integers);
        let like_first = &*like_first(image, channels);
        let input = Image { tiling, values: image, channels, voxels, like_first, gain: integers.gain };
        let output = Output { tiling, dst: Shared::new(dst), write: Write::Overwrite };
        let sums = moments.as_deref_mut().map(|moments| Shared::new(self.sums(moments)));
        let lost = AtomicU64::new(0);
        run_tasks(cut.units(tiling.tiles), aligned(scratch), piece.len(), |task, scratch| {
            let unit = cut.unit(tiling.tiles, task);
            // SAFETY: the sums of a unit belong to its task.
            let sums: Option<&mut [Sums]> =
                sums.as_ref().map(|sums| unsafe { sums.slice(task * self.out_blocks, self.out_blocks) });
            let march = March { plan: self, cut, unit, input, output, piece, sums, scratch };
            lost.fetch_add(T::march_of_image(cpu, OfImage { march, integers }), Ordering::Relaxed);
        });
        if let Some(moments) = moments {
            finish((&tiling, &cut), moments);
        }
        lost.into_inner()
    }
}

/// Words for so many rows, and those that may be written past their end.
fn room(rows: usize) -> usize {
    (rows + LANES).next_multiple_of(LANES)
}

/// A unit of an image's tiles.
pub(crate) struct OfImage<'a, T> {
    march: March<'a, Image<'a>, T>,
    integers: &'a Integers,
}

impl<T: Cell> DotKernel for OfImage<'_, T> {
    type Output = u64;
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(mut self, isa: I, dots: D) -> u64 {
        let Self { integers, .. } = self;
        let March { plan, cut, unit, .. } = self.march;
        let layout = WordPlanes::new(n_pairs(plan.inputs()), &unit.layers(unit.start[0], cut.batch[0]));
        let mut products = InWords::<I, D> { plan, dots, integers, layout, widest: dots.zero(), wide: false, lost: 0 };
        self.march.run(isa, &mut products);
        products.lost
    }
}

/// Products of an image's words.
struct InWords<'a, I: Isa, D: Dots<I>> {
    plan: &'a Winograd,
    dots: D,
    integers: &'a Integers,
    layout: WordPlanes,
    /// Of all planes that were read.
    widest: D::W,
    /// Whether that is so much that points along z may be beyond the limit.
    wide: bool,
    lost: u64,
}

impl<I: Isa, D: Dots<I>> InWords<'_, I, D> {
    /// Combines planes along z, to the points `i` along y and `j` along x of what is computed of a batch: `[point along z][pair]
    /// [row]`, in [`room`].
    #[inline(always)]
    fn points(&mut self, (batch, i, j): (&Batch, usize, usize), planes: &[Pairs], v: &mut [i32]) {
        let (planes, stride) = (planes.as_flattened(), room(batch.rows()));
        let pairs = self.layout.pairs;
        for pair in 0..pairs {
            for run in batch.runs() {
                let mut d = [self.dots.zero(); ALONG_Z];
                for p in 0..ALONG_Z {
                    let at = self.layout.at((run.y, 2 * run.z + p), (i, j), pair) * LANES + run.x;
                    let Some(words) = planes[at..].first_chunk() else { unreachable!("a line past the end") };
                    d[p] = self.dots.load(words);
                }
                let [a, b, c, d] = d;
                let dots = self.dots;
                let points =
                    [dots.sub_halves(a, c), dots.add_halves(b, c), dots.sub_halves(c, b), dots.sub_halves(d, b)];
                for p in 0..ALONG_Z {
                    // What it writes past the run's end is of the next run, which follows, or of none.
                    let to = &mut v[(p * pairs + pair) * stride + run.row..];
                    let Some(to) = to.first_chunk_mut() else { unreachable!("room past the end") };
                    dots.store(points[p], to);
                }
            }
        }
        if self.wide {
            for of_pair in v.chunks_exact_mut(stride) {
                of_pair[batch.computed()..].fill(0);
                self.lost += cut(self.dots, of_pair.as_chunks_mut().0, self.integers.limit);
            }
        }
    }
}

impl<I: Isa, D: Dots<I>> Products<I, Image<'_>> for InWords<'_, I, D> {
    #[inline(always)]
    fn read(&mut self, isa: I, image: &Image<'_>, batch: (&Patch, usize), planes: &mut [f32]) {
        let (on_the_way, planes) = planes.split_at_mut(self.layout.on_the_way() * LANES);
        let on_the_way = on_the_way.as_chunks_mut().0.as_chunks_mut().0;
        let planes = bytemuck::cast_slice_mut::<f32, i32>(planes).as_chunks_mut().0;
        self.layout.read((isa, self.dots), image, batch, (planes, on_the_way), &mut self.widest);
        let mut widest = [0; LANES];
        self.dots.store(self.widest, &mut widest);
        self.wide = exceeds(&widest, within(self.integers.limit, 2));
    }

    #[inline(always)]
    fn row(
        &mut self,
        isa: I,
        (batch, i): (&Batch, usize),
        planes: &[f32],
        (v, m): (&mut [f32], &mut [Lanes]),
        halves: &mut [Halfway],
    ) {
        let out_blocks = self.plan.out_blocks;
        let (rows, computed, stride) = (batch.rows(), batch.computed(), room(batch.rows()));
        let planes = bytemuck::cast_slice::<f32, i32>(&planes[self.layout.on_the_way() * LANES..]).as_chunks().0;
        let pairs = self.layout.pairs;
        let v = &mut bytemuck::cast_slice_mut::<f32, i32>(v)[..ALONG_Z * pairs * stride];
        let m_layout = Points { blocks: out_blocks, rows };
        for j in 0..6 {
            self.points((batch, i, j), planes, v);
            let first = (6 * i + j) * out_blocks;
            let u = &self.integers.pairs.as_chunks::<ALONG_Z>().0[first * pairs..][..out_blocks * pairs];
            let back = &self.integers.back.as_chunks::<ALONG_Z>().0[first..][..out_blocks];
            let (m0, m1) = m[m_layout.at(2 * j, 0, 0)..][..2 * m_layout.stride()].split_at_mut(m_layout.stride());
            for ob in 0..out_blocks {
                let m = [&mut m0[ob * rows..][..rows], &mut m1[ob * rows..][..rows]];
                let (isa, u) = ((isa, self.dots), &u[ob * pairs..][..pairs]);
                let to = (&back[ob], &mut [planes_of(m, rows)]);
                if pairs == 2 {
                    panel::<I, D, 2>(isa, computed, (v, stride), u, to);
                } else {
                    panel::<I, D, 1>(isa, computed, (v, stride), u, to);
                }
            }
        }
        back_along_x(isa, i, (m_layout, m), halves);
    }
}

/// The first `n` rows of an output block, from `PAIRS` of channels.
#[inline(always)]
fn panel<I: Isa, D: Dots<I>, const PAIRS: usize>(
    isa: (I, D),
    n: usize,
    (v, stride): (&[i32], usize),
    u: &[[Words; ALONG_Z]],
    (back, m): (&[Lanes; ALONG_Z], &mut Outputs<'_, 1>),
) {
    let Some(u) = u.first_chunk::<PAIRS>() else { unreachable!("weights of each pair of channels") };
    let words = WordsOf { v, stride, u };
    let mut r = 0;
    while r + 12 <= n {
        thin_tile::<I, D, _, 12, 1>(isa, r, &words, ([&back[0]], m));
        r += 12;
    }
    if r < n && n >= 12 {
        thin_tile::<I, D, _, 12, 1>(isa, n - 12, &words, ([&back[0]], m));
        return;
    }
    while r < n {
        thin_tile::<I, D, _, 1, 1>(isa, r, &words, ([&back[0]], m));
        r += 1;
    }
}

/// Rows of words and the weights of one output block.
struct WordsOf<'a, const PAIRS: usize> {
    /// `[point along z][pair]`, each of so many words.
    v: &'a [i32],
    stride: usize,
    u: &'a [[Words; ALONG_Z]; PAIRS],
}

impl<I: Isa, D: Dots<I>, const PAIRS: usize> Addends<I, D, 1> for WordsOf<'_, PAIRS> {
    #[inline(always)]
    fn add<const XT: usize>(
        &self,
        dots: D,
        r: usize,
        points: [usize; 2],
        mut sum: [[[D::W; 1]; XT]; 2],
    ) -> [[[D::W; 1]; XT]; 2] {
        for k in 0..PAIRS {
            for n in 0..2 {
                let words = &self.v[(points[n] * PAIRS + k) * self.stride + r..];
                let Some(words) = words.first_chunk::<XT>() else { unreachable!("a tile lies within the rows") };
                let w = dots.load(&self.u[k][points[n]].0);
                for x in 0..XT {
                    sum[n][x][0] = dots.dot(sum[n][x][0], dots.splat(words[x]), w);
                }
            }
        }
        sum
    }
}

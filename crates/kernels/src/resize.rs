//! Max pooling and nearest up-sampling by 2, and their gradients.

use crate::cpu::Cpu;
use crate::gather::{Shape, Write, voxels};
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use rayon::prelude::*;

/// The eight voxels of cell `(z, y, x)` in a block of shape `big`, x fastest.
#[inline(always)]
fn cell(big: Shape, [z, y, x]: [usize; 3]) -> [usize; 8] {
    let mut at = [0; 8];
    for (k, at) in at.iter_mut().enumerate() {
        *at = ((2 * z + k / 4) * big[1] + 2 * y + k / 2 % 2) * big[2] + 2 * x + k % 2;
    }
    at
}

#[derive(Clone, Copy)]
enum Op {
    PoolBack,
    UpBack,
}

/// One plane `z` of the small grid of one block: `big` is read or written, `small` the other.
struct Plane<'a> {
    op: Op,
    shape: Shape,
    z: usize,
    x: &'a [[f32; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
    small: &'a mut [[f32; LANES]],
    big: &'a mut [[f32; LANES]],
    write: Write,
}

impl Kernel for Plane<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        let seen = |x: &[f32; LANES]| {
            let t = isa.fma(isa.load(x), scale, shift);
            isa.max(t, isa.mul(t, slope))
        };
        let [_, h, w] = self.shape.map(|n| n / 2);
        for y in 0..h {
            for x in 0..w {
                let at = cell(self.shape, [self.z, y, x]);
                let small = &mut self.small[y * w + x];
                match self.op {
                    Op::UpBack => {
                        let mut sum = isa.load(&self.x[at[0]]);
                        for &a in &at[1..] {
                            sum = isa.add(sum, isa.load(&self.x[a]));
                        }
                        if self.write == Write::Add {
                            sum = isa.add(sum, isa.load(small));
                        }
                        isa.store(sum, small);
                    }
                    Op::PoolBack => {
                        // The first of equal maxima takes the gradient, as in PyTorch.
                        let mut best = isa.splat(f32::NEG_INFINITY);
                        for &a in &at {
                            best = isa.max(seen(&self.x[a]), best);
                        }
                        let mut left = isa.load(small);
                        // Plane-local index into `big`, which holds two planes.
                        let origin = 2 * self.z * self.shape[1] * self.shape[2];
                        for &a in &at {
                            let s = seen(&self.x[a]);
                            // s < best leaves 0 here; s == best takes what is left.
                            let lost = isa.sub(best, s);
                            let zero = isa.splat(0.0);
                            let d = isa.select_positive(lost, zero, left);
                            left = isa.select_positive(lost, left, zero);
                            let to = &mut self.big[a - origin];
                            let d = if self.write == Write::Add { isa.add(d, isa.load(to)) } else { d };
                            isa.store(d, to);
                        }
                    }
                }
            }
        }
    }
}

/// Max pooling 2x2x2, stride 2: `dst` is half of `shape` on each axis (even sizes).
///
/// # Panics
/// If a length does not fit or a size is odd.
pub fn max_pool<T: Cell>(cpu: Cpu, source: &Source<'_, T>, shape: Shape, dst: &mut [T]) {
    let (v, small) = check(shape, source.values.len(), dst.len());
    let plane = small[1] * small[2] * LANES;
    dst.par_chunks_mut(plane).enumerate().for_each(|(i, dst)| {
        let (b, z) = (i / small[0], i % small[0]);
        let x = source.values[b * v * LANES..][..v * LANES].as_chunks::<LANES>().0;
        let small = dst.as_chunks_mut::<LANES>().0;
        T::pool(cpu, Pool { shape, z, x, affine: source.affine(b), slope: source.slope, small });
    });
}

/// One plane `z` of a block of the small grid.
pub(crate) struct Pool<'a, T> {
    shape: Shape,
    z: usize,
    x: &'a [[T; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
    small: &'a mut [[T; LANES]],
}

impl<T: Cell> Kernel for Pool<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        let seen = |x: &[T; LANES]| {
            let t = isa.fma(T::load(isa, x), scale, shift);
            isa.max(t, isa.mul(t, slope))
        };
        let [_, h, w] = self.shape.map(|n| n / 2);
        for y in 0..h {
            for x in 0..w {
                let at = cell(self.shape, [self.z, y, x]);
                let mut best = seen(&self.x[at[0]]);
                for &a in &at[1..] {
                    best = isa.max(best, seen(&self.x[a]));
                }
                T::store(isa, best, &mut self.small[y * w + x]);
            }
        }
    }
}

/// Gradient of [`max_pool`] to what it saw: to the first of the largest of each cell.
///
/// # Panics
/// If a length does not fit or a size is odd.
pub fn max_pool_back(
    cpu: Cpu,
    source: &Source<'_>,
    shape: Shape,
    d_dst: &mut [f32],
    (d_src, write): (&mut [f32], Write),
) {
    let (v, small) = check(shape, source.values.len(), d_dst.len());
    assert_eq!(d_src.len(), source.values.len(), "max_pool_back: d_src");
    let (plane, planes) = (small[1] * small[2] * LANES, 2 * shape[1] * shape[2] * LANES);
    d_dst.par_chunks_mut(plane).zip(d_src.par_chunks_mut(planes)).enumerate().for_each(|(i, (d_dst, d_src))| {
        let (b, z) = (i / small[0], i % small[0]);
        cpu.run(Plane {
            op: Op::PoolBack,
            shape,
            z,
            x: source.values[b * v * LANES..][..v * LANES].as_chunks::<LANES>().0,
            affine: source.affine(b),
            slope: source.slope,
            small: d_dst.as_chunks_mut::<LANES>().0,
            big: d_src.as_chunks_mut::<LANES>().0,
            write,
        });
    });
}

/// Nearest up-sampling by 2 of what `source` shows: `dst` is twice `shape` on each axis.
///
/// # Panics
/// If a length does not fit.
pub fn up_nearest<T: Cell>(cpu: Cpu, source: &Source<'_, T>, shape: Shape, dst: &mut [T]) {
    let big = shape.map(|n| 2 * n);
    assert_eq!(dst.len(), source.values.len() * 8, "up_nearest: dst");
    let v = voxels(shape);
    dst.par_chunks_mut(big[1] * big[2] * LANES).enumerate().for_each(|(i, plane)| {
        let (b, z) = (i / big[0], i % big[0] / 2);
        let from = (b * v + z * shape[1] * shape[2]) * LANES;
        let x = source.values[from..from + shape[1] * shape[2] * LANES].as_chunks::<LANES>().0;
        let to = plane.as_chunks_mut::<LANES>().0;
        T::copies(cpu, Copies { x, affine: source.affine(b), slope: source.slope, shape: [big[1], big[2]], to });
    });
}

pub(crate) struct Copies<'a, T> {
    x: &'a [[T; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
    shape: [usize; 2],
    to: &'a mut [[T; LANES]],
}

impl<T: Cell> Kernel for Copies<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        let [height, width] = self.shape;
        for y in 0..height {
            for x in 0..width {
                let t = isa.fma(T::load(isa, &self.x[y / 2 * (width / 2) + x / 2]), scale, shift);
                T::store(isa, isa.max(t, isa.mul(t, slope)), &mut self.to[y * width + x]);
            }
        }
    }
}

/// Gradient of [`up_nearest`] to what it saw, on `shape`: the sum of the eight copies.
///
/// # Panics
/// If a length does not fit.
pub fn up_nearest_back(cpu: Cpu, d_dst: &[f32], shape: Shape, (d_src, write): (&mut [f32], Write)) {
    let big = shape.map(|n| 2 * n);
    let (v, _) = check(big, d_dst.len(), d_src.len());
    d_src.par_chunks_mut(shape[1] * shape[2] * LANES).enumerate().for_each(|(i, d_src)| {
        let (b, z) = (i / shape[0], i % shape[0]);
        cpu.run(Plane {
            op: Op::UpBack,
            shape: big,
            z,
            x: d_dst[b * v * LANES..][..v * LANES].as_chunks::<LANES>().0,
            affine: ([1.0; LANES], [0.0; LANES]),
            slope: 1.0,
            small: d_src.as_chunks_mut::<LANES>().0,
            big: &mut [],
            write,
        });
    });
}

/// Voxels of the big grid, and the small grid's shape.
fn check(big: Shape, len: usize, small_len: usize) -> (usize, Shape) {
    assert!(big.iter().all(|n| n % 2 == 0 && *n > 0), "resize: {big:?} is not even");
    assert_eq!(len, small_len * 8, "resize: lengths");
    (voxels(big), big.map(|n| n / 2))
}

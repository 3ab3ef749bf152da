//! Pooling and up-sampling against their definitions: bit for bit, since they select and copy, and add eight numbers.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod numbers;

use kernels::{Shape, Write, max_pool, max_pool_back, up_nearest, up_nearest_back, voxels};
use numbers::{Raw, every_way, noise, pack, unpack};
use proptest::prelude::*;

/// The eight voxels of each cell of an even `shape`, x fastest: what PyTorch goes through, in its order.
fn cells(shape: Shape) -> Vec<[usize; 8]> {
    let [d, h, w] = shape.map(|n| n / 2);
    let mut cells = Vec::new();
    for z in 0..d {
        for y in 0..h {
            for x in 0..w {
                let mut cell = [0; 8];
                for (k, at) in cell.iter_mut().enumerate() {
                    *at = ((2 * z + k / 4) * shape[1] + 2 * y + k / 2 % 2) * shape[2] + 2 * x + k % 2;
                }
                cells.push(cell);
            }
        }
    }
    cells
}

fn check_pool(raw: &Raw, channels: usize, shape: Shape) {
    let (v, cells) = (voxels(shape), cells(shape));
    let (d, old) = (noise(channels * v / 8, 11), noise(channels * v, 12));
    let got = every_way(|cpu| {
        let mut dst = vec![f32::NAN; raw.blocked.len() / 8];
        max_pool(cpu, &raw.source(), shape, &mut dst);
        let mut d_dst = pack(&d, channels, v / 8);
        let mut fresh = vec![f32::NAN; raw.blocked.len()];
        max_pool_back(cpu, &raw.source(), shape, &mut d_dst, (&mut fresh, Write::Overwrite));
        assert_eq!(unpack(&d_dst, channels, v / 8), d, "the gradient that came in is untouched");
        let mut added = pack(&old, channels, v);
        max_pool_back(cpu, &raw.source(), shape, &mut d_dst, (&mut added, Write::Add));
        vec![unpack(&dst, channels, v / 8), unpack(&fresh, channels, v), unpack(&added, channels, v)]
    });
    for c in 0..channels {
        for (at, cell) in cells.iter().enumerate() {
            let small = c * v / 8 + at;
            let seen = cell.map(|from| raw.seen(c * v + from, v));
            let best = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(got[0][small] == best, "pool {shape:?}: {} for {best}", got[0][small]);
            let first = seen.iter().position(|&s| s == best).unwrap();
            for (k, &from) in cell.iter().enumerate() {
                let (big, share) = (c * v + from, if k == first { d[small] } else { 0.0 });
                assert!(got[1][big] == share, "back {shape:?} voxel {k} of {seen:?}: {} for {share}", got[1][big]);
                assert!(got[2][big] == old[big] + share, "back, added: {}", got[2][big]);
            }
        }
    }
}

#[test]
fn of_equal_maxima_the_first_takes_the_gradient() {
    let shape = [4, 2, 6];
    let v = voxels(shape);
    // Few values, so that most cells have ties; and a ReLU that makes every cell of some channels all zeros.
    let few: Vec<f32> = noise(18 * v, 4).iter().map(|u| (u * 2.0).round()).collect();
    for slope in [0.0, 0.01, 1.0] {
        check_pool(&Raw::new(few.clone(), 18, v, 1, slope), 18, shape);
    }
    check_pool(&Raw::new(vec![-1.0; 3 * v], 3, v, 1, 0.0), 3, shape);
    check_pool(&Raw::new(vec![0.0; 3 * v], 3, v, 1, 1.0), 3, shape);
}

#[test]
fn infinities_are_numbers_to_a_pool() {
    let shape = [2, 2, 4];
    let mut raw = Raw::new(vec![f32::NEG_INFINITY; 16], 1, 16, 1, 1.0);
    raw.scale.fill(1.0);
    raw.shift.fill(0.0);
    check_pool(&raw, 1, shape);
    raw.blocked[3 * 16] = f32::INFINITY;
    raw.planar[3] = f32::INFINITY;
    check_pool(&raw, 1, shape);
}

fn check_up(raw: &Raw, channels: usize, shape: Shape) {
    let (v, big) = (voxels(shape), shape.map(|n| 2 * n));
    let cells = cells(big);
    let (d, old) = (noise(channels * 8 * v, 21), noise(channels * v, 22));
    let got = every_way(|cpu| {
        let mut dst = vec![f32::NAN; raw.blocked.len() * 8];
        up_nearest(cpu, &raw.source(), shape, &mut dst);
        let d_dst = pack(&d, channels, 8 * v);
        let mut fresh = vec![f32::NAN; raw.blocked.len()];
        up_nearest_back(cpu, &d_dst, shape, (&mut fresh, Write::Overwrite));
        let mut added = pack(&old, channels, v);
        up_nearest_back(cpu, &d_dst, shape, (&mut added, Write::Add));
        vec![unpack(&dst, channels, 8 * v), unpack(&fresh, channels, v), unpack(&added, channels, v)]
    });
    for at in 0..channels * v {
        let (c, seen) = (at / v, raw.seen(at, v));
        let copies = cells[at % v].map(|to| c * 8 * v + to);
        for to in copies {
            assert!(got[0][to] == seen, "up {shape:?}: {} for {seen}", got[0][to]);
        }
        let sum = copies[1..].iter().fold(d[copies[0]], |sum, &from| sum + d[from]);
        assert!(got[1][at] == sum, "back {shape:?}: {} for {sum}", got[1][at]);
        assert!(got[2][at] == sum + old[at], "back, added: {}", got[2][at]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_shape_is_its_definition(
        d in 1usize..5, h in 1usize..6, w in 1usize..10, channels in 1usize..36, seed in 0u64..1000,
        slope in prop::sample::select(vec![0.0f32, 0.01, 1.0]),
    ) {
        let small = [d, h, w];
        let big = small.map(|n| 2 * n);
        let raw = |v: usize| Raw::new(noise(channels * v, seed), channels, v, seed, slope);
        check_pool(&raw(voxels(big)), channels, big);
        check_up(&raw(voxels(small)), channels, small);
    }
}

/// `<A x, y> = <x, A' y>`, for the linear one and for the pool about a point: it is linear where no maximum changes.
#[test]
fn gradients_are_adjoints() {
    let (shape, channels) = ([4, 6, 10], 20);
    let v = voxels(shape);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let mut raw = Raw::new(noise(channels * v, 1), channels, v, 1, 1.0);
    raw.scale.fill(1.0);
    raw.shift.fill(0.0);
    let (up, down) = (noise(channels * v * 8, 2), noise(channels * v / 8, 3));
    every_way(|cpu| {
        let mut dst = vec![f32::NAN; raw.blocked.len() * 8];
        up_nearest(cpu, &raw.source(), shape, &mut dst);
        let mut back = vec![f32::NAN; raw.blocked.len()];
        up_nearest_back(cpu, &pack(&up, channels, 8 * v), shape, (&mut back, Write::Overwrite));
        let (there, here) = (dot(&unpack(&dst, channels, 8 * v), &up), dot(&raw.planar, &unpack(&back, channels, v)));
        // Seven f32 additions of numbers below 1 each, over 4800 sums.
        assert!((there - here).abs() < 1e-3, "up: {there} and {here}");
        let mut small = vec![f32::NAN; raw.blocked.len() / 8];
        max_pool(cpu, &raw.source(), shape, &mut small);
        let mut d = pack(&down, channels, v / 8);
        max_pool_back(cpu, &raw.source(), shape, &mut d, (&mut back, Write::Overwrite));
        let (there, here) =
            (dot(&unpack(&small, channels, v / 8), &down), dot(&raw.planar, &unpack(&back, channels, v)));
        assert!((there - here).abs() < 1e-9, "pool: {there} and {here}: the same products in another order");
        vec![]
    });
}

#[test]
#[should_panic(expected = "is not even")]
fn an_odd_size_is_refused() {
    let raw = Raw::new(vec![0.0; 24], 1, 24, 1, 1.0);
    max_pool(kernels::Cpu::detect(), &raw.source(), [2, 3, 4], &mut [0.0; 48]);
}

#[test]
#[should_panic(expected = "lengths")]
fn a_wrong_length_is_refused() {
    let raw = Raw::new(vec![0.0; 16], 1, 16, 1, 1.0);
    max_pool(kernels::Cpu::detect(), &raw.source(), [2, 2, 4], &mut [0.0; 16]);
}

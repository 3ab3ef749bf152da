//! The blocked layout: every value at its place, zeros past the last channel, and back again.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

#[expect(dead_code, reason = "layout needs less than the kernels")]
mod numbers;

use kernels::{Cpu, Half, LANES, Source, add_bias, blocks, pack_channels, unpack_channels};
use numbers::{Raw, noise, pack, unpack};
use proptest::prelude::*;

proptest! {
    #[test]
    fn packing_places_every_value_and_comes_back(channels in 1usize..50, voxels in 1usize..200, seed in 0u64..1000) {
        let planar = noise(channels * voxels, seed);
        let blocked = pack(&planar, channels, voxels);
        prop_assert_eq!(blocked.len(), blocks(channels) * voxels * LANES);
        for (at, &value) in blocked.iter().enumerate() {
            let (block, voxel, lane) = (at / (voxels * LANES), at / LANES % voxels, at % LANES);
            let channel = block * LANES + lane;
            let want = if channel < channels { planar[channel * voxels + voxel] } else { 0.0 };
            prop_assert_eq!(value, want, "block {} voxel {} lane {}", block, voxel, lane);
        }
        prop_assert_eq!(unpack(&blocked, channels, voxels), planar);
    }

    #[test]
    fn unpacking_ignores_the_lanes_past_the_last_channel(channels in 1usize..20, voxels in 1usize..20) {
        let planar = noise(channels * voxels, 1);
        let mut blocked = pack(&planar, channels, voxels);
        for (at, value) in blocked.iter_mut().enumerate() {
            if at / (voxels * LANES) * LANES + at % LANES >= channels {
                *value = f32::NAN;
            }
        }
        prop_assert_eq!(unpack(&blocked, channels, voxels), planar);
    }
}

/// `planar` in blocks of halves, lane by lane.
fn halves(planar: &[f32], channels: usize, voxels: usize) -> Vec<Half> {
    let at = |at: usize| (at / (voxels * LANES) * LANES + at % LANES, at / LANES % voxels);
    let value = |(channel, voxel)| if channel < channels { planar[channel * voxels + voxel] } else { 0.0 };
    (0..blocks(channels) * voxels * LANES).map(|n| Half::of(value(at(n)))).collect()
}

#[test]
fn halves_are_packed_as_they_are_rounded_one_by_one() {
    // About the part that a thread takes.
    for (channels, voxels) in [(1, 1), (4, 16_383), (3, 16_385), (18, 33_000), (16, 17)] {
        let planar = noise(channels * voxels, 5);
        let want = halves(&planar, channels, voxels);
        for cpu in Cpu::all() {
            let mut packed = vec![Half::of(f32::NAN); want.len()];
            pack_channels(cpu, &planar, channels, voxels, &mut packed);
            assert!(packed == want, "{:?}: {channels} channels, {voxels} voxels", cpu.name());
        }
    }
}

#[test]
fn a_bias_is_added_to_every_voxel() {
    let (channels, voxels) = (20, 5000);
    let planar = noise(channels * voxels, 5);
    let values = halves(&planar, channels, voxels);
    let bias = noise(blocks(channels) * LANES, 6);
    for cpu in Cpu::all() {
        let mut sum = values.clone();
        add_bias(cpu, &bias, &mut sum);
        let of = |at: usize| bias[at / (voxels * LANES) * LANES + at % LANES];
        let right = |at: usize| sum[at] == Half::of(values[at].wide() + of(at));
        assert!((0..sum.len()).all(right), "{:?}", cpu.name());
    }
}

#[test]
fn blocks_hold_sixteen() {
    for (channels, want) in [(1, 1), (15, 1), (16, 1), (17, 2), (32, 2), (33, 3)] {
        assert_eq!(blocks(channels), want, "{channels} channels");
    }
}

#[test]
fn a_source_says_what_it_owes() {
    let raw = Raw::new(noise(20 * 3, 1), 20, 3, 1, 0.5);
    let source = raw.source();
    assert_eq!(source.blocks(3), 2, "20 channels");
    assert!(!source.is_plain(), "it owes a norm");
    let (scale, shift) = source.affine(1);
    assert_eq!((scale.as_slice(), shift.as_slice()), (&raw.scale[16..], &raw.shift[16..]), "second block");
    let plain = Source::plain(&raw.blocked);
    assert!(plain.is_plain(), "nothing owed");
    assert_eq!(plain.affine(1), ([1.0; 16], [0.0; 16]), "identity");
    assert!(!Source { slope: 0.0, ..plain }.is_plain(), "it owes a ReLU");
    assert!(!Source { shift: &raw.shift, ..plain }.is_plain(), "it owes a shift");
}

#[test]
#[should_panic(expected = "pack: planar length")]
fn packing_refuses_a_short_input() {
    pack_channels(Cpu::detect(), &[0.0; 5], 2, 3, &mut [0.0; 48]);
}

#[test]
#[should_panic(expected = "unpack: blocked length")]
fn unpacking_refuses_a_short_input() {
    unpack_channels(&[0.0; 32], 2, 3, &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_scale_for_too_few_blocks_is_refused() {
    let raw = Raw::new(noise(20 * 3, 1), 20, 3, 1, 0.5);
    Source { scale: &raw.scale[..16], ..raw.source() }.affine(1);
}

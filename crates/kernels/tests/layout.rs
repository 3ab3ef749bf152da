//! The blocked layout: every value at its place, zeros past the last channel, and back again.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

#[expect(dead_code, reason = "layout needs less than the kernels")]
mod numbers;

use kernels::{LANES, Source, blocks, pack_channels, unpack_channels};
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
    pack_channels(&[0.0; 5], 2, 3, &mut [0.0; 48]);
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

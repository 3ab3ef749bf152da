//! How many copies of classes x full resolution inference takes, of whatever is stored for each class and each voxel.
//!
//! A network of four classes takes as many planes of the case more than one of three regions as there are copies: all else in
//! the two is alike. What was freed again counts too, so there are never more at once. This file has one test, because the
//! counter sees the whole process; it is a crate of its own, since unsafe code stands in `kernels` alone.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

use std::alloc::System;
use std::path::Path;

use kernels::{Cpu, voxels};
use segment::infer::{Model, infer};
use segment::precision::Precision;
use segment::prepare::Tensor4;
use segment::recipe::inference::{Mode, TensorAxis};
use segment::recipe::training::Outputs;
use segment::recipe::{DEFAULT, Recipe};
use segment::train::Flow;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// D, H, W.
const CASE: [usize; 3] = [48, 40, 56];
const TILE: [usize; 3] = [24, 24, 24];

/// Bytes that the way of a case through a tiny network asks for.
fn bytes(outputs: Outputs, mode: Mode, mirror: &[TensorAxis]) -> f64 {
    let mut recipe = Recipe::parse(DEFAULT, Path::new("default")).unwrap();
    recipe.network.widths = vec![4, 8];
    recipe.network.deep_supervision = vec![1.0];
    recipe.network.outputs = outputs;
    recipe.inference.mode = mode;
    recipe.inference.tile = TILE;
    recipe.inference.overlap = 0.25;
    recipe.inference.mirror = mirror.to_vec();
    let weights = unet::weights::initial(&recipe.network.spec(), 3).unwrap();
    let model = Model { network: recipe.network, weights, calibration: None };
    let values = (0..4 * voxels(CASE)).map(|i| (i as f32 * 0.37).sin()).collect();
    let tensor = Tensor4 { channels: 4, shape: CASE, values };
    let region = Region::new(MEMORY);
    infer(Cpu::detect(), (&model, Precision::F32), &recipe.inference, &tensor, &mut |_| Flow::Continue).unwrap();
    region.change().bytes_allocated as f64
}

#[test]
fn there_is_one_copy_of_classes_at_full_resolution_at_most() {
    let plane = (size_of::<f32>() * voxels(CASE)) as f64;
    let copies = |mode, mirror: &[TensorAxis]| {
        bytes(Outputs::Regions, mode, mirror); // so that the pool has what it keeps
        (bytes(Outputs::Classes, mode, mirror) - bytes(Outputs::Regions, mode, mirror)) / plane
    };
    let all = [TensorAxis::D, TensorAxis::H, TensorAxis::W];
    // One pass decides in the network's head; several add the logits to one sum, those of one output after another.
    for (what, found, expected) in [
        ("one pass", copies(Mode::Whole, &[]), 0.0),
        ("tiles", copies(Mode::Tiles, &[]), 1.0),
        ("tiles, mirrored", copies(Mode::Tiles, &all[..1]), 1.0),
        ("one pass, mirrored", copies(Mode::Whole, &all), 1.0),
    ] {
        assert!((found - expected).abs() < 0.05, "{what}: {found:.3} copies, not {expected:.3}");
    }
}

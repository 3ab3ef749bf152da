//! A step takes no memory: after the first one, loading weights, forward, losses, backward and the optimiser allocate
//! nothing, on any of the threads.
//!
//! This file has one test, because the counter sees the whole process. The counting allocator is a crate of its own, since
//! unsafe code stands in `kernels` alone.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod numbers;

use kernels::{Cpu, voxels};
use numbers::{image, mix, weights};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use unet::loss::{DiceClasses, DiceOver, LossSpec, LossWorkspace, Targets, loss};
use unet::optim::{OptimSpec, Optimiser};
use unet::{Down, Net, NetSpec, Norm, Purpose, Up};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LOSS: LossSpec = LossSpec {
    dice: 1.0,
    cross_entropy: 1.0,
    dice_over: DiceOver::Sample,
    dice_classes: DiceClasses::All,
    smooth: 1.0,
};

/// Allocations of the fourth step, in a pool that runs it from within: handing work to a pool takes memory of its own.
fn allocations(spec: &NetSpec, purpose: Purpose, threads: usize) -> usize {
    let shape = [16, 8, 24];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut params = weights(spec, 1);
        let image = image(spec, voxels(shape), 1);
        let mut net = Net::new(spec, shape, purpose, Cpu::detect()).unwrap();
        let mut grads = vec![0.0; params.len()];
        let adam = OptimSpec::AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 };
        let mut optimiser = Optimiser::new(adam, params.len(), &[]);
        let r = spec.outputs;
        let mut workspace = LossWorkspace::new((1, r, voxels(shape)));
        let targets: Vec<u8> = (0..(r * voxels(shape)) as u32).map(|i| (mix(1, 2000, i) & 1) as u8).collect();
        let mut step = |seed| {
            net.load(&params);
            net.forward(&image, Some(seed));
            for (_, logits, d_logits) in net.heads_mut() {
                let n = logits.len();
                loss(&LOSS, logits, Targets::Regions(&targets[..n]), (1, r, n / r), &mut workspace, 1.0, d_logits);
            }
            grads.fill(0.0);
            net.backward(&mut grads);
            optimiser.step(&mut params, &grads, 1e-3);
        };
        (0..3).for_each(&mut step);
        let region = Region::new(MEMORY);
        step(3);
        let change = region.change();
        change.allocations + change.reallocations
    })
}

#[test]
fn a_step_takes_no_memory() {
    let region = Region::new(MEMORY);
    drop(std::hint::black_box(vec![1u8; 100]));
    assert!(region.change().allocations > 0, "the counter counts");
    let field = NetSpec {
        inputs: 4,
        outputs: 3,
        widths: vec![5, 17, 32],
        norm: Norm::Instance,
        negative_slope: 0.01,
        down: Down::Strided,
        up: Up::Transposed,
        dropout: 0.0,
        deep_supervision: 1,
    };
    let report = NetSpec {
        norm: Norm::None,
        down: Down::MaxPool,
        up: Up::Nearest,
        dropout: 0.5,
        deep_supervision: 0,
        ..field.clone()
    };
    for spec in [field, report] {
        for (purpose, threads) in [(Purpose::Train, 1), (Purpose::Train, 2), (Purpose::TrainInTiles, 2)] {
            let taken = allocations(&spec, purpose, threads);
            assert_eq!(taken, 0, "allocations of a step, {purpose:?}, {threads} threads: {spec:?}");
        }
    }
}

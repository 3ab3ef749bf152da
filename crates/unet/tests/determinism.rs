//! The same bits whatever the number of threads, the instruction set, the purpose, and what a network did before.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod numbers;

use kernels::{Bf16, Cell, Cpu, Half, Shape, voxels};
use numbers::{image, unit, weights};
use unet::{Down, Net, NetSpec, Norm, Products, Purpose, Up};

/// The networks and their shapes: both kinds of kernel, tails of channels, every kind of layer.
fn nets() -> Vec<(&'static str, NetSpec, Shape)> {
    let field = NetSpec {
        inputs: 4,
        outputs: 3,
        widths: vec![5, 17, 20, 33],
        norm: Norm::Instance,
        negative_slope: 0.01,
        down: Down::Strided,
        up: Up::Transposed,
        dropout: 0.0,
        deep_supervision: 2,
    };
    let report = NetSpec {
        outputs: 4,
        widths: vec![8, 16, 32],
        norm: Norm::None,
        negative_slope: 0.0,
        down: Down::MaxPool,
        up: Up::Nearest,
        dropout: 0.5,
        deep_supervision: 0,
        ..field
    };
    // Large enough for many chunks of voxels and many batches of tiles.
    let wide = NetSpec { inputs: 1, outputs: 1, widths: vec![16, 40], deep_supervision: 0, ..field };
    vec![("field", field, [16, 8, 24]), ("report", report, [16, 8, 24]), ("wide", wide, [18, 22, 30])]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// The bits of all logits.
fn forward(net: &mut Net, image: &[f32], seed: Option<u64>) -> Vec<u32> {
    net.forward(image, seed);
    net.heads_mut().flat_map(|(_, logits, _)| bits(logits)).collect()
}

/// Adds the gradient that hashed `d_logits` give.
fn backward(net: &mut Net, grads: &mut [f32]) {
    for (level, _, d_logits) in net.heads_mut() {
        d_logits.copy_from_slice(&unit(1, 1000 + level as u32, d_logits.len()));
    }
    net.backward(grads);
}

/// Logits and gradients of a new network, dropout on.
fn step(spec: &NetSpec, shape: Shape, (purpose, cpu): (Purpose, Cpu)) -> [Vec<u32>; 2] {
    let weights = weights(spec, 1);
    let mut net = Net::new(spec, shape, purpose, cpu).unwrap();
    net.load(&weights);
    let logits = forward(&mut net, &image(spec, voxels(shape), 1), Some(5));
    let mut grads = vec![0.0; weights.len()];
    backward(&mut net, &mut grads);
    assert!(grads.iter().all(|g| g.is_finite()), "a gradient is not finite");
    [logits, bits(&grads)]
}

#[test]
fn threads_do_not_matter() {
    for (name, spec, shape) in nets() {
        for purpose in [Purpose::Train, Purpose::TrainInTiles] {
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| step(&spec, shape, (purpose, Cpu::detect())))
            };
            let one = run(1);
            for threads in [2, 3] {
                assert!(run(threads) == one, "{name}, {purpose:?}: other bits with {threads} threads");
            }
        }
    }
}

/// No bound is needed: every sum has one order, and every instruction set rounds alike (`kernels::Isa`).
#[test]
fn instruction_sets_do_not_matter() {
    let with_tiles = |cpu: &Cpu| cpu.has_tiles();
    for (name, spec, shape) in nets() {
        let same = |purpose, cpus: &[Cpu]| {
            let expected = step(&spec, shape, (purpose, cpus[0]));
            for &cpu in &cpus[1..] {
                let same = step(&spec, shape, (purpose, cpu)) == expected;
                assert!(same, "{name}, {purpose:?}: other bits on {:?}", cpu.name());
            }
        };
        same(Purpose::Train, &Cpu::all());
        same(Purpose::TrainInTiles, &Cpu::all().into_iter().filter(with_tiles).collect::<Vec<_>>());
    }
}

/// The bits of the logits of a forward pass in other numbers, and how many of them were cut.
fn inferred<T: Cell>(net: (&NetSpec, Shape), cpu: Cpu, products: Products<'_>) -> (Vec<u32>, u64) {
    let (spec, shape) = net;
    let mut net = Net::<T>::inference(spec, shape, cpu, products).unwrap();
    net.load(&weights(spec, 1));
    net.forward(&image(spec, voxels(shape), 1), None);
    (bits(net.logits(0)), net.lost())
}

/// Of every instruction set that can, with 1, 2 and 3 threads: the same.
fn one_answer<T: Cell>(name: &str, net: (&NetSpec, Shape), products: Products<'_>) -> u64 {
    let mut first: Option<(Vec<u32>, u64)> = None;
    let can = |cpu: &Cpu| match products {
        Products::Floats => true,
        Products::Integers(_) | Products::Bytes(_) => cpu.has_int16(),
        Products::Tiles => cpu.has_tiles(),
    };
    for cpu in Cpu::all().into_iter().filter(can) {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let got = pool.install(|| inferred::<T>(net, cpu, products));
            let first = first.get_or_insert_with(|| got.clone());
            assert!(first.0 == got.0, "{name}: other bits on {:?} with {threads} threads", cpu.name());
            assert_eq!(first.1, got.1, "{name}: other numbers are cut on {:?}, {threads} threads", cpu.name());
        }
    }
    first.unwrap().1
}

/// In sixteen bits and in integers too, those that are cut among them, plain Rust gives the bits of all others.
#[test]
fn forward_passes_in_other_numbers_have_one_answer() {
    for (name, spec, _) in nets() {
        // Large enough for integers after filtering at the first level.
        let (net, cpu) = ((&spec, [16, 24, 24]), Cpu::detect());
        let mut plain = Net::new(&spec, net.1, Purpose::Infer, cpu).unwrap();
        plain.load(&weights(&spec, 1));
        let mut widest = Vec::new();
        plain.calibrate(&image(&spec, voxels(net.1), 1), &mut widest);
        assert_eq!(one_answer::<Half>(name, net, Products::Floats), 0, "{name}: nothing to cut");
        assert_eq!(one_answer::<Bf16>(name, net, Products::Floats), 0, "{name}: nothing to cut");
        assert_eq!(one_answer::<Half>(name, net, Products::Integers(&widest)), 0, "{name}: what it was calibrated on");
        // As if it had been calibrated on something four times as quiet.
        let quiet: Vec<f32> = widest.iter().map(|w| w / 4.0).collect();
        assert!(one_answer::<Half>(name, net, Products::Integers(&quiet)) > 0, "{name}: too loud, and not said");
        assert!(one_answer::<Half>(name, net, Products::Bytes(&quiet)) > 0, "{name}: too loud, and not said");
    }
}

/// In tiles of bf16 too, strips and runs of planes among them; the scalar ones are slow.
#[test]
fn forward_passes_in_tiles_have_one_answer() {
    if Cpu::all().into_iter().filter(|cpu| cpu.has_tiles()).count() == 1 {
        eprintln!("SKIPPED: no AMX here, so tiles are run in plain Rust only");
    }
    for (name, spec, _) in nets() {
        let net = (&spec, [16, 24, 8]);
        assert_eq!(one_answer::<Half>(name, net, Products::Tiles), 0, "{name}: nothing to cut");
    }
}

#[test]
fn inference_sees_what_training_sees() {
    for (name, spec, shape) in nets() {
        let (weights, image) = (weights(&spec, 1), image(&spec, voxels(shape), 1));
        let [infer, train] = [Purpose::Infer, Purpose::Train].map(|purpose| {
            let mut net = Net::new(&spec, shape, purpose, Cpu::detect()).unwrap();
            net.load(&weights);
            forward(&mut net, &image, None);
            // The coarse heads are there for the loss.
            (net.logits(0).iter().map(|x| x.to_bits()).collect::<Vec<_>>(), net.bytes())
        });
        assert!(infer.0 == train.0, "{name}: other logits");
        assert!(infer.1 < train.1, "{name}: inference takes {} bytes, training {}", infer.1, train.1);
    }
}

/// Slots, scratch and sums hold what other weights, another image and not-a-numbers left there.
#[test]
fn what_was_there_before_does_not_matter() {
    for (name, spec, shape) in nets() {
        let fresh = step(&spec, shape, (Purpose::Train, Cpu::detect()));
        let mut net = Net::new(&spec, shape, Purpose::Train, Cpu::detect()).unwrap();
        let n = weights(&spec, 1).len();
        net.load(&vec![f32::NAN; n]);
        forward(&mut net, &vec![f32::NAN; spec.inputs * voxels(shape)], Some(1));
        for (_, _, d_logits) in net.heads_mut() {
            d_logits.fill(f32::NAN);
        }
        net.backward(&mut vec![0.0; n]);
        net.load(&weights(&spec, 1));
        let logits = forward(&mut net, &image(&spec, voxels(shape), 1), Some(5));
        let mut grads = vec![0.0; n];
        backward(&mut net, &mut grads);
        assert!([logits, bits(&grads)] == fresh, "{name}: something is left of the step before");
    }
}

/// An optimiser steps the weights where the network has them.
#[test]
fn weights_that_were_lent_are_as_good_as_loaded() {
    for (name, spec, shape) in nets() {
        let (weights, image) = (weights(&spec, 1), image(&spec, voxels(shape), 1));
        let mut net = Net::new(&spec, shape, Purpose::Train, Cpu::detect()).unwrap();
        net.load(&weights.iter().map(|w| 2.0 * w + 1.0).collect::<Vec<_>>());
        forward(&mut net, &image, Some(5));
        backward(&mut net, &mut vec![0.0; weights.len()]);
        net.weights_mut().copy_from_slice(&weights);
        let logits = forward(&mut net, &image, Some(5));
        let mut grads = vec![0.0; weights.len()];
        backward(&mut net, &mut grads);
        assert!(
            [logits, bits(&grads)] == step(&spec, shape, (Purpose::Train, Cpu::detect())),
            "{name}: not the weights that were lent"
        );
    }
}

#[test]
fn gradients_are_added_to_what_is_there() {
    for (name, spec, shape) in nets() {
        let [_, once] = step(&spec, shape, (Purpose::Train, Cpu::detect()));
        let mut net = Net::new(&spec, shape, Purpose::Train, Cpu::detect()).unwrap();
        let weights = weights(&spec, 1);
        net.load(&weights);
        let mut grads = vec![0.0; weights.len()];
        for _ in 0..2 {
            forward(&mut net, &image(&spec, voxels(shape), 1), Some(5));
            backward(&mut net, &mut grads);
        }
        // Twice the same is exact.
        let halves: Vec<f32> = grads.iter().map(|g| g / 2.0).collect();
        assert!(bits(&halves) == once, "{name}: two steps are not twice one");
    }
}

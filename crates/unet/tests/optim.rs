//! Optimisers against `PyTorch`, against a plain f64 definition over several chunks, and against themselves.

#![expect(clippy::single_range_in_vec_init, reason = "one range of decaying parameters is meant")]

use serde::Deserialize;
use std::ops::Range;
use unet::optim::{NonFiniteGradient, OptimSpec, OptimState, Optimiser, STEP_CHUNK, StateMismatch};

const ADAM: OptimSpec = OptimSpec::Adam { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-7 };
const ADAM_W: OptimSpec = OptimSpec::AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1 };
const NESTEROV: OptimSpec = OptimSpec::Sgd { lr: 1e-2, momentum: 0.99, nesterov: true, weight_decay: 0.03 };
const MOMENTUM: OptimSpec = OptimSpec::Sgd { lr: 1e-2, momentum: 0.9, nesterov: false, weight_decay: 0.03 };

#[derive(Deserialize)]
struct Golden {
    start: Vec<f32>,
    grads: Vec<Vec<f32>>,
    lr: Vec<f64>,
    decay: Vec<(usize, usize)>,
    runs: Vec<GoldenRun>,
    clips: Vec<Clip>,
}

#[derive(Deserialize)]
struct GoldenRun {
    spec: OptimSpec,
    params: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Clip {
    max_norm: f64,
    norm: f64,
    grads: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/optim.json")).unwrap_or_else(|fault| panic!("optim.json: {fault}"))
}

fn ranges(pairs: &[(usize, usize)]) -> Vec<Range<usize>> {
    pairs.iter().map(|&(start, end)| start..end).collect()
}

/// A step is a handful of f32 operations in nearly `PyTorch`'s order (it may fuse some into FMAs): each of ten steps
/// adds at most a few roundings of the weight and of the step, so 10 * 2^-22 of the larger of both.
const TEN_STEPS: f32 = 2.4e-6;

#[test]
fn golden_ten_steps() {
    let golden = golden();
    for run in &golden.runs {
        let mut params = golden.start.clone();
        let mut optimiser = Optimiser::new(run.spec, params.len(), &ranges(&golden.decay));
        let mut travelled = vec![0.0f32; params.len()];
        for (step, (grads, expected)) in golden.grads.iter().zip(&run.params).enumerate() {
            let before = params.clone();
            optimiser.step(&mut params, grads, golden.lr[step]);
            for i in 0..params.len() {
                travelled[i] += (params[i] - before[i]).abs();
                let off = (params[i] - expected[i]).abs();
                let size = expected[i].abs().max(travelled[i]);
                assert!(off <= TEN_STEPS * size, "{:?} step {step} [{i}]: {} for {}", run.spec, params[i], expected[i]);
            }
        }
    }
}

#[test]
fn golden_clipping() {
    let golden = golden();
    for clip in &golden.clips {
        let mut grads = golden.grads[0].clone();
        let mut optimiser = Optimiser::new(ADAM, grads.len(), &[]);
        let norm = optimiser.clip(&mut grads, clip.max_norm).unwrap();
        // PyTorch sums the squares in f32.
        assert!((norm - clip.norm).abs() <= 1e-6 * clip.norm, "norm {norm} for {}", clip.norm);
        for (got, expected) in grads.iter().zip(&clip.grads) {
            assert!((got - expected).abs() <= 1e-6 * expected.abs(), "to {}: {got} for {expected}", clip.max_norm);
        }
    }
}

fn wave(n: usize, phase: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.731 + phase).sin() * (1.0 + (i % 7) as f32)).collect()
}

/// One step of one parameter as the papers write it, in f64; `share` is 1 if it decays, else 0.
fn define(spec: OptimSpec, t: i32, lr: f64, share: f64, [w, m, v]: [f64; 3], g: f64) -> [f64; 3] {
    let decay = |rate: f64| rate * share;
    let adam = |w: f64, beta1: f64, beta2: f64, eps: f64| {
        let (m, v) = (beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g);
        let (m_hat, v_hat) = (m / (1.0 - beta1.powi(t)), v / (1.0 - beta2.powi(t)));
        [w - lr * m_hat / (v_hat.sqrt() + eps), m, v]
    };
    match spec {
        OptimSpec::Adam { beta1, beta2, eps, .. } => adam(w, beta1, beta2, eps),
        OptimSpec::AdamW { beta1, beta2, eps, weight_decay, .. } => {
            adam(w * (1.0 - lr * decay(weight_decay)), beta1, beta2, eps)
        }
        OptimSpec::Sgd { momentum, nesterov, weight_decay, .. } => {
            let g = g + decay(weight_decay) * w;
            let m = momentum * m + g;
            [w - lr * if nesterov { g + momentum * m } else { m }, m, 0.0]
        }
    }
}

#[test]
fn decay_touches_its_ranges_across_chunks_and_nothing_else() {
    let n = 2 * STEP_CHUNK + 100;
    let c = STEP_CHUNK;
    let layouts: [&[Range<usize>]; 6] = [
        &[],
        &[0..n],
        &[3..3, 5..9, 9..11],
        &[0..c, 2 * c..n],
        &[7..c + 13, c + 20..c + 21, n - 1..n],
        &[c - 1..2 * c + 1],
    ];
    for spec in [ADAM, ADAM_W, NESTEROV, MOMENTUM] {
        for decay in layouts {
            let start = wave(n, 0.3);
            let mut params = start.clone();
            let mut exact: Vec<[f64; 3]> = start.iter().map(|w| [f64::from(*w), 0.0, 0.0]).collect();
            let mut optimiser = Optimiser::new(spec, n, decay);
            for t in 1..4 {
                let grads = wave(n, t as f32);
                optimiser.step(&mut params, &grads, 0.5);
                for (i, (state, g)) in exact.iter_mut().zip(&grads).enumerate() {
                    let share = f64::from(u8::from(decay.iter().any(|range| range.contains(&i))));
                    *state = define(spec, t, 0.5, share, *state, f64::from(*g));
                }
            }
            for (i, (got, exact)) in params.iter().zip(&exact).enumerate() {
                // Three steps of lengths up to about 20: some roundings of 20 * 2^-24.
                assert!((f64::from(*got) - exact[0]).abs() < 1e-5, "{spec:?} {decay:?} [{i}]: {got} for {}", exact[0]);
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let n = 3 * STEP_CHUNK + 17;
    for spec in [ADAM, ADAM_W, NESTEROV] {
        let on = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| {
                let mut params = wave(n, 0.0);
                let mut optimiser = Optimiser::new(spec, n, &[5..STEP_CHUNK + 9]);
                let mut norms = vec![];
                for t in 0..3 {
                    let mut grads = wave(n, t as f32);
                    norms.push(optimiser.clip(&mut grads, 12.0).unwrap().to_bits());
                    optimiser.step(&mut params, &grads, 1e-2);
                }
                (norms, params.iter().map(|w| w.to_bits()).collect::<Vec<_>>())
            })
        };
        let one = on(1);
        for n_threads in [2, 3] {
            assert!(one == on(n_threads), "{spec:?}: {n_threads} threads differ from one");
        }
    }
}

#[test]
fn a_restored_run_has_the_bits_of_one_never_stopped() {
    for spec in [ADAM, ADAM_W, NESTEROV, MOMENTUM] {
        let n = 50;
        let mut straight = Optimiser::new(spec, n, &[10..30]);
        let mut params = wave(n, 0.0);
        let mut resumed = None;
        for t in 0..8 {
            if t == 4 {
                let mut other = Optimiser::new(spec, n, &[10..30]);
                other.restore(straight.state()).unwrap();
                resumed = Some((other, params.clone()));
            }
            straight.step(&mut params, &wave(n, t as f32), 1e-2);
            if let Some((other, params)) = &mut resumed {
                other.step(params, &wave(n, t as f32), 1e-2);
            }
        }
        let (other, other_params) = resumed.unwrap();
        assert_eq!(params, other_params, "{spec:?}: weights");
        assert_eq!(straight.state(), other.state(), "{spec:?}: state");
        assert_eq!(straight.state().n_steps, 8, "{spec:?}: steps");
    }
}

#[test]
fn a_foreign_checkpoint_is_refused() {
    let mut sgd = Optimiser::new(NESTEROV, 4, &[]);
    let adam = Optimiser::new(ADAM, 4, &[]);
    assert_eq!(sgd.restore(adam.state()), Err(StateMismatch { expected: [4, 0], found: [4, 4] }), "another kind");
    let state = OptimState { n_steps: 3, first: &[0.0; 5], second: &[] };
    assert_eq!(sgd.restore(state), Err(StateMismatch { expected: [4, 0], found: [5, 0] }), "another size");
    assert_eq!(sgd.state().n_steps, 0, "untouched");
}

#[test]
fn clipping_refuses_what_is_not_finite_and_survives_what_is_large() {
    let n = STEP_CHUNK + 3;
    let mut optimiser = Optimiser::new(ADAM, n, &[]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 9, STEP_CHUNK, n - 1] {
            let mut grads = vec![1.0; n];
            grads[place] = bad;
            assert_eq!(optimiser.clip(&mut grads, 1.0), Err(NonFiniteGradient), "{bad} at {place}");
            assert_eq!(grads[1], 1.0, "untouched");
        }
    }
    let mut grads = vec![f32::MAX; n];
    let norm = optimiser.clip(&mut grads, 1.0).unwrap();
    assert!(norm.is_finite() && norm > f64::from(f32::MAX), "squares beyond f32: {norm}");
    let clipped = grads.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    assert!((clipped - 1.0).abs() < 1e-4, "the factor is near the least f32, so it is coarse: {clipped}");
    let mut grads = vec![0.0; n];
    assert_eq!(optimiser.clip(&mut grads, 1.0), Ok(0.0), "no gradient at all");
    let mut grads = vec![3.0; n];
    let norm = optimiser.clip(&mut grads, f64::INFINITY).unwrap();
    assert!((norm - 3.0 * (n as f64).sqrt()).abs() < 1e-9 && grads[0] == 3.0, "only measured");
}

#[test]
fn a_recipe_with_a_misspelt_key_is_refused() {
    let text = r#"{"kind":"sgd","lr":0.01,"momentum":0.99,"nesterov":true,"weight_decay":0.03}"#;
    assert_eq!(serde_json::from_str::<OptimSpec>(text).unwrap(), NESTEROV, "as written");
    assert!(serde_json::from_str::<OptimSpec>(&text.replace("nesterov", "nestrov")).is_err(), "misspelt");
    let more = text.replace("\"lr\"", "\"beta1\":0.9,\"lr\"");
    assert!(serde_json::from_str::<OptimSpec>(&more).is_err(), "a key of another kind");
}

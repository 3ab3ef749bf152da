//! Exponential moving average of the weights: what is kept and shipped.

use crate::optim::STEP_CHUNK;
use rayon::prelude::*;

/// A smoothed copy of the weights.
#[derive(Debug, Clone)]
pub struct Ema {
    decay: f64,
    n_updates: u64,
    weights: Vec<f32>,
}

impl Ema {
    /// Starts at `weights`; `decay` in [0, 1) is what each update keeps once it is warm, e.g. 0.999.
    pub fn new(decay: f64, weights: &[f32]) -> Ema {
        Ema { decay, n_updates: 0, weights: weights.to_vec() }
    }

    /// From the parts of a checkpoint: see [`Ema::n_updates`] and [`Ema::weights`].
    pub fn restored(decay: f64, n_updates: u64, weights: Vec<f32>) -> Ema {
        Ema { decay, n_updates, weights }
    }

    /// Moves the average towards `weights`: e ← e + (1 − d)(w − e).
    ///
    /// d = min(decay, (1 + t) / (10 + t)) with t the number of earlier updates, so that a short training is not
    /// dominated by its random start (`TensorFlow`'s `ExponentialMovingAverage` with `num_updates`).
    ///
    /// # Panics
    /// If the number of weights changed.
    pub fn update(&mut self, weights: &[f32]) {
        assert_eq!(weights.len(), self.weights.len(), "Ema: number of weights");
        let t = self.n_updates as f64;
        let rest = (1.0 - self.decay.min((1.0 + t) / (10.0 + t))) as f32;
        self.weights.par_chunks_mut(STEP_CHUNK).zip(weights.par_chunks(STEP_CHUNK)).for_each(|(e, w)| {
            for (e, w) in e.iter_mut().zip(w) {
                *e += rest * (w - *e);
            }
        });
        self.n_updates += 1;
    }

    /// The averaged weights.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What each update keeps once it is warm.
    pub fn decay(&self) -> f64 {
        self.decay
    }

    /// Updates so far.
    pub fn n_updates(&self) -> u64 {
        self.n_updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_definition() {
        let n = 3;
        let mut ema = Ema::new(0.3, &vec![1.0; n]);
        let mut expected = 1.0f64;
        for t in 0..20 {
            let w = (f64::from(t) * 0.7).sin() as f32;
            let d = 0.3f64.min((1.0 + f64::from(t)) / (10.0 + f64::from(t)));
            expected = d * expected + (1.0 - d) * f64::from(w);
            ema.update(&vec![w; n]);
            // Three roundings of values below 1 a step, and each step keeps at most 0.3 of the earlier ones.
            assert!((f64::from(ema.weights()[n - 1]) - expected).abs() < 3e-7, "step {t}");
        }
    }

    #[test]
    fn resumes_to_the_same_bits() {
        let weights = |t: u64| (0..40).map(|i| ((t * 40 + i) as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let mut straight = Ema::new(0.99, &weights(0));
        for t in 1..9 {
            straight.update(&weights(t));
        }
        let mut first = Ema::new(0.99, &weights(0));
        for t in 1..4 {
            first.update(&weights(t));
        }
        let mut second = Ema::restored(0.99, first.n_updates(), first.weights().to_vec());
        for t in 4..9 {
            second.update(&weights(t));
        }
        assert_eq!(straight.weights(), second.weights(), "stopped and resumed");
    }
}

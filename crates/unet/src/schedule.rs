//! Learning rates over the steps of a training.

use serde::{Deserialize, Serialize};

/// How the learning rate falls from its peak after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decline {
    /// Not at all.
    Constant,
    /// (1 − t)^exponent; nnU-Net's exponent is 0.9.
    Polynomial {
        /// The power.
        exponent: f64,
    },
    /// (1 + cos π t) / 2 (Loshchilov and Hutter 2017, without restarts).
    Cosine,
}

/// A learning rate for every step: a linear warm-up, then a decline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of the whole training, warm-up included.
    pub n_steps: u64,
    /// Steps of the warm-up; 0 for none.
    pub warm_up: u64,
    /// How the rate falls after the warm-up.
    pub decline: Decline,
}

impl Schedule {
    /// The learning rate of `step`, counted from 0.
    ///
    /// Step i < `warm_up` has peak (i + 1) / `warm_up`. After it t goes from 0 at the first step to 1 at `n_steps`
    /// (so the last step still learns), and stays at 1 after the end.
    pub fn lr(&self, step: u64) -> f64 {
        if step < self.warm_up {
            return self.peak * (step + 1) as f64 / self.warm_up as f64;
        }
        let length = self.n_steps.saturating_sub(self.warm_up).max(1);
        let t = ((step - self.warm_up) as f64 / length as f64).min(1.0);
        self.peak
            * match self.decline {
                Decline::Constant => 1.0,
                Decline::Polynomial { exponent } => (1.0 - t).powf(exponent),
                Decline::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * t).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(decline: Decline, warm_up: u64, expected: &[f64]) {
        let schedule = Schedule { peak: 2.0, n_steps: 8, warm_up, decline };
        for (step, expected) in expected.iter().enumerate() {
            let lr = schedule.lr(step as u64);
            assert!((lr - expected).abs() < 1e-15, "{decline:?} at {step}: {lr} for {expected}");
        }
    }

    #[test]
    fn constant() {
        check(Decline::Constant, 0, &[2.0; 12]);
        check(Decline::Constant, 4, &[0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn polynomial() {
        check(Decline::Polynomial { exponent: 1.0 }, 0, &[2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
        check(Decline::Polynomial { exponent: 2.0 }, 4, &[0.5, 1.0, 1.5, 2.0, 2.0, 1.125, 0.5, 0.125, 0.0, 0.0]);
    }

    #[test]
    fn cosine() {
        let half = std::f64::consts::FRAC_1_SQRT_2;
        check(Decline::Cosine, 4, &[0.5, 1.0, 1.5, 2.0, 2.0, 1.0 + half, 1.0, 1.0 - half, 0.0, 0.0]);
    }

    #[test]
    fn a_warm_up_longer_than_the_training_divides_by_nothing() {
        let schedule = Schedule { peak: 1.0, n_steps: 3, warm_up: 3, decline: Decline::Cosine };
        assert_eq!(schedule.lr(3), 1.0, "first step after the warm-up");
        assert!(schedule.lr(4).abs() < 1e-15, "after the end");
    }
}

//! Small seeded random numbers: the same bits on every machine, and a stream of its own for every sample.
//!
//! The generator is xoshiro256++ (Blackman and Vigna, 2019), seeded through `SplitMix64` as its authors advise.

/// A seeded stream of random numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

/// One step of `SplitMix64`: a bijection of 64 bits that mixes well even for small inputs.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let state = [0, 1, 2, 3].map(|turn: u64| mix(seed.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
        Self { state }
    }

    /// The stream of one sample of one training step.
    ///
    /// It depends on nothing but its arguments, so a sample can be made again alone, in any order and on any thread.
    pub fn for_step(seed: u64, step: u64, sample: u64) -> Self {
        Self::new(mix(mix(mix(seed) ^ step) ^ sample))
    }

    /// The next 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in `[0, 1)`, 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform between `range[0]` and `range[1]`.
    pub fn between(&mut self, range: [f64; 2]) -> f64 {
        range[0] + (range[1] - range[0]) * self.unit()
    }

    /// Uniform in `0..n`; 0 if `n` is 0. The bias of the multiplication is below `n / 2^64`.
    #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below n, which is a usize")]
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with probability `p`. Always takes one number from the stream, whatever `p` is.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Normal with mean 0 and variance 1 (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A random order of `0..n` (Fisher and Yates).
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            let other = self.below(last + 1);
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn xoshiro_follows_its_definition() {
        // Reference: the first outputs of xoshiro256++ from state 1, 2, 3, 4.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| rng.bits()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, step, sample| Rng::for_step(seed, step, sample).bits();
        assert_eq!(draw(7, 3, 0), draw(7, 3, 0));
        let all = [draw(7, 3, 0), draw(7, 3, 1), draw(7, 4, 0), draw(8, 3, 0), draw(3, 7, 0)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "streams {i} and a later one start alike");
        }
    }

    #[test]
    fn moments_are_right() {
        let mut rng = Rng::new(1);
        let n = 200_000;
        let normal: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let variance = normal.iter().map(|v| v * v).sum::<f64>() / f64::from(n);
        // Five standard errors of the mean and of the variance at this n.
        assert!(mean.abs() < 0.0112 && (variance - 1.0).abs() < 0.0158, "mean {mean}, variance {variance}");
        let mut counts = [0_u32; 7];
        (0..70_000).for_each(|_| counts[rng.below(7)] += 1);
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 500), "{counts:?}");
    }

    #[test]
    fn an_order_holds_everything_once() {
        let mut order = Rng::new(5).order(40);
        assert_ne!(order, (0..40).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..40).collect::<Vec<_>>());
    }
}

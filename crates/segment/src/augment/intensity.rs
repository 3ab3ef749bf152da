//! Changes of one channel voxel by voxel. Statistics are those of the brain in the patch.

use super::draw::{Bias, Noise};
use crate::random::Rng;
use crate::sample::AIR;

/// Statistics of a channel over the brain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Mean.
    pub mean: f32,
    /// Standard deviation of the population.
    pub deviation: f32,
    /// Least value.
    pub low: f32,
    /// Greatest value.
    pub high: f32,
}

const LANES: usize = 8;

impl Statistics {
    /// Measures a channel; `None` if there is no brain.
    ///
    /// Sums run in eight lanes of f32 over 4096 voxels and in f64 from there.
    #[expect(clippy::cast_possible_truncation, reason = "means of f32 values")]
    pub fn of(values: &[f32], codes: &[u8]) -> Option<Self> {
        let (mut count, mut sum, mut squares) = (0_usize, 0.0_f64, 0.0_f64);
        let (mut least, mut greatest) = (f32::INFINITY, f32::NEG_INFINITY);
        for (values, codes) in values.chunks(4096).zip(codes.chunks(4096)) {
            count += codes.iter().filter(|&&code| code != AIR).count();
            let ((eights, rest), (code_eights, code_rest)) = (values.as_chunks(), codes.as_chunks());
            let (mut last, mut last_codes) = ([0.0; LANES], [AIR; LANES]);
            last[..rest.len()].copy_from_slice(rest);
            last_codes[..rest.len()].copy_from_slice(code_rest);
            for [part, square, low, high] in [lanes(eights, code_eights), lanes(&[last], &[last_codes])] {
                sum += part.iter().map(|&v| f64::from(v)).sum::<f64>();
                squares += square.iter().map(|&v| f64::from(v)).sum::<f64>();
                least = low.into_iter().fold(least, f32::min);
                greatest = high.into_iter().fold(greatest, f32::max);
            }
        }
        if count == 0 {
            return None;
        }
        let mean = sum / count as f64;
        let deviation = (squares / count as f64 - mean * mean).max(0.0).sqrt();
        Some(Self { mean: mean as f32, deviation: deviation as f32, low: least, high: greatest })
    }
}

/// Sum, sum of squares, least and greatest value, lane by lane. Local arrays stay in registers; captured ones did not.
fn lanes(values: &[[f32; LANES]], codes: &[[u8; LANES]]) -> [[f32; LANES]; 4] {
    let (mut sum, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for (values, codes) in values.iter().zip(codes) {
        for lane in 0..LANES {
            let (v, air) = (values[lane], codes[lane] == AIR);
            let counted = if air { 0.0 } else { v };
            sum[lane] += counted;
            squares[lane] += counted * counted;
            let (under, over) = if air { (f32::INFINITY, f32::NEG_INFINITY) } else { (v, v) };
            low[lane] = if under < low[lane] { under } else { low[lane] };
            high[lane] = if over > high[lane] { over } else { high[lane] };
        }
    }
    [sum, squares, low, high]
}

/// Multiplies by a smooth field about the scanner's zero, which lies at `floor` after normalisation; air stays as it is.
///
/// The exponential is taken as `(1 + p / 8)^8`, within 7 % of it for a field's logarithm `p` of up to 1.
#[expect(clippy::cast_possible_truncation, reason = "coefficients below 1")]
pub fn bias(values: &mut [f32], codes: &[u8], shape: [usize; 3], field: (&Bias, f32)) {
    let (field, floor) = field;
    let [_, h, w] = shape;
    let coordinate = |at: usize, n: usize| 2.0 * (at as f64 + 0.5) / n as f64 - 1.0;
    let xs: Vec<f32> = (0..w).map(|x| coordinate(x, w) as f32).collect();
    for (row, (values, codes)) in values.chunks_exact_mut(w).zip(codes.chunks_exact(w)).enumerate() {
        let (z, y) = (coordinate(row / h, shape[0]), coordinate(row % h, h));
        let mut in_x = [0.0_f64; 4];
        for ([i, j, k], c) in Bias::powers().zip(field.coefficients) {
            in_x[k] += c * power(z, i) * power(y, j);
        }
        let [c0, c1, c2, c3] = in_x.map(|c| c as f32);
        for ((v, &code), &x) in values.iter_mut().zip(codes).zip(&xs) {
            let eighth = 1.0 + 0.125 * (c0 + x * (c1 + x * (c2 + x * c3)));
            let square = eighth * eighth;
            let factor = square * square * (square * square);
            *v = if code == AIR { *v } else { floor + (*v - floor) * factor };
        }
    }
}

fn power(v: f64, exponent: usize) -> f64 {
    [1.0, v, v * v, v * v * v][exponent]
}

/// Adds Gaussian noise.
///
/// Each number is the sum of four uniform ones: the variance is exact and the tails end at 3.5 deviations, at a tenth of the
/// time that logarithms and cosines take.
#[expect(clippy::cast_possible_truncation, reason = "sums of four 16-bit numbers")]
pub fn noise(values: &mut [f32], noise: &Noise) {
    let mut rng = Rng::new(noise.seed);
    // Variance of a sum of four uniform integers of 0..65536.
    let unit = (4.0 * (65_536.0_f64.powi(2) - 1.0) / 12.0).sqrt();
    let scale = (noise.deviation / unit) as f32;
    for v in values {
        let bits = rng.bits();
        let pairs = (bits & 0x0000_ffff_0000_ffff) + ((bits >> 16) & 0x0000_ffff_0000_ffff);
        let sum = (pairs as u32).wrapping_add((pairs >> 32) as u32).cast_signed();
        *v += scale * (sum - 131_070) as f32;
    }
}

/// Contrast about the mean (clipped to the range before), then a factor, then a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear {
    /// Factor about the mean.
    pub contrast: Option<f32>,
    /// Factor about 0.
    pub brightness: f32,
    /// What is added.
    pub shift: f32,
}

/// Applies a [`Linear`] change.
pub fn linear(values: &mut [f32], codes: &[u8], change: Linear) {
    let Linear { contrast, brightness, shift } = change;
    let measured = contrast.and_then(|contrast| Some((contrast, Statistics::of(values, codes)?)));
    if let Some((contrast, Statistics { mean, low, high, .. })) = measured {
        for v in values {
            *v = (mean + (*v - mean) * contrast).max(low).min(high) * brightness + shift;
        }
    } else {
        for v in values {
            *v = *v * brightness + shift;
        }
    }
}

const STEPS: usize = 1024;

/// Raises the range of a channel to a power and restores its mean and deviation; with `sign` -1 the negative is raised.
///
/// The power is read from a table of 1024 linear pieces.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places in the table, clamped")]
pub fn gamma(values: &mut [f32], codes: &[u8], exponent: f64, sign: f32) {
    let Some(before) = Statistics::of(values, codes) else { return };
    let range = before.high - before.low;
    if range <= 1e-6 {
        return;
    }
    let table: Vec<[f32; 2]> = (0..STEPS)
        .map(|step| {
            let at = |step: usize| (step as f64 / STEPS as f64).powf(exponent) as f32;
            [at(step), at(step + 1) - at(step)]
        })
        .collect();
    let bottom = if sign < 0.0 { before.high } else { before.low };
    let scale = sign * STEPS as f32 / range;
    for v in &mut *values {
        let position = ((*v - bottom) * scale).max(0.0).min(STEPS as f32);
        let step = (position as i32 as usize).min(STEPS - 1);
        let [value, slope] = table[step];
        *v = sign * (value + slope * (position - step as f32));
    }
    let Some(after) = Statistics::of(values, codes) else { return };
    let factor = before.deviation / after.deviation.max(1e-7);
    for v in values {
        *v = (*v - after.mean) * factor + before.mean;
    }
}

#[cfg(test)]
mod tests {
    use super::{Linear, Noise, Statistics, gamma, linear, noise};
    use crate::sample::AIR;

    fn ramp() -> (Vec<f32>, Vec<u8>) {
        let values = (0_u8..100).map(|v| if v % 5 == 0 { 0.0 } else { f32::from(v) / 20.0 - 2.0 }).collect();
        (values, (0_u8..100).map(|v| if v % 5 == 0 { AIR } else { 0 }).collect())
    }

    #[test]
    fn statistics_leave_air_out() {
        let got = Statistics::of(&[5.0, 1.0, 3.0, 9.0], &[AIR, 0, 2, AIR]).unwrap();
        assert_eq!(got, Statistics { mean: 2.0, deviation: 1.0, low: 1.0, high: 3.0 });
        assert_eq!(Statistics::of(&[5.0], &[AIR]), None);
    }

    #[test]
    fn gamma_keeps_mean_deviation_and_order() {
        for (exponent, sign) in [(0.7, 1.0), (1.5, 1.0), (0.7, -1.0), (1.5, -1.0)] {
            let (mut values, codes) = ramp();
            let before = Statistics::of(&values, &codes).unwrap();
            gamma(&mut values, &codes, exponent, sign);
            let after = Statistics::of(&values, &codes).unwrap();
            let close = (before.mean - after.mean).abs() < 1e-5 && (before.deviation - after.deviation).abs() < 1e-5;
            assert!(close, "{before:?} became {after:?}");
            let brain: Vec<f32> = values.iter().zip(&codes).filter(|(_, c)| **c != AIR).map(|(v, _)| *v).collect();
            assert!(brain.windows(2).all(|pair| pair[0] < pair[1]), "order was lost at exponent {exponent}");
        }
    }

    #[test]
    fn contrast_stays_in_the_range() {
        let (mut values, codes) = ramp();
        let before = Statistics::of(&values, &codes).unwrap();
        linear(&mut values, &codes, Linear { contrast: Some(1.4), brightness: 1.0, shift: 0.0 });
        let after = Statistics::of(&values, &codes).unwrap();
        assert_eq!((before.low, before.high), (after.low, after.high));
        assert!(after.deviation > before.deviation, "contrast did not grow");
    }

    #[test]
    fn noise_has_its_deviation_and_repeats() {
        let mut values = vec![0.0; 200_000];
        noise(&mut values, &Noise { deviation: 0.3, seed: 9 });
        let got = Statistics::of(&values, &vec![0; 200_000]).unwrap();
        // Five standard errors.
        assert!(got.mean.abs() < 0.0034 && (got.deviation - 0.3).abs() < 0.0024, "{got:?}");
        let mut again = vec![0.0; 200_000];
        noise(&mut again, &Noise { deviation: 0.3, seed: 9 });
        assert_eq!(values, again);
    }
}

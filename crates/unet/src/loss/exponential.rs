//! `exp` and `ln(1 + u)` in single precision, branch-free.
//!
//! Plain multiplications and additions only, in one order, with no fused multiply-add and no call of the platform's
//! maths library: a loop over them vectorises to whatever width the target has and gives the same bits everywhere.
//! The polynomials interpolate at Chebyshev nodes (fitted here, in 50 digits); the largest errors over dense sweeps
//! are stated with each function and held by the tests at the foot of the file.

/// ln 2 in two parts: the first has 9 significant bits, so that `n * LN2_HIGH` is exact for every exponent `n`.
const LN2_HIGH: f32 = 355.0 / 512.0;
/// ln 2 less `LN2_HIGH`.
const LN2_LOW: f32 = -2.121_944_4e-4;
/// 1.5 * 2^23: adding it rounds a number of modulus below 2^22 to the nearest integer, kept in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;
/// Below this, e^x leaves the normal numbers.
const LOWEST: f32 = -87.336_54;
/// Above this, the scale 2^n would leave the finite numbers.
const HIGHEST: f32 = 88.0;

/// e^x within 2 ulp for -87.3 <= x <= 88; arguments outside are clamped to that interval, NaN stays NaN.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, e^r = 1 + r + r² P(r); e^0 is exactly 1. P's own error is 5e-9 relative.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    // Comparisons, not `max`/`min`: those would turn NaN into a number and hide a diverged net.
    let x = if x < LOWEST { LOWEST } else { x };
    let x = if x > HIGHEST { HIGHEST } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let p = 1.392_625_1e-3;
    let p = p * r + 8.363_233e-3;
    let p = p * r + 4.166_655_5e-2;
    let p = p * r + 1.666_657_7e-1;
    let p = p * r + 0.5;
    let power = 1.0 + (r + r * r * p);
    // The low bits of `shifted` are n; moved to the exponent field and biased they are the bits of 2^n.
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}

/// ln(1 + u) within 2 ulp for 0 <= u <= 2^22; NaN stays NaN.
///
/// 1 + u = 2^k (1 + f) with 1 + f in [√½, √2); f is formed from `u`, not from the rounded 1 + u, so that small `u`
/// keep their relative precision. With s = f / (2 + f): ln(1 + f) = 2 atanh(s) = f - (f²/2 - s (f²/2 + s² Q(s²))).
#[inline]
pub(super) fn ln_1p(u: f32) -> f32 {
    const ONE: i32 = 1.0f32.to_bits().cast_signed();
    const SQRT_HALF: i32 = std::f32::consts::FRAC_1_SQRT_2.to_bits().cast_signed();
    let bits = (1.0 + u).to_bits().cast_signed();
    let k = (bits.wrapping_add(ONE - SQRT_HALF) >> 23) - 127;
    let scale = f32::from_bits(((127 - k) << 23).cast_unsigned());
    let power = f32::from_bits(((127 + k) << 23).cast_unsigned());
    let f = (u - (power - 1.0)) * scale;
    let n = k as f32;
    let s = f / (2.0 + f);
    let w = s * s;
    let q = 2.958_568e-1;
    let q = q * w + 3.998_865_4e-1;
    let q = q * w + 6.666_668_5e-1;
    let half_square = 0.5 * f * f;
    n * LN2_HIGH + (f - (half_square - (s * (half_square + w * q) + n * LN2_LOW)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance of `got` from `exact` in units of the last place of `exact` rounded to f32.
    fn ulps(got: f32, exact: f64) -> f64 {
        let near = exact as f32;
        let unit = f64::from(f32::from_bits(near.to_bits() + 1)) - f64::from(near);
        ((f64::from(got) - exact) / unit).abs()
    }

    #[test]
    fn exp_stays_within_two_ulp() {
        let mut worst = (0.0, 0.0);
        for i in 0..=4_000_000 {
            let x = -87.3 + (88.0 + 87.3) * (i as f32 / 4_000_000.0);
            let x = x.clamp(-87.3, 88.0);
            let e = ulps(exp(x), f64::from(x).exp());
            if e > worst.0 {
                worst = (e, x);
            }
        }
        // Small arguments, where e^x is near 1, as bit patterns of every exponent.
        for bits in (0..0x4000_0000u32).step_by(577) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let e = ulps(exp(x), f64::from(x).exp());
                if e > worst.0 {
                    worst = (e, x);
                }
            }
        }
        eprintln!("exp: {:.3} ulp at {}", worst.0, worst.1);
        assert!(worst.0 <= 2.0, "exp is off by {} ulp at {}", worst.0, worst.1);
    }

    #[test]
    fn ln_1p_stays_within_two_ulp() {
        let mut worst = (0.0, 0.0);
        // Every exponent from the least normal number up to 2^22.
        for bits in (0x0080_0000u32..0x4a80_0000).step_by(307) {
            let u = f32::from_bits(bits);
            let e = ulps(ln_1p(u), f64::from(u).ln_1p());
            if e > worst.0 {
                worst = (e, u);
            }
        }
        eprintln!("ln_1p: {:.3} ulp at {}", worst.0, worst.1);
        assert!(worst.0 <= 2.0, "ln_1p is off by {} ulp at {}", worst.0, worst.1);
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(exp(0.0), 1.0, "softmax relies on it: the largest class contributes exactly 1");
        assert_eq!(ln_1p(0.0), 0.0, "ln 1");
        assert!(exp(-1e30) > 0.0 && exp(-1e30) < 1.2e-38, "clamped below");
        assert!(exp(1e30).is_finite(), "clamped above");
        assert!(exp(f32::NAN).is_nan() && ln_1p(f32::NAN).is_nan(), "NaN must not be hidden");
        assert!(exp(f32::NEG_INFINITY) < 1.2e-38, "clamped at minus infinity");
    }
}

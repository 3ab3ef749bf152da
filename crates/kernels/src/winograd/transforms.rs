//! The one-dimensional transforms: `y = A^T ((G g) . (B^T d))`, for F(4, 3) and F(2, 3), and their adjoints.
//!
//! F(4, 3) interpolates at 0, +-2/3, +-3/2 and infinity. `(2/3) * (3/2) = 1` makes the outer coefficients of `B` one, and
//! these points lose half as many digits as the usual 0, +-1, +-2. F(2, 3) interpolates at 0, +-1 and infinity.

use crate::isa::Isa;

/// The inner point.
pub(super) const P: f32 = 2.0 / 3.0;
/// The outer point.
pub(super) const Q: f32 = 1.5;
pub(super) const P2: f32 = 4.0 / 9.0;
pub(super) const Q2: f32 = 2.25;
const P3: f32 = 8.0 / 27.0;
const Q3: f32 = 3.375;
/// `P^2 + Q^2`.
pub(super) const SUM2: f32 = 97.0 / 36.0;
/// One over the product of the distances from `P` to the other finite points: `2 P^2 (P^2 - Q^2)`.
const NP: f32 = -81.0 / 130.0;
/// The same for `Q`: `2 Q^2 (Q^2 - P^2)`.
const NQ: f32 = 8.0 / 65.0;

/// `B^T d` of F(4, 3): six inputs to six points.
#[inline(always)]
pub(super) fn input6<I: Isa>(isa: I, d: [I::V; 6]) -> [I::V; 6] {
    let c = |x: f32| isa.splat(x);
    let even_p = isa.fma(c(-Q2), d[2], d[4]);
    let odd_p = isa.fma(c(-Q2), d[1], d[3]);
    let even_q = isa.fma(c(-P2), d[2], d[4]);
    let odd_q = isa.fma(c(-P2), d[1], d[3]);
    [
        isa.fma(c(-SUM2), d[2], isa.add(d[0], d[4])),
        isa.fma(c(P), odd_p, even_p),
        isa.fma(c(-P), odd_p, even_p),
        isa.fma(c(Q), odd_q, even_q),
        isa.fma(c(-Q), odd_q, even_q),
        isa.fma(c(-SUM2), d[3], isa.add(d[1], d[5])),
    ]
}

/// Which two of four planes a point of F(2, 3) combines, and whether they are added (else the second is subtracted).
pub(super) const INPUT4: [(usize, usize, bool); 4] = [(0, 2, false), (1, 2, true), (2, 1, false), (3, 1, false)];

/// How many times larger a point along z may be than the planes that it combines, by F(4, 3) divided by [`SCALES`]:
/// `(1 + P2) * (1 + P)` and a little.
pub(super) const REACH: f32 = 2.41;

/// No scales.
pub(super) const ONES: [f32; 6] = [1.0; 6];

/// What the points along z of F(4, 3) are divided by where integers are combined: so no coefficient is larger than one, and
/// all points are about as wide. The weights are multiplied by it.
pub(super) const SCALES: [f32; 6] = [SUM2, Q2, Q2, Q, Q, SUM2];

/// Coefficients of integers, in steps of 2^-15: `P`, `P2` and `1 / SUM2`.
pub(super) const HALF_P: i16 = 21845;
pub(super) const HALF_P2: i16 = 14564;
pub(super) const HALF_INVERSE: i16 = 12161;

/// `G g` along z for `Z` outputs: F(2, 3) or F(4, 3). Points that F(2, 3) has not are zero.
#[inline(always)]
pub(super) fn weight_along_z<I: Isa, const Z: usize>(isa: I, g: [I::V; 3]) -> [I::V; 6] {
    if Z == 2 {
        let ([a, b, c, d], zero) = (weight4(isa, g), isa.splat(0.0));
        return [a, b, c, d, zero, zero];
    }
    weight6(isa, g)
}

/// `A^T m` along z for `Z` outputs; those that F(2, 3) has not are zero.
#[inline(always)]
pub(super) fn output_along_z<I: Isa, const Z: usize>(isa: I, m: [I::V; 6]) -> [I::V; 4] {
    if Z == 2 {
        let ([a, b], zero) = (output4(isa, [m[0], m[1], m[2], m[3]]), isa.splat(0.0));
        return [a, b, zero, zero];
    }
    output6(isa, m)
}

/// `A^T m` of F(4, 3): six points to four outputs.
#[inline(always)]
pub(super) fn output6<I: Isa>(isa: I, m: [I::V; 6]) -> [I::V; 4] {
    let c = |x: f32| isa.splat(x);
    let (even_p, odd_p) = (isa.add(m[1], m[2]), isa.sub(m[1], m[2]));
    let (even_q, odd_q) = (isa.add(m[3], m[4]), isa.sub(m[3], m[4]));
    [
        isa.add(isa.add(m[0], even_p), even_q),
        isa.fma(c(Q), odd_q, isa.mul(c(P), odd_p)),
        isa.fma(c(Q2), even_q, isa.mul(c(P2), even_p)),
        isa.fma(c(Q3), odd_q, isa.fma(c(P3), odd_p, m[5])),
    ]
}

/// `A^T m` of F(2, 3): four points to two outputs.
#[inline(always)]
pub(super) fn output4<I: Isa>(isa: I, m: [I::V; 4]) -> [I::V; 2] {
    [isa.add(isa.add(m[0], m[1]), m[2]), isa.add(isa.sub(m[1], m[2]), m[3])]
}

/// `A y` of F(4, 3), the adjoint of [`output6`].
#[inline(always)]
pub(super) fn spread6<I: Isa>(isa: I, y: [I::V; 4]) -> [I::V; 6] {
    let c = |x: f32| isa.splat(x);
    let even_p = isa.fma(c(P2), y[2], y[0]);
    let odd_p = isa.fma(c(P2), y[3], y[1]);
    let even_q = isa.fma(c(Q2), y[2], y[0]);
    let odd_q = isa.fma(c(Q2), y[3], y[1]);
    [
        y[0],
        isa.fma(c(P), odd_p, even_p),
        isa.fma(c(-P), odd_p, even_p),
        isa.fma(c(Q), odd_q, even_q),
        isa.fma(c(-Q), odd_q, even_q),
        y[3],
    ]
}

/// `G g` of F(4, 3): three weights to six points.
#[inline(always)]
pub(super) fn weight6<I: Isa>(isa: I, g: [I::V; 3]) -> [I::V; 6] {
    let c = |x: f32| isa.splat(x);
    let even_p = isa.mul(c(NP), isa.fma(c(P2), g[2], g[0]));
    let odd_p = isa.mul(c(NP * P), g[1]);
    let even_q = isa.mul(c(NQ), isa.fma(c(Q2), g[2], g[0]));
    let odd_q = isa.mul(c(NQ * Q), g[1]);
    [g[0], isa.add(even_p, odd_p), isa.sub(even_p, odd_p), isa.add(even_q, odd_q), isa.sub(even_q, odd_q), g[2]]
}

/// `G` of F(4, 3), which [`weight6`] multiplies by.
pub(super) const WEIGHT6: [[f32; 3]; 6] = [
    [1.0, 0.0, 0.0],
    [NP, NP * P, NP * P2],
    [NP, -NP * P, NP * P2],
    [NQ, NQ * Q, NQ * Q2],
    [NQ, -NQ * Q, NQ * Q2],
    [0.0, 0.0, 1.0],
];

/// `G g` of F(2, 3): three weights to four points.
#[inline(always)]
pub(super) fn weight4<I: Isa>(isa: I, g: [I::V; 3]) -> [I::V; 4] {
    let half = isa.splat(0.5);
    let even = isa.mul(half, isa.add(g[0], g[2]));
    let odd = isa.mul(half, g[1]);
    [g[0], isa.add(even, odd), isa.sub(even, odd), g[2]]
}

/// `G^T u` of F(4, 3), the adjoint of [`weight6`].
#[inline(always)]
pub(super) fn fold6<I: Isa>(isa: I, u: [I::V; 6]) -> [I::V; 3] {
    let c = |x: f32| isa.splat(x);
    let (even_p, odd_p) = (isa.mul(c(NP), isa.add(u[1], u[2])), isa.sub(u[1], u[2]));
    let (even_q, odd_q) = (isa.mul(c(NQ), isa.add(u[3], u[4])), isa.sub(u[3], u[4]));
    [
        isa.add(u[0], isa.add(even_p, even_q)),
        isa.fma(c(NQ * Q), odd_q, isa.mul(c(NP * P), odd_p)),
        isa.fma(c(Q2), even_q, isa.fma(c(P2), even_p, u[5])),
    ]
}

/// `G^T u` of F(2, 3), the adjoint of [`weight4`].
#[inline(always)]
pub(super) fn fold4<I: Isa>(isa: I, u: [I::V; 4]) -> [I::V; 3] {
    let half = isa.splat(0.5);
    let even = isa.mul(half, isa.add(u[1], u[2]));
    [isa.add(u[0], even), isa.mul(half, isa.sub(u[1], u[2])), isa.add(even, u[3])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::scalar::Scalar;

    /// Column `i` of the matrix of a transform, each lane the same.
    fn matrix<const N: usize, const M: usize>(of: impl Fn([[f32; 16]; N]) -> [[f32; 16]; M]) -> [[f64; N]; M] {
        let mut matrix = [[0.0; N]; M];
        for i in 0..N {
            let mut unit = [[0.0; 16]; N];
            unit[i] = [1.0; 16];
            for (row, out) in matrix.iter_mut().zip(of(unit)) {
                row[i] = f64::from(out[0]);
            }
        }
        matrix
    }

    /// `A^T ((G g) . (B^T d))` is the correlation of `d` with `g`, coefficient by coefficient.
    fn check<const M: usize, const N: usize>(a: [[f64; N]; M], g: [[f64; 3]; N], b: [[f64; N]; N]) {
        for out in 0..M {
            for tap in 0..3 {
                for input in 0..N {
                    let sum: f64 = (0..N).map(|p| a[out][p] * g[p][tap] * b[p][input]).sum();
                    let expected = f64::from(u8::from(input == out + tap));
                    assert!((sum - expected).abs() < 2e-6, "F({M}, 3): output {out}, tap {tap}, input {input}: {sum}");
                }
            }
        }
    }

    fn assert_transposed<const N: usize, const M: usize>(a: [[f64; N]; M], b: [[f64; M]; N], what: &str) {
        for i in 0..M {
            for j in 0..N {
                assert!((a[i][j] - b[j][i]).abs() < 1e-7, "{what}: {i}, {j}");
            }
        }
    }

    #[test]
    fn transforms_make_a_correlation() {
        let isa = Scalar;
        check(matrix(|m| output6(isa, m)), matrix(|g| weight6(isa, g)), matrix(|d| input6(isa, d)));
        let input4 =
            |d: [[f32; 16]; 4]| INPUT4.map(|(i, j, sum)| if sum { isa.add(d[i], d[j]) } else { isa.sub(d[i], d[j]) });
        check(matrix(|m| output4(isa, m)), matrix(|g| weight4(isa, g)), matrix(input4));
    }

    #[test]
    fn the_matrix_is_that_of_the_transform() {
        assert_eq!(WEIGHT6.map(|row| row.map(f64::from)), matrix(|g| weight6(Scalar, g)));
    }

    #[test]
    fn backward_transforms_are_adjoint() {
        let isa = Scalar;
        assert_transposed(matrix(|m| output6(isa, m)), matrix(|y| spread6(isa, y)), "spread6");
        assert_transposed(matrix(|g| weight6(isa, g)), matrix(|u| fold6(isa, u)), "fold6");
        assert_transposed(matrix(|g| weight4(isa, g)), matrix(|u| fold4(isa, u)), "fold4");
    }
}

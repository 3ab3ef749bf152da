//! Sums of products of bf16 by definition, in f64.

use kernels::Bf16;

/// Half a step of f32 beside 1.
pub(crate) const F32: f64 = 1.0 / 16_777_216.0;

/// A sum by definition, of values that were rounded to bf16, and of their magnitudes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Exact {
    sum: f64,
    size: f64,
    terms: usize,
}

impl Exact {
    pub(crate) fn add(&mut self, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        (self.sum, self.size, self.terms) = (self.sum + product, self.size + product.abs(), self.terms + 1);
    }

    /// Whether that is it, beside what is added to it.
    pub(crate) fn check(&self, got: u32, beside: f32, what: impl Fn() -> String) {
        let (got, expected) = (f64::from(f32::from_bits(got)), self.sum + f64::from(beside));
        let most = (self.terms + 100) as f64 * F32 * (self.size + f64::from(beside.abs())) + 1e-30;
        assert!((got - expected).abs() <= most, "{}: {got} for {expected}, {most:e} allowed", what());
    }
}

pub(crate) fn rounded(x: f32) -> f32 {
    Bf16::of(x).wide()
}

//! Room for packed weights.

use kernels::{Cell, LANES};

/// Packed weights, which begin on a line of the cache. Those of one convolution, or of one after another in the same room.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Packed {
    /// Room for up to `n`, whose memory the system gives when it is first touched.
    pub(crate) fn with_room(n: usize) -> Self {
        Self { values: f32::zeros(n + LANES), ..Self::default() }
    }

    /// Room for `n` of them, with whatever in it.
    pub(crate) fn room(&mut self, n: usize) -> &mut [f32] {
        if self.values.len() < n + LANES {
            *self = Self::with_room(n);
        }
        self.start = self.values.as_ptr().align_offset(LANES * size_of::<f32>()).min(LANES);
        self.len = n;
        &mut self.values[self.start..][..n]
    }

    pub(crate) fn get(&self) -> &[f32] {
        &self.values[self.start..][..self.len]
    }
}

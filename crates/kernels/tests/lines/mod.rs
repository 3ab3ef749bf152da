//! Room that begins on a line of the cache.

/// So many values, of which none is a number before it is written.
pub(crate) struct Lines {
    values: Vec<f32>,
    start: usize,
}

impl Lines {
    pub(crate) fn new(n: usize) -> Self {
        let mut values = vec![f32::NAN; n + 15];
        let start = values.as_ptr().align_offset(64);
        values.truncate(start + n);
        Self { values, start }
    }

    pub(crate) fn get(&mut self) -> &mut [f32] {
        &mut self.values[self.start..]
    }
}

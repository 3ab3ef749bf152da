//! The convolutions of a network for one shape: which kernel each pass takes, and its packed weights.

use kernels::{
    Canonical, Cpu, Gather, LANES, Shape, Source, Write, blocks, convolve, convolve_scratch, pack_weights, packed_len,
    partial_len, weight_gradient, weight_gradient_scratch,
};

/// One convolution of any kind.
#[derive(Debug)]
pub(crate) struct Conv {
    forward: Vec<Gather>,
    backward: Vec<Gather>,
    /// Order of the canonical weights as the forward gather sees it; the backward one sees the other.
    order: Canonical,
    n_weights: usize,
    i: usize,
    o: usize,
    packed: Vec<f32>,
    packed_back: Vec<f32>,
}

/// The gradient of a convolution's weights is wanted with these.
pub(crate) struct Buffers<'a> {
    pub(crate) scratch: &'a mut [f32],
    pub(crate) partial: &'a mut [f32],
}

impl Conv {
    /// 3x3x3 on an input of `shape`.
    pub(crate) fn conv3(shape: Shape, stride: usize, (i, o): (usize, usize)) -> Self {
        let (forward, backward) = (vec![Gather::conv3(shape, stride)], Gather::conv3_back(shape, stride));
        Self::new(forward, backward, Canonical::OutIn, (27, i, o))
    }

    /// Transposed 2x2x2, stride 2, on an input of `shape`.
    pub(crate) fn up2(shape: Shape, (i, o): (usize, usize)) -> Self {
        Self::new(Gather::up2(shape), vec![Gather::up2_back(shape)], Canonical::InOut, (8, i, o))
    }

    fn new(
        forward: Vec<Gather>,
        backward: Vec<Gather>,
        order: Canonical,
        (n_weights, i, o): (usize, usize, usize),
    ) -> Self {
        Self { forward, backward, order, n_weights, i, o, packed: Vec::new(), packed_back: Vec::new() }
    }

    /// Scratch for `threads` threads, and partial sums.
    pub(crate) fn needs(&self, threads: usize, train: bool) -> (usize, usize) {
        let mut scratch = self.forward.iter().map(|g| convolve_scratch(g, blocks(self.i))).max().unwrap_or(0);
        let mut partial = 0;
        if train {
            let back = self.backward.iter().map(|g| convolve_scratch(g, blocks(self.o))).max().unwrap_or(0);
            let grad = self.forward.iter().map(weight_gradient_scratch).max().unwrap_or(0);
            scratch = scratch.max(back).max(grad);
            partial = self.forward.iter().map(|g| partial_len(g, (self.i, self.o))).max().unwrap_or(0);
        }
        (scratch * threads, partial)
    }

    /// Takes new weights, canonical.
    pub(crate) fn load(&mut self, weights: &[f32], train: bool) {
        self.packed.resize(packed_len(self.n_weights, self.i, self.o), 0.0);
        pack_weights(self.order, self.n_weights, (self.i, self.o), weights, &mut self.packed);
        if train {
            let other = if self.order == Canonical::OutIn { Canonical::InOut } else { Canonical::OutIn };
            self.packed_back.resize(packed_len(self.n_weights, self.o, self.i), 0.0);
            pack_weights(other, self.n_weights, (self.o, self.i), weights, &mut self.packed_back);
        }
    }

    pub(crate) fn forward(&self, cpu: Cpu, sources: &[Source<'_>], bias: &[f32], dst: &mut [f32], scratch: &mut [f32]) {
        for gather in &self.forward {
            convolve(cpu, gather, (sources, self.i), (&self.packed, bias), (dst, Write::Overwrite), scratch);
        }
    }

    /// From the gradient of the raw output to that of what the sources showed.
    pub(crate) fn data(&self, cpu: Cpu, d_dst: &[f32], (d_src, write): (&mut [f32], Write), scratch: &mut [f32]) {
        let source = [Source::plain(d_dst)];
        for gather in &self.backward {
            convolve(cpu, gather, (&source, self.o), (&self.packed_back, &[]), (d_src, write), scratch);
        }
    }

    /// Adds the gradient of the weights, canonical.
    pub(crate) fn weights(
        &self,
        cpu: Cpu,
        (sources, d_dst): (&[Source<'_>], &[f32]),
        d_weights: &mut [f32],
        buffers: &mut Buffers<'_>,
    ) {
        for gather in &self.forward {
            weight_gradient(
                cpu,
                gather,
                (sources, d_dst),
                (self.order, self.i, self.o),
                (d_weights, Write::Add),
                (buffers.partial, buffers.scratch),
            );
        }
    }

    /// Values of the padded bias.
    pub(crate) fn bias_len(&self) -> usize {
        blocks(self.o) * LANES
    }
}

//! The gradients of a network, layer by layer from the last to the first, each under the rules of its forward pass.

use crate::memory::Purpose;
use crate::net::{EPS, Net, State, level_shape};
use crate::ops::{Buffers, Conv};
use crate::program::Layer;
use kernels::{
    Back, LANES, Write, activation_back, activation_sums, blocks, head_back, max_pool_back, up_nearest_back, voxels,
};

impl Net {
    /// Goes back from the heads' `d_logits`: adds the gradient of every weight to `grads`, in the arena's order.
    ///
    /// Once after each [`Net::forward`]: gradients take the place of the activations that are done with.
    ///
    /// # Panics
    /// If the network was laid out for inference, or the length is another.
    pub fn backward(&mut self, grads: &mut [f32]) {
        assert!(self.purpose != Purpose::Infer, "backward: laid out for inference");
        assert_eq!(grads.len(), self.program.n_params(), "backward: grads");
        // A tensor's gradient is overwritten by the first of its readers that goes back, then added to.
        for index in (0..self.program.layers.len()).rev() {
            self.layer_backward(index, grads);
        }
    }

    fn write_of(&self, index: usize, tensor: usize) -> Write {
        let last = self.program.layers.iter().rposition(|l| l.reads().contains(&tensor));
        if last == Some(index) { Write::Overwrite } else { Write::Add }
    }

    fn layer_backward(&mut self, index: usize, grads: &mut [f32]) {
        let layer = self.program.layers[index].ends();
        let from = layer.from[0];
        let shape = level_shape(self.shape, self.program.tensors[from].level);
        let write = self.write_of(index, from);
        let mut state = std::mem::replace(&mut self.states[index], State::Plain);
        match &mut state {
            State::Head { weight, d_logits, d_weight, .. } => {
                let Layer::Head { weight: w, bias: b, .. } = &self.program.layers[index] else { unreachable!() };
                let (w, b) = (w.clone(), b.clone());
                let place = self.memory.grads[from].clone();
                let mut slot = std::mem::take(&mut self.memory.slots[place.slot]);
                let mut sums = std::mem::take(&mut self.sums);
                d_weight.fill(0.0);
                head_back(
                    self.cpu,
                    (&self.source(from), voxels(shape)),
                    (weight, d_logits),
                    (&mut slot[place.range], write),
                    (d_weight, &mut grads[b.clone()]),
                    &mut sums,
                );
                self.sums = sums;
                self.memory.slots[place.slot] = slot;
                let width = d_weight.len() / b.len();
                let channels = w.len() / b.len();
                for (row, d) in grads[w].chunks_exact_mut(channels).zip(d_weight.chunks_exact(width)) {
                    row.iter_mut().zip(d).for_each(|(g, d)| *g += d);
                }
            }
            State::Conv { conv, .. } => self.conv_backward(index, conv, grads),
            State::Plain => self.plain_backward(index, write),
        }
        self.states[index] = state;
    }

    fn plain_backward(&mut self, index: usize, write: Write) {
        let layer = self.program.layers[index].ends();
        let (from, Some(to)) = (layer.from[0], layer.to) else { return };
        let shape = level_shape(self.shape, self.program.tensors[from].level);
        let (place, back) = (self.memory.grads[from].clone(), self.memory.grads[to].clone());
        let mut slot = std::mem::take(&mut self.memory.slots[place.slot]);
        let mut d_to = std::mem::take(&mut self.memory.slots[back.slot]);
        let (d_from, d_dst) = (&mut slot[place.range], &mut d_to[back.range]);
        match self.program.layers[index] {
            Layer::Pool { .. } => max_pool_back(self.cpu, &self.source(from), shape, d_dst, (d_from, write)),
            Layer::UpNearest { .. } => up_nearest_back(self.cpu, d_dst, shape, (d_from, write)),
            Layer::Dropout { .. } => {
                self.drop_values(d_dst);
                d_from.copy_from_slice(d_dst);
            }
            Layer::Conv3 { .. } | Layer::UpTransposed { .. } | Layer::Head { .. } => {}
        }
        self.memory.slots[place.slot] = slot;
        self.memory.slots[back.slot] = d_to;
    }

    fn conv_backward(&mut self, index: usize, conv: &mut Conv, grads: &mut [f32]) {
        let layer = self.program.layers[index].ends();
        let (Some(to), from) = (layer.to, layer.from[0]) else { return };
        let (Layer::Conv3 { weight, bias, .. } | Layer::UpTransposed { weight, bias, .. }) =
            &self.program.layers[index]
        else {
            return;
        };
        let (weight, bias) = (weight.clone(), bias.clone());
        let back = self.memory.grads[to].clone();
        let mut d_slot = std::mem::take(&mut self.memory.slots[back.slot]);
        let d_dst = &mut d_slot[back.range];
        self.raw_gradient(to, &bias, d_dst, grads);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut partial = std::mem::take(&mut self.partial);
        let sources = [self.source(from), self.source(layer.from[layer.n_from - 1])];
        let mut buffers = Buffers { scratch: &mut scratch, partial: &mut partial };
        conv.weights(self.cpu, (&sources[..layer.n_from], d_dst), &mut grads[weight], &mut buffers);
        if from > 0 {
            // The gradients of what one layer reads lie one after another in one slot.
            let (first, last) = (&self.memory.grads[from], &self.memory.grads[layer.from[layer.n_from - 1]]);
            let (place, range) = (first.slot, first.range.start..last.range.end);
            let write = self.write_of(index, from);
            let mut slot = std::mem::take(&mut self.memory.slots[place]);
            conv.d_src(self.cpu, d_dst, (&mut slot[range], write), &mut scratch);
            self.memory.slots[place] = slot;
        }
        self.scratch = scratch;
        self.partial = partial;
        self.memory.slots[back.slot] = d_slot;
    }

    /// Turns the gradient of what the readers of `to` saw into that of its raw values; adds those of norm or bias.
    fn raw_gradient(&mut self, to: usize, bias: &std::ops::Range<usize>, d: &mut [f32], grads: &mut [f32]) {
        let spec = self.program.tensors[to];
        let voxels = self.voxels_of(to);
        let mut c = std::mem::take(&mut self.coefficients);
        let mut sums = std::mem::take(&mut self.sums);
        let source = self.source(to);
        let n = blocks(spec.channels) * LANES;
        let mean = spec.norm.map_or(&c.zeros[..n], |norm| &self.pending[norm].mean);
        activation_sums(self.cpu, (&source, d, voxels), mean, &mut sums, (&mut c.first[..n], &mut c.second[..n]));
        if let Some(norm) = spec.norm {
            let (p, ranges) = (&self.pending[norm], &self.program.norms[norm]);
            for i in 0..spec.channels {
                let inverse = 1.0 / (p.variance[i] + EPS).sqrt();
                grads[ranges.gamma.start + i] += c.second[i] * inverse;
                grads[ranges.beta.start + i] += c.first[i];
                c.gain[i] = p.gamma[i] * inverse;
                c.offset[i] = c.gain[i] * c.first[i] / voxels as f32;
                c.tilt[i] = c.gain[i] * inverse * inverse * c.second[i] / voxels as f32;
            }
            for i in spec.channels..n {
                (c.gain[i], c.offset[i], c.tilt[i]) = (0.0, 0.0, 0.0);
            }
        } else {
            grads[bias.clone()].iter_mut().zip(&c.first).for_each(|(g, s)| *g += s);
            c.gain[..n].fill(1.0);
            c.offset[..n].fill(0.0);
            c.tilt[..n].fill(0.0);
        }
        if spec.norm.is_some() || spec.slope < 1.0 {
            let back = Back { gain: &c.gain[..n], offset: &c.offset[..n], tilt: &c.tilt[..n], mean };
            activation_back(self.cpu, &source, voxels, back, d);
        }
        self.coefficients = c;
        self.sums = sums;
    }
}

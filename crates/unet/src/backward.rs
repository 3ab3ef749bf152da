//! The gradients of a network, layer by layer from the last to the first, each under the rules of its forward pass.

use crate::memory::{Purpose, parts};
use crate::net::{EPS, Net, State, level_shape};
use crate::ops::{Buffers, Conv};
use crate::passes::Pass;
use crate::program::Layer;
use kernels::{
    Back, LANES, Write, activation_back, activation_sums, blocks, head_back, max_pool_back, up_nearest_back,
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
        for nth in 0..self.passes.len() {
            match self.passes[nth] {
                Pass::Forward(_) => {}
                Pass::Remake(tensor) => self.remake(tensor),
                Pass::Raw(index) => self.raw(index, grads),
                Pass::Weights(index) => self.weights_back(index, grads),
                Pass::Sources(index) => self.sources_back(index, grads),
            }
        }
    }

    /// A tensor's gradient is overwritten by the first of its readers that goes back, then added to.
    fn write_of(&self, index: usize, tensor: usize) -> Write {
        let last = self.program.layers.iter().rposition(|l| l.reads().contains(&tensor));
        if last == Some(index) { Write::Overwrite } else { Write::Add }
    }

    fn sources_back(&mut self, index: usize, grads: &mut [f32]) {
        let write = self.write_of(index, self.program.layers[index].reads()[0]);
        let mut state = std::mem::replace(&mut self.states[index], State::Plain);
        let mut arena = std::mem::take(&mut self.memory.arena);
        match &mut state {
            State::Head { .. } => self.head_back(index, (&mut state, &mut arena), write, grads),
            State::Conv { conv, .. } => self.conv_back(index, (conv, &mut arena), write),
            State::Plain => self.plain_back(index, &mut arena, write),
        }
        self.memory.arena = arena;
        self.states[index] = state;
    }

    fn head_back(&mut self, index: usize, (state, arena): (&mut State, &mut [f32]), write: Write, grads: &mut [f32]) {
        let State::Head { weight, d_logits, d_weight, .. } = state else { return };
        let Layer::Head { from, weight: w, bias: b, .. } = &self.program.layers[index] else { return };
        let [d_from, seen] = parts(arena, [&self.memory.grads, &self.memory.kept].map(|places| places[*from].clone()));
        let mut sums = std::mem::take(&mut self.sums);
        d_weight.fill(0.0);
        head_back(
            self.cpu,
            (&self.seen(*from, seen), self.voxels_of(*from)),
            (weight, d_logits),
            (d_from, write),
            (d_weight, &mut grads[b.clone()]),
            &mut sums,
        );
        let (width, channels) = (d_weight.len() / b.len(), w.len() / b.len());
        for (row, d) in grads[w.clone()].chunks_exact_mut(channels).zip(d_weight.chunks_exact(width)) {
            row.iter_mut().zip(d).for_each(|(g, d)| *g += d);
        }
        self.sums = sums;
    }

    fn plain_back(&mut self, index: usize, arena: &mut [f32], write: Write) {
        let layer = self.program.layers[index].ends();
        let (from, Some(to)) = (layer.from[0], layer.to) else { return };
        let shape = level_shape(self.shape, self.program.tensors[from].level);
        let (d_from, d_to) = (self.memory.grads[from].clone(), self.memory.grads[to].clone());
        match self.program.layers[index] {
            Layer::Pool { .. } => {
                let [d_from, d_to, seen] = parts(arena, [d_from, d_to, self.memory.kept[from].clone()]);
                max_pool_back(self.cpu, &self.seen(from, seen), shape, d_to, (d_from, write));
            }
            Layer::UpNearest { .. } => {
                let [d_from, d_to] = parts(arena, [d_from, d_to]);
                up_nearest_back(self.cpu, d_to, shape, (d_from, write));
            }
            Layer::Dropout { .. } => {
                let [d_from, d_to] = parts(arena, [d_from, d_to]);
                self.drop_values(d_to);
                d_from.copy_from_slice(d_to);
            }
            Layer::Conv3 { .. } | Layer::UpTransposed { .. } | Layer::Head { .. } => {}
        }
    }

    fn conv_back(&mut self, index: usize, (conv, arena): (&mut Conv, &mut [f32]), write: Write) {
        let layer = self.program.layers[index].ends();
        let (Some(to), from, last) = (layer.to, layer.from[0], layer.from[layer.n_from - 1]) else { return };
        let (Layer::Conv3 { weight, .. } | Layer::UpTransposed { weight, .. }) = &self.program.layers[index] else {
            return;
        };
        conv.pack_back(self.cpu, &self.weights[weight.clone()], &mut self.packed);
        // The gradients of what one layer reads lie one after another.
        let places = &self.memory.grads;
        let [d_dst, d_src] = parts(arena, [places[to].clone(), places[from].start..places[last].end]);
        conv.d_src(self.cpu, (d_dst, self.packed.get()), (d_src, write), &mut self.scratch);
    }

    fn weights_back(&mut self, index: usize, grads: &mut [f32]) {
        let layer = self.program.layers[index].ends();
        let (Some(to), from, last) = (layer.to, layer.from[0], layer.from[layer.n_from - 1]) else { return };
        let (Layer::Conv3 { weight, .. } | Layer::UpTransposed { weight, .. }) = &self.program.layers[index] else {
            return;
        };
        let mut state = std::mem::replace(&mut self.states[index], State::Plain);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut partial = std::mem::take(&mut self.partial);
        if let State::Conv { conv, .. } = &mut state {
            let [from, last] = [from, last].map(|t| self.seen(t, &self.memory.arena[self.memory.kept[t].clone()]));
            let d_dst = &self.memory.arena[self.memory.grads[to].clone()];
            let pair = (&[from, last][..layer.n_from], d_dst);
            let mut buffers = Buffers { scratch: &mut scratch, partial: &mut partial };
            conv.weights(self.cpu, pair, &mut grads[weight.clone()], &mut buffers);
        }
        self.scratch = scratch;
        self.partial = partial;
        self.states[index] = state;
    }

    /// Turns the gradient of what the readers of a convolution saw into that of its raw values; adds those of norm or bias.
    fn raw(&mut self, index: usize, grads: &mut [f32]) {
        let (Layer::Conv3 { to, bias, .. } | Layer::UpTransposed { to, bias, .. }) = &self.program.layers[index] else {
            return;
        };
        let (to, bias) = (*to, bias.clone());
        let spec = self.program.tensors[to];
        let voxels = self.voxels_of(to);
        let (grad, kept) = (self.memory.grads[to].clone(), self.memory.kept[to].clone());
        let is_plain = spec.norm.is_none() && spec.slope >= 1.0;
        let mut arena = std::mem::take(&mut self.memory.arena);
        let mut c = std::mem::take(&mut self.coefficients);
        let mut sums = std::mem::take(&mut self.sums);
        let n = blocks(spec.channels) * LANES;
        let mean = spec.norm.map_or(&c.zeros[..n], |norm| &self.pending[norm].mean);
        // Without a norm and an activation it does not matter which values were seen, and they may be gone.
        let source = self.seen(to, &arena[if is_plain { grad.clone() } else { kept.clone() }]);
        let d = &arena[grad.clone()];
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
            grads[bias].iter_mut().zip(&c.first).for_each(|(g, s)| *g += s);
            c.gain[..n].fill(1.0);
            c.offset[..n].fill(0.0);
            c.tilt[..n].fill(0.0);
        }
        if !is_plain {
            let [d, values] = parts(&mut arena, [grad, kept]);
            let back = Back { gain: &c.gain[..n], offset: &c.offset[..n], tilt: &c.tilt[..n], mean };
            activation_back(self.cpu, &self.seen(to, values), voxels, back, d);
        }
        self.memory.arena = arena;
        self.coefficients = c;
        self.sums = sums;
    }
}

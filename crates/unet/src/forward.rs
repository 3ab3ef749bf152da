//! What each layer writes, on the way forward and once more on the way back.

use crate::memory::{Purpose, parts};
use crate::net::{Net, State, level_shape};
use crate::program::Layer;
use kernels::{Cell, Moments, Source, apply, head, max_pool, pack_channels, up_nearest, voxels};
use std::ops::Range;

/// Which way a network goes: a tensor may lie elsewhere on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

impl<T: Cell> Net<T> {
    pub(crate) fn take_image(&mut self, image: &[f32]) {
        if self.purpose != Purpose::Infer {
            assert_eq!(image.len(), self.image.len(), "image: length");
            self.image.copy_from_slice(image);
            let weights = std::mem::take(&mut self.weights);
            self.load_few(&weights);
            self.weights = weights;
        }
        if !self.reads_planar {
            self.block_image(image, Way::Forward);
        }
    }

    fn block_image(&mut self, image: &[f32], way: Way) {
        let range = self.place(way, 0);
        let channels = self.program.tensors[0].channels;
        pack_channels(self.cpu, image, channels, voxels(self.shape), &mut self.memory.arena[range]);
    }

    /// Makes a tensor again for the way back, as it was.
    pub(crate) fn remake(&mut self, tensor: usize) {
        if let Some(index) = self.program.writer(tensor) {
            return self.make(index, Way::Back, &[]);
        }
        let image = std::mem::take(&mut self.image);
        self.block_image(&image, Way::Back);
        self.image = image;
    }

    fn place(&self, way: Way, tensor: usize) -> Range<usize> {
        match way {
            Way::Forward => self.memory.values[tensor].clone(),
            Way::Back => self.memory.kept[tensor].clone(),
        }
    }

    pub(crate) fn layer_forward(&mut self, index: usize, image: &[f32]) {
        let layer = self.program.layers[index].ends();
        if layer.to.is_some() {
            return self.make(index, Way::Forward, image);
        }
        // The coarse heads are there for the loss.
        if self.purpose == Purpose::Infer && matches!(self.program.layers[index], Layer::Head { head: 1.., .. }) {
            return;
        }
        let voxels = self.voxels_of(layer.from[0]);
        let mut state = std::mem::replace(&mut self.states[index], State::Plain);
        if let State::Head { weight, bias, logits, .. } = &mut state {
            if logits.is_empty() {
                *logits = vec![0.0; bias.len() * voxels];
            }
            head(self.cpu, &self.source(layer.from[0]), voxels, (weight, bias), logits);
        }
        self.states[index] = state;
    }

    /// Writes what a layer writes. On the way back its norm was measured before. `image` is read where it is read planar.
    fn make(&mut self, index: usize, way: Way, image: &[f32]) {
        let layer = self.program.layers[index].ends();
        let (Some(to), from, last) = (layer.to, layer.from[0], layer.from[layer.n_from - 1]) else { return };
        let second = if layer.n_from > 1 { self.place(way, last) } else { 0..0 };
        let places = [self.place(way, to), self.place(way, from), second];
        let mut arena = std::mem::take(&mut self.memory.arena);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut state = std::mem::replace(&mut self.states[index], State::Plain);
        let [dst, first, second] = parts(&mut arena, places);
        let shape = level_shape(self.shape, self.program.tensors[from].level);
        let norm = self.program.tensors[to].norm.filter(|_| way == Way::Forward);
        let mut measured = false;
        match (&self.program.layers[index], &mut state) {
            (Layer::Conv3 { weight, .. } | Layer::UpTransposed { weight, .. }, State::Conv { conv, packed, bias }) => {
                if self.purpose != Purpose::Infer {
                    conv.pack(self.cpu, &self.weights[weight.clone()], &mut self.packed);
                }
                let packed = if self.purpose == Purpose::Infer { packed } else { &self.packed };
                let mut exact = std::mem::take(&mut self.exact_sums);
                let mut own = norm.filter(|_| conv.measures()).map(|norm| self.pending[norm].take());
                let sources = [self.seen(from, first), self.seen(last, second)];
                let mut moments = own.as_mut().map(|(mean, variance)| Moments { sums: &mut exact, mean, variance });
                let dst = (&mut *dst, moments.as_mut());
                let weights = (packed.get(), bias.as_slice());
                self.lost += if self.reads_planar && from == 0 {
                    conv.forward_image(self.cpu, (image, bias), dst, &mut scratch)
                } else {
                    conv.forward(self.cpu, &sources[..layer.n_from], weights, dst, &mut scratch)
                };
                if let (Some(norm), Some((mean, variance))) = (norm, own) {
                    self.pending[norm].put(mean, variance);
                    measured = true;
                }
                self.exact_sums = exact;
            }
            (Layer::Pool { .. }, _) => max_pool(self.cpu, &self.seen(from, first), shape, dst),
            (Layer::UpNearest { .. }, _) => up_nearest(self.cpu, &self.seen(from, first), shape, dst),
            (Layer::Dropout { .. }, _) => {
                apply(self.cpu, &self.seen(from, first), voxels(shape), dst);
                self.drop_values(dst);
            }
            _ => {}
        }
        if let Some(norm) = norm.filter(|_| !measured) {
            let voxels = self.voxels_of(to);
            self.pending[norm].measure(self.cpu, dst, voxels, &mut self.sums);
        }
        self.states[index] = state;
        self.memory.arena = arena;
        self.scratch = scratch;
    }

    /// What the readers of `tensor` see on the way forward.
    pub(crate) fn source(&self, tensor: usize) -> Source<'_, T> {
        self.seen(tensor, &self.memory.arena[self.memory.values[tensor].clone()])
    }

    /// What the readers of `tensor` see, which holds `values`.
    pub(crate) fn seen<'a>(&'a self, tensor: usize, values: &'a [T]) -> Source<'a, T> {
        let spec = &self.program.tensors[tensor];
        match spec.norm {
            Some(norm) => {
                let p = &self.pending[norm];
                Source { values, scale: &p.scale, shift: &p.shift, slope: spec.slope }
            }
            None => Source { slope: spec.slope, ..Source::plain(values) },
        }
    }

    /// Drops values, and scales the others up, by a hash of seed and place; does nothing outside training.
    pub(crate) fn drop_values(&self, values: &mut [T]) {
        let Some(seed) = self.dropout_seed else { return };
        let (limit, gain) = ((f64::from(self.dropout) * 2f64.powi(64)) as u64, 1.0 / (1.0 - self.dropout));
        for (i, v) in values.iter_mut().enumerate() {
            let mut h = seed ^ (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            h = (h ^ (h >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            h = (h ^ (h >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *v = T::of(if h ^ (h >> 31) < limit { 0.0 } else { v.wide() * gain });
        }
    }
}

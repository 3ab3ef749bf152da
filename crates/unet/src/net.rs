//! A network for one shape: weights in, image in, logits out; gradients back. One sample at a time, nothing allocated in
//! a step.

use crate::memory::{Memory, Purpose};
use crate::ops::{Buffers, Conv};
use crate::program::{Layer, ParamSpec, Program};
use crate::spec::{NetSpec, UnetError};
use kernels::{
    Back, Cpu, LANES, Shape, Source, Write, activation_back, activation_sums, apply, blocks, head, head_back,
    head_back_scratch, max_pool, max_pool_back, moments, pack_channels, sums_scratch, up_nearest, up_nearest_back,
    voxels,
};

/// Of the instance norm, as in PyTorch.
const EPS: f32 = 1e-5;

/// Voxels of an input: no head has as many, and sizes in bytes of any tensor stay far from overflow.
const MAX_VOXELS: usize = 1 << 32;

/// What a layer keeps beside its tensors.
#[derive(Debug)]
enum State {
    Conv { conv: Box<Conv>, bias: Vec<f32> },
    Head { weight: Vec<f32>, bias: Vec<f32>, logits: Vec<f32>, d_logits: Vec<f32>, d_weight: Vec<f32> },
    Plain,
}

/// Pending norm of a tensor: what its readers apply, and what its gradient needs. `[C/16 * 16]` each.
#[derive(Debug)]
struct Pending {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Coefficients of the gradient of a norm, sized for the widest tensor.
#[derive(Debug, Default)]
struct Coefficients {
    first: Vec<f32>,
    second: Vec<f32>,
    gain: Vec<f32>,
    offset: Vec<f32>,
    tilt: Vec<f32>,
    zeros: Vec<f32>,
}

/// A network laid out for one shape and one purpose. Runs on the current rayon pool.
#[derive(Debug)]
pub struct Net {
    cpu: Cpu,
    shape: Shape,
    purpose: Purpose,
    program: Program,
    states: Vec<State>,
    pending: Vec<Pending>,
    memory: Memory,
    coefficients: Coefficients,
    scratch: Vec<f32>,
    partial: Vec<f32>,
    sums: Vec<f32>,
    dropout: f32,
    dropout_seed: Option<u64>,
}

impl Net {
    /// Lays a network out for images of `shape` (`[D, H, W]`) and as many threads as the current rayon pool has.
    ///
    /// # Errors
    /// If the description makes no network or the shape breaks its size rule.
    pub fn new(spec: &NetSpec, shape: Shape, purpose: Purpose, cpu: Cpu) -> Result<Self, UnetError> {
        spec.check()?;
        let multiple = spec.multiple();
        if shape.iter().any(|n| *n == 0 || n % multiple != 0) {
            return Err(UnetError::Shape { shape, multiple });
        }
        if shape.iter().try_fold(1, |n: usize, &axis| n.checked_mul(axis)).is_none_or(|n| n > MAX_VOXELS) {
            return Err(UnetError::TooLarge { shape, most: MAX_VOXELS });
        }
        let program = Program::new(spec);
        let at = |t: usize| level_shape(shape, program.tensors[t].level);
        let len = |t: usize| blocks(program.tensors[t].channels) * voxels(at(t)) * LANES;
        let memory = Memory::new(&program, purpose, len);
        let states: Vec<State> =
            program.layers.iter().map(|l| state(&program, l, shape, spec.outputs, purpose)).collect();
        let (mut scratch, mut partial, mut sums) = (256, 0, 0);
        for (layer, state) in program.layers.iter().zip(&states) {
            if let State::Conv { conv, .. } = state {
                let (s, p) = conv.needs(rayon::current_num_threads(), purpose);
                (scratch, partial) = (scratch.max(s), partial.max(p));
            }
            if let Layer::Head { from, .. } = layer {
                sums = sums.max(head_back_scratch(
                    blocks(program.tensors[*from].channels),
                    voxels(at(*from)),
                    spec.outputs,
                ));
            }
        }
        for (t, tensor) in program.tensors.iter().enumerate() {
            sums = sums.max(sums_scratch(blocks(tensor.channels), voxels(at(t))));
        }
        let widest = program.tensors.iter().map(|t| blocks(t.channels) * LANES).max().unwrap_or(0);
        let pending = program.tensors.iter().filter(|t| t.norm.is_some()).map(|t| Pending::new(t.channels)).collect();
        Ok(Self {
            cpu,
            shape,
            purpose,
            states,
            pending,
            memory,
            coefficients: Coefficients::new(widest),
            scratch: vec![0.0; scratch],
            partial: vec![0.0; partial],
            sums: vec![0.0; sums],
            dropout: spec.dropout,
            dropout_seed: None,
            program,
        })
    }

    /// The named tensors of the arena of weights of `spec`.
    ///
    /// # Errors
    /// If the description makes no network.
    pub fn params(spec: &NetSpec) -> Result<Vec<ParamSpec>, UnetError> {
        spec.check()?;
        Ok(Program::new(spec).params)
    }

    /// `[D, H, W]`.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of activations and gradients.
    pub fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Takes the weights: the whole arena, in the order of [`Net::params`].
    ///
    /// # Panics
    /// If the length is another.
    pub fn load(&mut self, weights: &[f32]) {
        assert_eq!(weights.len(), self.program.n_params(), "load: weights");
        for (layer, state) in self.program.layers.iter().zip(&mut self.states) {
            match (layer, state) {
                (
                    Layer::Conv3 { weight, bias, .. } | Layer::UpTransposed { weight, bias, .. },
                    State::Conv { conv, bias: padded },
                ) => {
                    conv.load(self.cpu, &weights[weight.clone()], self.purpose);
                    padded[..bias.len()].copy_from_slice(&weights[bias.clone()]);
                }
                (Layer::Head { weight, bias, .. }, State::Head { weight: padded, bias: own, .. }) => {
                    let (outs, channels) = (bias.len(), weight.len() / bias.len());
                    let width = padded.len() / outs;
                    for (row, from) in
                        padded.chunks_exact_mut(width).zip(weights[weight.clone()].chunks_exact(channels))
                    {
                        row[..channels].copy_from_slice(from);
                    }
                    own.copy_from_slice(&weights[bias.clone()]);
                }
                _ => {}
            }
        }
        for (norm, pending) in self.program.norms.iter().zip(&mut self.pending) {
            pending.gamma[..norm.gamma.len()].copy_from_slice(&weights[norm.gamma.clone()]);
            pending.beta[..norm.beta.len()].copy_from_slice(&weights[norm.beta.clone()]);
        }
    }

    /// Runs the network on `image`, planar `[C][D][H][W]`. `dropout_seed` drops channels values of the deepest level as
    /// in training; `None` drops nothing.
    ///
    /// # Panics
    /// If the length is another, no weights were loaded, or the pool has more threads than the one of [`Net::new`].
    pub fn forward(&mut self, image: &[f32], dropout_seed: Option<u64>) {
        self.dropout_seed = dropout_seed;
        let place = self.memory.values[0].clone();
        let channels = self.program.tensors[0].channels;
        let blocked = &mut self.memory.slots[place.slot][place.range];
        pack_channels(image, channels, voxels(self.shape), blocked);
        for index in 0..self.program.layers.len() {
            self.layer_forward(index);
        }
    }

    /// Logits of a head, planar `[R][D][H][W]` of its level; head 0 is the finest.
    ///
    /// # Panics
    /// If there is no such head.
    pub fn logits(&self, which: usize) -> &[f32] {
        let found = self.heads().find_map(|(head, logits)| (head == which).then_some(logits));
        let Some(logits) = found else { panic!("logits: no head {which}") };
        logits
    }

    /// For each head: its level, its logits, and where the gradient of the loss goes.
    pub fn heads_mut(&mut self) -> impl Iterator<Item = (usize, &[f32], &mut [f32])> {
        self.program.layers.iter().zip(&mut self.states).filter_map(|(layer, state)| match (layer, state) {
            (Layer::Head { head, .. }, State::Head { logits, d_logits, .. }) => {
                Some((*head, logits.as_slice(), d_logits.as_mut_slice()))
            }
            _ => None,
        })
    }

    /// `[D, H, W]` of head or level `level`.
    pub fn level_shape(&self, level: usize) -> Shape {
        level_shape(self.shape, level)
    }

    fn heads(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.program.layers.iter().zip(&self.states).filter_map(|(layer, state)| match (layer, state) {
            (Layer::Head { head, .. }, State::Head { logits, .. }) => Some((*head, logits.as_slice())),
            _ => None,
        })
    }

    fn voxels_of(&self, tensor: usize) -> usize {
        voxels(level_shape(self.shape, self.program.tensors[tensor].level))
    }

    fn layer_forward(&mut self, index: usize) {
        let layer = self.program.layers[index].ends();
        let Some(to) = layer.to else {
            let voxels = self.voxels_of(layer.from[0]);
            let mut state = std::mem::replace(&mut self.states[index], State::Plain);
            if let State::Head { weight, bias, logits, .. } = &mut state {
                head(self.cpu, &self.source(layer.from[0]), voxels, (weight, bias), logits);
            }
            self.states[index] = state;
            return;
        };
        let place = self.memory.values[to].clone();
        let mut slot = std::mem::take(&mut self.memory.slots[place.slot]);
        let mut scratch = std::mem::take(&mut self.scratch);
        let dst = &mut slot[place.range];
        let (from, shape) = (layer.from[0], level_shape(self.shape, self.program.tensors[layer.from[0]].level));
        match (&self.program.layers[index], &self.states[index]) {
            (Layer::Conv3 { .. } | Layer::UpTransposed { .. }, State::Conv { conv, bias }) => {
                let sources = [self.source(from), self.source(layer.from[layer.n_from - 1])];
                conv.forward(self.cpu, &sources[..layer.n_from], bias, dst, &mut scratch);
            }
            (Layer::Pool { .. }, _) => max_pool(self.cpu, &self.source(from), shape, dst),
            (Layer::UpNearest { .. }, _) => up_nearest(self.cpu, &self.source(from), shape, dst),
            (Layer::Dropout { .. }, _) => {
                apply(self.cpu, &self.source(from), voxels(shape), dst);
                self.drop_values(dst);
            }
            _ => {}
        }
        if let Some(norm) = self.program.tensors[to].norm {
            let voxels = self.voxels_of(to);
            self.pending[norm].measure(self.cpu, dst, voxels, &mut self.sums);
        }
        self.memory.slots[place.slot] = slot;
        self.scratch = scratch;
    }

    /// What the readers of `tensor` see.
    fn source(&self, tensor: usize) -> Source<'_> {
        let spec = &self.program.tensors[tensor];
        let values = self.memory.value(tensor);
        match spec.norm {
            Some(norm) => {
                let p = &self.pending[norm];
                Source { values, scale: &p.scale, shift: &p.shift, slope: spec.slope }
            }
            None => Source { slope: spec.slope, ..Source::plain(values) },
        }
    }

    /// Drops values, and scales the others up, by a hash of seed and place; does nothing outside training.
    fn drop_values(&self, values: &mut [f32]) {
        let Some(seed) = self.dropout_seed else { return };
        let (limit, gain) = ((f64::from(self.dropout) * 2f64.powi(64)) as u64, 1.0 / (1.0 - self.dropout));
        for (i, v) in values.iter_mut().enumerate() {
            let mut h = seed ^ (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            h = (h ^ (h >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            h = (h ^ (h >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *v = if h ^ (h >> 31) < limit { 0.0 } else { *v * gain };
        }
    }

    /// Goes back from the heads' `d_logits`: adds the gradient of every weight to `grads`, in the arena's order.
    ///
    /// Once after each [`Net::forward`]: gradients take the place of the activations that are done with.
    ///
    /// # Panics
    /// If the network was laid out for inference, or the length is another.
    pub fn backward(&mut self, grads: &mut [f32]) {
        assert!(self.purpose == Purpose::Train, "backward: laid out for inference");
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

/// The numbers of a layer's tensors, copied out so that the network can be borrowed.
struct Ends {
    from: [usize; 2],
    n_from: usize,
    to: Option<usize>,
}

impl Layer {
    fn ends(&self) -> Ends {
        let reads = self.reads();
        Ends { from: [reads[0], reads[reads.len() - 1]], n_from: reads.len(), to: self.writes() }
    }
}

fn level_shape(shape: Shape, level: usize) -> Shape {
    shape.map(|n| n >> level)
}

fn state(program: &Program, layer: &Layer, shape: Shape, outputs: usize, purpose: Purpose) -> State {
    let at = |t: usize| level_shape(shape, program.tensors[t].level);
    let channels = |t: usize| program.tensors[t].channels;
    let train = purpose == Purpose::Train;
    match layer {
        Layer::Conv3 { from, to, stride, bias, .. } => {
            let inputs: Vec<usize> = from.iter().map(|&t| channels(t)).collect();
            let conv = Conv::conv3(at(from[0]), *stride, (&inputs, channels(*to)));
            let bias = vec![0.0; if bias.is_empty() { 0 } else { conv.bias_len() }];
            State::Conv { conv: Box::new(conv), bias }
        }
        Layer::UpTransposed { from, to, .. } => {
            let conv = Conv::up2(at(*from), (channels(*from), channels(*to)));
            let bias = vec![0.0; conv.bias_len()];
            State::Conv { conv: Box::new(conv), bias }
        }
        Layer::Head { from, .. } => {
            let (width, v) = (blocks(channels(*from)) * LANES, voxels(at(*from)));
            let back = |n: usize| vec![0.0; if train { n } else { 0 }];
            State::Head {
                weight: vec![0.0; outputs * width],
                bias: vec![0.0; outputs],
                logits: vec![0.0; outputs * v],
                d_logits: back(outputs * v),
                d_weight: back(outputs * width),
            }
        }
        Layer::Pool { .. } | Layer::UpNearest { .. } | Layer::Dropout { .. } => State::Plain,
    }
}

impl Pending {
    fn new(channels: usize) -> Self {
        let n = blocks(channels) * LANES;
        let zeros = || vec![0.0; n];
        Self { gamma: zeros(), beta: zeros(), mean: zeros(), variance: zeros(), scale: zeros(), shift: zeros() }
    }

    fn measure(&mut self, cpu: Cpu, values: &[f32], voxels: usize, sums: &mut [f32]) {
        moments(cpu, values, voxels, sums, &mut self.mean, &mut self.variance);
        for i in 0..self.scale.len() {
            self.scale[i] = self.gamma[i] / (self.variance[i] + EPS).sqrt();
            self.shift[i] = self.beta[i] - self.mean[i] * self.scale[i];
        }
    }
}

impl Coefficients {
    fn new(n: usize) -> Self {
        let zeros = || vec![0.0; n];
        Self { first: zeros(), second: zeros(), gain: zeros(), offset: zeros(), tilt: zeros(), zeros: zeros() }
    }
}

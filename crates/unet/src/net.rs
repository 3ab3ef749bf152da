//! A network for one shape: weights in, image in, logits or decisions out; gradients back. One sample at a time, nothing
//! allocated in a step.

use crate::memory::{Memory, Purpose};
use crate::ops::Conv;
use crate::packed::Packed;
use crate::passes::{Pass, passes};
use crate::products::Products;
use crate::program::{Layer, ParamSpec, Program};
use crate::spec::{NetSpec, UnetError};
use kernels::{
    Cell, Cpu, Decision, LANES, Shape, blocks, head, head_back_scratch, head_decided, moments, sums_scratch, voxels,
};
use rayon::prelude::*;

/// Of the instance norm, as in PyTorch.
pub(crate) const EPS: f32 = 1e-5;

/// Voxels of an input: no head has as many, and sizes in bytes of any tensor stay far from overflow.
const MAX_VOXELS: usize = 1 << 32;

/// Weights that a thread copies at a time.
const CHUNK: usize = 1 << 18;

/// What a layer keeps beside its tensors; in training no packed weights, since each packs them where all do.
#[derive(Debug)]
pub(crate) enum State {
    Conv { conv: Box<Conv>, packed: Packed, bias: Vec<f32> },
    Head { weight: Vec<f32>, bias: Vec<f32>, logits: Vec<f32>, d_logits: Vec<f32>, d_weight: Vec<f32> },
    Plain,
}

/// Pending norm of a tensor: what its readers apply, and what its gradient needs. `[C/16 * 16]` each.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) gamma: Vec<f32>,
    beta: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// Coefficients of the gradient of a norm, sized for the widest tensor.
#[derive(Debug, Default)]
pub(crate) struct Coefficients {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
    pub(crate) gain: Vec<f32>,
    pub(crate) offset: Vec<f32>,
    pub(crate) tilt: Vec<f32>,
    pub(crate) zeros: Vec<f32>,
}

/// A network laid out for one shape and one purpose. Runs on the current rayon pool. Its activations are stored as `T`.
#[derive(Debug)]
pub struct Net<T = f32> {
    pub(crate) cpu: Cpu,
    pub(crate) shape: Shape,
    pub(crate) purpose: Purpose,
    pub(crate) program: Program,
    pub(crate) passes: Vec<Pass>,
    pub(crate) states: Vec<State>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) memory: Memory<T>,
    /// What the way back needs again, and where weights are packed: in training alone.
    pub(crate) weights: Vec<f32>,
    pub(crate) image: Vec<f32>,
    pub(crate) packed: Packed,
    pub(crate) coefficients: Coefficients,
    pub(crate) scratch: Vec<f32>,
    pub(crate) partial: Vec<f32>,
    pub(crate) sums: Vec<f32>,
    /// Of outputs that are measured as they are written.
    pub(crate) exact_sums: Vec<f64>,
    pub(crate) dropout: f32,
    pub(crate) dropout_seed: Option<u64>,
    pub(crate) lost: u64,
    /// Whether the image is read as it is given, planar, so that tensor 0 is never there.
    pub(crate) reads_planar: bool,
}

impl Net {
    /// Lays a network out for images of `shape` (`[D, H, W]`) and as many threads as the current rayon pool has. All
    /// arithmetic and storage is f32.
    ///
    /// # Errors
    /// If the description makes no network or the shape breaks its size rule.
    pub fn new(spec: &NetSpec, shape: Shape, purpose: Purpose, cpu: Cpu) -> Result<Self, UnetError> {
        Self::lay_out(spec, shape, purpose, cpu)
    }

    /// The named tensors of the arena of weights of `spec`.
    ///
    /// # Errors
    /// If the description makes no network.
    pub fn params(spec: &NetSpec) -> Result<Vec<ParamSpec>, UnetError> {
        spec.check()?;
        Ok(Program::new(spec).params)
    }

    /// The weights of a network laid out for training, for an optimiser: the whole arena, in the order of [`Net::params`].
    /// They may change before [`Net::forward`], not between it and [`Net::backward`]. Of a network that only looks forward there
    /// are none.
    pub fn weights_mut(&mut self) -> &mut [f32] {
        &mut self.weights
    }

    /// Runs the network on `image`, planar `[C][D][H][W]`, and raises `widest`, a number for each 3x3x3 convolution in
    /// order, to how wide each input is: what
    /// [`Net::inference`] wants to know.
    ///
    /// # Panics
    /// As [`Net::forward`].
    pub fn calibrate(&mut self, image: &[f32], widest: &mut Vec<f32>) {
        self.take_image(image);
        let mut nth = 0;
        for index in 0..self.program.layers.len() {
            if let (Layer::Conv3 { from, .. }, State::Conv { conv, .. }) =
                (&self.program.layers[index], &self.states[index])
            {
                let sources: Vec<_> = from.iter().map(|&t| self.source(t)).collect();
                let found = conv.widest(self.cpu, &sources);
                if widest.len() == nth {
                    widest.push(0.0);
                }
                widest[nth] = found.max(widest[nth]);
                nth += 1;
            }
            self.layer_forward(index, image);
        }
    }
}

impl<T: Cell> Net<T> {
    /// Lays a network out that only looks forward, its activations stored as `T`.
    ///
    /// # Errors
    /// If the description makes no network, the shape breaks its size rule, or `products` know of another network.
    pub fn inference(spec: &NetSpec, shape: Shape, cpu: Cpu, products: Products<'_>) -> Result<Self, UnetError> {
        let mut net = Self::lay_out(spec, shape, Purpose::Infer, cpu)?;
        net.multiply_in(products)?;
        Ok(net)
    }

    fn lay_out(spec: &NetSpec, shape: Shape, purpose: Purpose, cpu: Cpu) -> Result<Self, UnetError> {
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
        let passes = passes(&program, purpose);
        let memory = Memory::new(&program, &passes, len);
        let states: Vec<State> =
            program.layers.iter().map(|l| state(&program, l, shape, spec.outputs, (purpose, cpu))).collect();
        let (mut scratch, mut partial, mut sums, mut exact_sums, mut packed) = (256, 0, 0, 0, 0);
        for (layer, state) in program.layers.iter().zip(&states) {
            if let State::Conv { conv, .. } = state {
                let (s, p) = conv.needs(rayon::current_num_threads(), purpose);
                (scratch, partial) = (scratch.max(s), partial.max(p));
                exact_sums = exact_sums.max(conv.sums_len());
                packed = packed.max(conv.packed_len());
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
        let in_training = |n: usize| if purpose == Purpose::Infer { 0 } else { n };
        let pending = program.tensors.iter().filter(|t| t.norm.is_some()).map(|t| Pending::new(t.channels)).collect();
        Ok(Self {
            cpu,
            shape,
            purpose,
            states,
            pending,
            passes,
            memory,
            weights: vec![0.0; in_training(program.n_params())],
            image: vec![0.0; in_training(spec.inputs * voxels(shape))],
            packed: if purpose == Purpose::Infer { Packed::default() } else { Packed::with_room(packed) },
            coefficients: Coefficients::new(widest),
            scratch: vec![0.0; scratch],
            partial: vec![0.0; partial],
            sums: vec![0.0; sums],
            exact_sums: vec![0.0; exact_sums],
            dropout: spec.dropout,
            dropout_seed: None,
            lost: 0,
            reads_planar: false,
            program,
        })
    }

    /// `[D, H, W]`.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of activations and gradients.
    pub fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Takes the weights: the whole arena, in the order of [`Net::params`]. A network laid out for training keeps a copy.
    ///
    /// # Panics
    /// If the length is another.
    pub fn load(&mut self, weights: &[f32]) {
        assert_eq!(weights.len(), self.program.n_params(), "load: weights");
        if self.purpose != Purpose::Infer {
            self.weights
                .par_chunks_mut(CHUNK)
                .zip(weights.par_chunks(CHUNK))
                .for_each(|(to, from)| to.copy_from_slice(from));
            return;
        }
        // All layers at a time: transforming those with few channels leaves threads without work.
        let cpu = self.cpu;
        self.program.layers.par_iter().zip(&mut self.states).with_max_len(1).for_each(|(layer, state)| {
            if let (
                Layer::Conv3 { weight, .. } | Layer::UpTransposed { weight, .. },
                State::Conv { conv, packed, .. },
            ) = (layer, state)
            {
                conv.pack(cpu, &weights[weight.clone()], packed);
            }
        });
        self.load_few(weights);
    }

    /// Takes biases, heads and norms: weights that are few.
    pub(crate) fn load_few(&mut self, weights: &[f32]) {
        for (layer, state) in self.program.layers.iter().zip(&mut self.states) {
            match (layer, state) {
                (Layer::Conv3 { bias, .. } | Layer::UpTransposed { bias, .. }, State::Conv { bias: padded, .. }) => {
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
        self.forward_by_layer(image, |_| {});
    }

    /// As [`Net::forward`] with the last `dropout_seed`; calls `done` with the place in [`Net::layers`] of each layer that is
    /// computed, so that it can be timed.
    ///
    /// # Panics
    /// As [`Net::forward`].
    pub fn forward_by_layer(&mut self, image: &[f32], mut done: impl FnMut(usize)) {
        self.take_image(image);
        for index in 0..self.program.layers.len() {
            self.layer_forward(index, image);
            done(index);
        }
    }

    /// Runs the network on `image` as [`Net::forward`] without dropout, but the logits of the finest head are never there at once:
    /// `each` is given those of one output after another, with its number, `[D][H][W]`.
    ///
    /// # Panics
    /// As [`Net::forward`].
    pub fn forward_by_output(&mut self, image: &[f32], mut each: impl FnMut(usize, &[f32])) {
        self.dropout_seed = None;
        self.take_image(image);
        for index in 0..self.program.layers.len() {
            if let (Layer::Head { from, head: 0, .. }, State::Head { weight, bias, .. }) =
                (&self.program.layers[index], &self.states[index])
            {
                let (source, voxels) = (self.source(*from), self.voxels_of(*from));
                let mut plane = vec![0.0; voxels];
                let rows = weight.chunks_exact(weight.len() / bias.len());
                for (output, row) in rows.enumerate() {
                    head(self.cpu, &source, voxels, (row, &bias[output..=output]), &mut plane);
                    each(output, &plane);
                }
                continue;
            }
            self.layer_forward(index, image);
        }
    }

    /// Of each layer, in order, its name, for instance `encoder.0.1`, and what computes it forward.
    pub fn layers(&self) -> Vec<(String, &'static str)> {
        let of = |(layer, state): (&Layer, &State)| {
            let by = match state {
                State::Conv { conv, .. } => conv.algorithm(),
                State::Head { .. } | State::Plain => "direct, f32",
            };
            (self.program.name(layer), by)
        };
        self.program.layers.iter().zip(&self.states).map(of).collect()
    }

    /// Runs the network on `image` as [`Net::forward`] without dropout, but the finest head leaves what its logits decide, a
    /// byte a voxel, and no logits.
    ///
    /// # Panics
    /// As [`Net::forward`], or if there are not as many bytes as voxels.
    pub fn decide(&mut self, image: &[f32], decision: &Decision, decided: &mut [u8]) {
        self.dropout_seed = None;
        self.take_image(image);
        for index in 0..self.program.layers.len() {
            if let (Layer::Head { from, head: 0, .. }, State::Head { weight, bias, .. }) =
                (&self.program.layers[index], &self.states[index])
            {
                let (source, voxels) = (self.source(*from), self.voxels_of(*from));
                head_decided(self.cpu, &source, voxels, (weight, bias), (decision, decided));
                continue;
            }
            self.layer_forward(index, image);
        }
    }

    /// Numbers of inputs of convolutions that lay outside of what integers can hold, since the network was laid out: what it
    /// was shown is not like what it was calibrated on.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Logits of a head that [`Net::forward`] left, planar `[R][D][H][W]` of its level; head 0 is the finest, and the only one
    /// that is computed where nothing is trained.
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

    pub(crate) fn voxels_of(&self, tensor: usize) -> usize {
        voxels(level_shape(self.shape, self.program.tensors[tensor].level))
    }
}

/// The numbers of a layer's tensors, copied out so that the network can be borrowed.
pub(crate) struct Ends {
    pub(crate) from: [usize; 2],
    pub(crate) n_from: usize,
    pub(crate) to: Option<usize>,
}

impl Layer {
    pub(crate) fn ends(&self) -> Ends {
        let reads = self.reads();
        Ends { from: [reads[0], reads[reads.len() - 1]], n_from: reads.len(), to: self.writes() }
    }
}

pub(crate) fn level_shape(shape: Shape, level: usize) -> Shape {
    shape.map(|n| n >> level)
}

fn state(program: &Program, layer: &Layer, shape: Shape, outputs: usize, (purpose, cpu): (Purpose, Cpu)) -> State {
    let at = |t: usize| level_shape(shape, program.tensors[t].level);
    let channels = |t: usize| program.tensors[t].channels;
    let train = purpose != Purpose::Infer;
    match layer {
        Layer::Conv3 { from, to, stride, bias, .. } => {
            let inputs: Vec<usize> = from.iter().map(|&t| channels(t)).collect();
            let mut conv = Conv::conv3(at(from[0]), *stride, (&inputs, channels(*to)));
            match purpose {
                Purpose::Infer | Purpose::Train => {}
                Purpose::TrainDirectly => conv.stay_direct(),
                Purpose::TrainInTiles => conv.train_in_tiles(cpu),
            }
            let bias = vec![0.0; if bias.is_empty() { 0 } else { conv.bias_len() }];
            State::Conv { conv: Box::new(conv), packed: Packed::default(), bias }
        }
        Layer::UpTransposed { from, to, .. } => {
            let mut conv = Conv::up2(at(*from), (channels(*from), channels(*to)));
            if purpose == Purpose::TrainInTiles {
                conv.train_in_tiles(cpu);
            }
            let bias = vec![0.0; conv.bias_len()];
            State::Conv { conv: Box::new(conv), packed: Packed::default(), bias }
        }
        Layer::Head { from, .. } => {
            let (width, v) = (blocks(channels(*from)) * LANES, voxels(at(*from)));
            let back = |n: usize| vec![0.0; if train { n } else { 0 }];
            State::Head {
                weight: vec![0.0; outputs * width],
                bias: vec![0.0; outputs],
                // Where nothing is trained they are made when they are first asked for.
                logits: back(outputs * v),
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

    pub(crate) fn measure<T: Cell>(&mut self, cpu: Cpu, values: &[T], voxels: usize, sums: &mut [f32]) {
        moments(cpu, values, voxels, sums, &mut self.mean, &mut self.variance);
        self.apply_moments();
    }

    /// Mean and variance, to be measured into and [`Pending::put`] back.
    pub(crate) fn take(&mut self) -> (Vec<f32>, Vec<f32>) {
        (std::mem::take(&mut self.mean), std::mem::take(&mut self.variance))
    }

    pub(crate) fn put(&mut self, mean: Vec<f32>, variance: Vec<f32>) {
        (self.mean, self.variance) = (mean, variance);
        self.apply_moments();
    }

    fn apply_moments(&mut self) {
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

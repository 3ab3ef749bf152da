//! One convolution with its tensors, laid out as the network lays it out.

use kernels::{
    Canonical, Cpu, Direction, Gather, LANES, Shape, Source, Winograd, Write, blocks, convolve, convolve_scratch,
    convolve_up, convolve_up_scratch, pack_weights, packed_len, partial_len, voxels, weight_gradient,
    weight_gradient_scratch,
};
use serde::Serialize;

use super::shape::{Kind, LayerShape};

/// The three passes of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pass {
    /// Sources to output.
    Forward,
    /// The output's gradient to the sources'.
    DataGradient,
    /// Sources and the output's gradient to the weights'.
    WeightGradient,
}

impl Pass {
    pub(super) const ALL: [Self; 3] = [Self::Forward, Self::DataGradient, Self::WeightGradient];

    pub(super) fn said(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::DataGradient => "to data",
            Self::WeightGradient => "to weights",
        }
    }
}

/// How a pass is computed.
enum Way {
    Winograd(Box<Winograd>),
    Direct(Vec<Gather>),
    /// A transposed convolution forward, all corners of a cell at once, from an input of this shape.
    Up(Shape),
}

impl Way {
    fn new(winograd: Option<Winograd>, direct: &[Gather]) -> Self {
        winograd.map_or_else(|| Self::Direct(direct.to_vec()), |winograd| Self::Winograd(Box::new(winograd)))
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Winograd(_) => "Winograd",
            Self::Direct(_) | Self::Up(_) => "direct",
        }
    }

    fn scratch(&self, in_blocks: usize) -> usize {
        let threads = rayon::current_num_threads();
        match self {
            Self::Winograd(winograd) => winograd.scratch_len(threads),
            Self::Direct(gathers) => {
                let of = gathers.iter().map(|gather| convolve_scratch(gather, in_blocks));
                threads * of.max().unwrap_or(0)
            }
            Self::Up(shape) => threads * convolve_up_scratch(*shape, in_blocks),
        }
    }
}

/// How the gradient of weights is computed.
enum Gradient {
    Winograd(Box<Winograd>),
    Direct(Vec<Gather>),
}

/// A layer with its tensors.
pub(super) struct Work {
    cpu: Cpu,
    inputs: usize,
    outputs: usize,
    order: Canonical,
    forward: Way,
    backward: Way,
    gradient: Gradient,
    sources: Vec<Tensor>,
    packed: Vec<f32>,
    packed_back: Vec<f32>,
    dst: Vec<f32>,
    d_src: Vec<f32>,
    d_weights: Vec<f32>,
    scratch: Vec<f32>,
    partial: Vec<f32>,
}

/// One source: values with a norm and an activation pending.
struct Tensor {
    values: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Tensor {
    fn new(channels: usize, n_voxels: usize) -> Self {
        let lanes = blocks(channels) * LANES;
        let values = (0..lanes * n_voxels).map(noise).collect();
        Self { values, scale: vec![1.1; lanes], shift: vec![0.1; lanes] }
    }

    fn seen(&self) -> Source<'_> {
        Source { values: &self.values, scale: &self.scale, shift: &self.shift, slope: 0.01 }
    }
}

/// From -1 to 1, by no rule that a kernel could profit from.
fn noise(i: usize) -> f32 {
    (i.wrapping_mul(2_654_435_761) % 1_000_003) as f32 / 500_000.0 - 1.0
}

impl Work {
    pub(super) fn new(cpu: Cpu, shape: &LayerShape) -> Self {
        let (i, o, src) = (shape.width(), shape.outputs, shape.src);
        let (in_blocks, out_blocks, threads) = (blocks(i), blocks(o), rayon::current_num_threads());
        let (forward, backward, gradient) = ways(shape);
        let (gradient_scratch, partial) = match &gradient {
            Gradient::Winograd(winograd) => (winograd.gradient_scratch_len(threads), 0),
            Gradient::Direct(gathers) => {
                (threads * weight_gradient_scratch(gathers, (i, o)), partial_len(gathers, (i, o)))
            }
        };
        let scratch = forward.scratch(in_blocks).max(backward.scratch(out_blocks)).max(gradient_scratch);
        let n_weights = if shape.kind == Kind::Transposed { 8 } else { 27 };
        let order = if shape.kind == Kind::Transposed { Canonical::InOut } else { Canonical::OutIn };
        let weights: Vec<f32> = (0..i * o * n_weights).map(noise).collect();
        let packed = prepared(cpu, &forward, Direction::Forward, (order, i, o), &weights);
        let packed_back = prepared(cpu, &backward, Direction::Backward, (order, i, o), &weights);
        Self {
            cpu,
            inputs: i,
            outputs: o,
            order,
            forward,
            backward,
            gradient,
            sources: shape.sources.iter().map(|&channels| Tensor::new(channels, voxels(src))).collect(),
            packed,
            packed_back,
            dst: (0..out_blocks * LANES * voxels(shape.dst())).map(noise).collect(),
            d_src: vec![0.0; in_blocks * LANES * voxels(src)],
            d_weights: weights,
            scratch: vec![0.0; scratch],
            partial: vec![0.0; partial],
        }
    }

    /// What computes a pass.
    pub(super) fn algorithm(&self, pass: Pass) -> &'static str {
        match pass {
            Pass::Forward => self.forward.as_str(),
            Pass::DataGradient => self.backward.as_str(),
            Pass::WeightGradient => match self.gradient {
                Gradient::Winograd(_) => "Winograd",
                Gradient::Direct(_) => "direct",
            },
        }
    }

    /// Does a pass once.
    pub(super) fn take(&mut self, pass: Pass) {
        match pass {
            Pass::Forward => self.forward(),
            Pass::DataGradient => self.data_gradient(),
            Pass::WeightGradient => self.weight_gradient(),
        }
    }

    fn forward(&mut self) {
        let sources: Vec<Source<'_>> = self.sources.iter().map(Tensor::seen).collect();
        let to = (&mut self.dst[..], Write::Overwrite);
        pass(self.cpu, (&self.forward, &self.packed), (&sources, self.inputs), to, &mut self.scratch);
    }

    fn data_gradient(&mut self) {
        let to = (&mut self.d_src[..], Write::Overwrite);
        let from = [Source::plain(&self.dst)];
        pass(self.cpu, (&self.backward, &self.packed_back), (&from, self.outputs), to, &mut self.scratch);
    }

    fn weight_gradient(&mut self) {
        let sources: Vec<Source<'_>> = self.sources.iter().map(Tensor::seen).collect();
        let (i, o) = (self.inputs, self.outputs);
        match &self.gradient {
            Gradient::Winograd(winograd) => {
                let to = (&mut self.d_weights[..], Write::Overwrite);
                winograd.weight_gradient(self.cpu, (&sources, &self.dst), (o, i), to, &mut self.scratch);
            }
            Gradient::Direct(gathers) => {
                let to = (&mut self.d_weights[..], Write::Overwrite);
                let scratch = (&mut self.partial[..], &mut self.scratch[..]);
                weight_gradient(self.cpu, gathers, (&sources, &self.dst), (self.order, i, o), to, scratch);
            }
        }
    }
}

/// The kernels that the network takes: forward, to data, to weights.
fn ways(shape: &LayerShape) -> (Way, Way, Gradient) {
    let (i, o, src) = (shape.width(), shape.outputs, shape.src);
    let plan = |i, o| Winograd::new(src, blocks(i), blocks(o)).with_inputs(i);
    let conv = shape.kind == Kind::Conv;
    let stride = if shape.kind == Kind::Strided { 2 } else { 1 };
    let (there, back) = match shape.kind {
        Kind::Transposed => {
            let back = Way::new(None, &[Gather::up2_back(src)]);
            return (Way::Up(src), back, Gradient::Direct(Gather::up2(src)));
        }
        Kind::Conv | Kind::Strided => (vec![Gather::conv3(src, stride)], Gather::conv3_back(src, stride)),
    };
    let gradient = if conv { Gradient::Winograd(Box::new(plan(i, o))) } else { Gradient::Direct(there.clone()) };
    (
        Way::new((conv && Winograd::pays(src, i)).then(|| plan(i, o)), &there),
        Way::new((conv && Winograd::pays(src, o)).then(|| plan(o, i)), &back),
        gradient,
    )
}

/// Weights as a way wants them.
fn prepared(
    cpu: Cpu,
    way: &Way,
    direction: Direction,
    (order, i, o): (Canonical, usize, usize),
    weights: &[f32],
) -> Vec<f32> {
    if let Way::Winograd(winograd) = way {
        let mut packed = vec![0.0; winograd.weights_len()];
        winograd.transform_weights(cpu, direction, (o, i), weights, &mut packed);
        return packed;
    }
    let n_weights = weights.len() / (i * o);
    let (order, (from, to)) = match (direction, order) {
        (Direction::Forward, order) => (order, (i, o)),
        (Direction::Backward, Canonical::OutIn) => (Canonical::InOut, (o, i)),
        (Direction::Backward, Canonical::InOut) => (Canonical::OutIn, (o, i)),
    };
    let mut packed = vec![0.0; packed_len(n_weights, from, to)];
    pack_weights(order, n_weights, (from, to), weights, &mut packed);
    packed
}

/// A convolution: the forward pass, or that of gradients back to data.
fn pass(
    cpu: Cpu,
    (way, packed): (&Way, &[f32]),
    (sources, channels): (&[Source<'_>], usize),
    (dst, write): (&mut [f32], Write),
    scratch: &mut [f32],
) {
    match way {
        Way::Winograd(winograd) => winograd.convolve(cpu, sources, packed, (dst, write), scratch),
        Way::Direct(gathers) => {
            for gather in gathers {
                convolve(cpu, gather, (sources, channels), (packed, &[]), (dst, write), scratch);
            }
        }
        Way::Up(shape) => convolve_up(cpu, *shape, (&sources[0], channels), (packed, &[]), dst, scratch),
    }
}

//! The network as a straight line of layers over numbered tensors, and its parameters as one arena with names.

use crate::spec::{Down, NetSpec, Norm, Up};
use std::ops::Range;

/// One activation tensor: what a layer writes, raw, and what its readers apply on loading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorSpec {
    pub(crate) channels: usize,
    pub(crate) level: usize,
    /// Slope of the pending activation; 1 is none.
    pub(crate) slope: f32,
    /// Index of the norm whose scale and shift are pending.
    pub(crate) norm: Option<usize>,
}

/// Gamma and beta of an instance norm.
#[derive(Clone, Debug)]
pub(crate) struct NormSpec {
    pub(crate) gamma: Range<usize>,
    pub(crate) beta: Range<usize>,
}

/// One step of the line. Tensors and parameters by number; `head` counts from the finest.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    Conv3 { from: Vec<usize>, to: usize, stride: usize, weight: Range<usize>, bias: Range<usize> },
    Pool { from: usize, to: usize },
    UpTransposed { from: usize, to: usize, weight: Range<usize>, bias: Range<usize> },
    UpNearest { from: usize, to: usize },
    Dropout { from: usize, to: usize },
    Head { from: usize, head: usize, weight: Range<usize>, bias: Range<usize> },
}

impl Layer {
    pub(crate) fn reads(&self) -> &[usize] {
        match self {
            Self::Conv3 { from, .. } => from,
            Self::Pool { from, .. }
            | Self::UpTransposed { from, .. }
            | Self::UpNearest { from, .. }
            | Self::Dropout { from, .. }
            | Self::Head { from, .. } => std::slice::from_ref(from),
        }
    }

    pub(crate) fn writes(&self) -> Option<usize> {
        match self {
            Self::Conv3 { to, .. }
            | Self::Pool { to, .. }
            | Self::UpTransposed { to, .. }
            | Self::UpNearest { to, .. }
            | Self::Dropout { to, .. } => Some(*to),
            Self::Head { .. } => None,
        }
    }
}

/// One named tensor of the arena.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// For instance `encoder.0.1.weight`.
    pub name: String,
    /// In PyTorch's order: `[O, I, 3, 3, 3]`, transposed convolutions `[I, O, 2, 2, 2]`, heads `[R, C]`, else `[C]`.
    pub shape: Vec<usize>,
    /// Its place in the arena.
    pub range: Range<usize>,
}

impl ParamSpec {
    /// Whether weight decay applies: to the weights of convolutions, not to norms and biases.
    pub fn decays(&self) -> bool {
        self.shape.len() > 1
    }
}

/// Layers, tensors and parameters of a [`NetSpec`], for any input shape. Tensor 0 is the image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) layers: Vec<Layer>,
    pub(crate) tensors: Vec<TensorSpec>,
    pub(crate) norms: Vec<NormSpec>,
    pub(crate) params: Vec<ParamSpec>,
}

impl Program {
    pub(crate) fn new(spec: &NetSpec) -> Self {
        let mut p = Self::default();
        let mut at = p.tensor(spec.inputs, 0, 1.0, None);
        let mut skips = Vec::new();
        for (level, &width) in spec.widths.iter().enumerate() {
            let mut stride = 1;
            if level > 0 {
                skips.push(at);
                match spec.down {
                    Down::Strided => stride = 2,
                    Down::MaxPool => {
                        let to = p.tensor(p.tensors[at].channels, level, 1.0, None);
                        p.layers.push(Layer::Pool { from: at, to });
                        at = to;
                    }
                }
            }
            let stem = format!("encoder.{level}");
            at = p.conv3(spec, &format!("{stem}.0"), vec![at], (width, level), stride);
            at = p.conv3(spec, &format!("{stem}.1"), vec![at], (width, level), 1);
        }
        if spec.dropout > 0.0 {
            let to = p.tensor(p.tensors[at].channels, p.tensors[at].level, 1.0, None);
            p.layers.push(Layer::Dropout { from: at, to });
            at = to;
        }
        for (level, skip) in skips.into_iter().enumerate().rev() {
            let width = spec.widths[level];
            let stem = format!("decoder.{level}");
            let up = p.up(spec, &format!("{stem}.up"), at, (width, level));
            at = p.conv3(spec, &format!("{stem}.0"), vec![up, skip], (width, level), 1);
            at = p.conv3(spec, &format!("{stem}.1"), vec![at], (width, level), 1);
            if level > 0 && level <= spec.deep_supervision {
                p.head(spec, at, level);
            }
        }
        p.head(spec, at, 0);
        p
    }

    /// The layer that writes `tensor`; none writes the image.
    pub(crate) fn writer(&self, tensor: usize) -> Option<usize> {
        self.layers.iter().position(|layer| layer.writes() == Some(tensor))
    }

    /// What a layer is called: as its weights, without their last word, or by what it does.
    pub(crate) fn name(&self, layer: &Layer) -> String {
        let weight = match layer {
            Layer::Conv3 { weight, .. } | Layer::UpTransposed { weight, .. } | Layer::Head { weight, .. } => weight,
            Layer::Pool { .. } => return "max pool".to_owned(),
            Layer::UpNearest { .. } => return "nearest neighbour".to_owned(),
            Layer::Dropout { .. } => return "dropout".to_owned(),
        };
        let of = self.params.iter().find(|param| param.range == *weight);
        of.map_or_else(String::new, |param| param.name.trim_end_matches(".weight").to_owned())
    }

    /// Values in the arena.
    pub(crate) fn n_params(&self) -> usize {
        self.params.last().map_or(0, |p| p.range.end)
    }

    fn tensor(&mut self, channels: usize, level: usize, slope: f32, norm: Option<usize>) -> usize {
        self.tensors.push(TensorSpec { channels, level, slope, norm });
        self.tensors.len() - 1
    }

    fn param(&mut self, name: String, shape: Vec<usize>) -> Range<usize> {
        let start = self.n_params();
        let range = start..start + shape.iter().product::<usize>();
        self.params.push(ParamSpec { name, shape, range: range.clone() });
        range
    }

    fn conv3(
        &mut self,
        spec: &NetSpec,
        name: &str,
        from: Vec<usize>,
        (width, level): (usize, usize),
        stride: usize,
    ) -> usize {
        let inputs = from.iter().map(|&t| self.tensors[t].channels).sum();
        let weight = self.param(format!("{name}.weight"), vec![width, inputs, 3, 3, 3]);
        let (bias, norm) = match spec.norm {
            Norm::None => (self.param(format!("{name}.bias"), vec![width]), None),
            Norm::Instance => {
                let gamma = self.param(format!("{name}.norm.weight"), vec![width]);
                let beta = self.param(format!("{name}.norm.bias"), vec![width]);
                self.norms.push(NormSpec { gamma, beta });
                (0..0, Some(self.norms.len() - 1))
            }
        };
        let to = self.tensor(width, level, spec.negative_slope, norm);
        self.layers.push(Layer::Conv3 { from, to, stride, weight, bias });
        to
    }

    fn up(&mut self, spec: &NetSpec, name: &str, from: usize, (width, level): (usize, usize)) -> usize {
        let inputs = self.tensors[from].channels;
        match spec.up {
            Up::Transposed => {
                let weight = self.param(format!("{name}.weight"), vec![inputs, width, 2, 2, 2]);
                let bias = self.param(format!("{name}.bias"), vec![width]);
                let to = self.tensor(width, level, 1.0, None);
                self.layers.push(Layer::UpTransposed { from, to, weight, bias });
                to
            }
            Up::Nearest => {
                let big = self.tensor(inputs, level, 1.0, None);
                self.layers.push(Layer::UpNearest { from, to: big });
                self.conv3(spec, name, vec![big], (width, level), 1)
            }
        }
    }

    fn head(&mut self, spec: &NetSpec, from: usize, head: usize) {
        let width = self.tensors[from].channels;
        let weight = self.param(format!("head.{head}.weight"), vec![spec.outputs, width]);
        let bias = self.param(format!("head.{head}.bias"), vec![spec.outputs]);
        self.layers.push(Layer::Head { from, head, weight, bias });
    }
}

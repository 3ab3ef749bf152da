//! The convolutions of a network, as shapes.

use anyhow::Context;
use kernels::{LANES, Shape, blocks, voxels};
use unet::{Down, Net, NetSpec, ParamSpec, Up};

/// Kinds of convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 3 x 3 x 3, stride 1.
    Conv,
    /// 3 x 3 x 3, stride 2.
    Strided,
    /// Transposed 2 x 2 x 2, stride 2.
    Transposed,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Conv => "conv",
            Self::Strided => "strided",
            Self::Transposed => "transposed",
        }
    }
}

/// A convolution on tensors of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerShape {
    pub(super) kind: Kind,
    /// Channels of each source; two where tensors are concatenated.
    pub(super) sources: Vec<usize>,
    pub(super) outputs: usize,
    /// `[D, H, W]` of the input.
    pub(super) src: Shape,
}

impl LayerShape {
    /// Channels of all sources.
    pub(super) fn inputs(&self) -> usize {
        self.sources.iter().sum()
    }

    /// The same with the gaps that the sources' last blocks leave.
    pub(super) fn width(&self) -> usize {
        let (last, rest) = self.sources.split_last().map_or((0, &[][..]), |(last, rest)| (*last, rest));
        last + rest.iter().map(|&channels| blocks(channels) * LANES).sum::<usize>()
    }

    /// `[D, H, W]` of the output.
    pub(super) fn dst(&self) -> Shape {
        self.src.map(|n| match self.kind {
            Kind::Conv => n,
            Kind::Strided => n.div_ceil(2),
            Kind::Transposed => 2 * n,
        })
    }

    /// Milliards of operations by definition, of each pass: 2 a product, all taps, borders included.
    pub(super) fn gflop(&self) -> f64 {
        // A transposed convolution has one tap for each voxel of its output.
        let taps = if self.kind == Kind::Transposed { 1.0 } else { 27.0 };
        2e-9 * taps * (self.inputs() * self.outputs * voxels(self.dst())) as f64
    }

    /// Bytes of both tensors and the weights, as f32.
    pub(super) fn least_bytes(&self) -> usize {
        let weights = self.inputs() * self.outputs * if self.kind == Kind::Transposed { 8 } else { 27 };
        let tensors = self.inputs() * voxels(self.src) + self.outputs * voxels(self.dst());
        (weights + tensors) * size_of::<f32>()
    }
}

/// A shape and the layers of the network that have it.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) shape: LayerShape,
    pub(super) names: Vec<String>,
    /// Whether somebody wants the gradient of its input: nobody wants the image's.
    pub(super) has_data_gradient: bool,
}

/// The distinct convolutions of a network on a patch, in the order in which it first meets them.
pub(super) fn distinct(spec: &NetSpec, patch: Shape) -> anyhow::Result<Vec<Counted>> {
    let mut found: Vec<Counted> = Vec::new();
    for param in Net::params(spec)?.iter().filter(|param| param.decays() && !param.name.starts_with("head.")) {
        let shape = shape_of(spec, patch, param)?;
        let name = param.name.trim_end_matches(".weight").to_owned();
        let has_data_gradient = name != "encoder.0.0";
        match found.iter_mut().find(|other| other.shape == shape && other.has_data_gradient == has_data_gradient) {
            Some(other) => other.names.push(name),
            None => found.push(Counted { shape, names: vec![name], has_data_gradient }),
        }
    }
    Ok(found)
}

/// Of the convolution whose weights these are; their names tell (`encoder.1.0.weight`, `decoder.0.up.weight`).
fn shape_of(spec: &NetSpec, patch: Shape, param: &ParamSpec) -> anyhow::Result<LayerShape> {
    let words: Vec<&str> = param.name.split('.').collect();
    let (side, place) = (words[0], *words.get(2).context("a layer's name")?);
    let level: usize = words[1].parse().context("a layer's level")?;
    let at = |level: usize| patch.map(|n| n >> level);
    let [first, second, ..] = param.shape[..] else { anyhow::bail!("weights of a convolution") };
    if (place, spec.up) == ("up", Up::Transposed) {
        return Ok(LayerShape { kind: Kind::Transposed, sources: vec![first], outputs: second, src: at(level + 1) });
    }
    let strided = (side, place, spec.down) == ("encoder", "0", Down::Strided) && level > 0;
    let (kind, src) = if strided { (Kind::Strided, at(level - 1)) } else { (Kind::Conv, at(level)) };
    let sources = if (side, place) == ("decoder", "0") {
        vec![second - spec.widths[level], spec.widths[level]] // what came up, and the skip
    } else {
        vec![second]
    };
    Ok(LayerShape { kind, sources, outputs: first, src })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_net_has_its_convolutions() {
        let layers = distinct(&NetSpec::n32(), [128; 3]).unwrap();
        let all: usize = layers.iter().map(|of| of.names.len()).sum();
        assert_eq!(all, 22, "18 convolutions and 4 transposed ones");
        let gflop: f64 = layers.iter().map(|of| of.names.len() as f64 * of.shape.gflop()).sum();
        assert!((gflop - 961.9).abs() < 0.1, "945.8 and 16.1 by PyTorch's net: {gflop}");
        let same = layers.iter().find(|of| of.names.contains(&"encoder.0.1".to_owned())).unwrap();
        assert_eq!(same.names, ["encoder.0.1", "decoder.0.1"]);
        assert!(layers[0].names == ["encoder.0.0"] && !layers[0].has_data_gradient);
    }

    #[test]
    fn strides_and_concatenations_are_seen() {
        let spec = NetSpec { down: Down::Strided, widths: vec![16, 32], ..NetSpec::n32() };
        let layers = distinct(&spec, [16, 8, 8]).unwrap();
        let of = |name: &str| layers.iter().find(|of| of.names.iter().any(|n| n == name)).unwrap().shape.clone();
        let down = of("encoder.1.0");
        assert_eq!((down.kind, down.src, down.dst()), (Kind::Strided, [16, 8, 8], [8, 4, 4]));
        assert_eq!(of("decoder.0.up").dst(), [16, 8, 8]);
        assert_eq!(of("decoder.0.0").sources, [16, 16]);
    }
}

//! The dice of augmentation: plain values that [`super::apply`] replays.

use serde::{Deserialize, Serialize};

use crate::random::Rng;
use crate::recipe::drawing::{Augmenting, Chance, Pasting};
use crate::sample::CHANNELS;

/// Everything that happens to one patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Augmentation {
    /// How the patch lies in its case.
    pub geometry: Geometry,
    /// A tumour of another case.
    pub paste: Option<Paste>,
    /// Whether the tumour takes up no contrast: T1c shows what T1n shows, and enhancing tumour is core that does not enhance.
    pub unenhanced: bool,
    /// Factor on the tumour's distance from the healthy brain, in all channels alike.
    pub tumour_contrast: Option<f64>,
    /// Changes of intensity, per channel.
    pub channels: [ChannelChange; CHANNELS],
}

/// An affine map about the centre of the patch: first the flips, then the zoom, then the rotation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Flips along D, H, W.
    pub flips: [bool; 3],
    /// Magnification along D, H, W.
    pub zoom: [f64; 3],
    /// Angles in degrees about the axes D (in plane), H, W.
    pub rotation: [f64; 3],
}

impl Geometry {
    /// The geometry that changes nothing.
    pub const IDENTITY: Self = Self { flips: [false; 3], zoom: [1.0; 3], rotation: [0.0; 3] };

    /// True if voxels fall on voxels, so that nothing has to be interpolated.
    #[expect(clippy::float_cmp, reason = "undrawn values are exactly 1 and 0")]
    pub fn keeps_grid(&self) -> bool {
        self.zoom == [1.0; 3] && self.rotation == [0.0; 3]
    }
}

/// A tumour of another case, put at the same place relative to the centre of the head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Paste {
    /// Place of the donor in [`crate::sample::Sources::all`].
    pub donor: usize,
    /// Whether left and right of the donor are exchanged.
    pub mirrored: bool,
    /// Angles in degrees about the axes D, H, W, about the centre of the head.
    pub rotation: [f64; 3],
    /// Displacement `[z, y, x]`, voxels.
    pub displacement: [f64; 3],
}

/// Changes of one channel, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelChange {
    /// Smooth multiplicative field about the scanner's zero.
    pub bias: Option<Bias>,
    /// Gaussian blur, sigma in voxels.
    pub blur: Option<f64>,
    /// Share of the resolution that is kept along D, H, W.
    pub low_resolution: Option<[f64; 3]>,
    /// Gaussian noise.
    pub noise: Option<Noise>,
    /// Factor about the mean, clipped to the range before.
    pub contrast: Option<f64>,
    /// Factor about 0.
    pub brightness: Option<f64>,
    /// What is added.
    pub shift: Option<f64>,
    /// Exponent over the range; mean and deviation are kept.
    pub gamma: Option<f64>,
    /// The same on the negative.
    pub inverted_gamma: Option<f64>,
    /// Whether the sequence is left out.
    pub dropped: bool,
}

impl ChannelChange {
    /// The change that changes nothing.
    pub const NONE: Self = Self {
        bias: None,
        blur: None,
        low_resolution: None,
        noise: None,
        contrast: None,
        brightness: None,
        shift: None,
        gamma: None,
        inverted_gamma: None,
        dropped: false,
    };
}

/// The field `exp(sum of c z^i y^j x^k)` for `1 <= i + j + k <= 3`, coordinates from -1 to 1 over the patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bias {
    /// Coefficients in the order of [`Bias::powers`].
    pub coefficients: [f64; 19],
}

impl Bias {
    /// The exponents `[i, j, k]` of z, y, x for every coefficient.
    pub fn powers() -> impl Iterator<Item = [usize; 3]> {
        (0..4).flat_map(|i| (0..4 - i).flat_map(move |j| (0..4 - i - j).map(move |k| [i, j, k]))).skip(1)
    }
}

/// Gaussian noise that can be made again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Standard deviation.
    pub deviation: f64,
    /// Seed of its stream.
    pub seed: u64,
}

impl Augmentation {
    /// The augmentation that changes nothing.
    pub const NONE: Self = Self {
        geometry: Geometry::IDENTITY,
        paste: None,
        unenhanced: false,
        tumour_contrast: None,
        channels: [const { ChannelChange::NONE }; CHANNELS],
    };

    /// Draws what happens to one patch; `donors` are the cases whose tumour may be pasted.
    pub fn draw(augmenting: &Augmenting, donors: &[usize], rng: &mut Rng) -> Self {
        let geometry = draw_geometry(augmenting, rng);
        let paste = draw_paste(&augmenting.paste, donors, rng);
        let mut channels: [ChannelChange; CHANNELS] = std::array::from_fn(|_| draw_channel(augmenting, rng));
        if rng.chance(augmenting.drop_sequence) {
            channels[rng.below(CHANNELS)].dropped = true;
        }
        let unenhanced = rng.chance(augmenting.without_contrast);
        let tumour_contrast = strength(&augmenting.tumour_contrast, rng);
        Self { geometry, paste, unenhanced, tumour_contrast, channels }
    }
}

fn draw_geometry(augmenting: &Augmenting, rng: &mut Rng) -> Geometry {
    let flips = augmenting.flip.map(|p| rng.chance(p));
    let turn = &augmenting.rotation;
    let rotation = if rng.chance(turn.probability) {
        [rng.between(turn.in_plane), rng.between(turn.tilt), rng.between(turn.tilt)]
    } else {
        [0.0; 3]
    };
    let zoom = if rng.chance(augmenting.zoom.probability) {
        let shared = rng.between(augmenting.zoom.range.map(f64::ln)).exp();
        let reach = augmenting.zoom.anisotropy;
        std::array::from_fn(|_| shared * rng.between([1.0 - reach, 1.0 + reach]))
    } else {
        [1.0; 3]
    };
    Geometry { flips, zoom, rotation }
}

fn draw_paste(pasting: &Pasting, donors: &[usize], rng: &mut Rng) -> Option<Paste> {
    if !rng.chance(pasting.probability) {
        return None;
    }
    let donor = *donors.get(rng.below(donors.len()))?;
    let mirrored = rng.chance(0.5);
    let mut within = |reach: f64| [0, 1, 2].map(|_| rng.between([-reach, reach]));
    Some(Paste { donor, mirrored, rotation: within(pasting.rotation), displacement: within(pasting.displacement) })
}

fn draw_channel(augmenting: &Augmenting, rng: &mut Rng) -> ChannelChange {
    let bias = strength(&augmenting.bias, rng).map(|peak| draw_bias(peak, rng));
    let blur = strength(&augmenting.blur, rng);
    let low_resolution = strength(&augmenting.low_resolution, rng).map(|kept| draw_resolution(kept, rng));
    let noise = strength(&augmenting.noise, rng).map(|deviation| Noise { deviation, seed: rng.bits() });
    ChannelChange {
        bias,
        blur,
        low_resolution,
        noise,
        contrast: strength(&augmenting.contrast, rng),
        brightness: strength(&augmenting.brightness, rng),
        shift: strength(&augmenting.shift, rng),
        gamma: strength(&augmenting.gamma, rng),
        inverted_gamma: strength(&augmenting.inverted_gamma, rng),
        dropped: false,
    }
}

fn strength(chance: &Chance, rng: &mut Rng) -> Option<f64> {
    rng.chance(chance.probability).then(|| rng.between(chance.range))
}

/// The absolute coefficients sum to `peak`, so the logarithm of the field stays within it; a degree more halves the weight.
fn draw_bias(peak: f64, rng: &mut Rng) -> Bias {
    let mut coefficients = [0.0; 19];
    for (c, [i, j, k]) in coefficients.iter_mut().zip(Bias::powers()) {
        *c = rng.between([-1.0, 1.0]) / [1.0, 1.0, 2.0, 4.0][i + j + k];
    }
    let total: f64 = coefficients.iter().map(|c| c.abs()).sum();
    Bias { coefficients: coefficients.map(|c| c * peak / total.max(f64::MIN_POSITIVE)) }
}

/// Half of the time all axes are coarse, else one: two-dimensional scans have thick slices.
fn draw_resolution(kept: f64, rng: &mut Rng) -> [f64; 3] {
    if rng.chance(0.5) {
        return [kept; 3];
    }
    let mut axes = [1.0; 3];
    axes[rng.below(3)] = kept;
    axes
}

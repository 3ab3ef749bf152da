//! Numbers that golden/unet.py makes by the same formula, and the weights of a network out of them.

use unet::{Net, NetSpec, ParamSpec};

/// 32-bit numbers `i = 0, 1, ...` of a tag.
pub(crate) fn mix(salt: u32, tag: u32, i: u32) -> u32 {
    let from = i.wrapping_mul(0x9E37_79B1).wrapping_add(tag.wrapping_mul(0x85EB_CA77));
    let mut h = from.wrapping_add(salt.wrapping_mul(0xC2B2_AE3D));
    h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
    h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
    h ^ (h >> 16)
}

/// `n` numbers in -1..1, exact in f32.
pub(crate) fn unit(salt: u32, tag: u32, n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (mix(salt, tag, i) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}

/// Planar `[C][V]`, in -2..2.
pub(crate) fn image(spec: &NetSpec, voxels: usize, salt: u32) -> Vec<f32> {
    unit(salt, 0, spec.inputs * voxels).iter().map(|u| 2.0 * u).collect()
}

/// The whole arena: convolutions uniform with the variance of He et al., norms about 1, biases about 0.
pub(crate) fn weights(spec: &NetSpec, salt: u32) -> Vec<f32> {
    let params = Net::params(spec).unwrap();
    params
        .iter()
        .enumerate()
        .flat_map(|(k, param)| of_param(param, unit(salt, k as u32 + 1, param.range.len())))
        .collect()
}

fn of_param(param: &ParamSpec, units: Vec<f32>) -> Vec<f32> {
    let transposed = param.name.ends_with("up.weight") && param.shape[2] == 2;
    let fan_in = if transposed { param.shape[0] } else { param.shape[1..].iter().product() };
    let centre = if param.name.ends_with("norm.weight") { 1.0 } else { 0.0 };
    let value = |u: f32| match param.shape.len() {
        1 => centre + 0.25 * f64::from(u),
        _ => f64::from(u) * (6.0 / fan_in as f64).sqrt(),
    };
    units.into_iter().map(|u| value(u) as f32).collect()
}

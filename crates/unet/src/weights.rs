//! Weights: fresh ones from a seed, and to and from safetensors bytes.

use crate::net::Net;
use crate::spec::{NetSpec, UnetError};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

/// Fresh weights of `spec` from `seed`: normal with the standard deviation `sqrt(2 / ((1 + slope^2) fan_in))` of He et al.
/// (2015) for convolutions, gamma 1, biases and betas 0.
///
/// # Errors
/// If the description makes no network.
pub fn initial(spec: &NetSpec, seed: u64) -> Result<Vec<f32>, UnetError> {
    let params = Net::params(spec)?;
    let slope = f64::from(spec.negative_slope);
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut h = state;
        h = (h ^ (h >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        h = (h ^ (h >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((h ^ (h >> 31)) >> 11) as f64 / 2f64.powi(53)
    };
    let mut weights = Vec::with_capacity(params.last().map_or(0, |p| p.range.end));
    for p in &params {
        let n = p.range.len();
        if p.decays() {
            // Transposed convolutions are `[I, O, 2, 2, 2]`: each output voxel has one tap.
            let fan_in = if p.name.ends_with("up.weight") && p.shape[2..] == [2, 2, 2] {
                p.shape[0]
            } else {
                p.shape[1..].iter().product()
            };
            let sd = (2.0 / ((1.0 + slope * slope) * fan_in as f64)).sqrt();
            weights.extend((0..n).map(|_| {
                // Box and Muller (1958).
                let (a, b) = (1.0 - uniform(), uniform());
                (sd * (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
            }));
        } else {
            let value = if p.name.ends_with("norm.weight") { 1.0 } else { 0.0 };
            weights.resize(weights.len() + n, value);
        }
    }
    Ok(weights)
}

/// Safetensors bytes of the arena `weights`, with `metadata` in the header.
///
/// # Errors
/// If the description makes no network.
///
/// # Panics
/// If the arena's length does not fit the description.
#[expect(clippy::implicit_hasher, reason = "the format's crate takes this map")]
pub fn to_bytes(spec: &NetSpec, weights: &[f32], metadata: HashMap<String, String>) -> Result<Vec<u8>, UnetError> {
    let params = Net::params(spec)?;
    assert_eq!(weights.len(), params.last().map_or(0, |p| p.range.end), "to_bytes: weights");
    let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
    let views = params.iter().map(|p| {
        let view = TensorView::new(Dtype::F32, p.shape.clone(), &bytes[p.range.start * 4..p.range.end * 4]);
        view.map(|view| (p.name.clone(), view)).map_err(|e| UnetError::Container(e.to_string()))
    });
    let views: Vec<(String, TensorView<'_>)> = views.collect::<Result<_, _>>()?;
    safetensors::serialize(views, Some(metadata)).map_err(|e| UnetError::Container(e.to_string()))
}

/// The arena of `spec` out of safetensors bytes.
///
/// # Errors
/// Names the tensor that is missing, of another shape or type, not finite, or unknown.
pub fn from_bytes(spec: &NetSpec, bytes: &[u8]) -> Result<Vec<f32>, UnetError> {
    let params = Net::params(spec)?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| UnetError::Container(e.to_string()))?;
    if let Some(name) = file.names().into_iter().find(|n| !params.iter().any(|p| p.name == **n)) {
        return Err(UnetError::Unknown(name.to_owned()));
    }
    let mut weights = Vec::with_capacity(params.last().map_or(0, |p| p.range.end));
    for p in &params {
        let view = file.tensor(&p.name).map_err(|_| UnetError::Missing(p.name.clone()))?;
        if view.dtype() != Dtype::F32 {
            return Err(UnetError::Datatype(p.name.clone()));
        }
        if view.shape() != p.shape {
            let (name, found, expected) = (p.name.clone(), view.shape().to_vec(), p.shape.clone());
            return Err(UnetError::TensorShape { name, found, expected });
        }
        weights.extend(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
        if weights[p.range.clone()].iter().any(|w| !w.is_finite()) {
            return Err(UnetError::NotFinite(p.name.clone()));
        }
    }
    Ok(weights)
}

/// The metadata of a safetensors file.
///
/// # Errors
/// If the bytes are no safetensors file.
pub fn metadata(bytes: &[u8]) -> Result<HashMap<String, String>, UnetError> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| UnetError::Container(e.to_string()))?;
    Ok(header.metadata().clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Down, Norm, Up};

    #[test]
    fn numbers_that_are_not_finite_are_refused_by_name() {
        let spec = NetSpec {
            inputs: 1,
            outputs: 1,
            widths: vec![2, 3],
            norm: Norm::Instance,
            negative_slope: 0.01,
            down: Down::Strided,
            up: Up::Transposed,
            dropout: 0.0,
            deep_supervision: 0,
        };
        let Ok(sound) = initial(&spec, 1) else { unreachable!("a network") };
        let again =
            |weights: &[f32]| to_bytes(&spec, weights, HashMap::new()).and_then(|bytes| from_bytes(&spec, &bytes));
        assert!(again(&sound).is_ok_and(|weights| weights == sound), "finite ones come back as they are");
        let Ok(params) = Net::params(&spec) else { unreachable!("a network") };
        for (param, none) in params.iter().zip([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().cycle()) {
            let mut weights = sound.clone();
            weights[param.range.end - 1] = none;
            let refused = matches!(again(&weights), Err(UnetError::NotFinite(name)) if name == param.name);
            assert!(refused, "{none} in {}", param.name);
        }
    }
}

//! Replays a drawn augmentation: the same bits for the same plan, on any thread.

use super::draw::{Augmentation, ChannelChange};
use super::faint::scale_tumour;
use super::filter::{Scratch, blur, coarsen};
use super::gather::{Mapping, gather, paste};
use super::intensity::{Linear, bias, gamma, linear, noise};
use crate::labels::Tissue;
use crate::sample::{AIR, Patch, PatchPlan, Sources};
use crate::study::Sequence;

const T1N: usize = Sequence::T1n as usize;
const T1C: usize = Sequence::T1c as usize;

/// Cuts the patch of `plan` and changes it as drawn.
///
/// Air, where all channels are exactly 0, stays exactly 0. One thread; nothing is allocated but small tables once `out` and `scratch`
/// have served a patch of this size.
pub fn apply(sources: &Sources, plan: &PatchPlan, drawn: &Augmentation, scratch: &mut Scratch, out: &mut Patch) {
    let source = &sources.all()[plan.case];
    gather(source, plan, &drawn.geometry, out);
    if let Some(pasted) = &drawn.paste {
        let donor = &sources.all()[pasted.donor];
        if let Some(carve) = &donor.carve {
            let mapping = Mapping::of(&drawn.geometry, plan.start, plan.patch);
            paste(source, donor, carve, (&mapping, pasted), out);
        }
    }
    let n = out.labels.len();
    let mut floors = source.floor;
    if drawn.unenhanced {
        floors[T1C] = floors[T1N];
        withhold_contrast(out);
    }
    if let Some(factor) = drawn.tumour_contrast {
        scale_tumour(out, factor, scratch);
    }
    for ((values, change), floor) in out.image.chunks_exact_mut(n).zip(&drawn.channels).zip(floors) {
        alter(values, &out.labels, (out.shape, floor), change, scratch);
    }
    out.labels.iter_mut().for_each(|code| *code = if *code == AIR { 0 } else { *code });
}

/// Makes T1c equal to T1n, and enhancing tumour core that does not enhance.
fn withhold_contrast(out: &mut Patch) {
    let n = out.labels.len();
    out.image.copy_within(T1N * n..(T1N + 1) * n, T1C * n);
    let [core, enhancing] = [Tissue::Necrotic.code(), Tissue::Enhancing.code()];
    out.labels.iter_mut().filter(|code| **code == enhancing).for_each(|code| *code = core);
}

/// Changes one channel: first what comes before the scanner's sampling, then its noise, then the scale of the numbers.
#[expect(clippy::cast_possible_truncation, reason = "factors near 1")]
fn alter(values: &mut [f32], codes: &[u8], place: ([usize; 3], f32), change: &ChannelChange, scratch: &mut Scratch) {
    if change.dropped {
        return values.fill(0.0);
    }
    if *change == ChannelChange::NONE {
        return;
    }
    let (shape, floor) = place;
    if let Some(field) = &change.bias {
        bias(values, codes, shape, (field, floor));
    }
    if let Some(sigma) = change.blur {
        blur(values, shape, sigma, scratch);
    }
    if let Some(kept) = change.low_resolution {
        coarsen(values, shape, kept, scratch);
    }
    if let Some(drawn) = &change.noise {
        noise(values, drawn);
    }
    let scaled = Linear {
        contrast: change.contrast.map(|v| v as f32),
        brightness: change.brightness.unwrap_or(1.0) as f32,
        shift: change.shift.unwrap_or(0.0) as f32,
    };
    if scaled != (Linear { contrast: None, brightness: 1.0, shift: 0.0 }) {
        linear(values, codes, scaled);
    }
    if let Some(exponent) = change.gamma {
        gamma(values, codes, exponent, 1.0);
    }
    if let Some(exponent) = change.inverted_gamma {
        gamma(values, codes, exponent, -1.0);
    }
    values.iter_mut().zip(codes).for_each(|(v, &code)| *v = if code == AIR { 0.0 } else { *v });
}

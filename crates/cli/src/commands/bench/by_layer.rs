//! What each layer of a forward pass takes, timed where it lies: within the network.

use std::time::Instant;

use kernels::{Arithmetic, Cell, Cpu, Peak};
use serde::Serialize;
use unet::Net;

use super::Spread;
use super::peaks::Probe;
use crate::show::table;

/// Seconds of each layer, of each pass.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<Vec<f64>>);

impl Times {
    /// Runs a network once. The first layer's time includes that the image is laid out.
    pub(super) fn forward<T: Cell>(&mut self, net: &mut Net<T>, image: &[f32]) {
        let mut began = Instant::now();
        net.forward_by_layer(image, |layer| {
            if self.0.len() == layer {
                self.0.push(Vec::new());
            }
            let now = Instant::now();
            self.0[layer].push((now - began).as_secs_f64());
            began = now;
        });
    }

    /// Forgets what was measured.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// What was measured of a layer.
#[derive(Debug, Serialize)]
pub(super) struct LayerTime {
    /// For instance `encoder.0.1`.
    layer: String,
    /// What computes it, for instance `Winograd 4 x 4 x 4, int16`: outputs of a tile, and in which numbers it multiplies.
    by: &'static str,
    milliseconds: Spread,
    /// As if directly computed, of the median, against the peak of that arithmetic, which was probed after the passes: filtering
    /// may exceed 1. Of convolutions alone.
    share_of_peak: Option<f64>,
}

/// Of every layer that took time; `gflop` says what it computes by definition, if it is a convolution.
pub(super) fn lines(
    cpu: Cpu,
    layers: Vec<(String, &'static str)>,
    times: Times,
    gflop: impl Fn(&str) -> Option<f64>,
) -> Vec<LayerTime> {
    let mut peaks: Vec<(Arithmetic, f64)> = Vec::new();
    let mut peak = |by: &str| {
        let of = arithmetic(by)?;
        if let Some((_, found)) = peaks.iter().find(|(other, _)| *other == of) {
            return Some(*found);
        }
        let found = Probe::of(Peak::of(cpu, of)?).giga_per_second();
        peaks.push((of, found));
        Some(found)
    };
    let line = |((layer, by), seconds): ((String, &'static str), Vec<f64>)| {
        let seconds = Spread::of(seconds)?;
        let rate = gflop(&layer).map(|gflop| gflop / seconds.median);
        let share_of_peak = rate.and_then(|rate| Some(rate / peak(by)?));
        let milliseconds = Spread { median: 1e3 * seconds.median, min: 1e3 * seconds.min, max: 1e3 * seconds.max };
        Some(LayerTime { layer, by, milliseconds, share_of_peak })
    };
    layers.into_iter().zip(times.0).filter_map(line).collect()
}

/// In which numbers a layer multiplies: the last word of what computes it, or the last two if they are tiles.
fn arithmetic(by: &str) -> Option<Arithmetic> {
    Arithmetic::ALL.into_iter().find(|of| by.ends_with(of.as_str()))
}

/// As a table.
pub(super) fn said(lines: &[LayerTime]) -> String {
    let rows = lines.iter().map(|line| {
        vec![
            line.layer.clone(),
            line.by.to_owned(),
            format!("{:.2}", line.milliseconds.median),
            format!("{:.2}", line.milliseconds.min),
            format!("{:.2}", line.milliseconds.max),
            line.share_of_peak.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
        ]
    });
    table(&["layer", "by", "ms", "least", "most", "of the peak"], 2, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_multiply_has_its_own_peak() {
        assert_eq!(arithmetic("direct, bf16 tiles"), Some(Arithmetic::Bf16Tiles));
        assert_eq!(arithmetic("Winograd 2 x 1 x 1, bf16 tiles"), Some(Arithmetic::Bf16Tiles));
        assert_eq!(arithmetic("direct, int8"), Some(Arithmetic::Int8));
        assert_eq!(arithmetic("Winograd 4 x 4 x 4, int16"), Some(Arithmetic::Int16));
        assert_eq!(arithmetic("Winograd 2 x 4 x 4, f32"), Some(Arithmetic::F32));
        for of in Arithmetic::ALL {
            assert_eq!(arithmetic(of.as_str()), Some(of), "no other's name ends {}", of.as_str());
        }
    }
}

//! Each distinct convolution of a network, forward and backward, beside the machine's peak.
//!
//! Every pass takes the kernel that the network would take: Winograd's filtering where [`Winograd::pays`] says so. Left
//! out are poolings, heads and norms: trips to memory with next to no arithmetic.

mod shape;
mod work;

use kernels::Cpu;
use serde::Serialize;

use self::shape::{Counted, LayerShape, distinct};
use self::work::{Pass, Work};
use super::net::spec;
use super::peaks::Probe;
use super::{PRECISION, Spread, patch, seconds};
use crate::Outcome;
use crate::args::BenchLayers;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, Usage, table};

/// What was measured; one object of JSON.
#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    network: &'static str,
    patch: [usize; 3],
    isa: &'static str,
    precision: &'static str,
    threads: usize,
    runs: usize,
    peak_gflop_per_second: Spread,
    layers: Vec<Line>,
}

/// One pass of one layer.
#[derive(Debug, Serialize)]
struct Line {
    /// Which layers of the network have this shape.
    layers: Vec<String>,
    /// For instance `conv 3 x 3 x 3`.
    kind: &'static str,
    inputs: usize,
    outputs: usize,
    /// `[D, H, W]` of the output.
    shape: [usize; 3],
    pass: Pass,
    algorithm: &'static str,
    milliseconds: Spread,
    /// By definition: 2 a product, all taps, borders included.
    gflop: f64,
    /// Of the median.
    gflop_per_second: f64,
    /// Of the median, against the mean of the peaks before and after; Winograd's filtering may exceed 1.
    share_of_peak: f64,
    /// What must move at least: each tensor and the weights once, as f32.
    least_bytes: usize,
}

pub(super) fn run(cpu: Cpu, args: &BenchLayers, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let patch = patch(&args.patch)?;
    let (network, spec) = spec(args.name)?;
    if patch.iter().any(|&n| n == 0 || n % spec.multiple() != 0) {
        return Err(Usage(format!("--patch: each side must be a multiple of {}", spec.multiple())).into());
    }
    let layers = distinct(&spec, patch)?;
    let probe = Probe::f32(cpu);
    let bar = show.bar(layers.len() as u64, "{spinner} {pos}/{len} shapes {wide_bar}")?;
    let mut peaks = vec![probe.giga_per_second()];
    let mut lines = Vec::new();
    for counted in &layers {
        if interrupt.is_asked() {
            break;
        }
        let timed = Timed::take(cpu, &counted.shape, args.runs);
        peaks.push(probe.giga_per_second());
        let peak = f64::midpoint(peaks[peaks.len() - 2], peaks[peaks.len() - 1]);
        lines.extend(
            timed
                .into_iter()
                .filter(|of| of.pass != Pass::DataGradient || counted.has_data_gradient)
                .filter_map(|of| of.line(counted, peak)),
        );
        bar.inc(1);
    }
    bar.finish_and_clear();
    let stopped = if interrupt.is_asked() { Outcome::Stopped } else { Outcome::Done };
    let Some(peak) = Spread::of(peaks) else { return Ok(stopped) };
    let measured = Measured {
        name: "layers",
        network,
        patch,
        isa: cpu.name().as_str(),
        precision: PRECISION,
        threads: rayon::current_num_threads(),
        runs: args.runs.into(),
        peak_gflop_per_second: peak,
        layers: lines,
    };
    tell(&measured, show)?;
    Ok(stopped)
}

/// What one pass of one layer took, each run.
struct Timed {
    pass: Pass,
    algorithm: &'static str,
    seconds: Vec<f64>,
}

impl Timed {
    /// All passes of a layer, in turn, after one run of each that does not count.
    fn take(cpu: Cpu, shape: &LayerShape, runs: u16) -> Vec<Self> {
        let mut work = Work::new(cpu, shape);
        let mut timed: Vec<Self> =
            Pass::ALL.iter().map(|&pass| Self { pass, algorithm: work.algorithm(pass), seconds: Vec::new() }).collect();
        for run in 0..=runs {
            for of in &mut timed {
                let time = seconds(|| work.take(of.pass));
                if run > 0 {
                    of.seconds.push(time);
                }
            }
        }
        timed
    }

    fn line(self, counted: &Counted, peak: f64) -> Option<Line> {
        let shape = &counted.shape;
        let gflop = shape.gflop();
        let time = Spread::of(self.seconds)?;
        let milliseconds = Spread { median: 1e3 * time.median, min: 1e3 * time.min, max: 1e3 * time.max };
        Some(Line {
            layers: counted.names.clone(),
            kind: shape.kind.as_str(),
            inputs: shape.inputs(),
            outputs: shape.outputs,
            shape: shape.dst(),
            pass: self.pass,
            algorithm: self.algorithm,
            milliseconds,
            gflop,
            gflop_per_second: gflop / time.median,
            share_of_peak: gflop / time.median / peak,
            least_bytes: shape.least_bytes(),
        })
    }
}

fn tell(measured: &Measured, show: Show) -> anyhow::Result<()> {
    if show.is_json() {
        return show::result(&serde_json::to_string(measured)?);
    }
    let rows = measured.layers.iter().map(|line| {
        let [d, h, w] = line.shape;
        let size = if d == h && h == w { format!("{d}") } else { format!("{d} x {h} x {w}") };
        vec![
            format!("{} {} -> {} @ {size}", line.kind, line.inputs, line.outputs),
            line.pass.said().to_owned(),
            line.algorithm.to_owned(),
            line.layers.len().to_string(),
            format!("{:.2}", line.milliseconds.median),
            format!("{:.2}", line.milliseconds.min),
            format!("{:.2}", line.milliseconds.max),
            format!("{:.0}", line.gflop_per_second),
            format!("{:.0} %", 100.0 * line.share_of_peak),
        ]
    });
    let head = ["layer", "pass", "by", "in the net", "ms", "least", "most", "GFLOP/s", "of the peak"];
    show::result(&format!(
        "{}, {}, {}, {} threads, peak {:.0} GFLOP/s; GFLOP/s as if directly computed\n\n{}\n\n{}",
        measured.network,
        measured.precision,
        measured.isa,
        measured.threads,
        measured.peak_gflop_per_second.median,
        table(&head, 3, rows.collect()),
        Pass::ALL
            .map(|pass| format!("{}: {:.0} ms in the whole net", pass.said(), total(&measured.layers, pass)))
            .join("\n"),
    ))
}

/// Milliseconds of all layers of the network in a pass.
fn total(lines: &[Line], pass: Pass) -> f64 {
    let of_pass = lines.iter().filter(|line| line.pass == pass);
    of_pass.map(|line| line.layers.len() as f64 * line.milliseconds.median).sum()
}

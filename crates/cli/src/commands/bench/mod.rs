//! `glioscope bench`: how long the engine takes, and how far it is from what the machine could do.

mod by_layer;
mod case;
mod convergence;
mod kernel;
mod layers;
mod net;
mod peaks;

use std::time::Instant;

use kernels::Cpu;
use serde::Serialize;
use unet::{Down, NetSpec};

use crate::Outcome;
use crate::args;
use crate::interrupt::Interrupt;
use crate::show::{Show, Usage};

/// How numbers are represented in everything that is timed.
const PRECISION: &str = "f32";

pub(crate) fn run(cpu: Cpu, args: &args::Bench, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    match args {
        args::Bench::Net(args) => net::run(cpu, args, show, interrupt),
        args::Bench::Conv(args) => kernel::conv(cpu, args, show, interrupt),
        args::Bench::Layers(args) => layers::run(cpu, args, show, interrupt),
        args::Bench::Case(args) => case::run(cpu, args, show, interrupt),
        args::Bench::Convergence(args) => convergence::run(cpu, args, show, interrupt),
        args::Bench::Peak(args) => peaks::run(cpu, args, show, interrupt),
    }
}

/// `[D, H, W]` of what was typed: one side, or three.
fn patch(typed: &[usize]) -> anyhow::Result<[usize; 3]> {
    match *typed {
        [side] => Ok([side; 3]),
        [d, h, w] => Ok([d, h, w]),
        _ => Err(Usage("--patch: give one side, or three: D,H,W".to_owned()).into()),
    }
}

/// nnU-Net's plan for such scans: six stages, base 32, at most 320, strided, four classes.
fn nnunet() -> NetSpec {
    NetSpec { widths: vec![32, 64, 128, 256, 320, 320], down: Down::Strided, ..NetSpec::n32() }
}

/// The middle and the ends of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Of measurements, at least one; of an even number the lower middle.
    fn of(mut measured: Vec<f64>) -> Option<Self> {
        measured.sort_by(f64::total_cmp);
        let (min, max) = (*measured.first()?, *measured.last()?);
        Some(Self { median: measured[(measured.len() - 1) / 2], min, max })
    }
}

/// Seconds that the work takes.
fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

/// The most memory that this process ever held, MiB; none where the system does not say.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_what_was_measured() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of(vec![]), None);
    }
}

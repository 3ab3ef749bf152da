//! The direct convolution of one layer, beside the machine's peak.

use kernels::{Canonical, Cpu, Gather, Source, Write, blocks, convolve, convolve_scratch, pack_weights, packed_len};
use serde::Serialize;

use super::peaks::Probe;
use super::{PRECISION, Spread, peak_rss_mib, seconds};
use crate::Outcome;
use crate::args::BenchConv;
use crate::interrupt::Interrupt;
use crate::show::{self, Show};

/// Side and channels of the convolution.
const SIDE: usize = 128;
const CHANNELS: usize = 32;

/// What was measured of the convolution; one object of JSON.
#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    isa: &'static str,
    precision: &'static str,
    threads: usize,
    runs: usize,
    seconds: Spread,
    gflop: f64,
    gflop_per_second: Spread,
    peak_gflop_per_second: Spread,
    /// Of each run, against the mean of the peaks measured just before and just after it.
    share_of_peak: Spread,
    peak_rss_mib: Option<f64>,
}

pub(super) fn conv(cpu: Cpu, args: &BenchConv, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let peak = Probe::f32(cpu);
    let mut layer = Layer::new(cpu);
    layer.take();
    let gflop = 2e-9 * 27.0 * (CHANNELS * CHANNELS) as f64 * (SIDE * SIDE * SIDE) as f64;
    let (mut times, mut rates, mut peaks, mut shares) =
        (Vec::new(), Vec::new(), vec![peak.giga_per_second()], Vec::new());
    for run in 0..usize::from(args.runs) {
        if interrupt.is_asked() {
            break;
        }
        let time = seconds(|| layer.take());
        peaks.push(peak.giga_per_second());
        times.push(time);
        rates.push(gflop / time);
        shares.push(gflop / time / f64::midpoint(peaks[run], peaks[run + 1]));
    }
    let runs = times.len();
    let (Some(seconds), Some(rate), Some(peak), Some(share)) =
        (Spread::of(times), Spread::of(rates), Spread::of(peaks), Spread::of(shares))
    else {
        return Ok(Outcome::Stopped);
    };
    let measured = Measured {
        name: "conv 32->32 @128, direct, forward",
        isa: cpu.name().as_str(),
        precision: PRECISION,
        threads: rayon::current_num_threads(),
        runs,
        seconds,
        gflop,
        gflop_per_second: rate,
        peak_gflop_per_second: peak,
        share_of_peak: share,
        peak_rss_mib: peak_rss_mib(),
    };
    if show.is_json() {
        show::result(&serde_json::to_string(&measured)?)?;
    } else {
        show::result(&format!(
            "{}, {PRECISION}, {}, {} threads: {:.3} s (least {:.3}, most {:.3} of {runs} runs), {:.0} GFLOP/s, {:.0} % \
             of the peak of {:.0} (least {:.0} %, most {:.0} %)",
            measured.name,
            measured.isa,
            measured.threads,
            seconds.median,
            seconds.min,
            seconds.max,
            rate.median,
            100.0 * share.median,
            peak.median,
            100.0 * share.min,
            100.0 * share.max,
        ))?;
    }
    Ok(if interrupt.is_asked() { Outcome::Stopped } else { Outcome::Done })
}

/// The convolution with its tensors.
struct Layer {
    cpu: Cpu,
    gather: Gather,
    src: Vec<f32>,
    packed: Vec<f32>,
    dst: Vec<f32>,
    scratch: Vec<f32>,
}

impl Layer {
    fn new(cpu: Cpu) -> Self {
        let gather = Gather::conv3([SIDE; 3], 1);
        let values = blocks(CHANNELS) * SIDE * SIDE * SIDE * kernels::LANES;
        let mut packed = vec![0.0; packed_len(27, CHANNELS, CHANNELS)];
        let weights = vec![0.1; CHANNELS * CHANNELS * 27];
        pack_weights(Canonical::OutIn, 27, (CHANNELS, CHANNELS), &weights, &mut packed);
        let scratch = convolve_scratch(&gather, blocks(CHANNELS)) * rayon::current_num_threads();
        Self { cpu, gather, src: vec![0.5; values], packed, dst: vec![0.0; values], scratch: vec![0.0; scratch] }
    }

    fn take(&mut self) {
        convolve(
            self.cpu,
            &self.gather,
            (&[Source::plain(&self.src)], CHANNELS),
            (&self.packed, &[]),
            (&mut self.dst, Write::Overwrite),
            &mut self.scratch,
        );
    }
}

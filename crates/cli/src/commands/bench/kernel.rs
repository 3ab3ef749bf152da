//! The machine's peak, and the direct convolution beside it.

use kernels::{
    Canonical, Cpu, Gather, Isa, Kernel, Source, Write, blocks, convolve, convolve_scratch, pack_weights, packed_len,
};
use serde::Serialize;
use serde_json::json;

use super::{PRECISION, Spread, peak_rss_mib, seconds};
use crate::Outcome;
use crate::args::BenchKernel;
use crate::interrupt::Interrupt;
use crate::show::{self, Show};

/// A peak is measured for about this long: shorter ones still feel the clock speed change.
const STEADY_SECONDS: f64 = 0.2;

/// Side and channels of the convolution.
const SIDE: usize = 128;
const CHANNELS: usize = 32;

pub(super) fn peak(cpu: Cpu, args: &BenchKernel, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let peak = Peak::calibrated(cpu);
    let mut measured = Vec::new();
    for _ in 0..args.runs {
        if interrupt.is_asked() {
            break;
        }
        measured.push(peak.gflop_per_second());
    }
    let runs = measured.len();
    let Some(rate) = Spread::of(measured) else { return Ok(Outcome::Stopped) };
    let (isa, threads) = (cpu.name().as_str(), rayon::current_num_threads());
    if show.is_json() {
        let object = json!({
            "name": "peak", "isa": isa, "precision": PRECISION, "threads": threads, "runs": runs,
            "gflop_per_second": rate,
        });
        show::result(&object.to_string())?;
    } else {
        show::result(&format!(
            "peak, {PRECISION}, {isa}, {threads} threads: {:.0} GFLOP/s (least {:.0}, most {:.0} of {runs} runs)",
            rate.median, rate.min, rate.max
        ))?;
    }
    Ok(if interrupt.is_asked() { Outcome::Stopped } else { Outcome::Done })
}

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

pub(super) fn conv(cpu: Cpu, args: &BenchKernel, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let peak = Peak::calibrated(cpu);
    let mut layer = Layer::new(cpu);
    layer.take();
    let gflop = 2e-9 * 27.0 * (CHANNELS * CHANNELS) as f64 * (SIDE * SIDE * SIDE) as f64;
    let (mut times, mut rates, mut peaks, mut shares) =
        (Vec::new(), Vec::new(), vec![peak.gflop_per_second()], Vec::new());
    for run in 0..usize::from(args.runs) {
        if interrupt.is_asked() {
            break;
        }
        let time = seconds(|| layer.take());
        peaks.push(peak.gflop_per_second());
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

/// Fused multiply-adds on registers alone, on every thread.
struct Peak {
    cpu: Cpu,
    rounds: u64,
}

impl Peak {
    /// Finds how many rounds take [`STEADY_SECONDS`].
    fn calibrated(cpu: Cpu) -> Self {
        let mut peak = Self { cpu, rounds: 1 << 10 };
        loop {
            let time = seconds(|| peak.all_threads());
            if time > STEADY_SECONDS / 2.0 {
                return peak;
            }
            peak.rounds *= 2;
        }
    }

    fn all_threads(&self) {
        let rounds = self.rounds;
        rayon::broadcast(|_| std::hint::black_box(self.cpu.run(Rounds(rounds))));
    }

    fn gflop_per_second(&self) -> f64 {
        let time = seconds(|| self.all_threads());
        let flop = 2 * kernels::LANES as u64 * chains(self.cpu) * self.rounds * rayon::current_num_threads() as u64;
        1e-9 * flop as f64 / time
    }
}

/// Independent sums that a core works on at a time. Sixteen-lane values are two registers of AVX2: six sums, the factor and
/// the summand fill its sixteen, and twelve chains hide the four cycles that an FMA takes on two ports.
const MANY: usize = 16;
const FEW: usize = 6;

fn chains(cpu: Cpu) -> u64 {
    (if cpu.name() == kernels::IsaName::Avx512 { MANY } else { FEW }) as u64
}

struct Rounds(u64);

impl Kernel for Rounds {
    type Output = f32;

    #[expect(clippy::inline_always, reason = "code that is called instead of inlined loses the instruction set")]
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        if I::REGISTERS >= 32 { rounds::<I, MANY>(isa, self.0) } else { rounds::<I, FEW>(isa, self.0) }
    }
}

#[expect(clippy::inline_always, reason = "code that is called instead of inlined loses the instruction set")]
#[inline(always)]
fn rounds<I: Isa, const N: usize>(isa: I, rounds: u64) -> f32 {
    let mut sums = [isa.splat(0.0); N];
    let factor = isa.splat(std::hint::black_box(0.5));
    let summand = isa.splat(std::hint::black_box(0.1));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = isa.fma(factor, *sum, summand);
        }
    }
    let mut lanes = [0.0; kernels::LANES];
    let mut all = 0.0;
    for sum in sums {
        isa.store(sum, &mut lanes);
        all += lanes[0];
    }
    all
}

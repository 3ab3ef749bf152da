//! The machine's peaks: multiply-adds of each kind on registers alone, and memory read, written and copied.

use std::hint::black_box;

use kernels::{Arithmetic, Cpu, LANES, Peak, Traffic, stream};
use rayon::prelude::*;
use segment::choice::Choice;
use segment::precision::Precision;
use serde::Serialize;
use server::config;

use super::{Spread, seconds};
use crate::Outcome;
use crate::args::BenchPeak;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, table};

/// A peak is measured for about this long: shorter ones still feel the clock speed change.
const STEADY_SECONDS: f64 = 0.2;

/// Numbers that one thread goes through in a measurement of memory: 128 MiB each way, beyond any cache but those of a
/// few servers.
const STREAMED: usize = 32 << 20;

/// What has no loop, and why.
const WITHOUT_LOOP: (&str, &str) =
    ("AVX-VNNI", "256-bit dots: every machine at hand that has them has those of AVX-512 too");

/// One thread, or all of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    All,
}

impl Threads {
    /// Each number of threads once, the smallest first.
    fn all() -> Vec<Self> {
        if rayon::current_num_threads() > 1 { vec![Self::One, Self::All] } else { vec![Self::One] }
    }

    fn count(self) -> usize {
        if self == Self::One { 1 } else { rayon::current_num_threads() }
    }
}

/// An arithmetic with the number of rounds that takes [`STEADY_SECONDS`].
pub(super) struct Probe {
    peak: Peak,
    threads: Threads,
    rounds: u64,
}

impl Probe {
    /// Of fused multiply-adds in f32 on all threads: the roof that the other measurements are held against.
    pub(super) fn f32(cpu: Cpu) -> Self {
        Self::of(Peak::f32(cpu))
    }

    /// Of an arithmetic on all threads.
    pub(super) fn of(peak: Peak) -> Self {
        Self::calibrated(peak, Threads::All)
    }

    fn calibrated(peak: Peak, threads: Threads) -> Self {
        let mut probe = Self { peak, threads, rounds: 1 << 10 };
        while seconds(|| probe.run()) < STEADY_SECONDS / 2.0 {
            probe.rounds *= 2;
        }
        probe
    }

    fn run(&self) {
        let work = || black_box(self.peak.run(self.rounds));
        match self.threads {
            Threads::One => {
                work();
            }
            Threads::All => {
                rayon::broadcast(|_| work());
            }
        }
    }

    /// Milliards of operations a second, 2 a product, now.
    pub(super) fn giga_per_second(&self) -> f64 {
        let operations = self.peak.operations() * self.rounds * self.threads.count() as u64;
        1e-9 * operations as f64 / seconds(|| self.run())
    }
}

/// What was measured; one object of JSON.
#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    isa: &'static str,
    threads: usize,
    runs: usize,
    arithmetic: Vec<Rate>,
    memory: Vec<Bandwidth>,
    left_out: Vec<LeftOut>,
    /// What `--precision auto` takes on this machine for a calibrated model, by a probe that was taken now.
    auto: Choice,
}

#[derive(Debug, Serialize)]
struct Rate {
    precision: &'static str,
    instruction: &'static str,
    threads: usize,
    giga_per_second: Spread,
}

#[derive(Debug, Serialize)]
struct Bandwidth {
    traffic: &'static str,
    threads: usize,
    gb_per_second: Spread,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    what: &'static str,
    why: String,
}

pub(super) fn run(cpu: Cpu, args: &BenchPeak, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let (mut kinds, mut left_out) = (Vec::new(), Vec::new());
    for arithmetic in Arithmetic::ALL {
        match Peak::of(cpu, arithmetic) {
            Some(peak) => kinds.extend(Threads::all().into_iter().map(|threads| (arithmetic, peak, threads))),
            None => left_out.push(LeftOut {
                what: arithmetic.as_str(),
                why: format!("{}: {}", arithmetic.instruction(), why_missing(arithmetic)),
            }),
        }
    }
    left_out.push(LeftOut { what: WITHOUT_LOOP.0, why: WITHOUT_LOOP.1.to_owned() });
    let probes: Vec<Probe> = kinds.iter().map(|&(_, peak, threads)| Probe::calibrated(peak, threads)).collect();
    let mut streams = Streams::new(cpu);
    let traffics: Vec<(Traffic, Threads)> =
        Traffic::ALL.iter().flat_map(|&traffic| Threads::all().into_iter().map(move |t| (traffic, t))).collect();
    let mut rates = vec![Vec::new(); probes.len()];
    let mut bandwidths = vec![Vec::new(); traffics.len()];
    let mut runs = 0;
    while runs < usize::from(args.runs) && !interrupt.is_asked() {
        probes.iter().zip(&mut rates).for_each(|(probe, rates)| rates.push(probe.giga_per_second()));
        for (&(traffic, threads), measured) in traffics.iter().zip(&mut bandwidths) {
            measured.push(streams.gb_per_second(traffic, threads));
        }
        runs += 1;
    }
    let stopped = if interrupt.is_asked() { Outcome::Stopped } else { Outcome::Done };
    if runs == 0 {
        return Ok(stopped);
    }
    let rate = |((arithmetic, _, threads), measured): ((Arithmetic, Peak, Threads), Vec<f64>)| {
        Some(Rate {
            precision: arithmetic.as_str(),
            instruction: instruction(cpu, arithmetic),
            threads: threads.count(),
            giga_per_second: Spread::of(measured)?,
        })
    };
    let bandwidth = |((traffic, threads), measured): ((Traffic, Threads), Vec<f64>)| {
        let (traffic, threads) = (traffic.as_str(), threads.count());
        Some(Bandwidth { traffic, threads, gb_per_second: Spread::of(measured)? })
    };
    let measured = Measured {
        name: "peak",
        isa: cpu.name().as_str(),
        threads: rayon::current_num_threads(),
        runs,
        arithmetic: kinds.into_iter().zip(rates).filter_map(rate).collect(),
        memory: traffics.into_iter().zip(bandwidths).filter_map(bandwidth).collect(),
        left_out,
        auto: Choice::fastest_now(cpu, Precision::Int16.check_machine(cpu), config::user_cache().as_deref()),
    };
    tell(&measured, show)?;
    Ok(stopped)
}

fn why_missing(arithmetic: Arithmetic) -> &'static str {
    if arithmetic.is_of_tiles() {
        "AMX, which this machine lacks or its system does not allow, or --isa left it out"
    } else {
        "this machine lacks it, or --isa left it out"
    }
}

/// What the loop is made of: the f32 one follows the instruction set, the others need AVX-512, or AMX beside it.
fn instruction(cpu: Cpu, arithmetic: Arithmetic) -> &'static str {
    if arithmetic == Arithmetic::F32 { cpu.name().as_str() } else { arithmetic.instruction() }
}

fn tell(measured: &Measured, show: Show) -> anyhow::Result<()> {
    if show.is_json() {
        return show::result(&serde_json::to_string(measured)?);
    }
    let cells = |spread: &Spread, decimals: usize| {
        [spread.median, spread.min, spread.max].map(|value| format!("{value:.decimals$}")).to_vec()
    };
    let row = |names: [String; 3], cells: Vec<String>| names.into_iter().chain(cells).collect::<Vec<String>>();
    let arithmetic = measured.arithmetic.iter().map(|rate| {
        let names = [rate.precision.to_owned(), rate.instruction.to_owned(), rate.threads.to_string()];
        row(names, cells(&rate.giga_per_second, 0))
    });
    let memory = measured.memory.iter().map(|of| {
        let names = ["memory".to_owned(), of.traffic.to_owned(), of.threads.to_string()];
        row(names, cells(&of.gb_per_second, 1))
    });
    let left_out: Vec<String> =
        measured.left_out.iter().map(|of| format!("left out: {} ({})", of.what, of.why)).collect();
    show::result(&format!(
        "{}\n\n{}\n\n{}\n\nauto: {} for a calibrated model ({})",
        table(&["products", "by", "threads", "G/s, 2 a product", "least", "most"], 2, arithmetic.collect()),
        table(&["", "way", "threads", "GB/s", "least", "most"], 2, memory.collect()),
        left_out.join("\n"),
        measured.auto.precision,
        measured.auto.chosen,
    ))
}

/// Two arrays in memory, and the numbers that go through them.
struct Streams {
    cpu: Cpu,
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Streams {
    fn new(cpu: Cpu) -> Self {
        let len = STREAMED * rayon::current_num_threads() + LANES;
        Self { cpu, from: vec![0.5; len], to: vec![0.1; len] } // not zeros: those pages would be one page, never touched
    }

    fn gb_per_second(&mut self, traffic: Traffic, threads: Threads) -> f64 {
        let (cpu, len) = (self.cpu, STREAMED * threads.count());
        let (from, to) = (aligned(&self.from, len), aligned_mut(&mut self.to, len));
        let time = seconds(|| match threads {
            Threads::One => {
                black_box(stream(cpu, traffic, from, to));
            }
            Threads::All => {
                let pieces = from.par_chunks(STREAMED).zip(to.par_chunks_mut(STREAMED)).with_max_len(1);
                pieces.for_each(|(from, to)| {
                    black_box(stream(cpu, traffic, from, to));
                });
            }
        });
        1e-9 * traffic.bytes(len) as f64 / time
    }
}

/// `len` numbers from the first cache line's start on.
fn aligned(values: &[f32], len: usize) -> &[f32] {
    &values[values.as_ptr().align_offset(64).min(LANES)..][..len]
}

fn aligned_mut(values: &mut [f32], len: usize) -> &mut [f32] {
    let skip = values.as_ptr().align_offset(64).min(LANES);
    &mut values[skip..][..len]
}

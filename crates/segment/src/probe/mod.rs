//! Which products are fast on this machine: a feature bit says what can run, so a small network is timed in all kinds.

pub mod cache;

use std::fs;
use std::time::Instant;

use kernels::{Cpu, Half, voxels};
use serde::{Deserialize, Serialize};
use unet::{Net, NetSpec, Products, UnetError, weights};

use crate::precision::{Precision, Unable};
use crate::random::Rng;

/// `[D, H, W]` of what the network sees: with two levels of 32 and 64 channels every kind of layer that has integers is
/// there, and a pass takes some milliseconds.
const SHAPE: [usize; 3] = [24, 32, 32];

/// Timed passes of each kind, in turn, after one that does not count; the least of them is what the machine can do when
/// nobody disturbs it.
const PASSES: usize = 3;

/// How wide inputs of convolutions are taken to be: a time does not depend on it.
const WIDEST: f32 = 64.0;

/// Of what a probe holds; where any of it is another, another probe is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor, where the system names it.
    pub processor: Option<String>,
    /// The instruction set.
    pub isa: String,
    /// Whether it multiplies tiles beside it.
    pub tiles: bool,
    /// Threads that compute.
    pub threads: usize,
    /// The version of the program: another may have other kernels.
    pub program: String,
}

impl Machine {
    /// This machine, with the current rayon pool.
    pub fn here(cpu: Cpu) -> Self {
        Self {
            processor: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu_name(&text)),
            isa: cpu.name().as_str().to_owned(),
            tiles: cpu.has_tiles(),
            threads: rayon::current_num_threads(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// How long a small network took on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The machine.
    pub machine: Machine,
    /// Seconds of a pass with products in f32, stored as [`Precision::F16`] does.
    pub f16_seconds: f64,
    /// Seconds of the same pass with products in 16-bit integers, stored alike.
    pub int16_seconds: f64,
    /// The same with products of tiles of bf16, where the machine multiplies them.
    pub bf16_seconds: Option<f64>,
}

impl Probe {
    /// Times the network. Runs on the current rayon pool.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the network is a constant, which a test lays out"
    )]
    pub fn take(cpu: Cpu) -> Self {
        let [f16_seconds, int16_seconds, bf16] = least_seconds(cpu).expect("the network of the probe can be laid out");
        Self { machine: Machine::here(cpu), f16_seconds, int16_seconds, bf16_seconds: bf16.is_finite().then_some(bf16) }
    }

    /// The fastest, integers only if they can be had; where none is, the one that rounds least.
    pub fn fastest(&self, integers: Result<(), Unable>) -> Precision {
        let int16 = if integers.is_ok() { self.int16_seconds } else { f64::INFINITY };
        let bf16 = self.bf16_seconds.unwrap_or(f64::INFINITY);
        let others = [(int16, Precision::Int16), (bf16, Precision::Bf16)];
        let least = others
            .into_iter()
            .fold((self.f16_seconds, Precision::F16), |least, other| if other.0 < least.0 { other } else { least });
        least.1
    }

    /// Whether the times can be times.
    fn is_sound(&self) -> bool {
        let times = [Some(self.f16_seconds), Some(self.int16_seconds), self.bf16_seconds];
        let are_times = times.into_iter().flatten().all(|seconds| seconds.is_finite() && seconds > 0.0);
        are_times && self.bf16_seconds.is_some() == self.machine.tiles
    }
}

/// The least seconds of a pass with products in floats, in integers, and in tiles; infinite where the machine has none.
fn least_seconds(cpu: Cpu) -> Result<[f64; 3], UnetError> {
    let spec = NetSpec { widths: vec![32, 64], ..NetSpec::n32() };
    let weights = weights::initial(&spec, 1)?;
    let params = Net::params(&spec)?;
    let widest = vec![WIDEST; params.iter().filter(|param| param.shape.ends_with(&[3, 3, 3])).count()];
    // Noise: tiles whose inputs are the same would be computed once.
    let mut rng = Rng::new(1);
    #[expect(clippy::cast_possible_truncation, reason = "noise")]
    let image: Vec<f32> = (0..spec.inputs * voxels(SHAPE)).map(|_| rng.between([-1.0, 1.0]) as f32).collect();
    let laid = |products| Net::<Half>::inference(&spec, SHAPE, cpu, products);
    let mut nets = vec![laid(Products::Floats)?, laid(Products::Integers(&widest))?];
    if cpu.has_tiles() {
        nets.push(laid(Products::Tiles)?);
    }
    for net in &mut nets {
        net.load(&weights);
        net.forward(&image, None); // does not count: memory is touched for the first time
    }
    let mut least = [f64::INFINITY; 3];
    for _ in 0..PASSES {
        for (net, least) in nets.iter_mut().zip(&mut least) {
            let began = Instant::now();
            net.forward(&image, None);
            *least = least.min(began.elapsed().as_secs_f64());
        }
    }
    Ok(least)
}

/// The first processor of `/proc/cpuinfo`. Its name alone is not enough: a virtual machine may say `AMD EPYC` of processors of
/// several generations, which their numbers tell apart. `None` where one of them is missing, as on other kinds than x86.
fn cpu_name(text: &str) -> Option<String> {
    let field = |name: &str| {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let (vendor, name) = (field("vendor_id")?, field("model name")?);
    let [family, model, stepping] = [field("cpu family")?, field("model")?, field("stepping")?];
    Some(format!("{vendor} family {family} model {model} stepping {stepping}, {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_one_is_taken_and_f16_where_none_is() {
        let check = |f16_seconds, int16_seconds, expected, is_sound| {
            let machine = Machine { tiles: false, ..Machine::here(Cpu::detect()) };
            let probe = Probe { machine, f16_seconds, int16_seconds, bf16_seconds: None };
            assert_eq!(probe.fastest(Ok(())), expected, "{probe:?}");
            assert_eq!(probe.fastest(Err(Unable::Model { precision: "int16" })), Precision::F16, "{probe:?}");
            assert_eq!(probe.is_sound(), is_sound, "{probe:?}");
        };
        check(0.012, 0.007, Precision::Int16, true);
        check(0.007, 0.012, Precision::F16, true);
        check(0.007, 0.007, Precision::F16, true);
        check(f64::NAN, 0.007, Precision::F16, false);
        check(0.007, f64::NAN, Precision::F16, false);
        check(f64::INFINITY, 0.007, Precision::Int16, false);
        check(0.007, 0.0, Precision::Int16, false);
        check(0.007, -1.0, Precision::Int16, false);
        let machine = Machine { tiles: true, ..Machine::here(Cpu::detect()) };
        let without = Probe { machine, f16_seconds: 0.012, int16_seconds: 0.007, bf16_seconds: None };
        assert!(!without.is_sound(), "tiles were not timed");
        for (bf16, is_sound, expected) in
            [(0.004, true, Precision::Bf16), (0.007, true, Precision::Int16), (f64::NAN, false, Precision::Int16)]
        {
            let probe = Probe { bf16_seconds: Some(bf16), ..without.clone() };
            assert_eq!((probe.is_sound(), probe.fastest(Ok(()))), (is_sound, expected), "{probe:?}");
        }
    }

    #[test]
    fn every_instruction_set_but_plain_rust_is_timed() {
        for cpu in Cpu::all().into_iter().skip(1) {
            let began = Instant::now();
            let probe = Probe::take(cpu);
            let all = began.elapsed().as_secs_f64();
            println!("{}: {:.1} ms for {probe:?}", cpu.name().as_str(), 1e3 * all);
            assert!(probe.is_sound(), "{probe:?}");
            assert_eq!(probe.machine, Machine::here(cpu), "of this machine");
            let each = probe.f16_seconds + probe.int16_seconds + probe.bf16_seconds.unwrap_or(0.0);
            assert!(PASSES as f64 * each < all, "seconds, and the least");
        }
    }

    #[test]
    fn a_cpu_is_more_than_its_name() {
        let text = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\
                    stepping\t: 1\n\nprocessor\t: 1\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\n";
        let found = cpu_name(text);
        assert_eq!(found.as_deref(), Some("AuthenticAMD family 25 model 17 stepping 1, AMD EPYC"), "the first one");
        assert_ne!(found, cpu_name(&text.replace("model\t\t: 17", "model\t\t: 1")), "another generation");
        assert_eq!(cpu_name(&text.replace("stepping", "step")), None, "one is missing");
        assert_eq!(cpu_name("CPU implementer\t: 0x41\nCPU part\t: 0xd40\n"), None, "another kind");
        assert_eq!(cpu_name(""), None, "nothing");
    }
}

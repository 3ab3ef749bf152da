//! Which precision is taken, and why.

use std::fmt;
use std::path::Path;

use kernels::{Cpu, IsaName};
use serde::{Deserialize, Serialize};

use crate::precision::{Precision, Unable};
use crate::probe::cache::{Probed, Source, probed, probed_again};

/// A precision that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// In which numbers the network computes.
    pub precision: Precision,
    /// Why in these.
    pub chosen: Reason,
}

/// Why a precision was taken; displayed as words for brackets behind its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Reason {
    /// It was asked for by its name.
    Name,
    /// In plain Rust integers and halves are there to be compared with, not for their speed.
    PlainRust,
    /// The machine has no products of integers, nor of tiles.
    Machine,
    /// The model was never calibrated, so that it has none.
    Model,
    /// It was faster than the other one.
    Probe(Probed),
}

impl Choice {
    /// What was asked for by its name.
    pub fn named(precision: Precision) -> Self {
        Self { precision, chosen: Reason::Name }
    }

    /// The fastest that machine and model allow, of those that keep the labels (docs/performance.md). `integers` says whether
    /// [`Precision::Int16`] can be had; only where it can, or the machine multiplies tiles, a probe is taken, at the first start, and
    /// kept in the folder `cache`. Runs on the current rayon pool.
    pub fn fastest(cpu: Cpu, integers: Result<(), Unable>, cache: Option<&Path>) -> Self {
        Self::decided((cpu.name(), cpu.has_tiles()), integers, || probed(cpu, cache))
    }

    /// As [`Choice::fastest`], but the probe is taken in any case, and kept instead of what was.
    pub fn fastest_now(cpu: Cpu, integers: Result<(), Unable>, cache: Option<&Path>) -> Self {
        Self::decided((cpu.name(), cpu.has_tiles()), integers, || probed_again(cpu, cache))
    }

    fn decided(
        (isa, has_tiles): (IsaName, bool),
        integers: Result<(), Unable>,
        probed: impl FnOnce() -> Probed,
    ) -> Self {
        let (precision, chosen) = match (isa, integers) {
            (IsaName::Scalar, _) => (Precision::F32, Reason::PlainRust),
            (IsaName::Avx2 | IsaName::Avx512, Err(Unable::Machine { .. })) if !has_tiles => {
                (Precision::F16, Reason::Machine)
            }
            (IsaName::Avx2 | IsaName::Avx512, Err(Unable::Model { .. })) if !has_tiles => {
                (Precision::F16, Reason::Model)
            }
            (IsaName::Avx2 | IsaName::Avx512, integers) => {
                let probed = probed();
                (probed.probe.fastest(integers), Reason::Probe(probed))
            }
        };
        Self { precision, chosen }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("asked for"),
            Self::PlainRust => f.write_str("nothing is faster in plain Rust"),
            Self::Machine => f.write_str("the machine has no products of integers"),
            Self::Model => f.write_str("the model is not calibrated"),
            Self::Probe(Probed { source, probe }) => {
                let when = match source {
                    Source::Measured => "now",
                    Source::Cached => "at an earlier start",
                };
                let [f16, int16] = [probe.f16_seconds, probe.int16_seconds].map(|seconds| 1e3 * seconds);
                f.write_str("a probe took ")?;
                if let Some(seconds) = probe.bf16_seconds {
                    write!(f, "{:.1} ms in bf16, ", 1e3 * seconds)?;
                }
                write!(f, "{int16:.1} ms in int16 and {f16:.1} ms in f16 {when}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Machine, Probe};

    fn probed(f16_seconds: f64, int16_seconds: f64, bf16_seconds: Option<f64>) -> Probed {
        let (isa, program, tiles) = ("avx512".to_owned(), "1.2.3".to_owned(), bf16_seconds.is_some());
        let machine = Machine { processor: None, isa, tiles, threads: 2, program };
        Probed { source: Source::Cached, probe: Probe { machine, f16_seconds, int16_seconds, bf16_seconds } }
    }

    #[test]
    fn a_probe_decides_where_there_is_something_to_choose_and_is_not_asked_elsewhere() {
        let machine = Err(Unable::Machine { precision: "int16", isa: "avx2" });
        let model = Err(Unable::Model { precision: "int16" });
        let unasked = || -> Probed { panic!("nothing is to be chosen") };
        for integers in [Ok(()), machine, model] {
            let choice = Choice::decided((IsaName::Scalar, true), integers, unasked);
            assert_eq!(choice, Choice { precision: Precision::F32, chosen: Reason::PlainRust }, "{integers:?}");
        }
        for isa in [IsaName::Avx2, IsaName::Avx512] {
            for (integers, chosen) in [(machine, Reason::Machine), (model, Reason::Model)] {
                let choice = Choice::decided((isa, false), integers, unasked);
                assert_eq!(choice, Choice { precision: Precision::F16, chosen }, "{isa:?}");
            }
            let times =
                [(0.012, 0.007, Precision::Int16), (0.007, 0.012, Precision::F16), (0.007, 0.007, Precision::F16)];
            for (f16, int16, precision) in times {
                let choice = Choice::decided((isa, false), Ok(()), || probed(f16, int16, None));
                assert_eq!(choice, Choice { precision, chosen: Reason::Probe(probed(f16, int16, None)) }, "{isa:?}");
            }
        }
        for (integers, int16, bf16, precision) in [
            (Ok(()), 0.007, 0.004, Precision::Bf16),
            (Ok(()), 0.004, 0.007, Precision::Int16),
            (model, 0.004, 0.007, Precision::Bf16),
            (model, 0.004, 0.02, Precision::F16),
        ] {
            let probed = || probed(0.012, int16, Some(bf16));
            let choice = Choice::decided((IsaName::Avx512, true), integers, probed);
            assert_eq!(choice, Choice { precision, chosen: Reason::Probe(probed()) }, "{integers:?}, tiles");
        }
    }

    #[test]
    fn a_reason_is_said_and_read_again() {
        let check = |chosen: Reason, said: &str, by: &str| {
            assert_eq!(chosen.to_string(), said);
            let choice = Choice { precision: Precision::F16, chosen };
            let text = serde_json::to_string(&choice).unwrap();
            assert!(text.contains(&format!("\"chosen\":{{\"by\":\"{by}\"")), "{text}");
            assert_eq!(serde_json::from_str::<Choice>(&text).unwrap(), choice);
        };
        check(Reason::Name, "asked for", "name");
        check(Reason::PlainRust, "nothing is faster in plain Rust", "plain_rust");
        check(Reason::Machine, "the machine has no products of integers", "machine");
        check(Reason::Model, "the model is not calibrated", "model");
        let said = "a probe took 7.2 ms in int16 and 12.0 ms in f16 at an earlier start";
        check(Reason::Probe(probed(0.012_01, 0.007_24, None)), said, "probe");
        let said = "a probe took 4.1 ms in bf16, 7.2 ms in int16 and 12.0 ms in f16 at an earlier start";
        check(Reason::Probe(probed(0.012_01, 0.007_24, Some(0.004_12))), said, "probe");
    }
}

//! A probe is kept in a file, so that only the first start takes it. Whatever is wrong with the file, another is taken.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use kernels::Cpu;
use serde::{Deserialize, Serialize};
use volume::write_atomically;

use super::{Machine, Probe};
use crate::source::Digest;

/// Bytes of a file that can be ours: it has some hundred.
const MOST: u64 = 1 << 16;

/// Where a probe comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It was taken now.
    Measured,
    /// It was taken at an earlier start, and kept.
    Cached,
}

/// A probe, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// Where it comes from.
    pub source: Source,
    /// The probe.
    pub probe: Probe,
}

/// The probe of this machine that is kept in `folder`, or one that is taken now and kept there. Runs on the current rayon
/// pool.
pub fn probed(cpu: Cpu, folder: Option<&Path>) -> Probed {
    match folder.and_then(|folder| recall(&Machine::here(cpu), folder)) {
        Some(probe) => Probed { source: Source::Cached, probe },
        None => probed_again(cpu, folder),
    }
}

/// A probe of this machine that is taken now, and kept in `folder` instead of another. Runs on the current rayon pool.
pub fn probed_again(cpu: Cpu, folder: Option<&Path>) -> Probed {
    let probe = Probe::take(cpu);
    if let Some(folder) = folder {
        keep(&probe, folder).ok(); // what cannot be kept is measured again at the next start, and nothing else is lost
    }
    Probed { source: Source::Measured, probe }
}

/// What is kept of a machine, if it can be one of its probes.
fn recall(machine: &Machine, folder: &Path) -> Option<Probe> {
    let file = file(machine, folder)?;
    // A pipe in its place would never open, and a device never end.
    if !fs::metadata(&file).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(file).ok()?.take(MOST).read_to_string(&mut text).ok()?;
    let probe: Probe = serde_json::from_str(&text).ok()?;
    (probe.machine == *machine && probe.is_sound()).then_some(probe)
}

/// Keeps a probe for [`recall`]; nothing is kept of a machine whose processor has no name.
fn keep(probe: &Probe, folder: &Path) -> io::Result<()> {
    let Some(file) = file(&probe.machine, folder) else { return Ok(()) };
    // For nobody else, as the XDG Base Directory Specification (0.8) asks.
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut text = serde_json::to_vec_pretty(probe)?;
    text.push(b'\n');
    write_atomically(&file, |out| out.write_all(&text))
}

/// The file of a machine: machines that share a home have one each, versions of the program on one machine do not.
fn file(machine: &Machine, folder: &Path) -> Option<PathBuf> {
    let tiles = if machine.tiles { "tiles" } else { "no tiles" };
    let key = format!("{}\n{}\n{tiles}\n{}", machine.processor.as_ref()?, machine.isa, machine.threads);
    Some(folder.join(format!("probe-{:.16}.json", Digest::of(key.as_bytes()).to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn machine() -> Machine {
        let processor = Some("AuthenticAMD family 25 model 17 stepping 1, AMD EPYC".to_owned());
        Machine { processor, isa: "avx512".to_owned(), tiles: true, threads: 2, program: "1.2.3".to_owned() }
    }

    fn probe() -> Probe {
        Probe {
            machine: machine(),
            f16_seconds: 0.012_345_678_9,
            int16_seconds: 1.0 / 3.0,
            bf16_seconds: Some(1.0 / 7.0),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_kept_is_recalled() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/glioscope");
        assert_eq!(recall(&machine(), &folder), None, "no folder");
        keep(&probe(), &folder).unwrap();
        assert_eq!(recall(&machine(), &folder), Some(probe()), "the same bits");
        assert_eq!(names(&folder).len(), 1, "one file");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o077, 0, "of nobody else");
        let newer = Probe { int16_seconds: 0.5, ..probe() };
        keep(&newer, &folder).unwrap();
        assert_eq!((recall(&machine(), &folder), names(&folder).len()), (Some(newer), 1), "instead of it");
    }

    #[test]
    fn another_machine_has_another_probe() {
        let folder = tempfile::tempdir().unwrap();
        keep(&probe(), folder.path()).unwrap();
        let others = [
            Machine { processor: Some("AuthenticAMD family 26 model 17 stepping 1, AMD EPYC".to_owned()), ..machine() },
            Machine { isa: "avx2".to_owned(), ..machine() },
            Machine { tiles: false, ..machine() },
            Machine { threads: 1, ..machine() },
        ];
        for (at, other) in others.iter().enumerate() {
            assert_eq!(recall(other, folder.path()), None, "{other:?}");
            keep(&Probe { machine: other.clone(), ..probe() }, folder.path()).unwrap();
            assert_eq!(names(folder.path()).len(), at + 2, "a file of its own");
        }
        assert_eq!(recall(&machine(), folder.path()), Some(probe()), "none replaced it");
        let upgraded = Machine { program: "1.2.4".to_owned(), ..machine() };
        assert_eq!(recall(&upgraded, folder.path()), None, "kernels may have changed");
        keep(&Probe { machine: upgraded, ..probe() }, folder.path()).unwrap();
        assert_eq!(names(folder.path()).len(), 5, "an old version leaves nothing");
    }

    #[test]
    fn a_cpu_without_a_name_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let nameless = Machine { processor: None, ..machine() };
        keep(&Probe { machine: nameless.clone(), ..probe() }, folder.path()).unwrap();
        assert!(names(folder.path()).is_empty(), "it could be any");
        assert_eq!(recall(&nameless, folder.path()), None);
    }

    #[test]
    fn a_broken_file_is_as_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&machine(), folder.path()).unwrap();
        keep(&probe(), folder.path()).unwrap();
        let good = fs::read_to_string(&file).unwrap();
        let with = |from: &str, to: &str| {
            assert!(good.contains(from), "{good}");
            good.replace(from, to).into_bytes()
        };
        let broken = [
            Vec::new(),
            b"\0\xff\xfe garbage".to_vec(),
            b"{}".to_vec(),
            b"null".to_vec(),
            good.as_bytes()[..good.len() / 2].to_vec(),
            [good.as_bytes(), b"}".as_slice()].concat(),
            with("0.0123456789", "1e999"),
            with("0.0123456789", "-0.1"),
            with("0.0123456789", "0.0"),
            with("0.0123456789", "NaN"),
            with("0.0123456789", "null"),
            with("0.0123456789", "\"fast\""),
            with("f16_seconds", "f61_seconds"),
            with("\"f16_seconds\"", "\"f32_seconds\": 1.0, \"f16_seconds\""),
            with("model 17", "model 18"), // a file of this name, yet of another machine
            with("1.2.3", "1.2.2"),
            vec![b' '; usize::try_from(MOST).unwrap() + 1],
        ];
        for bytes in broken {
            fs::write(&file, &bytes).unwrap();
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
            assert_eq!(recall(&machine(), folder.path()), None, "{shown}");
            keep(&probe(), folder.path()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), good, "{shown}");
        }
        assert_eq!(names(folder.path()).len(), 1, "nothing half-written lies beside it");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&machine(), folder.path()).unwrap();
        symlink("/dev/zero", &file).unwrap();
        assert_eq!(recall(&machine(), folder.path()), None, "a device");
        keep(&probe(), folder.path()).unwrap();
        assert_eq!(recall(&machine(), folder.path()), Some(probe()), "the link was replaced, not followed");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(recall(&machine(), folder.path()), None, "a folder");
        assert!(keep(&probe(), folder.path()).is_err(), "and it stays one");
        assert_eq!(names(folder.path()).len(), 1, "with nothing beside it");
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_no_error() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let cpu = Cpu::detect();
        for folder in [file.as_path(), &file.join("below"), Path::new("/proc/self/glioscope")] {
            assert!(keep(&probe(), folder).is_err(), "{}", folder.display());
            assert_eq!(recall(&machine(), folder), None, "{}", folder.display());
        }
        assert_eq!(names(root.path()), ["file"], "nothing was made");
        if cpu.name() != kernels::IsaName::Scalar {
            assert_eq!(probed(cpu, Some(&file.join("below"))).source, Source::Measured, "it is measured each time");
            assert_eq!(probed(cpu, None).source, Source::Measured, "also where nobody has a home");
        }
    }

    #[test]
    fn a_folder_that_may_not_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
        if fs::write(folder.path().join("tried"), "").is_ok() {
            eprintln!("SKIPPED: this user may write everywhere");
            return;
        }
        assert!(keep(&probe(), folder.path()).is_err(), "refused");
        assert_eq!(recall(&machine(), folder.path()), None);
        assert!(names(folder.path()).is_empty(), "nothing was made");
    }

    #[test]
    fn a_second_start_does_not_measure() {
        let folder = tempfile::tempdir().unwrap();
        let cpu = Cpu::detect();
        if cpu.name() == kernels::IsaName::Scalar || Machine::here(cpu).processor.is_none() {
            eprintln!("SKIPPED: this processor has no name, or is not probed");
            return;
        }
        let first = probed(cpu, Some(folder.path()));
        assert_eq!(first.source, Source::Measured);
        let second = probed(cpu, Some(folder.path()));
        assert_eq!(second, Probed { source: Source::Cached, ..first });
        let again = probed_again(cpu, Some(folder.path()));
        assert_eq!(again.source, Source::Measured);
        assert_eq!(probed(cpu, Some(folder.path())).probe, again.probe, "the newer one is kept");
    }

    #[test]
    fn several_at_once_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        keep(&probe(), folder.path()).unwrap();
        std::thread::scope(|scope| {
            for writer in 1..4_u8 {
                let newer = Probe { int16_seconds: f64::from(writer), ..probe() };
                let folder = folder.path();
                scope.spawn(move || {
                    for _ in 0..10 {
                        keep(&newer, folder).ok(); // one may lose its unfinished file to another
                    }
                });
            }
            for _ in 0..100 {
                assert!(recall(&machine(), folder.path()).is_some(), "whole at any time");
            }
        });
        assert!(recall(&machine(), folder.path()).is_some(), "whole in the end");
        assert_eq!(names(folder.path()).len(), 1, "and alone");
    }
}

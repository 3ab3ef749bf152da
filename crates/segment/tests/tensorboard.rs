//! Curves against `TensorBoard`'s own bytes (golden/events.py), and their way through a stop and a resume.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use segment::tensorboard::{Curves, EventFile, Journal};

fn start(folder: &Path, seconds: u32, first_step: u64, steps: &[u16], offset: f32) {
    let mut events = EventFile::create(folder, f64::from(seconds), first_step).unwrap();
    for &step in steps {
        let value = offset + f32::from(step) / 8.0;
        let scalars = [("train/loss", value), ("validation/dice/wt", value + 1.0)];
        events.write(f64::from(seconds) + f64::from(step) + 0.5, u64::from(step), &scalars).unwrap();
    }
}

#[test]
fn event_files_are_those_of_the_package() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1_700_000_000, 0, &[0, 1, 2, 300, 301], 0.0);
    start(folder.path(), 1_700_001_000, 300, &[300, 301, 302], 10.0);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events");
    let mut n_files = 0;
    for entry in fs::read_dir(golden).unwrap() {
        let expected = entry.unwrap().path();
        let got = folder.path().join(expected.file_name().unwrap());
        assert_eq!(fs::read(&got).unwrap(), fs::read(&expected).unwrap(), "{}", got.display());
        n_files += 1;
    }
    assert_eq!(n_files, 2, "golden files are missing: python golden/events.py makes them");
}

#[test]
fn two_starts_within_a_second_have_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let first = EventFile::create(folder.path(), 5.2, 0).unwrap();
    let second = EventFile::create(folder.path(), 5.9, 0).unwrap();
    assert_ne!(first.path(), second.path());
    assert!(second.path().ends_with("events.out.tfevents.0000000005.glioscope.1"), "{}", second.path().display());
}

#[test]
fn the_journal_of_a_resumed_run_has_each_step_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let write = |first_step, steps: &[u64], offset| {
        let mut journal = Journal::begin(&path, first_step).unwrap();
        for &step in steps {
            journal.write(1.5, step, &[("train/loss", offset + step as f64)]).unwrap();
        }
    };
    write(0, &[0, 1, 2, 3], 0.25);
    // Killed while the line of step 4 was written.
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole + "{\"step\":4,\"wal").unwrap();
    write(3, &[3, 4], 10.25);
    let expected = "{\"step\":0,\"wall_time\":1.5,\"train/loss\":0.25}\n\
                    {\"step\":1,\"wall_time\":1.5,\"train/loss\":1.25}\n\
                    {\"step\":2,\"wall_time\":1.5,\"train/loss\":2.25}\n\
                    {\"step\":3,\"wall_time\":1.5,\"train/loss\":13.25}\n\
                    {\"step\":4,\"wall_time\":1.5,\"train/loss\":14.25}\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    write(9, &[], 0.0);
    assert_eq!(fs::read_to_string(&path).unwrap(), expected, "a later start keeps all lines");
}

#[test]
fn curves_write_both_and_nan_is_null() {
    let folder = tempfile::tempdir().unwrap();
    let mut curves = Curves::begin(folder.path(), 7.0, 0).unwrap();
    curves.write(8.0, 0, &[("train/loss", f64::NAN)]).unwrap();
    let line = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    assert_eq!(line, "{\"step\":0,\"wall_time\":8.0,\"train/loss\":null}\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "one event file and the journal");
    assert!(Curves::begin(&folder.path().join("absent"), 7.0, 0).is_err(), "a folder that is not there was taken");
}

//! Ctrl-C and kill -9 in each command but `train`: what was whole stays, nothing half-written takes a result's name.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use segment::phantom::phantom;

use crate::cli::material::{
    Finds, folder, glioscope, run, succeed, text, tree, wait, write_case, write_head, write_model,
};

/// Starts a command and waits until it has said `word` on stderr; the rest of stderr is read to its end by a thread, so
/// that the command never waits for a reader.
pub(crate) fn started(mut command: Command, word: &str) -> (Child, JoinHandle<String>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let err = heard(&mut child, word);
    (child, err)
}

/// Waits until a command has said `word` on stderr.
fn heard(child: &mut Child, word: &str) -> JoinHandle<String> {
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(word) {
        let n = err.read_line(&mut said).unwrap();
        assert!(n > 0, "ended before it said {word}: {said}");
    }
    std::thread::spawn(move || {
        err.read_to_string(&mut said).unwrap();
        said
    })
}

/// Sends a signal by name.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success(), "the signal was sent");
}

/// A segmentation that takes some seconds: small tiles, each in eight mirrorings.
fn long_segmentation(root: &Path) -> Command {
    let case = write_case(&root.join("data"), "BraTS2021_00001", 1);
    let model = write_model(root, Finds::Something);
    let out = root.join("out");
    glioscope([
        "segment",
        text(&case),
        "--out",
        text(&out),
        "--model",
        text(&model),
        "--tiles",
        "--mirror",
        "--isa",
        "scalar",
    ])
}

#[test]
fn segment_stopped_by_a_person_leaves_nothing() {
    for name in ["INT", "TERM"] {
        let root = folder();
        let (child, err) = started(long_segmentation(root.path()), "network");
        signal(&child, name);
        let (code, out, _) = wait(child);
        let err = err.join().unwrap();
        assert_eq!(code, 130, "{out}{err}");
        assert!(err.contains("stopped; nothing was written"), "{err}");
        assert!(!tree(root.path()).iter().any(|path| path.contains("out") || path.contains("partial")));
    }
}

#[test]
fn segment_killed_leaves_no_result_and_the_next_run_cleans_up() {
    let root = folder();
    let (mut child, _) = started(long_segmentation(root.path()), "network");
    child.kill().unwrap();
    child.wait().unwrap();
    let out = root.path().join("out");
    assert!(!out.exists(), "no result");
    let hidden = || tree(root.path()).into_iter().filter(|path| path.starts_with(".out.")).count();
    assert!(hidden() > 0, "what was in the making is hidden");
    let (case, model) = (root.path().join("data/BraTS2021_00001"), root.path().join("model.safetensors"));
    succeed(glioscope(["segment", text(&case), "--out", text(&out), "--model", text(&model)]));
    assert_eq!(tree(&out), ["labels.nii.gz", "overview.png", "report.json"]);
    assert_eq!(hidden(), 0, "and gone with the next run");
}

/// An evaluation that takes some seconds: many names for one mask, which is not small.
fn long_evaluation(root: &Path) -> Command {
    let case = root.join("data/BraTS2021_00001");
    write_head(&case, "BraTS2021_00001", &phantom(1, [96, 96, 80]));
    let mask = case.join("BraTS2021_00001_seg.nii.gz");
    let (reference, pred, out) = (root.join("reference"), root.join("pred"), root.join("out"));
    for folder in [&reference, &pred] {
        fs::create_dir(folder).unwrap();
        for i in 0..200 {
            let name = format!("BraTS2021_{i:05}");
            fs::create_dir(folder.join(&name)).unwrap();
            symlink(&mask, folder.join(format!("{name}/{name}-seg.nii.gz"))).unwrap();
        }
    }
    glioscope(["evaluate", "--reference", text(&reference), "--pred", text(&pred), "--out", text(&out)])
}

#[test]
fn evaluate_stopped_or_killed_leaves_nothing_but_what_is_hidden() {
    let root = folder();
    let (child, err) = started(long_evaluation(root.path()), "comparing");
    signal(&child, "INT");
    let (code, out, _) = wait(child);
    let err = err.join().unwrap();
    assert_eq!(code, 130, "{out}{err}");
    assert!(!tree(root.path()).iter().any(|path| path.contains("out") || path.contains("partial")), "{err}");

    let root = folder();
    let (mut child, _) = started(long_evaluation(root.path()), "comparing");
    child.kill().unwrap();
    child.wait().unwrap();
    let out = root.path().join("out");
    assert!(!out.exists());
    let data = root.path().join("data");
    succeed(glioscope(["evaluate", "--reference", text(&data), "--pred", text(&data), "--out", text(&out)]));
    let files = tree(&out);
    assert!(["cases.csv", "metrics.json", "report_table.csv"].iter().all(|file| files.iter().any(|f| f == file)));
    assert!(!tree(root.path()).iter().any(|path| path.contains(".partial")), "cleaned up");
}

/// An inspection that takes some seconds: many cases that are one.
fn long_inspection(root: &Path) -> Command {
    let case = root.join("one");
    write_head(&case, "one", &phantom(1, [64, 64, 48]));
    for i in 0..200 {
        let name = format!("case{i:03}");
        fs::create_dir_all(root.join("data").join(&name)).unwrap();
        for ending in ["t1", "t1ce", "t2", "flair"] {
            let link = root.join(format!("data/{name}/{name}_{ending}.nii.gz"));
            symlink(case.join(format!("one_{ending}.nii.gz")), link).unwrap();
        }
    }
    glioscope(["inspect", text(&root.join("data")), "--out", text(&root.join("out"))])
}

#[test]
fn inspect_stopped_or_killed_leaves_no_picture() {
    let root = folder();
    let (child, err) = started(long_inspection(root.path()), "looking at 200 cases");
    signal(&child, "INT");
    let (code, out, _) = wait(child);
    let err = err.join().unwrap();
    assert_eq!(code, 130, "{out}{err}");
    assert!(err.contains("stopped; nothing was written"), "{err}");
    assert!(!tree(root.path()).iter().any(|path| path.contains("out") || path.contains("partial")), "{err}");

    let root = folder();
    let (mut child, _) = started(long_inspection(root.path()), "looking at 200 cases");
    child.kill().unwrap();
    child.wait().unwrap();
    let out = root.path().join("out");
    assert!(!out.exists(), "no picture");
    succeed(glioscope(["inspect", text(&root.path().join("one")), "--out", text(&out)]));
    assert_eq!(tree(&out), ["one.png"]);
    assert!(!tree(root.path()).iter().any(|path| path.contains(".partial")), "cleaned up");
}

/// What waits for someone, here for the writer of a pipe, is ended by the first signal.
#[test]
fn a_command_that_waits_is_ended_at_once() {
    for name in ["INT", "TERM"] {
        let root = folder();
        let pipe = root.path().join("recipe.toml");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let child = glioscope(["recipe", "diff", text(&pipe), "default"]).stderr(Stdio::piped()).spawn().unwrap();
        let _writer = fs::File::options().write(true).open(&pipe).unwrap(); // waits until the command has opened it
        signal(&child, name);
        assert_eq!(wait(child).0, 130, "{name}");
    }
}

/// It reads its list of cases from a pipe, whose writer writes after the command has said that it will stop.
#[test]
fn model_calibrate_stopped_by_a_person_writes_nothing() {
    for name in ["INT", "TERM"] {
        let root = folder();
        let case = write_case(root.path(), "BraTS2021_00001", 1);
        let model = write_model(root.path(), Finds::Something);
        let (list, out) = (root.path().join("list.csv"), root.path().join("out.safetensors"));
        assert!(Command::new("mkfifo").arg(&list).status().unwrap().success());
        let mut calibrate = glioscope(["model", "calibrate", text(&model), "--data", text(&list), "--out", text(&out)]);
        let mut child = calibrate.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut writer = fs::File::options().write(true).open(&list).unwrap(); // waits until the command has opened it
        signal(&child, name);
        let err = heard(&mut child, "stopping");
        let files = ["t1", "t1ce", "t2", "flair"].map(|end| format!("{}/BraTS2021_00001_{end}.nii.gz", text(&case)));
        writeln!(writer, "case,t1n,t1c,t2w,t2f\nBraTS2021_00001,{}", files.join(",")).unwrap();
        drop(writer);
        let (code, said, _) = wait(child);
        let err = err.join().unwrap();
        assert_eq!(code, 130, "{said}{err}");
        assert!(err.contains("stopped; nothing was written"), "{err}");
        assert!(!tree(root.path()).iter().any(|path| path.contains("out") || path.contains("partial")), "{name}");
    }
}

/// The only test that draws heads of natural size to their end: one by Ctrl-C, one after kill -9.
#[test]
fn phantom_stopped_keeps_whole_heads_and_killed_leaves_none() {
    let root = folder();
    let out = root.path().join("cases");
    let phantom = |count: &'static str| glioscope(["phantom", "--out", text(&out), "--seed", "7", "--count", count]);
    let (mut child, _) = started(phantom("2"), "seed 7");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.join("phantom_0007").exists(), "no half head takes a head's name");

    let (child, err) = started(phantom("50"), "seed 7");
    signal(&child, "INT");
    let (code, said, _) = wait(child);
    let err = err.join().unwrap();
    assert_eq!(code, 130, "{said}{err}");
    assert!(err.contains("stopped after 1 of 50"), "{err}");
    assert_eq!(said.trim(), text(&out.join("phantom_0007")), "the head that was whole");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "{:?}", tree(&out));
    let (code, said, _) = run(glioscope(["inspect", text(&out)]));
    assert!(code == 0 && said.contains("1 of 1 cases"), "{said}");
    assert!(said.contains("240 x 240 x 155") && said.contains("LPS int16"), "{said}");
}

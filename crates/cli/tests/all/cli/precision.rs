//! In which numbers a case is computed: asked for, refused, said, and hardly seen in the labels.

use std::fs;
use std::path::{Path, PathBuf};

use kernels::{Cpu, IsaName};
use segment::artefact::Artefact;
use segment::choice::Reason;
use segment::deliver::Delivered;
use segment::precision::Precision;
use segment::probe::Machine;
use segment::probe::cache::Source;
use serde_json::Value;

use crate::cli::material::{Finds, fail, folder, glioscope, run, succeed, text, tree, write_case, write_model};

fn segment(case: &Path, model: &Path, out: &Path, precision: &str) -> Delivered {
    let command = glioscope([
        "segment",
        text(case),
        "--out",
        text(out),
        "--model",
        text(model),
        "--precision",
        precision,
        "--json",
    ]);
    serde_json::from_str(&succeed(command)).unwrap()
}

#[test]
fn a_model_is_calibrated_and_then_computes_in_integers() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let model = write_model(root.path(), Finds::Something);
    let out = root.path().join("out");

    for integers in ["int16", "int8"] {
        let asked = |isa| {
            let (case, out, model) = (text(&case), text(&out), text(&model));
            ["--isa", isa, "segment", case, "--out", out, "--model", model, "--precision", integers]
        };
        let (code, _, err) = run(glioscope(asked(Cpu::detect().name().as_str())));
        assert!(code == 2 && err.contains(&format!("--precision {integers}: {integers} needs")), "{code}: {err}");
        if Cpu::detect().has_int16() {
            assert!(err.contains("model calibrate"), "{err}");
        }
        if Cpu::lowered_to(IsaName::Avx2).is_some() {
            let (code, _, err) = run(glioscope(asked("avx2")));
            assert!(code == 2 && err.contains(integers) && err.contains("VNNI"), "{code}: {err}");
        }
    }

    let calibrated = root.path().join("calibrated.safetensors");
    let calibrate = ["model", "calibrate", text(&model), "--data", text(root.path()), "--out", text(&calibrated)];
    let said = succeed(glioscope(calibrate));
    assert_eq!(said.trim(), text(&calibrated), "the file that was written");
    let info: Value =
        serde_json::from_str(&succeed(glioscope(["model", "info", text(&calibrated), "--json"]))).unwrap();
    assert_eq!(info["card"]["calibration"]["cases"][0], "BraTS2021_00001");
    assert!(info["card"]["calibration"]["widest"]["encoder.0.0"].as_f64().unwrap() > 0.0, "{info}");

    let delivered = segment(&case, &calibrated, &out, "auto");
    let fastest = match &delivered.inference.chosen {
        Reason::PlainRust => Precision::F32,
        Reason::Machine => Precision::F16,
        Reason::Probe(probed) => probed.probe.fastest(Ok(())),
        chosen @ (Reason::Name | Reason::Model) => panic!("{chosen}"),
    };
    assert_eq!(delivered.inference.precision, fastest);
    assert_eq!(delivered.inference.isa, fastest.computed_by(Cpu::detect()));
    let labels = |out: &Path| fs::read(out.join("labels.nii.gz")).unwrap();
    let auto = labels(&out);
    assert_eq!(segment(&case, &calibrated, &out, fastest.as_str()).inference.precision, fastest);
    assert_eq!(labels(&out), auto, "the same by its name");
    let mut others = vec![Precision::F32, Precision::Bf16];
    others.extend(Cpu::detect().has_int16().then_some(Precision::Int8));
    for precision in others {
        let pass = segment(&case, &calibrated, &out, precision.as_str()).inference;
        assert_eq!((pass.precision, pass.chosen), (precision, Reason::Name));
        let has_tiles = precision == Precision::Bf16 && Cpu::detect().has_tiles();
        assert_eq!(pass.isa.ends_with("+amx"), has_tiles, "{precision}: {}", pass.isa);
    }
}

/// Writes a calibrated model.
fn calibrated(root: &Path) -> PathBuf {
    let (model, calibrated) = (write_model(root, Finds::Something), root.join("calibrated.safetensors"));
    succeed(glioscope(["model", "calibrate", text(&model), "--data", text(root), "--out", text(&calibrated)]));
    calibrated
}

/// A model that was calibrated on a case much quieter than any: what integers cannot hold is cut, counted, and said.
#[test]
fn a_case_outside_the_calibration_is_said_in_its_report() {
    if !Cpu::detect().has_int16() {
        eprintln!("SKIPPED: this machine has no products of integers");
        return;
    }
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let (calibrated, out) = (calibrated(root.path()), root.path().join("out"));
    let warnings = |model: &Path, precision: &str| {
        segment(&case, model, &out, precision);
        let report: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
        report["warnings"].as_array().unwrap().iter().filter(|said| said["kind"] == "out_of_range").cloned().collect()
    };
    let said: Vec<Value> = warnings(&calibrated, "int16");
    assert!(said.is_empty(), "the case that it was calibrated on: {said:?}");

    let model = Artefact::open(&calibrated).unwrap();
    let mut card = model.card.clone();
    for widest in card.calibration.as_mut().unwrap().widest.values_mut() {
        *widest *= 0.01;
    }
    let quiet = root.path().join("quiet.safetensors");
    Artefact::write(&quiet, &card, &model.model.weights).unwrap();
    for integers in ["int16", "int8"] {
        let said: Vec<Value> = warnings(&quiet, integers);
        let [said] = said.as_slice() else { panic!("{integers}: {said:?}") };
        assert!(said["numbers"].as_u64().unwrap() > 0, "{said}");
        assert!(said["sentence"].as_str().unwrap().contains("calibrated on"), "{said}");
    }
    let said: Vec<Value> = warnings(&quiet, "f32");
    assert!(said.is_empty(), "f32 holds all: {said:?}");
}

#[test]
fn the_first_start_probes_the_machine_and_the_second_does_not() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let (model, out, cache) = (calibrated(root.path()), root.path().join("out"), root.path().join("cache"));
    let pass = |isa: &str, model: &Path, precision: &str| {
        let words = ["--out", text(&out), "--model", text(model), "--precision", precision, "--isa", isa, "--json"];
        let mut command = glioscope(["segment", text(&case)]);
        let said = succeed({
            command.args(words).env("XDG_CACHE_HOME", &cache);
            command
        });
        let delivered: Delivered = serde_json::from_str(&said).unwrap();
        let report: Delivered = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
        assert_eq!(report.inference, delivered.inference, "the report says the same");
        (delivered.inference.precision, delivered.inference.chosen)
    };
    assert_eq!(pass("scalar", &model, "auto"), (Precision::F32, Reason::PlainRust));
    let cpu = Cpu::detect();
    let isa = cpu.name().as_str();
    assert_eq!(pass(isa, &model, "f16"), (Precision::F16, Reason::Name));
    if Cpu::lowered_to(IsaName::Avx2).is_some() {
        assert_eq!(pass("avx2", &model, "auto"), (Precision::F16, Reason::Machine));
    }
    if cpu.name() == IsaName::Scalar || !cpu.has_int16() || Machine::here(cpu).processor.is_none() {
        eprintln!("SKIPPED: this machine has nothing to choose from, or its processor has no name");
        return;
    }
    if !cpu.has_tiles() {
        assert_eq!(pass(isa, &root.path().join("model.safetensors"), "auto"), (Precision::F16, Reason::Model));
    }
    assert!(!cache.exists(), "until now nothing was probed");

    let probed = || {
        let (precision, chosen) = pass(isa, &model, "auto");
        let Reason::Probe(probed) = chosen else { panic!("{chosen}") };
        assert_eq!(precision, probed.probe.fastest(Ok(())), "{probed:?}");
        assert_eq!(probed.probe.bf16_seconds.is_some(), cpu.has_tiles(), "{probed:?}");
        assert!(probed.probe.f16_seconds > 0.0 && probed.probe.int16_seconds > 0.0, "{probed:?}");
        assert_eq!((probed.probe.machine.isa.as_str(), probed.probe.machine.threads), (isa, 1));
        probed
    };
    let first = probed();
    assert_eq!(first.source, Source::Measured);
    let names = tree(&cache);
    assert_eq!((names[0].as_str(), names.len()), ("glioscope", 2), "a folder and a file: {names:?}");
    let file = cache.join(&names[1]);
    let bytes = fs::read(&file).unwrap();
    let second = probed();
    assert_eq!((second.source, &second.probe), (Source::Cached, &first.probe));
    assert_eq!(fs::read(&file).unwrap(), bytes, "as it was");

    let mut net = glioscope(["bench", "net", "--name", "default", "--patch", "16", "--runs", "1", "--json"]);
    net.env("XDG_CACHE_HOME", &cache);
    let net: Value = serde_json::from_str(&succeed(net)).unwrap();
    assert_eq!(net["precision"], first.probe.fastest(Ok(())).as_str(), "the same choice");
    assert_eq!(net["chosen"], serde_json::to_value(Reason::Probe(second)).unwrap());

    fs::write(&file, "{\"machine\": ").unwrap();
    assert_eq!(probed().source, Source::Measured, "a broken file is as none");
    assert_eq!(probed().source, Source::Cached, "and was replaced");
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "in the way").unwrap();
    assert_eq!([probed().source, probed().source], [Source::Measured; 2], "a folder that cannot be had is no error");
}

#[test]
fn a_calibration_on_other_cases_is_refused() {
    let root = folder();
    write_case(root.path(), "BraTS2021_00077", 1);
    let model = write_model(root.path(), Finds::Something);
    let out = root.path().join("calibrated.safetensors");
    let calibrate = ["model", "calibrate", text(&model), "--data", text(root.path()), "--out", text(&out)];
    let sentence = fail(glioscope(calibrate));
    assert!(sentence.contains("BraTS2021_00001") && sentence.contains("trained on"), "{sentence}");
    assert!(!out.exists(), "nothing was written");
}

#[test]
fn a_training_step_knows_f32_and_bf16() {
    let step = |precision| {
        let step = ["bench", "net", "--name", "default", "--patch", "32", "--pass", "train", "--runs", "1"];
        let mut command = glioscope(step);
        command.args(["--precision", precision]);
        command
    };
    let (code, _, err) = run(step("int16"));
    assert!(code == 2 && err.contains("f32 or bf16"), "{code}: {err}");
    let (code, said, err) = run(step("bf16"));
    if Cpu::detect().has_tiles() {
        assert!(code == 0 && said.contains("train, 32 x 32 x 32, bf16"), "{code}: {said}{err}");
    } else {
        assert!(code == 2 && err.contains("tiles of AMX"), "{code}: {err}");
    }
}

//! In which numbers a case is computed: asked for, refused, said, and hardly seen in the labels.

use std::fs;
use std::path::Path;

use kernels::{Cpu, IsaName};
use segment::deliver::Delivered;
use segment::precision::Precision;
use serde_json::Value;

use crate::material::{Finds, fail, folder, glioscope, run, succeed, text, write_case, write_model};

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
    let fastest = match Cpu::detect().name() {
        IsaName::Scalar => Precision::F32,
        IsaName::Avx2 | IsaName::Avx512 if !Cpu::detect().has_int16() => Precision::F16,
        IsaName::Avx2 | IsaName::Avx512 => Precision::Int16,
    };
    assert_eq!(delivered.inference.precision, fastest);
    assert_eq!(delivered.inference.isa, Cpu::detect().name().as_str());
    let labels = |out: &Path| fs::read(out.join("labels.nii.gz")).unwrap();
    let auto = labels(&out);
    assert_eq!(segment(&case, &calibrated, &out, fastest.as_str()).inference.precision, fastest);
    assert_eq!(labels(&out), auto, "the same by its name");
    let mut others = vec![Precision::F32, Precision::Bf16];
    others.extend(Cpu::detect().has_int16().then_some(Precision::Int8));
    for precision in others {
        assert_eq!(segment(&case, &calibrated, &out, precision.as_str()).inference.precision, precision);
    }
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
fn a_training_step_knows_f32_alone() {
    let step = ["bench", "net", "--name", "default", "--patch", "32", "--pass", "train", "--precision", "int16"];
    let (code, _, err) = run(glioscope(step));
    assert!(code == 2 && err.contains("f32"), "{code}: {err}");
}

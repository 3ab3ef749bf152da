//! The happy path of each command.

use std::fs;

use segment::deliver::Delivered;
use segment::labels::{LabelScheme, Region, read_labels};
use segment::phantom::phantom;
use segment::report::Warning;
use serde_json::Value;
use volume::nifti::{self, Geometry};
use volume::{Limits, Orientation};

use crate::cli::material::{
    ENDINGS, Finds, SHAPE, fail, folder, glioscope, run, succeed, text, tree, write_case, write_head, write_model,
};

const NOTICE: &str = "Research use only, not a medical device.";

#[test]
fn segment_writes_three_files_and_says_what_it_found() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let model = write_model(root.path(), Finds::Something);
    let out = root.path().join("new/out");
    let said = succeed(glioscope(["segment", text(&case), "--out", text(&out), "--model", text(&model)]));
    assert_eq!(tree(&out), ["labels.nii.gz", "overview.png", "report.json"]);
    assert!(said.contains(NOTICE) && said.contains("overview.png") && said.contains("WT whole tumour"), "{said}");
    let report: Delivered = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let (labels, _, _) = read_labels(&out.join("labels.nii.gz"), LabelScheme::Brats2023, &Limits::default()).unwrap();
    for region in Region::ALL {
        let found = labels.voxels().iter().filter(|tissue| region.contains(**tissue)).count();
        assert_eq!(report.report.region(region).unwrap().voxels, found, "{region}");
    }
    assert!(report.report.region(Region::Wt).unwrap().voxels > 0, "random weights find something");
    assert_eq!(report.report.seconds.len(), 5, "each stage has its time");
    let png = fs::read(out.join("overview.png")).unwrap();
    assert_eq!(&png[1..4], b"PNG");
    let geometry = |path| *nifti::read(path, &Limits::default()).unwrap().volumes[0].grid().affine().rows();
    let flair = case.join("BraTS2021_00001_flair.nii.gz");
    assert_eq!(geometry(&out.join("labels.nii.gz")), geometry(&flair), "on the source's grid");
}

#[test]
fn segment_replaces_its_files_and_nothing_else() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let model = write_model(root.path(), Finds::Something);
    let out = root.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("labels.nii.gz"), "old").unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let args = ["segment", text(&case), "--out", text(&out), "--model", text(&model), "--labels", "msd", "--json"];
    let said = succeed(glioscope(args));
    let report: Delivered = serde_json::from_str(&said).expect("stdout is the report and nothing else");
    assert_eq!(report.report.label_scheme, LabelScheme::Msd);
    assert_eq!(fs::read_to_string(out.join("report.json")).unwrap().trim(), said.trim());
    assert_eq!(tree(&out), ["labels.nii.gz", "notes.txt", "overview.png", "report.json"]);
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    let first = fs::read(out.join("labels.nii.gz")).unwrap();
    succeed(glioscope(args));
    assert_eq!(fs::read(out.join("labels.nii.gz")).unwrap(), first, "the same bytes again");
}

#[test]
fn segment_says_that_it_found_nothing() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let model = write_model(root.path(), Finds::Nothing);
    let out = root.path().join("out");
    let (code, said, err) = run(glioscope(["segment", text(&case), "--out", text(&out), "--model", text(&model)]));
    assert_eq!(code, 0);
    assert!(err.contains("warning: no tumour was found"), "{err}");
    assert!(said.contains("WT whole tumour  0.00"), "{said}");
    let report: Delivered = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert!(report.report.warnings.iter().any(|said| said.warning == Warning::NoTumour));
    let quiet = ["segment", text(&case), "--out", text(&out), "--model", text(&model), "--quiet"];
    assert_eq!(run(glioscope(quiet)).2, "", "not on stderr when quiet: it stands in the report");
}

#[test]
fn tiles_mirrors_threads_and_isa_are_taken() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let model = write_model(root.path(), Finds::Something);
    let labels = |name: &str, more: &[&str]| {
        let out = root.path().join(name);
        let mut command = glioscope(["segment", text(&case), "--out", text(&out), "--model", text(&model)]);
        succeed({
            command.args(more);
            command
        });
        let report: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
        (fs::read(out.join("labels.nii.gz")).unwrap(), report)
    };
    let (whole, report) = labels("whole", &["--whole"]);
    assert_eq!((report["inference"]["mode"].as_str(), &report["inference"]["tile"]), (Some("whole"), &Value::Null));
    let (_, report) = labels("tiles", &["--tiles", "--mirror"]);
    assert_eq!(report["inference"]["mode"], "tiles");
    assert_eq!(report["inference"]["mirror"].as_array().unwrap().len(), 3);
    let out = root.path().join("two");
    let mut two = std::process::Command::new(assert_cmd::cargo::cargo_bin!("glioscope"));
    two.args(["segment", text(&case), "--out", text(&out), "--model", text(&model), "--threads", "2"]);
    succeed(two);
    assert_eq!(fs::read(out.join("labels.nii.gz")).unwrap(), whole, "the same bits for any number of threads");
}

#[test]
fn the_instruction_sets_find_nearly_the_same() {
    let root = folder();
    let case = root.path().join("small");
    write_head(&case, "small", &phantom(1, [20, 22, 18])); // scalar code is slow
    let model = write_model(root.path(), Finds::Something);
    let mut found = Vec::new();
    for isa in kernels::Cpu::all().into_iter().map(|cpu| cpu.name().as_str()) {
        let out = root.path().join(isa);
        let model = text(&model);
        let args = ["segment", text(&case), "--out", text(&out), "--model", model, "--isa", isa, "--precision", "f32"];
        succeed(glioscope(args));
        let labels = read_labels(&out.join("labels.nii.gz"), LabelScheme::Brats2023, &Limits::default()).unwrap().0;
        found.push(labels.into_parts().1);
    }
    for other in &found[1..] {
        let differing = found[0].iter().zip(other).filter(|(a, b)| a != b).count();
        assert!(differing * 1000 <= found[0].len(), "rounding may tip a voxel in a thousand, not {differing}");
    }
}

#[test]
fn a_case_gives_the_same_labels_whatever_its_storage_order() {
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let head = phantom(3, SHAPE);
    let name = "case7";
    let straight = root.path().join("straight").join(name);
    write_head(&straight, name, &head);
    let labels = |folder: &std::path::Path| {
        let out = root.path().join("out");
        let (case, out_text) = (text(folder), text(&out));
        succeed(glioscope(["segment", case, "--out", out_text, "--model", text(&model), "--labels", "brats2023"]));
        let read = read_labels(&out.join("labels.nii.gz"), LabelScheme::Brats2023, &Limits::default()).unwrap().0;
        Orientation::of(read.grid().affine()).to_ras(&read)
    };
    let expected = labels(&straight);
    let all: Vec<Orientation> = Orientation::all().into_iter().collect();
    for at in [5, 22, 41] {
        let turned = root.path().join(format!("turned{at}")).join(name);
        fs::create_dir_all(&turned).unwrap();
        for (sequence, ending) in ENDINGS {
            let scan = head.scan(sequence).unwrap();
            let scan = all[at].from_ras(&Orientation::of(scan.grid().affine()).to_ras(&scan));
            let path = turned.join(format!("{name}_{ending}.nii"));
            nifti::write_scan(&path, &scan, &Geometry::from_grid(scan.grid())).unwrap();
        }
        assert_eq!(labels(&turned).voxels(), expected.voxels(), "stored {}", all[at].code());
    }
}

#[test]
fn evaluate_writes_tables_and_names_what_is_missing() {
    let root = folder();
    let data = root.path().join("data");
    for (name, seed) in [("BraTS2021_00001", 1), ("BraTS2021_00002", 2), ("BraTS2021_00003", 3)] {
        write_case(&data, name, seed);
    }
    let pred = root.path().join("pred");
    fs::create_dir_all(&pred).unwrap();
    let mask = |name: &str| data.join(name).join(format!("{name}_seg.nii.gz"));
    fs::copy(mask("BraTS2021_00001"), pred.join("BraTS2021_00001.nii.gz")).unwrap();
    fs::copy(mask("BraTS2021_00001"), pred.join("BraTS2021_00002-seg.nii.gz")).unwrap();
    fs::copy(mask("BraTS2021_00001"), pred.join("stranger.nii.gz")).unwrap();
    let out = root.path().join("out");
    let args = ["evaluate", "--reference", text(&data), "--pred", text(&pred), "--out", text(&out)];
    let (code, said, err) = run(glioscope(args));
    assert_eq!(code, 1, "a missing prediction: {said}{err}");
    assert!(err.contains("glioscope: BraTS2021_00003: no prediction"), "{err}");
    assert!(err.contains("stranger.nii.gz: no reference case"), "{err}");
    assert!(said.contains("2 of 3 cases scored") && said.contains(NOTICE), "{said}");
    assert_eq!(tree(&out), ["cases.csv", "metrics.json", "report.html", "report_table.csv"]);
    let metrics: Value = serde_json::from_slice(&fs::read(out.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["cases"][0]["regions"][0]["dice"]["value"], 1.0, "against itself");
    assert!(metrics["cases"][1]["regions"][0]["dice"]["value"].as_f64().unwrap() < 1.0, "against another");
    assert_eq!(metrics["faults"][0]["kind"], "no_prediction");
    fs::copy(mask("BraTS2021_00003"), pred.join("BraTS2021_00003_seg.nii.gz")).unwrap();
    fs::remove_file(pred.join("stranger.nii.gz")).unwrap();
    let mut json = glioscope(args);
    json.arg("--json");
    let metrics: Value = serde_json::from_str(&succeed(json)).unwrap();
    assert_eq!(metrics["means"][0]["measures"][0]["n_all"], 3);
}

#[test]
fn evaluate_reads_what_segment_wrote() {
    let root = folder();
    let data = root.path().join("data");
    let case = write_case(&data, "BraTS2021_00001", 1);
    let model = write_model(root.path(), Finds::Something);
    let out = root.path().join("pred/any_name");
    let args = ["segment", text(&case), "--out", text(&out), "--model", text(&model), "--labels", "msd"];
    succeed(glioscope(args));
    let (pred, tables) = (root.path().join("pred"), root.path().join("tables"));
    let args = ["evaluate", "--reference", text(&data), "--pred", text(&pred), "--out", text(&tables)];
    succeed(glioscope(args));
    let metrics: Value = serde_json::from_slice(&fs::read(tables.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["cases"][0]["case"], "BraTS2021_00001", "the report names the case");
    assert_eq!(metrics["cases"][0]["predicted"]["label_scheme"], "msd", "and the scheme");
}

#[test]
fn inspect_lists_and_draws() {
    let root = folder();
    let data = root.path().join("data");
    write_case(&data, "BraTS2021_00001", 1);
    let second = write_case(&data, "BraTS2021_00002", 2);
    fs::remove_file(second.join("BraTS2021_00002_t2.nii.gz")).unwrap();
    let pictures = root.path().join("pictures");
    let said = succeed(glioscope(["inspect", text(&data), "--out", text(&pictures)]));
    assert!(said.contains("1 of 2 cases can be segmented") && said.contains("T2w is missing"), "{said}");
    assert!(said.contains(NOTICE));
    assert_eq!(tree(&pictures), ["BraTS2021_00001.png"]);
    let said: Value = serde_json::from_str(&succeed(glioscope(["inspect", text(&data), "--json"]))).unwrap();
    assert_eq!((&said[1]["is_usable"], &said[1]["missing"][0]), (&Value::Bool(false), &Value::from("t2w")));
    let (first, file) = (data.join("BraTS2021_00001"), root.path().join("one.png"));
    succeed(glioscope(["inspect", text(&first), "--picture", text(&file)]));
    assert_eq!(&fs::read(&file).unwrap()[1..4], b"PNG");
    let (code, _, err) = run(glioscope(["inspect", text(&data), "--picture", text(&file)]));
    assert_eq!(code, 2, "one file for two pictures is wrong usage: {err}");
}

#[test]
fn model_info_prints_the_card() {
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let said = succeed(glioscope(["model", "info", text(&model)]));
    for part in ["tiny", "BraTS2021_00001", "licence", "widths", "deep_supervision", NOTICE] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said: Value = serde_json::from_str(&succeed(glioscope(["model", "info", text(&model), "--json"]))).unwrap();
    assert_eq!(said["card"]["provenance"]["steps"], 12);
    assert_eq!(said["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn the_model_inside_is_there_or_its_absence_is_said() {
    if segment::artefact::DEFAULT.is_empty() {
        let sentence = fail(glioscope(["model", "info", "default"]));
        assert!(sentence.contains("built without a model") && sentence.contains("--model"), "{sentence}");
    } else {
        let said = succeed(glioscope(["model", "info", "default"]));
        assert!(said.contains("CC BY 4.0"), "{said}");
    }
}

#[test]
fn bench_gives_one_object() {
    let args = ["bench", "net", "--name", "default", "--patch", "16", "--pass", "train", "--runs", "2", "--json"];
    let said: Value = serde_json::from_str(&succeed(glioscope(args))).unwrap();
    for key in ["median", "min", "max"] {
        assert!(said["seconds"][key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(said["gflop"].as_f64().unwrap() > 0.0 && said["peak_rss_mib"].as_f64().unwrap() > 1.0);
    assert_eq!(said["precision"], "f32");
    let said: Value = serde_json::from_str(&succeed(glioscope(["bench", "peak", "--runs", "1", "--json"]))).unwrap();
    assert_eq!(said["arithmetic"][0]["precision"], "f32");
    assert!(said["arithmetic"][0]["giga_per_second"]["median"].as_f64().unwrap() > 0.1);
    assert!(said["memory"].as_array().unwrap().iter().all(|of| of["gb_per_second"]["min"].as_f64().unwrap() > 0.01));
    let names = |list: &str, key: &str| -> Vec<String> {
        said[list].as_array().unwrap().iter().map(|of| of[key].as_str().unwrap().to_owned()).collect()
    };
    let (timed, left_out) = (names("arithmetic", "precision"), names("left_out", "what"));
    for of in kernels::Arithmetic::ALL {
        let is_here = kernels::Peak::of(kernels::Cpu::detect(), of).is_some();
        let is_in = |list: &[String]| list.iter().any(|name| name == of.as_str());
        assert_eq!((is_in(&timed), is_in(&left_out)), (is_here, !is_here), "timed or named, {}: {said}", of.as_str());
    }
    assert!(left_out.contains(&"AVX-VNNI".to_owned()), "what has no loop is named: {said}");
    assert!(said["auto"]["precision"].is_string() && said["auto"]["chosen"]["by"].is_string(), "{}", said["auto"]);
    let (code, _, err) = run(glioscope(["bench", "net", "--name", "n32", "--patch", "20"]));
    assert_eq!(code, 2, "not a multiple of 16: {err}");
}

#[test]
fn bench_takes_a_case_for_noise() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let of = |net| ["bench", "net", "--name", net, "--case", text(&case), "--runs", "1", "--json"];
    let (code, _, err) = run(glioscope(of("n32")));
    assert!(code == 2 && err.contains("default network"), "{err}");
    if segment::artefact::DEFAULT.is_empty() {
        return;
    }
    let said: Value = serde_json::from_str(&succeed(glioscope(of("default")))).unwrap();
    let sides = said["patch"].as_array().unwrap().iter().map(|side| side.as_u64().unwrap());
    assert!(sides.clone().count() == 3 && sides.clone().all(|side| side > 0 && side % 16 == 0), "{said}");
    assert!(said["seconds"]["min"].as_f64().unwrap() > 0.0, "{said}");
}

#[test]
fn bench_times_every_pass_of_every_layer() {
    let args = ["bench", "layers", "--name", "default", "--patch", "32", "--runs", "1", "--json"];
    let said: Value = serde_json::from_str(&succeed(glioscope(args))).unwrap();
    let lines = said["layers"].as_array().unwrap();
    let of_first: Vec<_> = lines.iter().filter(|line| line["layers"][0] == "encoder.0.0").collect();
    assert_eq!(of_first.len(), 2, "nobody wants the image's gradient");
    let upwards: Vec<_> = lines.iter().filter(|line| line["kind"] == "transposed").collect();
    assert_eq!(upwards.len(), 3 * 4);
    for line in lines {
        assert!(line["milliseconds"]["min"].as_f64().unwrap() > 0.0 && line["gflop"].as_f64().unwrap() > 0.0);
        assert!(line["algorithm"] == "Winograd" || line["algorithm"] == "direct", "{line}");
    }
    let (code, _, err) = run(glioscope(["bench", "layers", "--patch", "20"]));
    assert_eq!(code, 2, "not a multiple of 16: {err}");
}

#[test]
fn bench_case_times_every_stage() {
    let root = folder();
    let case = write_case(root.path(), "BraTS2021_00001", 1);
    let model = write_model(root.path(), Finds::Something);
    let args = ["bench", "case", text(&case), "--model", text(&model), "--runs", "2", "--json"];
    let said: Value = serde_json::from_str(&succeed(glioscope(args))).unwrap();
    let least = |of: &Value| of["seconds"]["min"].as_f64().unwrap();
    let stages = said["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 5);
    assert!(stages.iter().map(least).sum::<f64>() <= least(&said), "the stages are parts of the whole: {said}");
    assert_eq!(tree(root.path()).iter().filter(|name| name.contains("labels.nii.gz")).count(), 0, "nothing is left");
}

#[test]
fn recipe_diff_names_the_keys() {
    let said = succeed(glioscope(["recipe", "diff", "default", "original"]));
    assert!(said.contains("network.widths") && !said.contains("network.inputs"), "{said}");
    assert!(succeed(glioscope(["recipe", "diff", "default", "default"])).contains("equal"));
}

#[test]
fn wrong_usage_is_two() {
    for args in [
        &["segment"][..],
        &["nothing"],
        &["phantom", "--out", "x", "--seed", "one"],
        &["inspect", "--threads", "0", "."],
    ] {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("glioscope"));
        command.args(args);
        assert_eq!(run(command).0, 2, "{args:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let mut child = glioscope(["model", "info", text(&model)]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

//! Input as a new user gives it by mistake: one sentence with the file, the fault and what to do; exit code 1; no output.

use std::fs;
use std::path::{Path, PathBuf};

use segment::phantom::phantom;
use tempfile::TempDir;
use volume::nifti::{self, Geometry};

use crate::cli::material::{
    Finds, SHAPE, fail, folder, glioscope, run, succeed, text, tree, write_case, write_head, write_model,
};

const NAME: &str = "BraTS2021_00001";

/// A whole case, spoilt by the test.
fn spoilt(spoil: impl FnOnce(&Path)) -> (TempDir, PathBuf) {
    let root = folder();
    let case = write_case(root.path(), NAME, 1);
    spoil(&case);
    (root, case)
}

/// Segmenting fails with all these words, and leaves nothing; inspecting says the same and does not fail.
fn refused(case: &Path, words: &[&str]) {
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let out = root.path().join("out");
    let sentence = fail(glioscope(["segment", text(case), "--out", text(&out), "--model", text(&model)]));
    assert_eq!(tree(root.path()), ["model.safetensors"], "nothing was written");
    let listed = succeed(glioscope(["inspect", text(case)]));
    for word in words {
        assert!(sentence.contains(word), "segment, {word}: {sentence}");
        assert!(listed.contains(word), "inspect, {word}: {listed}");
    }
    assert!(listed.contains("0 of "), "{listed}");
}

fn scan(case: &Path, ending: &str) -> PathBuf {
    case.join(format!("{NAME}_{ending}.nii.gz"))
}

#[test]
fn three_sequences() {
    let (_root, case) = spoilt(|case| fs::remove_file(scan(case, "flair")).unwrap());
    refused(&case, &["T2f is missing", "flair"]);
}

#[test]
fn two_cases_in_one_folder() {
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let data = root.path().join("data");
    for (name, seed) in [(NAME, 1), ("BraTS2021_00002", 2)] {
        write_head(&data, name, &phantom(seed, SHAPE));
    }
    let out = root.path().join("out");
    let sentence = fail(glioscope(["segment", text(&data), "--out", text(&out), "--model", text(&model)]));
    assert!(sentence.contains("holds 2 cases") && sentence.contains("BraTS2021_00002"), "{sentence}");
    assert!(!out.exists());
    assert!(succeed(glioscope(["inspect", text(&data)])).contains("2 of 2 cases"), "each of them is whole");
}

#[test]
fn volumes_on_different_grids() {
    let (_root, case) = spoilt(|case| {
        let other = phantom(1, [40, 44, 32]);
        let geometry = Geometry::from_grid(&other.grid().unwrap());
        nifti::write_scan(&scan(case, "t2"), &other.scan(segment::study::Sequence::T2w).unwrap(), &geometry).unwrap();
    });
    refused(&case, &["different grids", "36 and 32 voxels along z", "resample"]);
}

#[test]
fn a_mask_given_as_a_scan() {
    let (_root, case) = spoilt(|case| {
        fs::copy(scan(case, "seg"), scan(case, "t1ce")).unwrap();
    });
    refused(&case, &["t1ce.nii.gz", "this is a mask, not a scan"]);
}

#[test]
fn a_dicom_folder() {
    let root = folder();
    let case = root.path().join("series");
    fs::create_dir(&case).unwrap();
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    for name in ["IM0001", "IM0002"] {
        fs::write(case.join(name), &file).unwrap();
    }
    refused(&case, &["DICOM", "dcm2niix"]);
}

#[test]
fn a_truncated_gz() {
    let (_root, case) = spoilt(|case| {
        let whole = fs::read(scan(case, "t1")).unwrap();
        fs::write(scan(case, "t1"), &whole[..whole.len() / 2]).unwrap();
    });
    refused(&case, &[&format!("{NAME}_t1.nii.gz")]);
}

#[test]
fn a_file_of_zeros() {
    let (_root, case) = spoilt(|case| fs::write(scan(case, "t1"), vec![0; 4096]).unwrap());
    refused(&case, &[&format!("{NAME}_t1.nii.gz")]);
    let (_root, case) = spoilt(|case| {
        let mut head = phantom(1, SHAPE);
        head.scans[0].fill(0);
        write_head(case, NAME, &head);
    });
    refused(&case, &["t1.nii.gz", "no voxel is above zero"]);
}

#[test]
fn a_scan_of_one_value_and_one_with_numbers_that_are_none() {
    let (_root, case) = spoilt(|case| {
        let mut head = phantom(1, SHAPE);
        head.scans[0].fill(100);
        write_head(case, NAME, &head);
    });
    refused(&case, &["t1.nii.gz", "the same value", "export the scan again"]);
    for value in [f32::NAN, f32::INFINITY] {
        let (_root, case) = spoilt(|case| {
            let head = phantom(1, SHAPE);
            let mut scan = head.scan(segment::study::Sequence::T2f).unwrap();
            scan.voxels_mut()[41] = value;
            nifti::write_floats(&self::scan(case, "flair"), &scan, &Geometry::from_grid(scan.grid())).unwrap();
        });
        refused(&case, &["flair.nii.gz", "1 voxels are not finite numbers, the first at (1, 1, 0)", "export"]);
    }
}

#[test]
fn garbage_after_a_gz() {
    let (_root, case) = spoilt(|case| {
        let mut bytes = fs::read(scan(case, "t1")).unwrap();
        bytes.extend(b"garbage");
        fs::write(scan(case, "t1"), bytes).unwrap();
    });
    refused(&case, &["t1.nii.gz", "gzip stream is damaged", "copy or download"]);
}

#[test]
fn paths_of_every_kind() {
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    for place in ["with space", "김 환자", "new\nline", "-dash", "a'b\"c"] {
        let case = write_case(&root.path().join(place), NAME, 1);
        let out = root.path().join(place).join("out");
        succeed(glioscope(["segment", text(&case), "--out", text(&out), "--model", text(&model)]));
        assert_eq!(tree(&out), ["labels.nii.gz", "overview.png", "report.json"], "{place}");
    }
}

#[test]
fn an_output_folder_inside_the_input_folder() {
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let case = write_case(root.path(), NAME, 1);
    let inside = case.join("results/today");
    for out in [&inside, &case, &inside] {
        succeed(glioscope(["segment", text(&case), "--out", text(out), "--model", text(&model)]));
    }
    assert!(inside.join("report.json").exists() && case.join("report.json").exists());
    let listed = succeed(glioscope(["inspect", text(root.path()), "--out", text(&case)]));
    assert!(listed.contains("1 of 1 cases"), "its own results are no case: {listed}");
}

#[test]
fn a_list_cannot_write_outside_of_the_output_folder() {
    let root = folder();
    write_case(root.path(), NAME, 1);
    let list = root.path().join("list.csv");
    let row: Vec<String> = ["t1", "t1ce", "t2", "flair"].map(|e| format!("{NAME}/{NAME}_{e}.nii.gz")).to_vec();
    let out = root.path().join("a/b/out");
    let evil = text(root.path()).to_owned() + "/evil";
    for name in ["../../evil", &evil] {
        fs::write(&list, format!("case,t1n,t1c,t2w,t2f\n{name},{}\n", row.join(","))).unwrap();
        let before = tree(root.path());
        let sentence = fail(glioscope(["inspect", text(&list), "--out", text(&out)]));
        assert!(sentence.contains("list.csv, line 2") && sentence.contains("evil"), "{sentence}");
        assert_eq!(tree(root.path()), before, "nothing was written anywhere");
    }
}

/// Permissions do not bind the superuser, so the program is run as somebody else.
#[test]
fn what_an_ordinary_user_may_not_read() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let case = write_case(root.path(), NAME, 1);
    let shut = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    shut(root.path(), 0o777);
    let is_root = fs::metadata(&case).unwrap().uid() == 0;
    let as_another = |mut command: std::process::Command| {
        if is_root {
            command.uid(65534).gid(65534);
        }
        command
    };
    let runs = as_another(glioscope(["--version"])).output();
    if !runs.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: nobody but the superuser may run the program here");
        return;
    }
    let out = root.path().join("out");
    let args = ["segment", text(&case), "--out", text(&out), "--model", text(&model)];
    let refused = |path: &Path| {
        shut(path, 0);
        let sentence = fail(as_another(glioscope(args)));
        assert!(sentence.contains(text(path)) && sentence.contains("denied"), "{sentence}");
        assert!(sentence.contains("that you may"), "what to do: {sentence}");
        shut(path, 0o755);
        assert!(!out.exists(), "nothing was written");
    };
    refused(&scan(&case, "t2"));
    refused(&case);
    refused(&model);
    let pred = root.path().join("pred");
    let mask = pred.join(NAME).join("labels.nii.gz");
    fs::create_dir_all(pred.join(NAME)).unwrap();
    fs::copy(scan(&case, "seg"), &mask).unwrap();
    for path in [&mask, &pred.join(NAME)] {
        shut(path, 0);
        let args = ["evaluate", "--reference", text(&case), "--pred", text(&pred), "--out", text(&out)];
        let (code, said, err) = run(as_another(glioscope(args)));
        assert!(code == 1 && said.contains("0 of 1 cases scored"), "{said}{err}");
        assert!(err.contains(text(path)) && err.contains("denied") && !err.contains("no prediction"), "{err}");
        shut(path, 0o755);
    }
    fs::remove_dir_all(&out).unwrap();
    if is_root {
        let inside = case.join("out"); // the folder is the superuser's
        let args = ["segment", text(&case), "--out", text(&inside), "--model", text(&model)];
        let sentence = fail(as_another(glioscope(args)));
        assert!(sentence.contains(text(&inside)) && sentence.contains("that you may write to"), "{sentence}");
    }
}

#[test]
fn no_case_at_all() {
    let root = folder();
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for path in [&empty, &root.path().join("nowhere")] {
        for command in ["inspect", "segment"] {
            let out = root.path().join("out");
            let model = write_model(root.path(), Finds::Something);
            let sentence = if command == "inspect" {
                fail(glioscope(["inspect", text(path)]))
            } else {
                fail(glioscope(["segment", text(path), "--out", text(&out), "--model", text(&model)]))
            };
            assert!(sentence.contains(text(path)), "{sentence}");
        }
    }
}

#[test]
fn a_model_that_is_none() {
    let root = folder();
    let case = write_case(root.path(), NAME, 1);
    let (out, model) = (root.path().join("out"), root.path().join("model.safetensors"));
    let sentence = |bytes: &[u8]| {
        fs::write(&model, bytes).unwrap();
        let args = ["segment", text(&case), "--out", text(&out), "--model", text(&model)];
        assert!(!out.exists());
        fail(glioscope(args))
    };
    for bytes in [&b""[..], b"no model", &[0; 64], &[255; 64]] {
        let said = sentence(bytes);
        assert!(said.contains("model.safetensors: not a model"), "{said}");
    }
}

#[test]
fn a_recipe_that_is_none() {
    let root = folder();
    let recipe = root.path().join("recipe.toml");
    fs::write(&recipe, "[preparing]\nmethod = \"brain\"\nsurprise = 1\n").unwrap();
    let (data, out) = (write_case(root.path(), NAME, 1), root.path().join("run"));
    let sentence = fail(glioscope(["train", "--data", text(&data), "--recipe", text(&recipe), "--out", text(&out)]));
    assert!(sentence.contains("recipe.toml, line 3") && sentence.contains("surprise"), "{sentence}");
    assert!(!out.exists());
}

#[test]
fn evaluate_without_anything_to_compare() {
    let root = folder();
    let (empty, out) = (root.path().join("empty"), root.path().join("out"));
    fs::create_dir(&empty).unwrap();
    let data = root.path().join("data");
    write_case(&data, "patient7", 1);
    let evaluate = |reference: &Path, pred: &Path| {
        let args = ["evaluate", "--reference", text(reference), "--pred", text(pred), "--out", text(&out)];
        run(glioscope(args))
    };
    let (code, _, err) = evaluate(&empty, &empty);
    assert!(code == 1 && err.contains("no reference mask found"), "{err}");
    let (code, _, err) = evaluate(&data, &root.path().join("nowhere"));
    assert!(code == 1 && err.contains("--pred"), "{err}");
    assert!(!out.exists(), "no tables of nothing");
    let (code, _, err) = evaluate(&data, &data);
    assert!(code == 1 && err.contains("nothing says what its numbers mean") && err.contains("--scheme"), "{err}");
}

#[test]
fn evaluate_of_another_grid() {
    let root = folder();
    let (data, pred, out) = (root.path().join("data"), root.path().join("pred"), root.path().join("out"));
    write_case(&data, NAME, 1);
    write_head(&pred.join(NAME), NAME, &phantom(1, [40, 44, 32]));
    let args = ["evaluate", "--reference", text(&data), "--pred", text(&pred), "--out", text(&out)];
    let (code, _, err) = run(glioscope(args));
    assert!(code == 1 && err.contains("the grids differ: 36 voxels along z in the reference, 32"), "{err}");
    assert!(out.join("cases.csv").exists(), "the tables are written all the same");
}

#[test]
fn what_cannot_be_read_among_the_predictions_makes_the_exit_code_one() {
    let root = folder();
    let (case, out) = (write_case(root.path(), NAME, 1), root.path().join("out"));
    let pred = root.path().join("pred");
    fs::create_dir(&pred).unwrap();
    fs::copy(scan(&case, "seg"), pred.join(format!("{NAME}.nii.gz"))).unwrap();
    let args = ["evaluate", "--reference", text(&case), "--pred", text(&pred), "--out", text(&out)];
    succeed(glioscope(args));
    std::os::unix::fs::symlink(".", pred.join("circle")).unwrap();
    let (code, said, err) = run(glioscope(args));
    assert!(code == 1 && said.contains("1 of 1 cases scored"), "{said}{err}");
    assert!(err.contains("pred/circle cannot be read") && err.contains("take it away"), "{err}");
}

/// JSON holds no other letters than those of Unicode: such a path is written as far as it can be read.
#[test]
fn a_folder_whose_path_is_not_utf8_can_stand_in_json() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let root = folder();
    let model = write_model(root.path(), Finds::Something);
    let case = write_case(root.path(), NAME, 1);
    let odd = root.path().join(OsStr::from_bytes(b"\xb1\xe8"));
    fs::create_dir(&odd).unwrap();
    fs::rename(&case, odd.join("files")).unwrap();
    let files = ["t1", "t1ce", "t2", "flair", "seg"].map(|end| format!("files/{NAME}_{end}.nii.gz"));
    let (list, out) = (odd.join("list.csv"), odd.join("out"));
    fs::write(&list, format!("case,t1n,t1c,t2w,t2f,seg\n{NAME},{}\n", files.join(","))).unwrap();
    let json = |mut command: std::process::Command| -> serde_json::Value {
        serde_json::from_str(&succeed({
            command.arg("--json");
            command
        }))
        .unwrap()
    };
    let with = |args: &[&OsStr]| {
        let mut command = glioscope([]);
        command.args(args);
        command
    };
    let is_odd = |path: &serde_json::Value| path.as_str().unwrap().contains('\u{fffd}');
    let found = json(with(&["inspect".as_ref(), list.as_ref()]));
    assert!(found[0]["is_usable"] == true && is_odd(&found[0]["place"]), "{found}");
    assert!(is_odd(&found[0]["scans"][0]["path"]) && is_odd(&found[0]["mask"]["path"]), "{found}");
    let segment = ["segment".as_ref(), list.as_ref(), "--out".as_ref(), out.as_ref(), "--model".as_ref()];
    let report = json(with(&[&segment[..], &[model.as_ref()]].concat()));
    assert_eq!(report["case"], NAME, "{report}");
    let tables = root.path().join("tables");
    let evaluate = ["evaluate".as_ref(), "--reference".as_ref(), list.as_ref(), "--pred".as_ref(), out.as_ref()];
    let metrics = json(with(&[&evaluate[..], &["--out".as_ref(), tables.as_ref()]].concat()));
    assert!(is_odd(&metrics["cases"][0]["predicted"]["path"]), "{metrics}");
}

#[test]
fn an_instruction_set_that_is_not_there() {
    let all = kernels::Cpu::all();
    for name in kernels::IsaName::ALL {
        let (code, _, err) = run(glioscope(["bench", "peak", "--runs", "1", "--isa", name.as_str()]));
        if all.iter().any(|cpu| cpu.name() == name) {
            assert_eq!(code, 0, "{err}");
        } else {
            assert!(code == 2 && err.contains(name.as_str()) && err.contains("scalar"), "{err}");
        }
    }
}

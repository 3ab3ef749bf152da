//! Evaluations of masks whose scores can be counted by hand.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use metrics::{Measure, Score, Side};
use segment::evaluate::{EvaluateError, Evaluation, Fault, FaultCause, Schemes, evaluate};
use segment::labels::{LabelScheme, Region};
use segment::staging::Staging;
use segment::train::Flow;
use tempfile::TempDir;
use volume::nifti::{self, Geometry};
use volume::{Affine, Grid, Limits, Volume};

/// A mask of 10 x 1 x 1 voxels of 10 x 10 x 10 mm, a millilitre each.
fn write(root: &TempDir, path: &str, codes: [u8; 10]) {
    write_on(root, path, codes, 0.0);
}

fn write_on(root: &TempDir, path: &str, codes: [u8; 10], origin: f64) {
    let affine = Affine::axis_aligned([10.0; 3], [origin, 0.0, 0.0]).unwrap();
    let grid = Grid::new([10, 1, 1], affine, &Limits::default()).unwrap();
    let path = root.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    nifti::write_mask(&path, &Volume::new(grid, codes.to_vec()).unwrap(), &Geometry::from_grid(&grid)).unwrap();
}

fn evaluated(root: &TempDir) -> Evaluation {
    evaluated_by(root, Schemes::default()).unwrap()
}

fn evaluated_by(root: &TempDir, schemes: Schemes) -> Result<Evaluation, EvaluateError> {
    evaluate(&root.path().join("expert"), &root.path().join("found"), schemes, &|_, _| Flow::Continue)
}

#[test]
fn scores_are_those_counted_by_hand() {
    let root = tempfile::tempdir().unwrap();
    write(&root, "expert/BraTS2021_00001/BraTS2021_00001_seg.nii.gz", [0, 2, 2, 1, 4, 4, 4, 0, 0, 0]);
    write(&root, "found/BraTS2021_00001/labels.nii.gz", [0, 0, 2, 1, 1, 4, 4, 2, 0, 0]);
    let evaluation = evaluated(&root);
    assert!(evaluation.faults.is_empty() && evaluation.unmatched.is_empty());
    let scores = |region: Region| evaluation.cases[0].regions.iter().find(|of| of.region == region).unwrap().scores;
    assert_eq!(scores(Region::Wt).dice, Score::Value(10.0 / 12.0), "5 shared of 6 and 6");
    assert_eq!(scores(Region::Tc).dice, Score::Value(1.0), "the same four");
    assert_eq!(scores(Region::Et).dice, Score::Value(4.0 / 5.0), "2 shared of 3 and 2");
    assert_eq!(scores(Region::Et).sensitivity, Score::Value(2.0 / 3.0));
    assert_eq!(scores(Region::Wt).specificity, Score::Value(3.0 / 4.0));
    assert!((scores(Region::Et).volume_error.0 + 1.0).abs() < 1e-12, "a millilitre too little");
    let table = &evaluation.cases[0].report_table;
    assert!((table.accuracy - 0.7).abs() < 1e-12, "seven of ten");
    let row = |name: &str| evaluation.report_table.iter().find(|row| row.measure == name).unwrap().clone();
    assert_eq!(row("accuracy").pooled, row("accuracy").mean, "one case is all cases");
    assert_eq!(row("Dice, enhancing").mean, Some(0.8));
}

#[test]
fn schemes_come_from_names_reports_and_flags() {
    let root = tempfile::tempdir().unwrap();
    write(&root, "expert/BraTS-SSA-00001-000-seg.nii.gz", [0, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
    write(&root, "found/out1/labels.nii.gz", [0, 2, 1, 3, 0, 0, 0, 0, 0, 0]);
    let report = r#"{"case": "BraTS-SSA-00001-000", "label_scheme": "msd"}"#;
    fs::write(root.path().join("found/out1/report.json"), report).unwrap();
    let evaluation = evaluated(&root);
    assert!((evaluation.cases[0].report_table.accuracy - 1.0).abs() < 1e-12, "the same tissues in other numbers");
    assert_eq!(evaluation.cases[0].predicted.label_scheme, LabelScheme::Msd);
    let other = Schemes { predicted: Some(LabelScheme::Brats2023), ..Schemes::default() };
    let evaluation = evaluated_by(&root, other).unwrap();
    assert!((evaluation.cases[0].report_table.accuracy - 0.8).abs() < 1e-12, "a flag overrules the report");
    write(&root, "expert/patient7-seg.nii.gz", [0; 10]);
    write(&root, "found/patient7.nii.gz", [0; 10]);
    let fault = &evaluated(&root).faults[0];
    assert!(matches!(fault.cause, FaultCause::SchemeUnknown { flag: "--scheme", .. }), "{fault:?}");
    let known = Schemes { reference: Some(LabelScheme::Brats2023), ..Schemes::default() };
    let fault = &evaluated_by(&root, known).unwrap().faults[0];
    assert!(matches!(fault.cause, FaultCause::SchemeUnknown { flag: "--pred-scheme", .. }), "{fault:?}");
}

#[test]
fn empty_masks_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let (none, some) = ([0; 10], [0, 2, 2, 2, 0, 0, 0, 0, 0, 0]);
    for (name, expert, found) in [("1", none, none), ("2", none, some), ("3", some, none), ("4", some, some)] {
        write(&root, &format!("expert/BraTS2021_{name}_seg.nii.gz"), expert);
        write(&root, &format!("found/BraTS2021_{name}.nii.gz"), found);
    }
    let evaluation = evaluated(&root);
    let dice: Vec<Score> = evaluation.cases.iter().map(|case| case.regions[0].scores.dice).collect();
    let empty = Score::Empty;
    assert_eq!(dice, [empty(Side::Both), empty(Side::Reference), empty(Side::Predicted), Score::Value(1.0)]);
    let mean = evaluation.means[0].of(Measure::Dice).unwrap();
    assert_eq!((mean.all, mean.n_all), (Some(0.5), 4), "1, 0, 0, 1");
    assert_eq!((mean.without_empty, mean.n_without_empty), (Some(1.0), 1));
    let hd95 = evaluation.means[0].of(Measure::Hd95SurfaceDistance).unwrap().all.unwrap();
    assert!((hd95 - 373.1287 / 2.0).abs() < 1e-4, "0, 373.1287 twice, 0");
}

#[test]
fn means_over_classes_are_told_without_absent_classes_too() {
    let root = tempfile::tempdir().unwrap();
    let all = [0, 2, 2, 1, 4, 4, 4, 0, 0, 0];
    write(&root, "expert/BraTS2021_1_seg.nii.gz", all);
    write(&root, "found/BraTS2021_1.nii.gz", [0, 0, 2, 1, 1, 4, 4, 2, 0, 0]);
    let without_core = [0, 2, 2, 0, 4, 4, 4, 0, 0, 0];
    write(&root, "expert/BraTS2021_2_seg.nii.gz", without_core);
    write(&root, "found/BraTS2021_2.nii.gz", without_core);
    let evaluation = evaluated(&root);
    for row in &evaluation.report_table {
        let of = |case: usize| {
            let table = &evaluation.cases[case].report_table;
            if row.measure == "mean IoU" { table.mean_iou } else { table.dice_coefficient }
        };
        match row.measure {
            "mean IoU" | "Dice coefficient" => {
                assert_eq!((row.without_empty, row.n_without_empty), (Some(of(0)), 1), "{}", row.measure);
                assert!((row.mean.unwrap() - of(0).midpoint(of(1))).abs() < 1e-12, "{}", row.measure);
            }
            "Dice, necrotic" => assert_eq!(row.n_without_empty, 1, "absent from both"),
            _ => assert_eq!(row.n_without_empty, 2, "{}", row.measure),
        }
    }
    let out = root.path().join("out");
    evaluation.write(Staging::begin(&out).unwrap()).unwrap();
    let rows = csv_rows(&out.join("report_table.csv"));
    assert!(rows[1..].iter().all(|row| row.last().unwrap() == "brats-2020"), "the convention is named: {rows:?}");
}

#[test]
fn a_prediction_in_another_storage_order_is_scored_and_one_elsewhere_is_named() {
    let root = tempfile::tempdir().unwrap();
    let mut some = [0, 2, 2, 1, 4, 4, 4, 0, 0, 0];
    write(&root, "expert/BraTS2021_1_seg.nii.gz", some);
    some.reverse();
    let grid =
        Grid::new([10, 1, 1], Affine::axis_aligned([-10.0, 10.0, 10.0], [90.0, 0.0, 0.0]).unwrap(), &Limits::default());
    let mask = Volume::new(grid.unwrap(), some.to_vec()).unwrap();
    let path = root.path().join("found/BraTS2021_1.nii.gz");
    fs::create_dir(root.path().join("found")).unwrap();
    nifti::write_mask(&path, &mask, &Geometry::from_grid(mask.grid())).unwrap();
    assert!((evaluated(&root).cases[0].report_table.accuracy - 1.0).abs() < 1e-12, "every voxel at its place");
    write_on(&root, "found/BraTS2021_1.nii.gz", some, 3.0);
    let said = &evaluated(&root).faults[0].sentence;
    for word in ["found/BraTS2021_1.nii.gz", "3.00 mm", "resample"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_a_fault_and_not_one_case_less() {
    let root = tempfile::tempdir().unwrap();
    let some = [0, 2, 2, 2, 0, 0, 0, 0, 0, 0];
    write(&root, "expert/BraTS2021_1_seg.nii.gz", some);
    write(&root, "found/BraTS2021_1.nii.gz", some);
    symlink(".", root.path().join("expert/circle")).unwrap();
    let evaluation = evaluated(&root);
    assert_eq!((evaluation.cases.len(), evaluation.faults.len()), (1, 1));
    let said = &evaluation.faults[0].sentence;
    assert!(said.contains("expert/circle") && said.contains("circle") && said.contains("take it away"), "{said}");
}

#[test]
fn what_cannot_be_read_among_the_predictions_is_named_and_is_no_missing_prediction() {
    let root = tempfile::tempdir().unwrap();
    let some = [0, 2, 2, 2, 0, 0, 0, 0, 0, 0];
    let names = ["link", "circle", "report", "letters", "lost"];
    for name in names {
        write(&root, &format!("expert/BraTS2021_{name}_seg.nii.gz"), some);
    }
    let found = root.path().join("found");
    let damaged = found.join("BraTS2021_report/report.json");
    write(&root, "found/BraTS2021_report/labels.nii.gz", some);
    fs::write(&damaged, r#"{"case": "BraTS2021_rep"#).unwrap();
    symlink("nowhere", found.join("BraTS2021_link.nii.gz")).unwrap();
    symlink("nowhere", found.join("BraTS2021_link_t1.nii.gz")).unwrap();
    symlink(".", found.join("BraTS2021_circle")).unwrap();
    symlink(".", found.join("elsewhere")).unwrap();
    let letters = root.path().join("expert/BraTS2021_letters_seg.nii.gz");
    fs::copy(&letters, found.join(OsStr::from_bytes(b"BraTS2021_\xb1\xe8.nii.gz"))).unwrap();
    let evaluation = evaluated(&root);
    assert!(evaluation.cases.is_empty(), "nothing could be read: {:?}", evaluation.cases);
    let of = |name: &str| {
        let name = format!("BraTS2021_{name}");
        evaluation.faults.iter().find(|fault| fault.case == name).unwrap()
    };
    for (name, words) in [
        ("link", ["found/BraTS2021_link.nii.gz", "No such file"]),
        ("circle", ["found/BraTS2021_circle", "circle"]),
        ("report", ["found/BraTS2021_report/report.json", "damaged"]),
    ] {
        let Fault { cause, sentence, .. } = of(name);
        assert!(matches!(cause, FaultCause::Unreadable { .. }), "{name}: {cause:?}");
        assert!(words.iter().all(|word| sentence.contains(word)), "{name}: {sentence}");
    }
    for name in ["letters", "lost"] {
        assert!(matches!(of(name).cause, FaultCause::NoPrediction { .. }), "{name}");
    }
    let [first, second] = evaluation.unread.as_slice() else { panic!("of no case: {:?}", evaluation.unread) };
    assert!(first.contains("not written in UTF-8") && second.contains("found/elsewhere"), "{first} {second}");
    let out = root.path().join("out");
    evaluation.write(Staging::begin(&out).unwrap()).unwrap();
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("<h2>Not read</h2>"));
}

#[test]
fn a_case_that_cannot_be_scored_is_named_and_hides_no_other() {
    let root = tempfile::tempdir().unwrap();
    let some = [0, 2, 2, 2, 0, 0, 0, 0, 0, 0];
    for name in ["good", "lost", "elsewhere", "twice", "broken", "strange"] {
        write(&root, &format!("expert/BraTS2021_{name}_seg.nii.gz"), some);
    }
    write(&root, "found/BraTS2021_good.nii.gz", some);
    write_on(&root, "found/BraTS2021_elsewhere.nii.gz", some, 3.0);
    write(&root, "found/BraTS2021_twice.nii.gz", some);
    write(&root, "found/BraTS2021_twice/labels.nii.gz", some);
    fs::write(root.path().join("found/BraTS2021_broken.nii.gz"), "no mask").unwrap();
    write(&root, "found/BraTS2021_strange.nii.gz", [9; 10]);
    write(&root, "found/BraTS2021_more.nii.gz", some);
    let evaluation = evaluated(&root);
    assert_eq!(evaluation.cases.len(), 1);
    let of = |name: &str| {
        let name = format!("BraTS2021_{name}");
        &evaluation.faults.iter().find(|fault| fault.case == name).unwrap().cause
    };
    assert!(matches!(of("lost"), FaultCause::NoPrediction { .. }));
    assert!(matches!(of("elsewhere"), FaultCause::GridMismatch { mm, .. } if (mm - 3.0).abs() < 1e-6));
    assert!(matches!(of("twice"), FaultCause::Ambiguous { files } if files.len() == 2));
    assert!(matches!(of("broken"), FaultCause::Unreadable { reason } if reason.contains("BraTS2021_broken.nii.gz")));
    assert!(matches!(of("strange"), FaultCause::Unreadable { reason } if reason.contains("no label")));
    assert_eq!(evaluation.unmatched, [root.path().join("found/BraTS2021_more.nii.gz")]);

    let out = root.path().join("out");
    evaluation.write(Staging::begin(&out).unwrap()).unwrap();
    let cases = csv_rows(&out.join("cases.csv"));
    assert_eq!(cases.len(), 1 + 3 + 5, "a head, a row a region, a row a fault");
    assert!(cases.iter().all(|row| row.len() == cases[0].len()));
    assert_eq!(csv_rows(&out.join("report_table.csv")).len(), 1 + 9);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert_eq!(page.matches("<circle").count(), 3, "a point a region of each scored case");
    assert!(page.contains("BraTS2021_lost: no prediction") && page.contains("Research use only"), "{page}");
    assert!(!page.contains("<script") && !page.contains("http"), "nothing runs, nothing comes from elsewhere");
}

fn csv_rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn any_masks_can_be_the_reference_and_stopping_is_possible() {
    let root = tempfile::tempdir().unwrap();
    let some = [0, 2, 2, 2, 0, 0, 0, 0, 0, 0];
    write(&root, "expert/BraTS2021_1/labels.nii.gz", some);
    write(&root, "found/BraTS2021_1.nii.gz", some);
    assert_eq!(evaluated(&root).cases[0].regions[0].scores.dice, Score::Value(1.0));
    let stopped =
        evaluate(&root.path().join("expert"), &root.path().join("found"), Schemes::default(), &|_, _| Flow::Stop);
    assert!(matches!(stopped, Err(EvaluateError::Stopped)));
    let nothing = evaluate(root.path(), &root.path().join("nowhere"), Schemes::default(), &|_, _| Flow::Continue);
    assert!(matches!(nothing, Err(EvaluateError::NoFolder { .. })));
}

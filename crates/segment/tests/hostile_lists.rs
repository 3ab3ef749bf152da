//! Lists and names that mislead: paths out of the folder, columns twice, devices, names in other encodings, and files
//! of one case in several storage orders.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod material;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use material::head;
use segment::artefact::Artefact;
use segment::dataset::{Problem, find, find_one};
use segment::inspect::inspect;
use segment::labels::LabelScheme;
use segment::prepare::{Preparing, prepare};
use segment::recipe::Recipe;
use segment::split::Split;
use segment::study::{Sequence, Study};
use tempfile::{TempDir, tempdir};
use volume::{Limits, Orientation, Volume, nifti};

const SUFFIXES: [&str; 4] = ["-t1n", "-t1c", "-t2w", "-t2f"];

fn write(file: &Path, scan: &Volume<f32>) {
    nifti::write_scan(file, scan, &nifti::Geometry::from_grid(scan.grid())).unwrap();
}

/// A whole case `scans/x-*.nii.gz` and its row in a manifest without the name.
fn material() -> (TempDir, String) {
    let folder = tempdir().unwrap();
    let head = head(1, [24, 24, 16], [1.0; 3]);
    fs::create_dir(folder.path().join("scans")).unwrap();
    let files = SUFFIXES.map(|suffix| format!("scans/x{suffix}.nii.gz"));
    for (file, scan) in files.iter().zip(&head.scans) {
        write(&folder.path().join(file), scan);
    }
    (folder, files.join(","))
}

#[test]
fn a_case_is_never_called_as_if_it_lay_elsewhere() {
    let (folder, row) = material();
    let list = folder.path().join("list.csv");
    for name in ["../x", "/tmp/x", "a/b", "..", ".hidden", "a\\b", "\"two\nlines\"", "red\u{1b}[31m"] {
        fs::write(&list, format!("case,t1n,t1c,t2w,t2f\n{name},{row}\n")).unwrap();
        let said = find(std::slice::from_ref(&list)).unwrap_err().to_string();
        assert!(said.contains("list.csv, line ") && said.contains("cannot be a case's name"), "{name}: {said}");
        assert!(!said.contains(['\n', '\u{1b}']), "nor is it sent to a terminal: {said:?}");
    }
    fs::write(&list, format!("case,t1n,t1c,t2w,t2f\n김 환자.1,{row}\n")).unwrap();
    assert_eq!(find_one(&list).unwrap().name, "김 환자.1", "any other name is fine");
}

#[test]
fn a_manifest_as_spreadsheets_write_it() {
    let (folder, row) = material();
    let list = folder.path().join("list.csv");
    let text = format!("case,t1n,t1c,t2w,t2f\r\na,{row}\r\n");
    for text in [text.clone(), format!("\u{feff}{text}"), format!("\u{feff}{}", text.replace("case", "\"case\""))] {
        fs::write(&list, &text).unwrap();
        let case = find_one(&list).unwrap();
        assert!(Study::read(&case, &Limits::default()).is_ok(), "{text:?}");
    }
    let says = |text: &[u8], words: &[&str]| {
        fs::write(&list, text).unwrap();
        let said = find(std::slice::from_ref(&list)).unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    };
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    says(&utf16, &["list.csv, line 1", "commas, in UTF-8"]);
    says(text.replace(',', ";").as_bytes(), &["line 1", "case;t1n", "the columns are case,t1n"]);
    says(format!("case,t1n,t1c,t2w,t2f,t1n\na,{row},b\n").as_bytes(), &["line 1", "t1n is there twice"]);
}

#[test]
fn a_device_without_an_end_is_no_list_and_no_model() {
    let folder = tempdir().unwrap();
    let endless = |name: &str| {
        let link = folder.path().join(name);
        symlink("/dev/zero", &link).unwrap();
        link
    };
    let list = segment::error::sentence(&find(&[endless("list.csv")]).unwrap_err());
    let split = segment::error::sentence(&Split::read(&endless("split.json")).unwrap_err());
    let recipe = Recipe::read(&endless("recipe.toml")).unwrap_err().to_string();
    for (name, said) in [("list.csv", list), ("split.json", split), ("recipe.toml", recipe)] {
        assert!(said.contains(name) && said.contains("longer than"), "{said}");
    }
    let model = Artefact::open(&endless("model.safetensors")).unwrap_err().to_string();
    assert!(model.contains("model.safetensors") && model.contains("it is no file"), "{model}");
}

#[test]
fn a_name_that_is_not_unicode_is_said_and_not_left_out() {
    let (folder, _) = material();
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    for suffix in SUFFIXES {
        let name = [b"\xc8\xaf\xc0\xda", suffix.as_bytes(), b".nii.gz"].concat(); // Korean in EUC-KR
        let from = folder.path().join(format!("scans/x{suffix}.nii.gz"));
        fs::copy(from, other.join(OsString::from_vec(name))).unwrap();
    }
    let cases = find(&[folder.path().to_owned()]).unwrap();
    assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["other", "x"], "one for the folder");
    assert!(matches!(&cases[0].problems[..], [Problem::NotUnicode { .. }, ..]), "{:?}", cases[0].problems);
    let said = Study::read(&cases[0], &Limits::default()).unwrap_err().to_string();
    assert!(said.contains("-t1c.nii.gz") && said.contains("rename"), "{said}");
    let shown = serde_json::to_string(&inspect(&[other], None, &Limits::default()).unwrap()).unwrap();
    assert!(shown.contains("UTF-8"), "{shown}");
}

/// The scans of one case and its mask, each written by another program.
#[test]
fn files_of_one_case_may_be_stored_in_different_orders() {
    let folder = tempdir().unwrap();
    let head = head(1, [24, 20, 16], [1.0; 3]);
    let orders = Orientation::all();
    let case = |name: &str, order: [usize; 5]| {
        let place = folder.path().join(name);
        fs::create_dir(&place).unwrap();
        let stored = |at: usize| orders[order[at]];
        let own = |grid: &volume::Grid| Orientation::of(grid.affine());
        for (at, scan) in head.scans.iter().enumerate() {
            let scan = stored(at).from_ras(&own(scan.grid()).to_ras(scan));
            write(&place.join(format!("{name}{}.nii.gz", SUFFIXES[at])), &scan);
        }
        let mask = stored(4).from_ras(&own(head.labels.grid()).to_ras(&head.labels));
        let mask = segment::labels::encode_labels(&mask, LabelScheme::Brats2023);
        let geometry = nifti::Geometry::from_grid(mask.grid());
        nifti::write_mask(&place.join(format!("{name}-seg.nii.gz")), &mask, &geometry).unwrap();
        let found = find_one(&place).unwrap();
        let study = Study::read(&found, &Limits::default()).unwrap();
        let labels = found.read_labels(Some(LabelScheme::Brats2023), &Limits::default()).unwrap();
        let summary = segment::inspect::inspect_case(&found, Some(LabelScheme::Brats2023), &Limits::default());
        assert!(summary.is_usable && summary.problems.is_empty(), "{:?}", summary.problems);
        let (tensor, preparation) = prepare(&study, Preparing::Brain).unwrap();
        (tensor.values, preparation.prepare_labels(&labels).unwrap())
    };
    let alike = case("alike", [3; 5]);
    assert!(alike.1.iter().any(|&code| code > 0), "a tumour");
    assert_eq!(case("mixed", [3, 0, 17, 40, 29]), alike, "the same tensor and the same labels");
    assert_eq!(Sequence::ALL.len(), SUFFIXES.len());
}

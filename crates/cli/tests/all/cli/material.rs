//! Small heads, tiny models, and what the program said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use segment::artefact::{Artefact, Card, Provenance};
use segment::labels::{LabelScheme, encode_labels};
use segment::phantom::{Phantom, phantom};
use segment::recipe::inference::Mode;
use segment::recipe::{DEFAULT, Recipe};
use segment::study::Sequence;
use tempfile::TempDir;
use unet::{Net, weights};
use volume::nifti::{self, Geometry};

/// Voxels of the heads.
pub(crate) const SHAPE: [usize; 3] = [40, 44, 36];

/// A folder of one test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The program with arguments, on one thread: tests run beside each other. What it finds out of this machine is kept among
/// what was built, not in a home.
pub(crate) fn glioscope<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("glioscope"));
    command.args(args).args(["--threads", "1"]).stdin(Stdio::null()).env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Runs it and gives exit code, stdout and stderr.
pub(crate) fn run(mut command: Command) -> (i32, String, String) {
    said(&command.output().unwrap())
}

/// Waits for it and gives exit code, stdout and stderr.
pub(crate) fn wait(child: Child) -> (i32, String, String) {
    said(&child.wait_with_output().unwrap())
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs it, demands success, and gives stdout.
pub(crate) fn succeed(command: Command) -> String {
    let (code, out, err) = run(command);
    assert_eq!(code, 0, "stdout: {out}\nstderr: {err}");
    out
}

/// Runs it, demands exit code 1 with one sentence, and gives the sentence.
pub(crate) fn fail(command: Command) -> String {
    let (code, out, err) = run(command);
    assert_eq!(code, 1, "stdout: {out}\nstderr: {err}");
    let sentences: Vec<&str> = err.lines().filter(|line| line.starts_with("glioscope: ")).collect();
    assert_eq!(sentences.len(), 1, "said once: {err}");
    assert!(!err.contains("panicked"), "{err}");
    sentences[0].to_owned()
}

/// Everything under a folder, hidden things too.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path.clone());
            }
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
    found.sort();
    found
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The endings of the challenges up to 2021.
pub(crate) const ENDINGS: [(Sequence, &str); 4] =
    [(Sequence::T1n, "t1"), (Sequence::T1c, "t1ce"), (Sequence::T2w, "t2"), (Sequence::T2f, "flair")];

/// Writes a small head as a case of BraTS 2021 into its own folder under `folder`.
pub(crate) fn write_case(folder: &Path, name: &str, seed: u64) -> PathBuf {
    let folder = folder.join(name);
    write_head(&folder, name, &phantom(seed, SHAPE));
    folder
}

/// Writes a head's scans and mask into a folder.
pub(crate) fn write_head(folder: &Path, name: &str, head: &Phantom) {
    fs::create_dir_all(folder).unwrap();
    let geometry = Geometry::from_grid(&head.grid().unwrap());
    for (sequence, ending) in ENDINGS {
        let path = folder.join(format!("{name}_{ending}.nii.gz"));
        nifti::write_scan(&path, &head.scan(sequence).unwrap(), &geometry).unwrap();
    }
    let labels = encode_labels(&head.label_map().unwrap(), LabelScheme::Brats2020);
    nifti::write_mask(&folder.join(format!("{name}_seg.nii.gz")), &labels, &geometry).unwrap();
}

/// The default recipe with a net of two narrow levels.
pub(crate) fn tiny_recipe() -> Recipe {
    let mut recipe = Recipe::parse(DEFAULT, Path::new("default")).unwrap();
    recipe.network.widths = vec![4, 8];
    recipe.network.deep_supervision = vec![1.0];
    recipe.inference.mode = Mode::Whole;
    recipe.inference.tile = [16, 16, 16];
    recipe.sampling.phantom_share = 0.0;
    recipe
}

/// What a model that was never trained finds.
#[derive(Clone, Copy)]
pub(crate) enum Finds {
    /// What its random weights say.
    Something,
    /// Nothing.
    Nothing,
}

/// Writes a tiny model with random weights.
pub(crate) fn write_model(folder: &Path, finds: Finds) -> PathBuf {
    let recipe = tiny_recipe();
    let spec = recipe.network.spec();
    let mut values = weights::initial(&spec, 7).unwrap();
    if matches!(finds, Finds::Nothing) {
        let params = Net::params(&spec).unwrap();
        let head = params.iter().find(|param| param.name == "head.0.bias").unwrap();
        values[head.range.clone()].fill(-1e6);
    }
    let card = Card {
        version: 1,
        name: "tiny".to_owned(),
        channels: Sequence::ALL,
        outputs: ["WT", "TC", "ET"].map(str::to_owned).to_vec(),
        label_scheme: LabelScheme::Brats2023,
        recipe,
        provenance: Provenance {
            steps: 12,
            trained_on: vec!["BraTS2021_00001".to_owned()],
            phantoms: 3,
            validated_on: vec![],
            program: "a test".to_owned(),
        },
        scores: vec![],
        calibration: None,
    };
    let file = folder.join("model.safetensors");
    Artefact::write(&file, &card, &values).unwrap();
    file
}

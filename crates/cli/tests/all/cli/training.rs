//! Training from the command line: a run that was stopped or killed and resumed equals one that never was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kernels::{Cpu, IsaName};
use segment::recipe::training::{Products, SplitRule};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::material::{fail, folder, glioscope, run, succeed, text, tiny_recipe, tree, wait, write_case};
use crate::cli::stopped::{signal, started};

struct Run {
    root: TempDir,
    folder: PathBuf,
    recipe: PathBuf,
}

impl Run {
    /// Three cases, and a recipe of so many steps with a checkpoint every forty.
    fn new(steps: u64) -> Self {
        let root = folder();
        let folder = root.path().join("data");
        for (name, seed) in [("BraTS2021_00001", 1), ("BraTS2021_00002", 2), ("BraTS2021_00003", 3)] {
            write_case(&folder, name, seed);
        }
        let mut recipe = tiny_recipe();
        recipe.training.stage.truncate(1);
        recipe.training.stage[0].steps = steps;
        recipe.training.stage[0].patch = [16; 3];
        recipe.training.warm_up = 2;
        recipe.training.checkpoint_every = 40;
        recipe.training.validate_every = 100_000;
        recipe.split = SplitRule::Folds { count: 3, fold: 0 };
        let file = root.path().join("recipe.toml");
        fs::write(&file, recipe.to_toml().unwrap()).unwrap();
        Self { root, folder, recipe: file }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn begin(&self, name: &str) -> Command {
        let out = self.folder(name);
        glioscope(["train", "--data", text(&self.folder), "--recipe", text(&self.recipe), "--out", text(&out)])
    }

    fn resume(&self, name: &str) -> Command {
        let out = self.folder(name);
        glioscope(["train", "--data", text(&self.folder), "--out", text(&out), "--resume"])
    }
}

fn model(run: &Path) -> Vec<u8> {
    fs::read(run.join("model.safetensors")).unwrap()
}

/// Loss and gradient of each step.
fn curve(run: &Path) -> Vec<(u64, String)> {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let steps = lines.filter(|line| line["train/loss"].is_number());
    steps
        .map(|line| (line["step"].as_u64().unwrap(), format!("{} {}", line["train/loss"], line["train/gradient_norm"])))
        .collect()
}

#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    let run = Run::new(300);
    let said = succeed(run.begin("whole"));
    assert!(said.contains("model.safetensors") && said.contains("Research use only"), "{said}");

    let (mut child, _) = started(run.begin("killed"), "step 50:");
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = run.folder("killed");
    assert!(!killed.join("model.safetensors").exists(), "it was killed before its end");
    succeed(run.resume("killed"));
    assert_eq!(model(&killed), model(&run.folder("whole")), "the same weights and card, bit for bit");
    assert_eq!(curve(&killed), curve(&run.folder("whole")), "the same losses at the same steps");
    assert!(!tree(&killed).iter().any(|file| file.contains("partial")), "{:?}", tree(&killed));
}

#[test]
fn a_stopped_run_keeps_a_checkpoint_and_resumes_to_the_same_bits() {
    let run = Run::new(300);
    succeed(run.begin("whole"));
    for name in ["INT", "TERM"] {
        let (child, err) = started(run.begin(name), "step 50:");
        signal(&child, name);
        let (code, said, _) = wait(child);
        let err = err.join().unwrap();
        assert_eq!(code, 130, "{said}{err}");
        assert!(err.contains("of 300; its checkpoint is written") && err.contains("--resume"), "{err}");
        succeed(run.resume(name));
        assert_eq!(model(&run.folder(name)), model(&run.folder("whole")), "{name}");
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_again() {
    let run = Run::new(40);
    succeed(run.begin("whole"));
    let early = run.folder("early");
    fs::create_dir(&early).unwrap();
    for file in ["recipe.toml", "split.json"] {
        fs::copy(run.folder("whole").join(file), early.join(file)).unwrap();
    }
    succeed(run.resume("early"));
    assert_eq!(model(&early), model(&run.folder("whole")));
}

#[test]
fn a_run_is_not_begun_twice_nor_resumed_from_nothing() {
    let run = Run::new(4);
    let mut first = run.begin("run");
    first.arg("--json");
    let said: Value = serde_json::from_str(&succeed(first)).unwrap();
    assert_eq!((&said["steps"], &said["of"]), (&Value::from(4), &Value::from(4)));
    assert!(said["validation_dice"]["wt"].is_number(), "{said}");
    let sentence = fail(run.begin("run"));
    assert!(sentence.contains("--resume"), "{sentence}");
    let (code, _, err) = crate::cli::material::run(run.resume("nothing"));
    assert!(code == 2 && err.contains("not the folder of a run"), "{err}");
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_says_what_led_to_it() {
    let run = Run::new(40);
    let mut recipe = segment::recipe::Recipe::read(&run.recipe).unwrap();
    recipe.training.optimiser =
        unet::optim::OptimSpec::Sgd { lr: 1e30, momentum: 0.9, nesterov: true, weight_decay: 0.0 };
    recipe.training.gradient_clip = 0.0;
    recipe.training.warm_up = 0;
    fs::write(&run.recipe, recipe.to_toml().unwrap()).unwrap();
    let sentence = fail(run.begin("run"));
    for word in ["is not finite", "learning rate ", "the last losses", "BraTS2021_0000", "lower the learning rate"] {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
    assert!(!run.folder("run").join("model.safetensors").exists(), "no model of it");
    assert!(!tree(&run.folder("run")).iter().any(|file| file.contains("partial")), "nothing half-written");
}

#[test]
fn a_run_in_bf16_is_one_of_all_machines_that_can_and_is_refused_by_others() {
    let run_ = Run::new(4);
    let mut recipe = segment::recipe::Recipe::read(&run_.recipe).unwrap();
    recipe.training.precision = Products::Bf16;
    fs::write(&run_.recipe, recipe.to_toml().unwrap()).unwrap();
    let with = |name: &str, isa: IsaName| {
        let mut command = run_.begin(name);
        command.args(["--isa", isa.as_str()]);
        command
    };
    succeed(with("scalar", IsaName::Scalar));
    for cpu in Cpu::all().into_iter().filter(|cpu| cpu.name() != IsaName::Scalar) {
        let name = cpu.name().as_str();
        if cpu.has_tiles() {
            succeed(with(name, cpu.name()));
            assert_eq!(curve(&run_.folder(name)), curve(&run_.folder("scalar")), "{name}: the same losses");
        } else {
            let (code, _, err) = run(with(name, cpu.name()));
            assert!(code == 2 && err.contains("training.precision") && err.contains("tiles of AMX"), "{code}: {err}");
            assert!(!run_.folder(name).exists(), "nothing was begun");
        }
    }
}

#[test]
fn a_case_without_a_mask_is_left_out_and_named() {
    let run_ = Run::new(4);
    let case = write_case(&run_.folder, "BraTS2021_00004", 4);
    fs::remove_file(case.join("BraTS2021_00004_seg.nii.gz")).unwrap();
    let (code, _, err) = run(run_.begin("run"));
    assert!(code == 0 && err.contains("warning: BraTS2021_00004 is left out: it has no mask"), "{code}: {err}");
}

#[test]
fn a_split_that_names_others_is_refused() {
    let run_ = Run::new(4);
    let split = run_.folder("split.json");
    fs::write(&split, r#"{"train": ["BraTS2021_00001"], "validation": ["BraTS2021_00009"]}"#).unwrap();
    let mut command = run_.begin("run");
    command.args(["--split", text(&split)]);
    let (code, _, err) = run(command);
    assert!(code == 1 && err.contains("BraTS2021_00009"), "{err}");
    assert!(!run_.folder("run").exists(), "nothing was begun");
}

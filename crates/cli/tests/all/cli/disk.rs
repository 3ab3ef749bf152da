//! Output folders that cannot take the results: files, forbidden places, full and read-only disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cli::material::{Finds, fail, folder, glioscope, text, tiny_recipe, tree, write_case, write_model};

/// What every command that writes is tried with.
struct Material {
    root: TempDir,
    folder: PathBuf,
    model: PathBuf,
    recipe: PathBuf,
}

impl Material {
    fn new() -> Self {
        let root = folder();
        let folder = root.path().join("data");
        for (name, seed) in [("BraTS2021_00001", 1), ("BraTS2021_00002", 2)] {
            write_case(&folder, name, seed);
        }
        let model = write_model(root.path(), Finds::Something);
        let recipe = root.path().join("recipe.toml");
        let mut tiny = tiny_recipe();
        tiny.training.stage.truncate(1);
        tiny.training.stage[0].steps = 2;
        tiny.training.warm_up = 0;
        tiny.training.stage[0].patch = [16; 3];
        tiny.split = segment::recipe::training::SplitRule::Folds { count: 2, fold: 0 };
        fs::write(&recipe, tiny.to_toml().unwrap()).unwrap();
        Self { root, folder, model, recipe }
    }

    /// The commands that write into `out`, by name. A phantom is left out where it would be drawn for nothing.
    fn commands(&self, out: &Path) -> Vec<(&'static str, Command)> {
        let (folder, out) = (text(&self.folder), text(out));
        let case = self.folder.join("BraTS2021_00001");
        vec![
            ("segment", glioscope(["segment", text(&case), "--out", out, "--model", text(&self.model)])),
            ("evaluate", glioscope(["evaluate", "--reference", folder, "--pred", folder, "--out", out])),
            ("inspect", glioscope(["inspect", folder, "--out", out])),
            ("train", glioscope(["train", "--data", folder, "--recipe", text(&self.recipe), "--out", out])),
        ]
    }

    fn phantom(out: &Path) -> (&'static str, Command) {
        ("phantom", glioscope(["phantom", "--out", text(out), "--seed", "1"]))
    }
}

#[test]
fn an_output_folder_that_is_a_file() {
    let material = Material::new();
    let file = material.root.path().join("file");
    fs::write(&file, "mine").unwrap();
    let before = tree(material.root.path());
    for out in [file.clone(), file.join("below")] {
        let mut commands = material.commands(&out);
        commands.push(Material::phantom(&out));
        for (name, command) in commands {
            let sentence = fail(command);
            assert!(sentence.contains(text(&file)) && sentence.contains("this is a file"), "{name}: {sentence}");
        }
    }
    assert_eq!(tree(material.root.path()), before);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn an_output_folder_that_may_not_be_written() {
    let material = Material::new();
    // Nobody may make a folder there, the superuser neither.
    let out = Path::new("/proc/glioscope");
    let mut commands = material.commands(out);
    commands.push(Material::phantom(out));
    for (name, command) in commands {
        let sentence = fail(command);
        assert!(sentence.contains("/proc/glioscope") && sentence.contains("--out"), "{name}: {sentence}");
    }
}

/// A small disk in memory, gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounts it where the machine lets a test do that.
    fn mounted(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs", text(at)]).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("SKIPPED: this machine does not let a test mount a small disk");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk() {
    let material = Material::new();
    let Some(disk) = Disk::mounted(&material.root.path().join("disk"), "size=16k") else { return };
    fs::write(disk.0.join("mine"), "mine").unwrap();
    for out in [disk.0.clone(), disk.0.join("out")] {
        for (name, command) in material.commands(&out) {
            let sentence = fail(command);
            assert!(sentence.contains("full") || sentence.contains("No space left"), "{name}: {sentence}");
            assert!(!sentence.contains(".partial"), "hidden folders are nobody's business: {name}: {sentence}");
            if name != "train" {
                assert_eq!(tree(&disk.0), ["mine"], "{name} left nothing");
            }
            clean(&disk.0);
        }
    }
    let (_, command) = Material::phantom(&disk.0.join("cases"));
    let sentence = fail(command);
    assert!(sentence.contains("full") || sentence.contains("No space left"), "phantom: {sentence}");
    assert_eq!(tree(&disk.0), ["mine"], "phantom left nothing");
}

/// Removes what a run left: a training's folder is its own from the first step on.
fn clean(disk: &Path) {
    for name in tree(disk).into_iter().filter(|name| name != "mine") {
        assert!(!name.contains(".partial"), "half-written: {name}");
        let path = disk.join(name);
        if path.is_dir() {
            fs::remove_dir_all(path).ok()
        } else {
            fs::remove_file(path).ok()
        };
    }
}

#[test]
fn a_disk_that_is_read_only() {
    let material = Material::new();
    let Some(disk) = Disk::mounted(&material.root.path().join("disk"), "ro") else { return };
    let mut commands = material.commands(&disk.0);
    commands.push(Material::phantom(&disk.0));
    for (name, command) in commands {
        let sentence = fail(command);
        assert!(sentence.contains("may write") && sentence.contains(text(&disk.0)), "{name}: {sentence}");
    }
}

//! The two recipes of the repository, and what a wrong one is told.
#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "a test; a shared zoom is the same bits")]

use std::path::Path;

use segment::augment::draw::{Augmentation, ChannelChange, Geometry};
use segment::random::Rng;
use segment::recipe::training::{Down, Norm, Outputs, SplitRule, Up};
use segment::recipe::{DEFAULT, ORIGINAL, Recipe, RecipeError};
use unet::optim::OptimSpec;
use unet::schedule::Decline;

const FILE: &str = "recipes/mine.toml";

fn parsed(text: &str) -> Recipe {
    Recipe::parse(text, Path::new(FILE)).unwrap()
}

#[test]
fn the_default_recipe_is_the_fields_net() {
    let recipe = parsed(DEFAULT);
    assert_eq!(recipe.network.widths, [16, 32, 64, 128, 256]);
    assert_eq!((recipe.network.outputs, recipe.network.norm), (Outputs::Regions, Norm::Instance));
    assert_eq!((recipe.network.down, recipe.network.up), (Down::Strided, Up::Transposed));
    assert!(recipe.network.deep_supervision.len() > 1, "deep supervision is off");
    assert!(matches!(recipe.training.optimiser, OptimSpec::AdamW { .. }), "{:?}", recipe.training.optimiser);
    assert_eq!(recipe.training.steps(), recipe.training.stage.iter().map(|s| s.steps).sum::<u64>());
}

/// Each line of the report that a recipe can state.
#[test]
fn the_original_recipe_is_the_report() {
    let recipe = parsed(ORIGINAL);
    assert_eq!(recipe.split, SplitRule::Report);
    assert_eq!(recipe.network.widths[0], 32);
    assert!(recipe.network.widths.windows(2).all(|pair| pair[1] == 2 * pair[0]), "filters double at each level");
    assert_eq!((recipe.network.outputs, recipe.network.norm), (Outputs::Classes, Norm::None));
    assert_eq!((recipe.network.down, recipe.network.up), (Down::MaxPool, Up::Nearest));
    assert_eq!((recipe.network.dropout, recipe.network.negative_slope), (0.5, 0.0));
    assert_eq!(recipe.training.optimiser, OptimSpec::Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-7 });
    assert_eq!(recipe.training.decline, Decline::Constant);
    let stage = &recipe.training.stage[0];
    assert_eq!((stage.batch, stage.patch), (1, [160, 128, 128]));
    assert_eq!((recipe.loss.dice, recipe.loss.cross_entropy), (1.0, 1.0));
    let (turn, zoom) = (&recipe.augmentation.rotation, &recipe.augmentation.zoom);
    assert_eq!((turn.probability, turn.in_plane, turn.tilt), (1.0, [0.0, 90.0], [0.0, 0.0]));
    assert_eq!((zoom.probability, zoom.range, zoom.anisotropy), (1.0, [1.0, 1.1], 0.0));
}

#[test]
fn the_reports_augmentation_is_a_turn_in_plane_and_a_zoom() {
    let augmenting = parsed(ORIGINAL).augmentation;
    let mut rng = Rng::new(1);
    let drawn: Vec<Augmentation> = (0..500).map(|_| Augmentation::draw(&augmenting, &[0], &mut rng)).collect();
    for augmentation in &drawn {
        let Geometry { flips, zoom, rotation } = augmentation.geometry;
        assert!((0.0..=90.0).contains(&rotation[0]) && rotation[1..] == [0.0; 2], "{rotation:?}");
        assert!(zoom.iter().all(|z| *z == zoom[0] && (1.0..=1.1).contains(z)), "{zoom:?}");
        assert_eq!((flips, augmentation.paste), ([false; 3], None));
        assert!(augmentation.channels.iter().all(|change| *change == ChannelChange::NONE), "an intensity changed");
    }
    let angles = drawn.iter().map(|a| a.geometry.rotation[0]);
    // Mean of a uniform angle, five standard errors.
    assert!((angles.sum::<f64>() / 500.0 - 45.0).abs() < 5.8, "angles are not uniform");
}

#[test]
fn a_written_recipe_reads_the_same() {
    for text in [DEFAULT, ORIGINAL] {
        let recipe = parsed(text);
        assert_eq!(parsed(&recipe.to_toml().unwrap()), recipe);
    }
}

/// Line of the first line of the default recipe that begins with `start`.
fn line(start: &str) -> usize {
    1 + DEFAULT.lines().position(|line| line.starts_with(start)).unwrap()
}

/// Replaces `old` in the default recipe and compares the refusal with its sentence.
fn check(old: &str, new: &str, expected: &str) {
    assert!(DEFAULT.contains(old), "the default recipe has no {old:?}");
    let error = Recipe::parse(&DEFAULT.replacen(old, new, 1), Path::new(FILE)).unwrap_err();
    let got = error.to_string();
    assert!(got.starts_with(expected), "{got}\ninstead of\n{expected}");
}

#[test]
fn unknown_keys_are_refused_with_file_line_and_key() {
    let at = |start: &str| format!("{FILE}, line {}:", line(start));
    check("seed = 1", "sead = 1", &format!("{} `sead` is no key of a recipe; here may stand ", at("seed")));
    check("beta1 = 0.9", "beta = 0.9", &format!("{} `beta` is no key", at("beta1")));
    check("exponent = 0.9", "power = 0.9", &format!("{} `power` is no key", at("exponent")));
    check("fold = 0", "part = 0", &format!("{} `part` is no key", at("fold =")));
    check("margin = 3,", "rim = 3,", &format!("{} `rim` is no key", at("paste")));
    check("[loss]", "[losses]", &format!("{} `losses` is no key", at("[loss]")));
    check("patch = [96", "size = [96", &format!("{} `size` is no key", at("patch")));
}

#[test]
fn a_key_left_out_is_named() {
    check(
        "gradient_clip = 12.0\n",
        "",
        &format!("{FILE}, line {}: the key `gradient_clip` is missing", line("[training]")),
    );
    check("steps = 6000\n", "", &format!("{FILE}, line {}: the key `steps` is missing", line("[[training.stage]]")));
}

#[test]
fn values_that_cannot_work_are_refused() {
    let at = |start: &str, key: &str| format!("{FILE}, line {}: `{key}` must ", line(start));
    check("patch = [96, 96, 96]", "patch = [96, 90, 96]", &at("patch", "training.stage.patch"));
    check("tile = [96, 96, 96]", "tile = [0, 96, 96]", &at("tile", "inference.tile"));
    check("lr = 1e-3", "lr = 0.0", &at("lr", "training.optimiser.lr"));
    check("lr = 1e-3", "lr = nan", &at("lr", "training.optimiser.lr"));
    check("foreground = 0.6", "foreground = 1.6", &at("foreground", "sampling.foreground"));
    check("phantoms = 12", "phantoms = 0", &at("phantoms", "sampling.phantoms"));
    check("range = [0.75, 1.35]", "range = [1.35, 0.75]", &at("zoom", "augmentation.zoom"));
    check("warm_up = 100", "warm_up = 6000", &at("warm_up", "training.warm_up"));
    check("widths = [16, 32", "widths = [0, 32", &at("widths", "network.widths"));
    check("mirror = []", "mirror = [\"w\", \"w\"]", &at("mirror", "inference.mirror"));
    check("count = 5\nfold = 0", "count = 5\nfold = 5", &at("fold =", "split.fold"));
}

#[test]
fn wrong_kinds_and_broken_files_say_where() {
    check("seed = 1", "seed = \"one\"", &format!("{FILE}, line {}: invalid type", line("seed")));
    check("norm = \"instance\"", "norm = \"layer\"", &format!("{FILE}, line {}: unknown variant", line("norm")));
    check("seed = 1", "seed = ", &format!("{FILE}, line {}: ", line("seed")));
    let missing = Recipe::read(Path::new("no/such/recipe.toml")).unwrap_err();
    assert!(matches!(missing, RecipeError::Unread { .. }), "{missing}");
}

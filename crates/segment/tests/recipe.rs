//! The two recipes of the repository, and what a wrong one is told.
#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "a test; a shared zoom is the same bits")]

use std::path::Path;

use segment::augment::draw::{Augmentation, ChannelChange, Geometry};
use segment::random::Rng;
use segment::recipe::training::{Outputs, SplitRule};
use segment::recipe::{DEFAULT, ORIGINAL, Recipe, RecipeError};
use unet::optim::OptimSpec;
use unet::schedule::Decline;
use unet::{Down, Norm, Up};

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

/// Puts `new` in the place of the line that begins with `start` and compares the refusal with its sentence.
fn check(start: &str, new: &str, expected: &str) {
    let place = line(start) - 1;
    let lines = DEFAULT.lines().enumerate().map(|(at, line)| if at == place { new } else { line });
    let error = Recipe::parse(&lines.collect::<Vec<_>>().join("\n"), Path::new(FILE)).unwrap_err();
    let got = error.to_string();
    let expected = format!("{FILE}, line {}: {expected}", place + 1);
    assert!(got.starts_with(&expected), "{got}\ninstead of\n{expected}");
}

#[test]
fn unknown_keys_are_refused_with_file_line_and_key() {
    check("seed =", "sead = 1", "`sead` is no key of a recipe; here may stand ");
    check("beta1 =", "beta = 0.9", "`beta` is no key");
    check("exponent =", "power = 0.9", "`power` is no key");
    check("fold =", "part = 0", "`part` is no key");
    let pasting = "paste = { probability = 0.2, rim = 3, rotation = 15.0, displacement = 4.0 }";
    check("paste =", pasting, "`rim` is no key");
    check("[loss]", "[losses]", "`losses` is no key");
    check("patch =", "size = [96, 96, 96]", "`size` is no key");
}

#[test]
fn a_key_left_out_is_named() {
    for (section, key) in [
        ("[training]", "gradient_clip"),
        ("[[training.stage]]", "steps"),
        ("[augmentation]", "tumour_contrast"),
        ("[inference]", "tile"),
    ] {
        let place = line(key) - 1;
        let lines = DEFAULT.lines().enumerate().filter(|(at, _)| *at != place).map(|(_, line)| line);
        let error = Recipe::parse(&lines.collect::<Vec<_>>().join("\n"), Path::new(FILE)).unwrap_err();
        let expected = format!("{FILE}, line {}: the key `{key}` is missing", line(section));
        assert!(error.to_string().starts_with(&expected), "{error}\ninstead of\n{expected}");
    }
}

#[test]
fn values_that_cannot_work_are_refused() {
    check("patch =", "patch = [96, 90, 96]", "`training.stage.patch` must ");
    check("tile =", "tile = [0, 96, 96]", "`inference.tile` must ");
    check("lr =", "lr = 0.0", "`training.optimiser.lr` must ");
    check("lr =", "lr = nan", "`training.optimiser.lr` must ");
    check("foreground =", "foreground = 1.6", "`sampling.foreground` must ");
    check("phantoms =", "phantoms = 0", "`sampling.phantoms` must ");
    let zoom = "zoom = { probability = 0.3, range = [1.35, 0.75], anisotropy = 0.1 }";
    check("zoom =", zoom, "`augmentation.zoom` must ");
    check("warm_up =", "warm_up = 1000000000", "`training.warm_up` must ");
    check("widths =", "widths = [0, 32]", "`network.widths` must ");
    check("mirror =", "mirror = [\"w\", \"w\"]", "`inference.mirror` must ");
    check("fold =", "fold = 5", "`split.fold` must ");
}

#[test]
fn wrong_kinds_and_broken_files_say_where() {
    check("seed =", "seed = \"one\"", "invalid type");
    check("norm =", "norm = \"layer\"", "unknown variant");
    check("seed =", "seed = ", "");
    let missing = Recipe::read(Path::new("no/such/recipe.toml")).unwrap_err();
    assert!(matches!(missing, RecipeError::Unread { .. }), "{missing}");
}

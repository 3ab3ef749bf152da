//! `glioscope train`: a model from cases.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use kernels::Cpu;
use segment::dataset::{FoundCase, find};
use segment::labels::{LabelScheme, Region};
use segment::recipe::Recipe;
use segment::recipe::training::SplitRule;
use segment::split::Split;
use segment::staging::{OutputError, Staging};
use segment::train::{Event, Run, Start, TrainError, TrainingCases, train};
use serde_json::json;
use volume::write_atomically;

use crate::Outcome;
use crate::args;
use crate::commands::{model, recipe};
use crate::interrupt::Interrupt;
use crate::show::{self, Show, Usage, number, table};

/// Files in the folder of a run.
const RECIPE: &str = "recipe.toml";
const SPLIT: &str = "split.json";
const CHECKPOINT: &str = "checkpoint.safetensors";
const MODEL: &str = "model.safetensors";

/// Steps between two lines where no bar moves.
const STEPS_A_LINE: u64 = 50;

pub(crate) fn run(cpu: Cpu, args: &args::Train, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let (recipe, start) = begin(args, show)?;
    let purpose =
        recipe.training.precision.purpose(cpu).map_err(|none| Usage(format!("recipe: training.precision: {none}")))?;
    let found = find(&args.data)?;
    let split = split(args, &recipe, &found, show)?;
    show.note(format_args!("reading {} cases", split.train.len() + split.validation.len()));
    let scheme = args.scheme.map(LabelScheme::from);
    let cases = TrainingCases::read(&found, &split, recipe.preparing.method, scheme)?;
    let n_steps = recipe.training.steps();
    show.note(format_args!(
        "{} cases to train on, {} to judge on, {n_steps} steps",
        cases.train.len(),
        cases.held.len()
    ));
    if interrupt.is_asked() {
        show.note("stopped before the first step; nothing was written");
        return Ok(Outcome::Stopped);
    }
    let bar = show.bar(n_steps, "{pos}/{len} {wide_bar} {msg}")?;
    keep_split(&args.out, &split, start)?;
    let mut steps = 0;
    let mut scores = None;
    #[expect(clippy::disallowed_methods, reason = "the curves carry the time of day; nothing is computed from it")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let run = Run { folder: &args.out, start, wall_time: now.as_secs_f64(), purpose };
    train(cpu, &recipe, cases, run, &mut |event| {
        match event {
            Event::Step { done, loss, ref dice, left, .. } => {
                steps = done;
                follow(&bar, show, (done, loss), dice, left);
            }
            Event::Validated { done, dice } => {
                scores = Some((done, dice));
                bar.suspend(|| show.note(format_args!("step {done}: validation Dice {}", named(&dice))));
            }
        }
        interrupt.flow()
    })?;
    bar.finish_and_clear();
    tell(args, show, (steps.max(if steps == 0 { n_steps } else { 0 }), n_steps), scores)?;
    Ok(if interrupt.is_asked() && steps < n_steps { Outcome::Stopped } else { Outcome::Done })
}

/// The recipe, and whether there is anything to go on from.
fn begin(args: &args::Train, show: Show) -> anyhow::Result<(Recipe, Start)> {
    let own = args.out.join(RECIPE);
    if !args.resume {
        if own.exists() {
            return Err(TrainError::Exists { path: args.out.clone() }.into());
        }
        drop(Staging::begin(&args.out)?); // a folder that cannot be written is told before cases are read
        let chosen = args.recipe.as_deref().unwrap_or(Path::new("default"));
        return Ok((recipe::open(chosen)?, Start::New));
    }
    if !own.exists() {
        return Err(
            Usage(format!("--resume: {} is not the folder of a run; leave --resume out", args.out.display())).into()
        );
    }
    let recipe = match &args.recipe {
        Some(chosen) => recipe::open(chosen)?,
        None => Recipe::read(&own)?,
    };
    if args.out.join(CHECKPOINT).exists() {
        return Ok((recipe, Start::Resume));
    }
    if Recipe::read(&own).ok().as_ref() != Some(&recipe) {
        return Err(TrainError::OtherRecipe { path: args.out.clone() }.into());
    }
    // The run ended before its first checkpoint: going on is beginning again, with the same numbers.
    show.note("the run has no checkpoint yet: beginning with its first step");
    fs::remove_file(&own).with_context(|| format!("{} cannot be removed", own.display()))?;
    Ok((recipe, Start::New))
}

/// The split that was given, or that the run was begun with, or of the recipe's rule.
fn split(args: &args::Train, recipe: &Recipe, found: &[FoundCase], show: Show) -> anyhow::Result<Split> {
    if let Some(file) = &args.split {
        return Split::read(file).with_context(|| file.display().to_string());
    }
    let own = args.out.join(SPLIT);
    if args.resume && own.exists() {
        return Ok(Split::read(&own)?);
    }
    let (with, without): (Vec<&FoundCase>, Vec<&FoundCase>) = found.iter().partition(|case| case.seg.is_some());
    for case in without {
        let why = case.problems.first().map_or_else(|| "it has no mask".to_owned(), ToString::to_string);
        show.warn(format_args!("{} is left out: {why}", case.name));
    }
    let names: Vec<String> = with.into_iter().map(|case| case.name.clone()).collect();
    let seed = recipe.training.seed;
    Ok(match recipe.split {
        SplitRule::Report => Split::by_report(&names, &[], seed),
        SplitRule::Folds { count, fold } => Split::fold(&names, &[], seed, (fold, count)),
    }
    .map_err(segment::error::SegmentError::from)?)
}

/// Keeps the split in the folder of a new run, so that resuming it needs none.
fn keep_split(out: &Path, split: &Split, start: Start) -> anyhow::Result<()> {
    let file = out.join(SPLIT);
    if start == Start::Resume && file.exists() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(split)?;
    fs::create_dir_all(out)
        .and_then(|()| write_atomically(&file, |to| to.write_all(&text)))
        .map_err(|error| OutputError::of(out, error))?;
    Ok(())
}

fn follow(bar: &ProgressBar, show: Show, (done, loss): (u64, f64), dice: &[f64], left: Duration) {
    let soft: Vec<String> = dice.iter().map(|dice| format!("{dice:.2}")).collect();
    let soft = soft.join(" ");
    bar.set_position(done);
    bar.set_message(format!("loss {loss:.3}  Dice {soft}  {} left", span(left)));
    if show == Show::Lines && (done == 1 || done.is_multiple_of(STEPS_A_LINE)) {
        show.note(format_args!("step {done}: loss {loss:.4}, soft Dice {soft}, {} left", span(left)));
    }
}

/// A time span for people.
fn span(left: Duration) -> String {
    let minutes = left.as_secs().div_ceil(60);
    if minutes < 2 { format!("{} s", left.as_secs()) } else { format!("{} h {:02} min", minutes / 60, minutes % 60) }
}

fn named(dice: &[f64; 3]) -> String {
    let each = Region::ALL.iter().zip(dice).map(|(region, dice)| format!("{region} {dice:.4}"));
    each.collect::<Vec<_>>().join(", ")
}

fn tell(
    args: &args::Train,
    show: Show,
    (done, n_steps): (u64, u64),
    scores: Option<(u64, [f64; 3])>,
) -> anyhow::Result<()> {
    let file = args.out.join(MODEL);
    if done < n_steps {
        show.note(format_args!(
            "stopped after step {done} of {n_steps}; its checkpoint is written. Go on with --resume --out {}",
            args.out.display()
        ));
    }
    if show.is_json() {
        let dice = scores.map(|(step, dice)| json!({ "step": step, "wt": dice[0], "tc": dice[1], "et": dice[2] }));
        return show::json(&json!({
            "model": file.display().to_string(),
            "sha256": model::open(&file)?.sha256,
            "steps": done,
            "of": n_steps,
            "validation_dice": dice,
            "notice": segment::report::NOTICE,
        }));
    }
    if let Some((step, dice)) = scores {
        let rows = Region::ALL.iter().zip(dice).map(|(region, dice)| vec![region.to_string(), number(Some(dice), 4)]);
        let head = format!("Dice at step {step}");
        show::result(&format!("{}\n", table(&["region", &head], 1, rows.collect())))?;
    }
    show::result(&file.display().to_string())?;
    show::notice()
}

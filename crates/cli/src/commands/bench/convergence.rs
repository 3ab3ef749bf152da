//! Trainings from the same seed, with minimal filtering, with direct convolutions, and with products of bf16 in tiles where the
//! machine has them: whether they learn the same.

use ::segment::dataset::find;
use ::segment::recipe::training::Stage;
use ::segment::split::Split;
use ::segment::train::{Event, Run, Start, TrainingCases, train};
use kernels::Cpu;
use serde::Serialize;
use unet::Purpose;

use super::patch;
use crate::Outcome;
use crate::args::BenchConvergence;
use crate::commands::recipe;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, number, table};

/// Steps at the end whose losses are joined: one alone says what patch it drew.
const TAIL: usize = 50;

/// What was measured; one object of JSON.
#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    isa: &'static str,
    threads: usize,
    steps: u64,
    patch: [usize; 3],
    filtered: Curve,
    direct: Curve,
    /// Where the machine multiplies tiles.
    tiles: Option<Curve>,
}

/// One training.
#[derive(Debug, Default, Serialize)]
struct Curve {
    /// Loss of each step.
    loss: Vec<f64>,
    /// Mean Dice of WT, TC, ET over the validation cases, after the last step.
    dice: [f64; 3],
}

pub(super) fn run(cpu: Cpu, args: &BenchConvergence, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let patch = patch(&args.patch)?;
    let mut recipe = recipe::open(&args.recipe)?;
    recipe.training.stage = vec![Stage { steps: args.steps, patch, batch: 1 }];
    (recipe.training.validate_every, recipe.training.checkpoint_every) = (0, 0);
    let found = find(&args.data)?;
    let split = Split::read(&args.split)?;
    let has_tiles = cpu.has_tiles();
    let bar = show.bar((2 + u64::from(has_tiles)) * args.steps, "{pos}/{len} steps {wide_bar} {msg}")?;
    let learn = |purpose: Purpose| -> anyhow::Result<Curve> {
        let cases = TrainingCases::read(&found, &split, recipe.preparing.method, None)?;
        let folder = tempfile::tempdir()?;
        let run = Run { folder: &folder.path().join("run"), start: Start::New, wall_time: 0.0, purpose };
        let mut curve = Curve::default();
        train(cpu, &recipe, cases, run, &mut |event| {
            match event {
                Event::Step { loss, .. } => {
                    curve.loss.push(loss);
                    bar.inc(1);
                }
                Event::Validated { dice, .. } => curve.dice = dice,
            }
            interrupt.flow()
        })?;
        Ok(curve)
    };
    let filtered = learn(Purpose::Train)?;
    let then = |purpose| if interrupt.is_asked() { Ok(Curve::default()) } else { learn(purpose) };
    let direct = then(Purpose::TrainDirectly)?;
    let tiles = has_tiles.then(|| then(Purpose::TrainInTiles)).transpose()?;
    bar.finish_and_clear();
    if interrupt.is_asked() {
        return Ok(Outcome::Stopped);
    }
    let (isa, threads) = (cpu.name().as_str(), rayon::current_num_threads());
    tell(&Measured { name: "convergence", isa, threads, steps: args.steps, patch, filtered, direct, tiles }, show)?;
    Ok(Outcome::Done)
}

fn tell(measured: &Measured, show: Show) -> anyhow::Result<()> {
    if show.is_json() {
        return show::result(&serde_json::to_string(measured)?);
    }
    let ends = |curve: &Curve| {
        let last = &curve.loss[curve.loss.len().saturating_sub(TAIL)..];
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        [mean, curve.dice[0], curve.dice[1], curve.dice[2]].map(|value| number(Some(value), 4)).to_vec()
    };
    let row = |name: &str, curve: &Curve| [vec![name.to_owned()], ends(curve)].concat();
    let mut rows = vec![row("minimal filtering", &measured.filtered), row("direct", &measured.direct)];
    rows.extend(measured.tiles.iter().map(|curve| row("bf16 tiles", curve)));
    let head = format!("loss, mean of the last {TAIL}");
    show::result(&format!(
        "{} steps of {:?}, {}, {} threads\n\n{}",
        measured.steps,
        measured.patch,
        measured.isa,
        measured.threads,
        table(&["convolutions", &head, "Dice WT", "TC", "ET"], 1, rows),
    ))
}

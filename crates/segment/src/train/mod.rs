//! The training loop: patches in, a model out, resumable to the same numbers.

mod cases;
mod checkpoint;
mod log;
mod step;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kernels::Cpu;
use unet::ema::Ema;
use unet::optim::Optimiser;
use unet::schedule::Schedule;
use unet::{Net, Purpose, weights};
use volume::write_atomically;

use crate::artefact::{Artefact, ArtefactError, Card, Provenance, ScoreLine};
use crate::infer::{InferError, Model, infer};
use crate::labels::{LabelScheme, Region};
use crate::precision::{CALIBRATION_CASES, Calibration, Precision};
use crate::prefetch::{Feed, Prefetch, PrefetchStopped};
use crate::recipe::Recipe;
use crate::sample::{Case, CaseFault, Sources};
use crate::study::Sequence;

pub use cases::{CasesError, Held, TrainingCases};
use checkpoint::Checkpoint;
pub use checkpoint::CheckpointError;
use log::Log;
pub use log::LogError;
use step::{Step, StepLoss};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Yes.
    Continue,
    /// No: finish cleanly.
    Stop,
}

/// What a training tells while it runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step was taken.
    Step {
        /// Steps taken.
        done: u64,
        /// Steps in all.
        steps: u64,
        /// Loss of the step.
        loss: f64,
        /// Soft Dice of each output of the finest head.
        dice: Vec<f64>,
        /// Time that the rest will take at the pace so far.
        left: Duration,
    },
    /// The averaged weights were judged on the validation cases.
    Validated {
        /// Steps taken.
        done: u64,
        /// Mean Dice of WT, TC, ET.
        dice: [f64; 3],
    },
}

/// Why a training ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The folder of the run cannot be used.
    #[error("{}: cannot be read or written ({source}); see that there is room, and that you may", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a run already.
    #[error("{} holds a run already: continue it with --resume, or give another folder", path.display())]
    Exists {
        /// Its folder.
        path: PathBuf,
    },
    /// The run to resume had another recipe.
    #[error("{}: the run was started with another recipe; resume it with its own ({}/recipe.toml)", path.display(), path.display())]
    OtherRecipe {
        /// Its folder.
        path: PathBuf,
    },
    /// Of the network.
    #[error(transparent)]
    Unet(#[from] unet::UnetError),
    /// Of the cases.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// Of the cases.
    #[error(transparent)]
    Case(#[from] CaseFault),
    /// Of the checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Of the log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Of the model file.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// Of a validation.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// Of the patches.
    #[error(transparent)]
    Prefetch(#[from] PrefetchStopped),
    /// The loss or its gradient is not a number any more.
    #[error(
        "step {step}: the {what} is not finite (loss {loss}, learning rate {lr:.2e}, the last losses {last:?}; patches [D, H, W]: \
         {patches}); a checkpoint from before is sound; lower the learning rate, or clip the gradient"
    )]
    NotFinite {
        /// The step.
        step: u64,
        /// Loss or gradient.
        what: &'static str,
        /// Its value.
        loss: f64,
        /// Of the step.
        lr: f64,
        /// Losses of the steps before.
        last: Vec<f64>,
        /// Cases and places of the step's patches.
        patches: String,
    },
}

/// Where and when a training runs.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// New or resumed.
    pub start: Start,
    /// Seconds since 1970, for the curves alone: nothing else depends on the clock.
    pub wall_time: f64,
    /// [`Purpose::Train`], or what it is held against.
    pub purpose: Purpose,
}

/// How a training is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In a folder without a run.
    New,
    /// From the folder's last checkpoint.
    Resume,
}

/// All that changes from step to step.
struct State {
    done: u64,
    weights: Vec<f32>,
    optimiser: Optimiser,
    ema: Ema,
    last: Vec<f64>,
}

/// Trains in the folder of `run` and leaves there `recipe.toml`, `checkpoint.safetensors`, `model.safetensors`, `metrics.jsonl` and
/// TensorBoard's events. Runs on the current rayon pool, with one thread beside it for the patches.
///
/// # Errors
/// As [`TrainError`] says. What was written before stays whole.
pub fn train(
    cpu: Cpu,
    recipe: &Recipe,
    cases: TrainingCases,
    run: Run<'_>,
    tell: &mut dyn FnMut(Event) -> Flow,
) -> Result<(), TrainError> {
    open_run(recipe, run.folder, run.start)?;
    let mut state = State::new(recipe)?;
    if run.start == Start::Resume {
        Checkpoint::read(run.folder)?.restore(&mut state)?;
    }
    let TrainingCases { train, held } = cases;
    let phantoms = cases::phantoms(recipe)?;
    let card = card(recipe, (&train, phantoms.len()), &held);
    let looked_at = train.iter().take(CALIBRATION_CASES).cloned().collect();
    let judge = Judge { cpu, recipe, held: &held, looked_at, card, model: run.folder.join("model.safetensors") };
    let feed = Feed::new(Sources::new(train, phantoms, recipe.augmentation.paste.margin)?, recipe);
    let mut log = Log::begin(run.folder, run.wall_time, state.done, recipe.network.outputs)?;
    let n_ahead = feed.n_ahead();
    let mut prefetch = Prefetch::start(feed, state.done, 1, n_ahead);
    let mut stepper: Option<Step> = None;
    let (began, first, n_steps) = (Instant::now(), state.done, recipe.training.steps());
    while let Some(stage) = recipe.training.stage_at(state.done) {
        if stepper.as_ref().is_none_or(|s| !s.fits(stage)) {
            drop(stepper.take());
            stepper = Some(Step::new(cpu, recipe, stage, run.purpose)?);
        }
        let Some(step) = stepper.as_mut() else { break };
        let loss = one_step(recipe, step, &mut state, (&mut prefetch, &mut log))?;
        let done = state.done;
        let pace = began.elapsed().div_f64((done - first) as f64);
        let left = pace.mul_f64((n_steps - done) as f64);
        let flow = tell(Event::Step { done, steps: n_steps, loss: loss.total, dice: loss.dice, left });
        let last = done == n_steps || flow == Flow::Stop;
        let due = |every: u64| every > 0 && done.is_multiple_of(every);
        if due(recipe.training.checkpoint_every) || last {
            Checkpoint::write(run.folder, &state)?;
        }
        if last {
            break;
        }
        if due(recipe.training.validate_every) {
            judge.judge(&state, &mut log, tell)?;
        }
    }
    drop(stepper);
    if state.done == n_steps { judge.judge(&state, &mut log, tell) } else { judge.write(&state, Vec::new()) }
}

/// One step with the next patches, and its line in the curves.
fn one_step(
    recipe: &Recipe,
    step: &mut Step,
    state: &mut State,
    (prefetch, log): (&mut Prefetch, &mut Log),
) -> Result<StepLoss, TrainError> {
    let (began, waited) = (Instant::now(), prefetch.waited());
    let mut samples = Vec::with_capacity(step.batch());
    for _ in 0..step.batch() {
        samples.extend(prefetch.next_sample()?);
    }
    let schedule = Schedule {
        peak: recipe.training.optimiser.lr(),
        n_steps: recipe.training.steps(),
        warm_up: recipe.training.warm_up,
        decline: recipe.training.decline,
    };
    let lr = schedule.lr(state.done);
    let loss = step.take(state, &samples, lr)?;
    for sample in samples {
        prefetch.recycle(sample.patch);
    }
    let times = (began.elapsed().as_secs_f64(), prefetch.waited().saturating_sub(waited).as_secs_f64());
    log.step(state.done, &loss, lr, times)?;
    state.done += 1;
    Ok(loss)
}

/// What the model's file says of a training, before there are scores.
fn card(recipe: &Recipe, (train, phantoms): (&[Case], usize), held: &[Held]) -> Card {
    Card {
        version: 1,
        name: "default".to_owned(),
        channels: Sequence::ALL,
        outputs: recipe.network.outputs.names().iter().map(|&name| name.to_owned()).collect(),
        label_scheme: LabelScheme::Brats2023,
        recipe: recipe.clone(),
        provenance: Provenance {
            steps: 0,
            trained_on: train.iter().map(|case| case.name.clone()).collect(),
            phantoms,
            validated_on: held.iter().map(|held| held.name.clone()).collect(),
            program: format!("glioscope {}", env!("CARGO_PKG_VERSION")),
        },
        scores: Vec::new(),
        calibration: None,
    }
}

/// Judges the averaged weights on the validation cases and writes them as a model.
struct Judge<'a> {
    cpu: Cpu,
    recipe: &'a Recipe,
    held: &'a [Held],
    /// What the model is calibrated on.
    looked_at: Vec<Case>,
    card: Card,
    model: PathBuf,
}

impl Judge<'_> {
    fn judge(&self, state: &State, log: &mut Log, tell: &mut dyn FnMut(Event) -> Flow) -> Result<(), TrainError> {
        if self.held.is_empty() {
            return self.write(state, Vec::new());
        }
        let dice = self.dice(state)?;
        log.validated(state.done - 1, dice)?;
        self.write(state, score_lines(dice, self.held.len()))?;
        tell(Event::Validated { done: state.done, dice });
        Ok(())
    }

    fn write(&self, state: &State, scores: Vec<ScoreLine>) -> Result<(), TrainError> {
        let weights = state.ema.weights();
        let cases = self.looked_at.iter().map(|case| (case.name.as_str(), case.shape, case.image.as_slice()));
        let calibrate = || Calibration::of(self.cpu, &self.recipe.network, weights, cases);
        let calibration = (!self.looked_at.is_empty()).then(calibrate).transpose()?;
        let mut card = Card { scores, calibration, ..self.card.clone() };
        card.provenance.steps = state.done;
        Ok(Artefact::write(&self.model, &card, weights)?)
    }

    /// Mean Dice of WT, TC, ET over the validation cases, on the prepared grid; both empty is 1.
    fn dice(&self, state: &State) -> Result<[f64; 3], TrainError> {
        let (network, weights) = (self.recipe.network.clone(), state.ema.weights().to_vec());
        let model = Model { network, weights, calibration: None };
        let mut mean = [0.0; 3];
        for case in self.held {
            let model = (&model, Precision::F32);
            let codes = infer(self.cpu, model, &self.recipe.inference, &case.case, &mut |_| Flow::Continue)?.codes;
            for (sum, region) in mean.iter_mut().zip(Region::ALL) {
                let counts = metrics::Counts::of(&region.mask(&case.labels), &region.mask(&codes));
                let dice = metrics::Convention::Brats2020.number(metrics::Measure::Dice, counts.dice());
                *sum += dice / self.held.len() as f64;
            }
        }
        Ok(mean)
    }
}

/// Makes the folder and writes the recipe, or checks that it is the run's own.
fn open_run(recipe: &Recipe, out: &Path, start: Start) -> Result<(), TrainError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| TrainError::Io { path, source }
    };
    let file = out.join("recipe.toml");
    match start {
        Start::Resume => {
            let text = std::fs::read_to_string(&file).map_err(io(&file))?;
            let own = Recipe::parse(&text, &file).ok();
            if own.as_ref() != Some(recipe) {
                return Err(TrainError::OtherRecipe { path: out.to_owned() });
            }
        }
        Start::New => {
            if file.exists() {
                return Err(TrainError::Exists { path: out.to_owned() });
            }
            std::fs::create_dir_all(out).map_err(io(out))?;
            let text = recipe
                .to_toml()
                .map_err(|e| TrainError::Io { path: file.clone(), source: std::io::Error::other(e) })?;
            write_atomically(&file, |w| w.write_all(text.as_bytes())).map_err(io(&file))?;
        }
    }
    Ok(())
}

impl State {
    fn new(recipe: &Recipe) -> Result<Self, TrainError> {
        let spec = recipe.network.spec();
        let weights = weights::initial(&spec, recipe.training.seed)?;
        let decays: Vec<_> = Net::params(&spec)?.into_iter().filter(unet::ParamSpec::decays).map(|p| p.range).collect();
        let optimiser = Optimiser::new(recipe.training.optimiser, weights.len(), &decays);
        let ema = Ema::new(recipe.training.ema_decay, &weights);
        Ok(Self { done: 0, weights, optimiser, ema, last: Vec::new() })
    }
}

fn score_lines(dice: [f64; 3], cases: usize) -> Vec<ScoreLine> {
    let line = |(of, mean): (Region, f64)| ScoreLine {
        measure: "dice".to_owned(),
        of: of.to_string(),
        mean,
        cases,
        convention: "brats-2020: both empty 1, one empty 0".to_owned(),
    };
    Region::ALL.into_iter().zip(dice).map(line).collect()
}

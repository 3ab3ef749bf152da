//! The process that segments one study: it reads what to do from its input, says on its output how far it is, and ends
//! with its parent. It sees blobs and a folder for its results, and neither the database nor a name.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kernels::Cpu;
use rlimit::Resource;
use segment::artefact::Artefact;
use segment::choice::Choice;
use segment::dataset::{FoundCase, ScanFile};
use segment::deliver::{DeliverError, Delivered, Delivery, segment_case};
use segment::labels::LabelScheme;
use segment::precision::Precision;
use segment::recipe::inference::Inference;
use segment::report::Stage;
use segment::staging::OutputError;
use segment::study::Sequence;
use segment::train::Flow;
use serde::{Deserialize, Serialize};

use super::{Failure, FailureCode};
use crate::ids::Sha;

/// How the masks of the server are written: 1 NCR, 2 ED, 3 ET.
pub const SCHEME: LabelScheme = LabelScheme::Brats2023;

/// What the child is to do: the one line that it reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// What report and picture call the case.
    pub name: String,
    /// The volumes, in the order of [`Sequence::ALL`].
    pub scans: [Scan; 4],
    /// The model's file; `None`: the one inside the program.
    pub model: Option<PathBuf>,
    /// The hash of the model.
    pub model_sha: Sha,
    /// The folder for the results.
    pub out: PathBuf,
    /// Bytes of address space that it may have; `None`: as many as there are.
    pub memory: Option<u64>,
    /// The folder of what can be found out again; `None`: it is found out again.
    pub cache: Option<PathBuf>,
}

/// A volume of the study.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scan {
    /// Where it lies.
    pub path: PathBuf,
    /// The hash of its bytes.
    pub sha: Sha,
}

/// What the child says: one line of JSON each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// It is this far.
    Progress {
        /// What it is doing.
        stage: Stage,
        /// How much of all is done, 0 to 1.
        share: f64,
    },
    /// The results are in the folder.
    Done {
        /// How the network saw the study.
        inference: Inference,
    },
    /// There are none.
    Failed(Failure),
}

/// Does one task: from standard input to standard output. Ends the process when its input ends, since then its parent is
/// gone and nobody waits for the result.
///
/// # Errors
/// If it cannot be told what to do, or tell what it did.
pub fn run(cpu: Cpu) -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let task: Task = serde_json::from_str(&line)?;
    // First of all: what a thread before it set aside would be memory beyond the limit.
    if let Some(bytes) = task.memory {
        Resource::AS.set(bytes, bytes)?;
    }
    let watched = std::thread::Builder::new().spawn(end_with_parent);
    let said = match watched.map_err(|_| want_of_memory()).and_then(|_| carry_out(cpu, &task, &mut Teller::new())) {
        Ok(inference) => Said::Done { inference },
        Err(failure) => Said::Failed(failure),
    };
    say(&said)
}

/// Waits for the end of the input, which the parent holds open as long as it lives.
fn end_with_parent() {
    let mut nothing = [0; 64];
    loop {
        match io::stdin().lock().read(&mut nothing) {
            Ok(0) => end(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => end(),
        }
    }
}

#[expect(clippy::exit, reason = "the parent is gone, and what this process leaves is swept away")]
fn end() -> ! {
    std::process::exit(1)
}

fn say(said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// Says how far it is, but not more often than somebody can read.
struct Teller {
    last: Option<(Stage, Instant)>,
}

impl Teller {
    const PAUSE: Duration = Duration::from_millis(200);

    fn new() -> Self {
        Self { last: None }
    }

    fn tell(&mut self, stage: Stage, share: f64) -> Flow {
        let is_new = self.last.is_none_or(|(last, at)| last != stage || at.elapsed() >= Self::PAUSE);
        if is_new {
            self.last = Some((stage, Instant::now()));
            if say(&Said::Progress { stage, share: of_all(stage, share) }).is_err() {
                return Flow::Stop;
            }
        }
        Flow::Continue
    }
}

/// How much of all is done: the network takes most of the time.
fn of_all(stage: Stage, share: f64) -> f64 {
    let (from, to) = match stage {
        Stage::Read => (0.0, 0.1),
        Stage::Prepare => (0.1, 0.18),
        Stage::Network => (0.18, 0.9),
        Stage::Decode => (0.9, 0.92),
        Stage::Write => (0.92, 1.0),
    };
    from + (to - from) * share.clamp(0.0, 1.0)
}

fn carry_out(cpu: Cpu, task: &Task, teller: &mut Teller) -> Result<Inference, Failure> {
    let model = open_model(task)?;
    let inference = model.card.recipe.inference.clone();
    let found = FoundCase {
        name: task.name.clone(),
        place: task.out.clone(),
        scans: task.scans.each_ref().map(|scan| Some(ScanFile::whole(scan.path.clone()))),
        seg: None,
        scheme: None,
        problems: Vec::new(),
    };
    let choice = Choice::fastest(cpu, Precision::Int16.check(cpu, &model.model), task.cache.as_deref());
    let delivery = Delivery { model: &model, inference: &inference, choice: &choice, scheme: SCHEME, out: &task.out };
    let delivered = segment_case(cpu, &found, &delivery, &mut |stage, share| teller.tell(stage, share));
    let delivered = delivered.map_err(|error| failure(&error, task))?;
    compare(task, &delivered)?;
    Ok(inference)
}

fn open_model(task: &Task) -> Result<Artefact, Failure> {
    let unusable = |detail: String| Failure { code: FailureCode::ModelUnusable, detail };
    let opened = task.model.as_deref().map_or_else(Artefact::embedded, Artefact::open);
    let model = opened.map_err(|error| {
        if is_for_memory(&error) { want_of_memory() } else { unusable(nameless(&error.to_string(), task)) }
    })?;
    let sha = Sha::from(model.sha256);
    if sha == task.model_sha {
        return Ok(model);
    }
    Err(match task.model {
        Some(_) => Failure {
            code: FailureCode::FileDamaged,
            detail: format!("The file of the model is damaged: its hash is {sha}, not {}.", task.model_sha),
        },
        None => unusable("The model of this job came with another version of the program.".to_owned()),
    })
}

/// Whether what was read is what was stored.
fn compare(task: &Task, delivered: &Delivered) -> Result<(), Failure> {
    for (scan, input) in task.scans.iter().zip(&delivered.report.inputs) {
        let sha = Sha::from(input.sha256);
        if sha != scan.sha {
            let detail = format!("The stored {} is damaged: its hash is {sha}, not {}.", input.sequence, scan.sha);
            return Err(Failure { code: FailureCode::FileDamaged, detail });
        }
    }
    Ok(())
}

fn failure(error: &DeliverError, task: &Task) -> Failure {
    if is_for_memory(error) {
        return want_of_memory();
    }
    let code = match error {
        DeliverError::Scans(_) => FailureCode::ScansUnusable,
        DeliverError::Network(_) | DeliverError::Precision(_) => FailureCode::ModelUnusable,
        DeliverError::Output(OutputError::Full { .. }) => FailureCode::DiskFull,
        DeliverError::Picture(_) | DeliverError::Output(_) | DeliverError::Stopped => FailureCode::Internal,
    };
    Failure { code, detail: nameless(&error.to_string(), task) }
}

/// Whether there was no memory to read a file into. Elsewhere the process ends where there is none, and its parent sees it.
fn is_for_memory(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::OutOfMemory))
}

fn want_of_memory() -> Failure {
    Failure { code: FailureCode::OutOfMemory, detail: "It needed more memory than it may have.".to_owned() }
}

/// A sentence in which files are called by what they are: where they lie is nobody's business.
fn nameless(sentence: &str, task: &Task) -> String {
    let name = |sentence: String, path: &Path, name: &str| sentence.replace(&path.display().to_string(), name);
    let mut sentence = name(sentence.to_owned(), &task.out, "the results");
    for (scan, sequence) in task.scans.iter().zip(Sequence::ALL) {
        sentence = name(sentence, &scan.path, &sequence.to_string());
    }
    if let Some(path) = &task.model {
        sentence = name(sentence, path, "the model");
    }
    sentence
}

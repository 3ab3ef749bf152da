//! The worker: takes one job after the other and gives each to a child process.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use segment::deliver::{Delivered, LABELS, OVERVIEW, REPORT};
use segment::study::Sequence;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::child::{Scan, Task};
use super::lease::LeaseQueue;
use super::queue::{AfterFailure, Claim, Made, Progress, Queue, QueueError, Standing};
use super::run::Run;
use super::{Failure, FailureCode};
use crate::db::Db;
use crate::entity::{Json, measurement, model, patient, series, study};
use crate::files::{Files, FilesError, Staged, blocking};
use crate::ids::{SegmentationId, Sha};

/// How often a worker without work looks for some.
const LOOK: Duration = Duration::from_millis(250);
/// How often it says that it lives, at least; it hears of a wish to stop no later than that.
const BEAT: Duration = Duration::from_secs(1);
/// How often its progress is written, at most.
const TELL: Duration = Duration::from_millis(250);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the rows call it; see [`name`].
    pub name: String,
    /// The program of the child.
    pub program: PathBuf,
    /// What makes the program a child: its arguments.
    pub arguments: Vec<OsString>,
    /// How long its jobs stay its own without a word.
    pub lease: Duration,
    /// Bytes of address space that a child may have; `None`: as many as there are.
    pub memory: Option<u64>,
    /// The folder in which a child keeps what can be found out again.
    pub cache: Option<PathBuf>,
    /// How long a job may take.
    pub limit: Duration,
}

/// The lease of a worker unless another is asked for.
pub const LEASE: Duration = Duration::from_secs(15);

/// What the rows call the worker that is this process of this machine; who saw it die can let go of its jobs.
pub fn name(process: u32) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{:.64}/{process}", host.trim())
}

/// A worker.
#[derive(Clone, Debug)]
pub struct Worker {
    db: Db,
    files: Files,
    queue: LeaseQueue,
    settings: Settings,
}

/// How the work on a job ended.
enum End {
    /// It came out well.
    Made(Box<Made>),
    /// It did not.
    Failed(Failure),
    /// Somebody wanted it stopped.
    Cancelled,
    /// It was not ours any more.
    Lost,
    /// The worker is shut down.
    HandedBack,
}

/// Why there is no result; either may be turned into a [`Failure`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{}", .0.detail)]
    Of(Failure),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Db(#[from] sea_orm::DbErr),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let sentence = fault.to_string();
        let (code, detail) = match fault {
            Fault::Of(failure) => return failure,
            Fault::Files(FilesError::DiskFull) => (FailureCode::DiskFull, "The disk is full; please make room.".into()),
            Fault::Files(FilesError::Missing { .. } | FilesError::Damaged { .. }) => {
                (FailureCode::FileDamaged, sentence)
            }
            Fault::Files(_) | Fault::Io(_) | Fault::Db(_) => {
                warn!(cause = sentence, "a job met a fault");
                (FailureCode::Internal, "The server made a mistake; its log says which.".to_owned())
            }
        };
        Self { code, detail }
    }
}

impl Worker {
    /// A worker on a database and its files.
    pub fn new(db: Db, files: Files, settings: Settings) -> Self {
        Self { queue: LeaseQueue::new(db.clone()), db, files, settings }
    }

    /// Works until `stop`; the job that it has then goes back into the queue. A database that is away for a while is
    /// waited for.
    pub fn run<'a>(&'a self, stop: &'a CancellationToken) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            info!(worker = self.settings.name, "worker ready");
            while !stop.is_cancelled() {
                let pause = match self.next(stop).await {
                    Ok(true) => continue,
                    Ok(false) => LOOK,
                    Err(error) => {
                        warn!(%error, "the queue cannot be asked; trying again");
                        BEAT
                    }
                };
                tokio::select! {
                    () = sleep(pause) => {}
                    () = stop.cancelled() => {}
                }
            }
        })
    }

    /// Does one job, if there is one.
    ///
    /// # Errors
    /// If the queue cannot be asked.
    pub async fn next(&self, stop: &CancellationToken) -> Result<bool, QueueError> {
        self.queue.sweep().await?; // so that workers need no server to take over from each other
        let Some(claim) = self.queue.claim(&self.settings.name, self.settings.lease).await? else { return Ok(false) };
        info!(job = %claim.job.id, attempt = claim.job.attempt, "job begun");
        let began = Instant::now();
        let end = Box::pin(self.carry(&claim, stop)).await;
        let what = self.conclude(&claim, end).await?;
        info!(job = %claim.job.id, seconds = began.elapsed().as_secs_f64(), "job {what}");
        Ok(true)
    }

    /// Writes how it ended; in a word.
    async fn conclude(&self, claim: &Claim, end: End) -> Result<&'static str, QueueError> {
        Ok(match end {
            End::Made(made) => match self.finish(claim, *made).await? {
                Some(_) => "done",
                None => "lost at its end",
            },
            End::Failed(failure) => {
                warn!(job = %claim.job.id, code = failure.code.as_str(), "attempt failed");
                match self.queue.fail(claim, &failure).await? {
                    AfterFailure::Queued => "waits for another attempt",
                    AfterFailure::GivenUp => "failed",
                    AfterFailure::Lost => "lost",
                }
            }
            End::Cancelled if self.queue.cancelled(claim).await? => "cancelled",
            End::HandedBack if self.queue.hand_back(claim).await? => "handed back",
            End::Cancelled | End::HandedBack | End::Lost => "lost",
        })
    }

    /// Writes the result; a database that is busy is asked again while the lease holds.
    async fn finish(&self, claim: &Claim, made: Made) -> Result<Option<SegmentationId>, QueueError> {
        let mut tries = 0;
        loop {
            match self.queue.finish(claim, made.clone()).await {
                Err(error) if tries < 5 => {
                    warn!(%error, "a result cannot be written; trying again");
                    tries += 1;
                    sleep(TELL).await;
                }
                finished => return finished,
            }
        }
    }

    /// The work on a job, for as long as it is ours, wanted, and not too long.
    async fn carry(&self, claim: &Claim, stop: &CancellationToken) -> End {
        let (tell, told) = watch::channel(Progress::default());
        let limit = self.settings.limit;
        tokio::select! {
            biased;
            standing = self.heart(claim, told) => match standing {
                Standing::CancelAsked => End::Cancelled,
                Standing::Lost | Standing::Yours => End::Lost,
            },
            () = stop.cancelled() => End::HandedBack,
            made = timeout(limit, self.make(claim, &tell)) => match made {
                Ok(Ok(made)) => End::Made(Box::new(made)),
                Ok(Err(fault)) => End::Failed(fault.into()),
                Err(_) => {
                    let detail = format!("It was stopped after {} minutes.", limit.as_secs().div_ceil(60));
                    End::Failed(Failure { code: FailureCode::TimedOut, detail })
                }
            },
        }
    }

    /// Says again and again that the worker lives and how far it is; back when the job is to be left.
    async fn heart(&self, claim: &Claim, told: watch::Receiver<Progress>) -> Standing {
        let lease = self.settings.lease;
        let mut ticks = interval(TELL.min(lease / 4));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut at, mut last) = (Instant::now(), Progress::default());
        loop {
            ticks.tick().await;
            let progress = told.borrow().clone();
            if progress == last && at.elapsed() < BEAT.min(lease / 4) {
                continue;
            }
            let began = Instant::now();
            match self.queue.beat(claim, &progress, lease).await {
                Ok(Standing::Yours) => (at, last) = (began, progress),
                Ok(standing) => return standing,
                Err(_) if at.elapsed() < lease => {} // the lease is still ours
                Err(_) => return Standing::Lost,
            }
        }
    }

    /// From the rows to the blobs of the result.
    async fn make(&self, claim: &Claim, tell: &watch::Sender<Progress>) -> Result<Made, Fault> {
        let out = {
            let files = self.files.clone();
            blocking(move || files.begin_folder()).await?
        };
        let task = self.task(claim, out.path()).await?;
        let inference = Run::start(&self.settings, &task).await?.listen(tell).await?;
        let (labels, picture, delivered) = self.collect(out.path()).await?;
        let labels = self.files.keep(&self.db, labels).await?;
        let picture = self.files.keep(&self.db, picture).await?;
        let measured = measurement::Model::of(SegmentationId::fresh(), &delivered.report, Json::of(&delivered));
        Ok(Made { labels, picture: Some(picture), parameters: Json(inference), measured })
    }

    /// What the child is to do.
    async fn task(&self, claim: &Claim, out: &Path) -> Result<Task, Fault> {
        let (scans, name) = self.scans(claim).await?;
        let row = model::Entity::find_by_id(claim.job.model_id).one(&self.db).await?;
        let row = row.ok_or_else(|| of(FailureCode::ModelUnusable, "The model of this job was removed."))?;
        let model = if row.embedded { None } else { Some(self.path(row.sha).await?) };
        let (memory, cache) = (self.settings.memory, self.settings.cache.clone());
        Ok(Task { name, scans, model, model_sha: row.sha, out: out.to_owned(), memory, cache })
    }

    /// The volumes of the study, and what the case is called: the made name of its patient.
    async fn scans(&self, claim: &Claim) -> Result<([Scan; 4], String), Fault> {
        let study = claim.job.study_id;
        let rows = series::Entity::find().filter(series::Column::StudyId.eq(study)).all(&self.db).await?;
        let mut scans = Vec::with_capacity(4);
        for sequence in Sequence::ALL {
            let row = rows.iter().find(|row| row.sequence == sequence.into()).ok_or_else(|| {
                of(FailureCode::StudyIncomplete, &format!("The study has no {sequence}; please add it."))
            })?;
            scans.push(Scan { path: self.path(row.volume_sha).await?, sha: row.volume_sha });
        }
        let scans = scans.try_into().map_err(|_| of(FailureCode::StudyIncomplete, "The study lacks a sequence."))?;
        let patient = study::Entity::find_by_id(study).find_also_related(patient::Entity).one(&self.db).await?;
        let name = patient.and_then(|(_, patient)| patient).map(|patient| patient.pseudonym);
        Ok((scans, name.unwrap_or_else(|| study.to_string())))
    }

    /// Where a blob lies that is there in full; the child compares its hash.
    async fn path(&self, sha: Sha) -> Result<PathBuf, Fault> {
        Ok(self.files.present(&self.db, sha).await?)
    }

    /// Stages what the child left.
    async fn collect(&self, out: &Path) -> Result<(Staged, Staged, Delivered), Fault> {
        let (files, out) = (self.files.clone(), out.to_owned());
        let collected = blocking(move || {
            let stage = |name| files.stage_from(&mut std::fs::File::open(out.join(name))?, u64::MAX);
            let report = std::fs::read(out.join(REPORT))?;
            let delivered = serde_json::from_slice(&report).map_err(io::Error::other)?;
            Ok((stage(LABELS)?, stage(OVERVIEW)?, delivered))
        });
        Ok(collected.await?)
    }
}

fn of(code: FailureCode, detail: &str) -> Fault {
    Fault::Of(Failure { code, detail: detail.to_owned() })
}

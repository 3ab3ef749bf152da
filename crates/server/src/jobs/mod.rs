//! Jobs: what a worker is to do, from the wish to the segmentation.
//!
//! A job is a row. It is *queued*; a worker claims it and it is *running*, for as long as the worker says so again and
//! again (its lease); then it is *done*, *failed* or *cancelled*. Each claim has a number of its own, the fencing token:
//! whoever holds an older one can change nothing any more. So a worker that was thought dead and comes back does no harm,
//! and the segmentation is written in the same transaction in which the job ends.
//!
//! The worker computes nothing itself. For each job it starts a child process with limits on memory and time and behind all
//! others for the cores (nice 10), reads from it how far it is, and writes what it leaves.

pub mod child;
pub mod lease;
pub mod queue;
mod routes;
mod run;
pub mod watch;
pub mod worker;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::entity::job;
use crate::ids::{JobId, SegmentationId, StudyId};

pub use job::State;
pub use lease::LeaseQueue;
pub use queue::{Order, Queue, QueueError};
pub use routes::routes;

/// Why a job failed: a name that stays the same, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people.
    pub detail: String,
}

/// Why a job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The study lacks a sequence, or is gone.
    StudyIncomplete,
    /// The scans cannot be segmented.
    ScansUnusable,
    /// The model is gone or cannot be opened.
    ModelUnusable,
    /// A stored file is not what it was.
    FileDamaged,
    /// There is no room for the results.
    DiskFull,
    /// The segmentation needs more memory than it may have.
    OutOfMemory,
    /// It took longer than it may.
    TimedOut,
    /// The process that segmented was killed or fell over.
    Crashed,
    /// Worker after worker was never heard of again.
    WorkerLost,
    /// Anything else.
    Internal,
}

impl FailureCode {
    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StudyIncomplete => "study_incomplete",
            Self::ScansUnusable => "scans_unusable",
            Self::ModelUnusable => "model_unusable",
            Self::FileDamaged => "file_damaged",
            Self::DiskFull => "disk_full",
            Self::OutOfMemory => "out_of_memory",
            Self::TimedOut => "timed_out",
            Self::Crashed => "crashed",
            Self::WorkerLost => "worker_lost",
            Self::Internal => "internal",
        }
    }

    /// Whether another attempt may end otherwise.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Crashed | Self::OutOfMemory | Self::WorkerLost | Self::Internal)
    }
}

/// A job as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JobRow {
    /// Its name.
    pub id: JobId,
    /// Of which study.
    pub study_id: StudyId,
    /// How far it is.
    pub state: State,
    /// How often it was begun.
    pub attempt: i32,
    /// Its place in the queue, from 1 on, while it waits.
    #[schema(required)]
    pub position: Option<u64>,
    /// What is being done: `read`, `prepare`, `network`, `decode`, `write`.
    #[schema(required)]
    pub stage: Option<String>,
    /// How much of all is done, 0 to 1.
    pub share: f64,
    /// How long it may still take.
    #[schema(required)]
    pub eta_seconds: Option<f64>,
    /// Why it failed.
    #[schema(required)]
    pub failure: Option<JobFailure>,
    /// What came of it.
    #[schema(required)]
    pub segmentation_id: Option<SegmentationId>,
    /// When it was asked for, first or anew.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Timestamp>,
}

/// Why a job failed, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobFailure {
    /// A stable name.
    #[schema(value_type = FailureCode)]
    pub code: String,
    /// A sentence.
    pub detail: String,
}

impl JobRow {
    /// A row as the API shows it; `position` is its place in the queue.
    pub fn of(row: job::Model, position: Option<u64>) -> Self {
        let failure = row.failure_code.map(|code| JobFailure { code, detail: row.failure_detail.unwrap_or_default() });
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        Self {
            id: row.id,
            study_id: row.study_id,
            state: row.state,
            attempt: row.attempt,
            position: position.filter(|_| row.state == State::Queued),
            stage: row.stage,
            share: row.share,
            eta_seconds: row.eta_ms.filter(|_| row.state == State::Running).map(|ms| ms as f64 / 1000.0),
            failure: failure.filter(|_| row.state == State::Failed),
            segmentation_id: row.segmentation_id,
            created_at: at(row.created_at),
            ended_at: row.ended_at.map(at),
        }
    }
}

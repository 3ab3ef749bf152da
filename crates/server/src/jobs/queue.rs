//! What a queue is: who works on what. Every change of a job's state is one conditional `UPDATE` of an implementation.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use super::Failure;
use crate::db::Write;
use crate::entity::job::{self, Column, State};
use crate::entity::{Json, measurement};
use crate::ids::{JobId, ModelId, SegmentationId, Sha, StudyId, UserId};

/// How often a job is begun whose process dies, before it is given up.
pub const MAX_ATTEMPTS: i32 = 3;
/// How often a job is begun whose worker is never heard of again. More than attempts: a worker mostly dies because
/// somebody stops the machine, not because of its job.
pub const MAX_LOST: i32 = 10;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The study to segment.
    pub study: StudyId,
    /// With which model; `None`: the active one.
    pub model: Option<ModelId>,
    /// By whom, where there are accounts.
    pub by: Option<UserId>,
}

/// A job that a worker has.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The row at that moment; its `token` is the fencing token.
    pub job: job::Model,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub stage: Option<String>,
    /// How much of all is done, 0 to 1.
    pub share: f64,
    /// How long it may still take.
    pub eta: Option<Duration>,
}

/// Whether a worker still has its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Yours,
    /// Yes, and somebody wants it stopped.
    CancelAsked,
    /// No: the lease ended, or the job did.
    Lost,
}

/// What came of a job; the blobs are kept already.
#[derive(Clone, Debug)]
pub struct Made {
    /// The mask.
    pub labels: Sha,
    /// The overview.
    pub picture: Option<Sha>,
    /// How the model was used.
    pub parameters: Json,
    /// What was measured; its `segmentation_id` is set when the number is known.
    pub measured: measurement::Model,
}

/// What became of a job that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It waits for another attempt.
    Queued,
    /// It was given up.
    GivenUp,
    /// It was not the worker's any more.
    Lost,
}

/// Why the queue did not do something.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such study, or it lies in the bin.
    #[error("there is no such study")]
    NoStudy,
    /// The study lacks a sequence.
    #[error("the study lacks a sequence, so it cannot be segmented yet")]
    Incomplete,
    /// There is no such model, or none is active.
    #[error("there is no such model")]
    NoModel,
    /// There is no such job.
    #[error("there is no such job")]
    NoJob,
    /// The job is in a state in which that cannot be done.
    #[error("the job is {0:?}")]
    WrongState(State),
    /// Something about the database.
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// A queue of jobs. The rows are the truth in every implementation; what differs is how workers hear of them.
pub trait Queue: Send + Sync {
    /// Puts a job into the queue, in the transaction that made the study or another. A study that waits for the same model
    /// already, or is with it, gets no second job: the first is returned.
    fn enqueue(&self, within: &Write, order: Order) -> impl Future<Output = Result<job::Model, QueueError>> + Send;

    /// Gives the oldest waiting job to a worker, for as long as the lease.
    fn claim(&self, worker: &str, lease: Duration) -> impl Future<Output = Result<Option<Claim>, QueueError>> + Send;

    /// The worker lives and is this far; its lease begins anew.
    fn beat(
        &self,
        claim: &Claim,
        progress: &Progress,
        lease: Duration,
    ) -> impl Future<Output = Result<Standing, QueueError>> + Send;

    /// Writes the segmentation, its measurement and the job's end, all or nothing; `None` if the job was not the worker's
    /// any more.
    fn finish(
        &self,
        claim: &Claim,
        made: Made,
    ) -> impl Future<Output = Result<Option<SegmentationId>, QueueError>> + Send;

    /// The attempt failed: another follows if it may end otherwise and there were not too many.
    fn fail(&self, claim: &Claim, failure: &Failure) -> impl Future<Output = Result<AfterFailure, QueueError>> + Send;

    /// The worker stopped because it was asked to; whether the job was still its own.
    fn cancelled(&self, claim: &Claim) -> impl Future<Output = Result<bool, QueueError>> + Send;

    /// The worker is shut down and gives the job back; no attempt is counted.
    fn hand_back(&self, claim: &Claim) -> impl Future<Output = Result<bool, QueueError>> + Send;

    /// Stops a job: at once if it waits, else as soon as its worker hears of it. In the transaction that records who did.
    fn cancel(&self, within: &Write, job: JobId) -> impl Future<Output = Result<job::Model, QueueError>> + Send;

    /// Puts a failed or cancelled job back at the end of the queue, with all its attempts, in the transaction that records
    /// who did.
    fn retry(&self, within: &Write, job: JobId) -> impl Future<Output = Result<job::Model, QueueError>> + Send;

    /// Takes the jobs of workers whose lease ended; how many.
    fn sweep(&self) -> impl Future<Output = Result<u64, QueueError>> + Send;

    /// A worker is known to be dead (its process ended): its leases end now.
    fn bury(&self, worker: &str) -> impl Future<Output = Result<u64, QueueError>> + Send;
}

/// In the order in which jobs are claimed: by when they were asked for, first or anew.
pub(super) fn in_order(jobs: Select<job::Entity>) -> Select<job::Entity> {
    jobs.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id)
}

/// The place of a job in the queue, from 1 on.
///
/// # Errors
/// Those of the database.
pub async fn position(on: &impl ConnectionTrait, row: &job::Model) -> Result<Option<u64>, DbErr> {
    if row.state != State::Queued {
        return Ok(None);
    }
    let same_time = Column::CreatedAt.eq(row.created_at).and(Column::Id.lt(row.id));
    let before = job::Entity::find()
        .filter(Column::State.eq(State::Queued))
        .filter(Column::CreatedAt.lt(row.created_at).or(same_time));
    Ok(Some(before.count(on).await? + 1))
}

/// The places of all jobs that wait, from 1 on: for lists, which would ask once a row otherwise.
///
/// # Errors
/// Those of the database.
pub(crate) async fn places(on: &impl ConnectionTrait) -> Result<BTreeMap<JobId, u64>, DbErr> {
    let waiting: Vec<JobId> = in_order(job::Entity::find())
        .select_only()
        .column(Column::Id)
        .filter(Column::State.eq(State::Queued))
        .into_tuple()
        .all(on)
        .await?;
    Ok(waiting.into_iter().zip(1..).collect())
}

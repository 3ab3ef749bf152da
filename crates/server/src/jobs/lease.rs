//! The queue in the database itself: a job that a worker has is a row with a lease.

use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, UpdateMany,
};

use super::queue::{
    AfterFailure, Claim, MAX_ATTEMPTS, MAX_LOST, Made, Order, Progress, Queue, QueueError, Standing, in_order,
};
use super::{Failure, FailureCode};
use crate::db::{Db, Write, clock};
use crate::entity::job::{self, Column, Kind, State};
use crate::entity::{measurement, model, segmentation, study};
use crate::ids::{JobId, ModelId, SegmentationId, StudyId};

/// The queue in the database itself: workers look for jobs.
#[derive(Clone, Debug)]
pub struct LeaseQueue {
    db: Db,
}

impl LeaseQueue {
    /// The queue of a database.
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// An update of a job as long as it is the worker's.
    fn held(claim: &Claim) -> UpdateMany<job::Entity> {
        job::Entity::update_many()
            .filter(Column::Id.eq(claim.job.id))
            .filter(Column::Token.eq(claim.job.token))
            .filter(Column::State.eq(State::Running))
    }

    /// Runs an update by itself.
    async fn change(&self, update: UpdateMany<job::Entity>, at: i64) -> Result<u64, DbErr> {
        Ok(changed_at(update, at).exec(&self.db).await?.rows_affected)
    }
}

/// Every change carries the time.
fn changed_at(update: UpdateMany<job::Entity>, at: i64) -> UpdateMany<job::Entity> {
    update.col_expr(Column::ChangedAt, Expr::value(at))
}

/// Nobody's any more.
fn let_go(update: UpdateMany<job::Entity>, state: State) -> UpdateMany<job::Entity> {
    update
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(Column::Worker, Expr::value(None::<String>))
        .col_expr(Column::Stage, Expr::value(None::<String>))
        .col_expr(Column::EtaMs, Expr::value(None::<i64>))
}

/// At its end.
fn ended(update: UpdateMany<job::Entity>, state: State, at: i64) -> UpdateMany<job::Entity> {
    let_go(update, state).col_expr(Column::EndedAt, Expr::value(Some(at)))
}

/// Waiting again.
fn queued(update: UpdateMany<job::Entity>) -> UpdateMany<job::Entity> {
    let_go(update, State::Queued).col_expr(Column::Share, Expr::value(0.0))
}

/// A time behind those of all jobs that wait: not `at` itself, which another may have too, and then their ids decide.
async fn behind_all(within: &Write, at: i64) -> Result<i64, DbErr> {
    let waiting = job::Entity::find().filter(Column::State.eq(State::Queued));
    let last = waiting.order_by_desc(Column::CreatedAt).limit(1).one(within).await?;
    Ok(last.map_or(at, |last| Ord::max(at, last.created_at + 1)))
}

fn failed(update: UpdateMany<job::Entity>, failure: &Failure, at: i64) -> UpdateMany<job::Entity> {
    ended(update, State::Failed, at)
        .col_expr(Column::FailureCode, Expr::value(Some(failure.code.as_str().to_owned())))
        .col_expr(Column::FailureDetail, Expr::value(Some(failure.detail.clone())))
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The job that waits for this study and model or has them, if there is one.
async fn open_job(on: &impl ConnectionTrait, study: StudyId, model: ModelId) -> Result<Option<job::Model>, DbErr> {
    job::Entity::find()
        .filter(Column::StudyId.eq(study))
        .filter(Column::ModelId.eq(model))
        .filter(Column::State.is_in([State::Queued, State::Running]))
        .filter(Column::CancelAsked.eq(false))
        .order_by_asc(Column::Id)
        .one(on)
        .await
}

/// Holds the study's row until the transaction ends, so that two wishes come one after the other.
async fn lock_study(within: &Write, id: StudyId) -> Result<study::Model, QueueError> {
    crate::studies::rows::hold(within, id).await?;
    let row = study::Entity::find_by_id(id).one(within).await?.filter(|row| row.removed_at.is_none());
    let row = row.ok_or(QueueError::NoStudy)?;
    if row.state == study::State::Ready { Ok(row) } else { Err(QueueError::Incomplete) }
}

impl Queue for LeaseQueue {
    async fn enqueue(&self, within: &Write, order: Order) -> Result<job::Model, QueueError> {
        lock_study(within, order.study).await?;
        let model = match order.model {
            Some(id) => model::Entity::find_by_id(id).one(within).await?,
            None => model::Entity::find().filter(model::Column::Active.eq(true)).one(within).await?,
        };
        let model = model.ok_or(QueueError::NoModel)?;
        if let Some(open) = open_job(within, order.study, model.id).await? {
            return Ok(open);
        }
        let at = clock(within).await?;
        let row = job::Model {
            id: JobId::fresh(),
            study_id: order.study,
            kind: Kind::Segment,
            model_id: model.id,
            state: State::Queued,
            attempt: 0,
            max_attempts: MAX_ATTEMPTS,
            lost: 0,
            token: 0,
            lease_until: None,
            worker: None,
            stage: None,
            share: 0.0,
            eta_ms: None,
            failure_code: None,
            failure_detail: None,
            segmentation_id: None,
            created_at: at,
            started_at: None,
            ended_at: None,
            changed_at: at,
            created_by: order.by,
            cancel_asked: false,
        };
        job::Entity::insert(row.clone().into_active_model()).exec_without_returning(within).await?;
        Ok(row)
    }

    async fn claim(&self, worker: &str, lease: Duration) -> Result<Option<Claim>, QueueError> {
        loop {
            let waiting = job::Entity::find().filter(Column::State.eq(State::Queued));
            let oldest = in_order(waiting).one(&self.db).await?;
            let Some(oldest) = oldest else { return Ok(None) };
            let at = clock(&self.db).await?;
            let update = job::Entity::update_many()
                .col_expr(Column::State, Expr::value(State::Running))
                .col_expr(Column::Token, Expr::value(oldest.token + 1))
                .col_expr(Column::Attempt, Expr::value(oldest.attempt + 1))
                .col_expr(Column::Worker, Expr::value(Some(worker.to_owned())))
                .col_expr(Column::LeaseUntil, Expr::value(Some(at + ms(lease))))
                .col_expr(Column::StartedAt, Expr::value(Some(at)))
                .col_expr(Column::Share, Expr::value(0.0))
                .filter(Column::Id.eq(oldest.id))
                .filter(Column::Token.eq(oldest.token))
                .filter(Column::State.eq(State::Queued));
            // Another worker may have been faster; then the next one is tried.
            if self.change(update, at).await? == 1 {
                let (token, attempt) = (oldest.token + 1, oldest.attempt + 1);
                let job = job::Model { state: State::Running, token, attempt, ..oldest };
                return Ok(Some(Claim { job }));
            }
        }
    }

    async fn beat(&self, claim: &Claim, progress: &Progress, lease: Duration) -> Result<Standing, QueueError> {
        let at = clock(&self.db).await?;
        let update = Self::held(claim)
            .col_expr(Column::LeaseUntil, Expr::value(Some(at + ms(lease))))
            .col_expr(Column::Stage, Expr::value(progress.stage.clone()))
            .col_expr(Column::Share, Expr::value(progress.share.clamp(0.0, 1.0)))
            .col_expr(Column::EtaMs, Expr::value(progress.eta.map(ms)));
        if self.change(update, at).await? == 0 {
            return Ok(Standing::Lost);
        }
        let asked = job::Entity::find_by_id(claim.job.id)
            .select_only()
            .column(Column::CancelAsked)
            .into_tuple::<bool>()
            .one(&self.db)
            .await?;
        Ok(if asked == Some(true) { Standing::CancelAsked } else { Standing::Yours })
    }

    async fn finish(&self, claim: &Claim, made: Made) -> Result<Option<SegmentationId>, QueueError> {
        let at = clock(&self.db).await?;
        let within = self.db.write().await?;
        let id = SegmentationId::fresh();
        let end = ended(Self::held(claim), State::Done, at)
            .col_expr(Column::SegmentationId, Expr::value(Some(id)))
            .col_expr(Column::Share, Expr::value(1.0))
            .col_expr(Column::ChangedAt, Expr::value(at));
        if end.exec(&within).await?.rows_affected == 0 {
            return Ok(None);
        }
        let row = segmentation::Model {
            id,
            study_id: claim.job.study_id,
            number: study::next_number(&within, claim.job.study_id).await?,
            source: segmentation::Source::Model,
            parent_id: None,
            model_id: Some(claim.job.model_id),
            parameters: made.parameters,
            state: segmentation::State::Draft,
            labels_sha: made.labels,
            picture_sha: made.picture,
            created_by: claim.job.created_by,
            created_at: at,
            decided_by: None,
            decided_at: None,
            note: String::new(),
        };
        segmentation::Entity::insert(row.into_active_model()).exec_without_returning(&within).await?;
        let measured = measurement::Model { segmentation_id: id, ..made.measured };
        measurement::Entity::insert(measured.into_active_model()).exec_without_returning(&within).await?;
        within.commit_unrecorded().await?; // by the worker; who asked for it is recorded
        Ok(Some(id))
    }

    async fn fail(&self, claim: &Claim, failure: &Failure) -> Result<AfterFailure, QueueError> {
        let at = clock(&self.db).await?;
        let again = failure.code.may_pass() && claim.job.attempt < claim.job.max_attempts;
        let held = Self::held(claim);
        let update = if again { queued(held) } else { failed(held, failure, at) };
        Ok(match (self.change(update, at).await?, again) {
            (0, _) => AfterFailure::Lost,
            (_, true) => AfterFailure::Queued,
            (_, false) => AfterFailure::GivenUp,
        })
    }

    async fn cancelled(&self, claim: &Claim) -> Result<bool, QueueError> {
        let at = clock(&self.db).await?;
        Ok(self.change(ended(Self::held(claim), State::Cancelled, at), at).await? == 1)
    }

    async fn hand_back(&self, claim: &Claim) -> Result<bool, QueueError> {
        let at = clock(&self.db).await?;
        let update = queued(Self::held(claim)).col_expr(Column::Attempt, Expr::col(Column::Attempt).sub(1));
        Ok(self.change(update, at).await? == 1)
    }

    async fn cancel(&self, within: &Write, id: JobId) -> Result<job::Model, QueueError> {
        let at = clock(within).await?;
        let one = || job::Entity::update_many().filter(Column::Id.eq(id));
        let waiting = ended(one().filter(Column::State.eq(State::Queued)), State::Cancelled, at);
        let running = one().filter(Column::State.eq(State::Running)).col_expr(Column::CancelAsked, Expr::value(true));
        // Between the two a worker may take it (then the second does it) or give it back (then the third does).
        let again = ended(one().filter(Column::State.eq(State::Queued)), State::Cancelled, at);
        let mut changed = 0;
        for update in [waiting, running, again] {
            if changed == 0 {
                changed = changed_at(update, at).exec(within).await?.rows_affected;
            }
        }
        let row = job::Entity::find_by_id(id).one(within).await?.ok_or(QueueError::NoJob)?;
        if changed == 0 { Err(QueueError::WrongState(row.state)) } else { Ok(row) }
    }

    async fn retry(&self, within: &Write, id: JobId) -> Result<job::Model, QueueError> {
        let row = job::Entity::find_by_id(id).one(within).await?.ok_or(QueueError::NoJob)?;
        lock_study(within, row.study_id).await?;
        if let Some(open) = open_job(within, row.study_id, row.model_id).await? {
            return Err(QueueError::WrongState(open.state));
        }
        let at = clock(within).await?;
        let update = job::Entity::update_many()
            .filter(Column::Id.eq(id))
            .filter(Column::State.is_in([State::Failed, State::Cancelled]));
        let update = queued(update)
            .col_expr(Column::Attempt, Expr::value(0))
            .col_expr(Column::Lost, Expr::value(0))
            .col_expr(Column::CancelAsked, Expr::value(false))
            .col_expr(Column::FailureCode, Expr::value(None::<String>))
            .col_expr(Column::FailureDetail, Expr::value(None::<String>))
            .col_expr(Column::EndedAt, Expr::value(None::<i64>))
            .col_expr(Column::CreatedAt, Expr::value(behind_all(within, at).await?));
        if changed_at(update, at).exec(within).await?.rows_affected == 0 {
            return Err(QueueError::WrongState(row.state));
        }
        job::Entity::find_by_id(id).one(within).await?.ok_or(QueueError::NoJob)
    }

    async fn sweep(&self) -> Result<u64, QueueError> {
        let at = clock(&self.db).await?;
        let expired =
            || job::Entity::update_many().filter(Column::State.eq(State::Running)).filter(Column::LeaseUntil.lt(at));
        let is_any = job::Entity::find().filter(Column::State.eq(State::Running)).filter(Column::LeaseUntil.lt(at));
        if is_any.count(&self.db).await? == 0 {
            return Ok(0); // as mostly: nobody who only looks should write
        }
        let stopped = ended(expired().filter(Column::CancelAsked.eq(true)), State::Cancelled, at);
        let detail = format!("{MAX_LOST} workers took this job and were never heard of again.");
        let failure = Failure { code: FailureCode::WorkerLost, detail };
        let given_up = failed(expired().filter(Column::Lost.gte(MAX_LOST - 1)), &failure, at);
        let waiting = queued(expired())
            .col_expr(Column::Lost, Expr::col(Column::Lost).add(1))
            .col_expr(Column::Attempt, Expr::col(Column::Attempt).sub(1));
        let mut taken = 0;
        for update in [stopped, given_up, waiting] {
            taken += self.change(update, at).await?;
        }
        Ok(taken)
    }

    async fn bury(&self, worker: &str) -> Result<u64, QueueError> {
        let at = clock(&self.db).await?;
        let update = job::Entity::update_many()
            .filter(Column::State.eq(State::Running))
            .filter(Column::Worker.eq(worker))
            .col_expr(Column::LeaseUntil, Expr::value(Some(0_i64)));
        self.change(update, at).await?;
        self.sweep().await
    }
}

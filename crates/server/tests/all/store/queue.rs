//! The queue: every job is done once, whoever dies.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, PaginatorTrait, Set};
use server::entity::{job, measurement, segmentation, study};
use server::ids::JobId;
use server::jobs::queue::{AfterFailure, MAX_ATTEMPTS, MAX_LOST, Progress, Standing, position};
use server::jobs::{Failure, FailureCode, Order, Queue, QueueError, State};

use crate::store::material::{LONG, Store};

/// A lease that has ended when it begins.
const NONE: Duration = Duration::ZERO;

async fn job(store: &Store, id: JobId) -> job::Model {
    job::Entity::find_by_id(id).one(&store.db).await.unwrap().unwrap()
}

/// Ends all leases that are no longer than nothing. The clock must have moved on since they began.
async fn sweep(store: &Store) -> u64 {
    loop {
        let taken = store.queue.sweep().await.unwrap();
        if taken > 0 {
            return taken;
        }
    }
}

pub(crate) async fn a_wish_makes_one_job(store: Store) {
    let study_id = store.study("P-0001").await;
    let order = Order { study: study_id, model: None, by: None };
    let within = store.db.write().await.unwrap();
    assert!(matches!(store.queue.enqueue(&within, order).await, Err(QueueError::NoModel)));
    drop(within);
    store.model("tiny").await;
    let wishes: Vec<_> = (0..6)
        .map(|_| {
            let (db, queue) = (store.db.clone(), store.queue.clone());
            tokio::spawn(async move {
                let within = db.write().await.unwrap();
                let id = queue.enqueue(&within, order).await.unwrap().id;
                within.commit_unrecorded().await.unwrap();
                id
            })
        })
        .collect();
    let mut jobs = BTreeSet::new();
    for wish in wishes {
        jobs.insert(wish.await.unwrap());
    }
    assert_eq!(jobs.len(), 1, "six wishes at once are one job");
    let second = store.queued("P-0002").await;
    assert_eq!(position(&store.db, &job(&store, second).await).await.unwrap(), Some(2));

    let mut row = study::Entity::find_by_id(study_id).one(&store.db).await.unwrap().unwrap().into_active_model();
    row.state = Set(study::State::Incomplete);
    row.update(&store.db).await.unwrap();
    let within = store.db.write().await.unwrap();
    assert!(matches!(store.queue.enqueue(&within, order).await, Err(QueueError::Incomplete)));
}

pub(crate) async fn a_job_is_claimed_once(store: Store) {
    store.model("tiny").await;
    let mut wanted = BTreeSet::new();
    for i in 0..12 {
        wanted.insert(store.queued(&format!("P-{i:04}")).await);
    }
    let workers: Vec<_> = (0..6)
        .map(|i| {
            let queue = store.queue.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(claim) = queue.claim(&format!("w{i}"), LONG).await.unwrap() {
                    mine.push(claim.job.id);
                }
                mine
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), 12, "each once");
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), wanted);
}

pub(crate) async fn a_worker_that_comes_back_changes_nothing(store: Store) {
    store.model("tiny").await;
    let id = store.queued("P-0001").await;
    let old = store.queue.claim("old", NONE).await.unwrap().unwrap();
    let progress = Progress { stage: Some("network".into()), share: 0.5, eta: Some(Duration::from_secs(3)) };
    assert_eq!(store.queue.beat(&old, &progress, NONE).await.unwrap(), Standing::Yours);
    assert_eq!(job(&store, id).await.eta_ms, Some(3000));
    assert_eq!(sweep(&store).await, 1);
    let new = store.claim("new").await;
    assert_eq!(new.job.id, id);
    // The old one was only slow. Whatever it does now, it has lost the job.
    let failure = Failure { code: FailureCode::Internal, detail: String::new() };
    assert_eq!(store.queue.beat(&old, &progress, LONG).await.unwrap(), Standing::Lost);
    assert_eq!(store.queue.fail(&old, &failure).await.unwrap(), AfterFailure::Lost);
    assert!(!store.queue.cancelled(&old).await.unwrap() && !store.queue.hand_back(&old).await.unwrap());
    let made = store.made("old").await;
    assert_eq!(store.queue.finish(&old, made).await.unwrap(), None);
    assert_eq!(segmentation::Entity::find().count(&store.db).await.unwrap(), 0);
    let made = store.made("new").await;
    let done = store.queue.finish(&new, made.clone()).await.unwrap().unwrap();
    assert_eq!(store.queue.finish(&new, made.clone()).await.unwrap(), None, "not twice either");
    let row = segmentation::Entity::find_by_id(done).one(&store.db).await.unwrap().unwrap();
    assert_eq!((row.number, row.labels_sha), (1, made.labels));
    assert!(measurement::Entity::find_by_id(done).one(&store.db).await.unwrap().is_some());
    let row = job(&store, id).await;
    assert_eq!((row.state, row.segmentation_id, row.lease_until, row.worker), (State::Done, Some(done), None, None));
    // The next segmentation of the study is number 2.
    let again = store.wish(row.study_id).await;
    let claim = store.claim("new").await;
    assert_eq!(claim.job.id, again);
    let done = store.queue.finish(&claim, made).await.unwrap().unwrap();
    assert_eq!(segmentation::Entity::find_by_id(done).one(&store.db).await.unwrap().unwrap().number, 2);
}

pub(crate) async fn attempts_are_bounded(store: Store) {
    store.model("tiny").await;
    let id = store.queued("P-0001").await;
    let failure = Failure { code: FailureCode::Crashed, detail: "signal 9".to_owned() };
    for attempt in 1..=MAX_ATTEMPTS {
        let claim = store.claim("w").await;
        assert_eq!((claim.job.id, claim.job.attempt), (id, attempt));
        let after = if attempt < MAX_ATTEMPTS { AfterFailure::Queued } else { AfterFailure::GivenUp };
        assert_eq!(store.queue.fail(&claim, &failure).await.unwrap(), after);
    }
    assert!(store.queue.claim("w", LONG).await.unwrap().is_none());
    let row = job(&store, id).await;
    assert_eq!((row.state, row.failure_code.as_deref()), (State::Failed, Some("crashed")));
    // What cannot end otherwise is not tried again.
    store.retry(id).await.unwrap();
    let claim = store.claim("w").await;
    assert_eq!(claim.job.attempt, 1, "a retry begins anew");
    let failure = Failure { code: FailureCode::ScansUnusable, detail: "a mask".to_owned() };
    assert_eq!(store.queue.fail(&claim, &failure).await.unwrap(), AfterFailure::GivenUp);
}

pub(crate) async fn silent_workers_are_no_attempts(store: Store) {
    store.model("tiny").await;
    let id = store.queued("P-0001").await;
    for lost in 1..=MAX_LOST {
        let claim = store.queue.claim("w", NONE).await.unwrap().unwrap();
        assert_eq!((claim.job.id, claim.job.attempt), (id, 1), "time {lost}");
        assert_eq!(sweep(&store).await, 1);
    }
    let row = job(&store, id).await;
    assert_eq!((row.state, row.failure_code.as_deref()), (State::Failed, Some("worker_lost")), "but not for ever");
    // One whose death was seen lets go at once.
    let id = store.queued("P-0002").await;
    store.claim("host/1").await;
    assert_eq!(store.queue.bury("host/2").await.unwrap(), 0, "another one");
    assert_eq!(store.queue.bury("host/1").await.unwrap(), 1);
    assert_eq!(job(&store, id).await.state, State::Queued);
}

pub(crate) async fn jobs_are_stopped_and_begun_again(store: Store) {
    store.model("tiny").await;
    let waiting = store.queued("P-0001").await;
    assert_eq!(store.cancel(waiting).await.unwrap().state, State::Cancelled);
    assert!(matches!(store.cancel(waiting).await, Err(QueueError::WrongState(State::Cancelled))));
    assert!(matches!(store.cancel(JobId::fresh()).await, Err(QueueError::NoJob)));

    let running = store.queued("P-0002").await;
    let claim = store.claim("w").await;
    assert_eq!(store.cancel(running).await.unwrap().state, State::Running, "its worker must hear of it");
    assert_eq!(store.queue.beat(&claim, &Progress::default(), LONG).await.unwrap(), Standing::CancelAsked);
    assert!(store.queue.cancelled(&claim).await.unwrap());
    assert_eq!(job(&store, running).await.state, State::Cancelled);

    store.retry(running).await.unwrap();
    assert!(matches!(store.retry(running).await, Err(QueueError::WrongState(State::Queued))));
    let claim = store.claim("w").await;
    assert!(store.queue.hand_back(&claim).await.unwrap(), "the worker is shut down");
    let row = job(&store, running).await;
    assert_eq!((row.state, row.attempt, row.lost), (State::Queued, 0, 0), "which is no attempt");
}

/// A retried job waits behind those that wait already, if one began to in the same millisecond too.
pub(crate) async fn who_tries_again_waits_at_the_end(store: Store) {
    store.model("tiny").await;
    let first = store.queued("P-0001").await;
    store.cancel(first).await.unwrap();
    let second = store.queued("P-0002").await;
    let ahead = job(&store, second).await.created_at + 1_000;
    let mut row = job(&store, second).await.into_active_model();
    row.created_at = Set(ahead); // more than a tie: so it does not depend on how fast this runs
    row.update(&store.db).await.unwrap();
    let row = store.retry(first).await.unwrap();
    assert_eq!(position(&store.db, &row).await.unwrap(), Some(2));
    assert_eq!(store.claim("w").await.job.id, second);
    assert_eq!(store.claim("w").await.job.id, first);
}

/// Changes of many at once, each with its entry: the chain has no branch and no gap, and no transaction is lost for it.
pub(crate) async fn changes_at_once_make_one_chain(store: Store) {
    use server::audit::{Action, Kind, Object, commit, verify};
    let study = store.study("P-0001").await;
    let tasks: Vec<_> = (0..24)
        .map(|n| {
            let db = store.db.clone();
            tokio::spawn(async move {
                let within = db.write().await.unwrap();
                if n % 3 == 0 {
                    study::next_number(&within, study).await.unwrap();
                }
                let object = Object::one(Kind::Study, n);
                commit(within, &server::accounts::Person::server(), Action::Change, object).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let verdict = verify(&store.db).await.unwrap();
    assert_eq!((verdict.entries, verdict.broken), (24, None));
    let row = study::Entity::find_by_id(study).one(&store.db).await.unwrap().unwrap();
    assert_eq!(row.last_number, 8);
}

//! What workers write is told to the pages that listen; and jobs whose worker is silent go back into the queue.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter};
use segment::report::Report;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::queue::in_order;
use super::{JobRow, LeaseQueue, Queue, State};
use crate::db::{Db, clock};
use crate::entity::{job, measurement};
use crate::events::{Event, EventKind, Events};
use crate::ids::JobId;

/// How often rows are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A row that is written by one connection may be seen a little later by another.
const OVERLAP_MS: i64 = 3_000;

/// What was told last of each job that may still change.
#[derive(Debug, Default)]
struct Watcher {
    since: i64,
    told: HashMap<JobId, (i64, Option<u64>)>,
}

/// Watches until `stop`.
pub async fn run(db: Db, events: Events, stop: CancellationToken) {
    let queue = LeaseQueue::new(db.clone());
    let mut watcher = Watcher::default();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let looked = match queue.sweep().await {
            Ok(_) => watcher.look(&db, &events).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = &looked
            && !is_away
        {
            warn!(error, "the queue cannot be watched; trying again");
        }
        is_away = looked.is_err();
    }
}

impl Watcher {
    async fn look(&mut self, db: &Db, events: &Events) -> Result<(), DbErr> {
        if self.since == 0 {
            self.since = clock(db).await?;
        }
        let moved = job::Column::ChangedAt.gte(self.since - OVERLAP_MS);
        let open = Condition::any().add(moved).add(job::Column::State.eq(State::Queued));
        let rows = in_order(job::Entity::find().filter(open)).all(db).await?;
        let mut told = HashMap::with_capacity(rows.len());
        let mut waiting = 0;
        for row in rows {
            self.since = self.since.max(row.changed_at);
            let is_waiting = row.state == State::Queued;
            waiting += u64::from(is_waiting);
            let now = (row.changed_at, is_waiting.then_some(waiting));
            told.insert(row.id, now);
            if self.told.get(&row.id) != Some(&now) {
                if row.state == State::Done {
                    events.tell(Event::new(EventKind::Study, row.study_id.to_string()));
                    time(db, &row).await?;
                }
                events.tell(event(row, now.1));
            }
        }
        self.told = told;
        Ok(())
    }
}

/// A job as an event.
pub(super) fn event(row: job::Model, position: Option<u64>) -> Event {
    let id = row.id.to_string();
    let row = serde_json::to_value(JobRow::of(row, position)).unwrap_or_default();
    Event { row, ..Event::new(EventKind::Job, id) }
}

/// Notes how long the stages of a job took.
async fn time(db: &Db, row: &job::Model) -> Result<(), DbErr> {
    let Some(id) = row.segmentation_id else { return Ok(()) };
    let Some(measured) = measurement::Entity::find_by_id(id).one(db).await? else { return Ok(()) };
    for stage in measured.report.read::<Report>().map(|report| report.seconds).unwrap_or_default() {
        let name = serde_json::to_value(stage.stage).unwrap_or_default();
        let name = name.as_str().unwrap_or_default().to_owned();
        observed::histogram!("glioscope_stage_seconds", "stage" => name).record(stage.seconds);
    }
    Ok(())
}

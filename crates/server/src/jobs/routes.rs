//! `/jobs` and the stream of events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::queue::{in_order, places, position};
use super::{JobRow, LeaseQueue, Queue, QueueError, State as JobState, watch};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::db::now;
use crate::entity::job;
use crate::error::{Code, Problem};
use crate::events::Event;
use crate::ids::{JobId, StudyId};
use crate::list::List;

/// The routes of jobs and events.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, cancel))
        .routes(routes!(retry))
        .routes(routes!(events))
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NoStudy => Self::not_found("study"),
            QueueError::NoModel => Self::not_found("model"),
            QueueError::NoJob => Self::not_found("job"),
            QueueError::Incomplete => Self::new(
                Code::StudyIncomplete,
                "The study lacks a sequence. Please add it; all four are needed to segment.",
            ),
            QueueError::WrongState(state) => {
                let detail = match state {
                    JobState::Queued | JobState::Running => "A job for this study waits or runs already.",
                    JobState::Done => "The job is done already.",
                    JobState::Failed | JobState::Cancelled => "The job has ended already.",
                };
                Self::new(Code::Conflict, detail)
            }
            QueueError::Db(error) => error.into(),
        }
    }
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// In one state.
    state: Option<JobState>,
    /// Of one study.
    study_id: Option<StudyId>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// Older than this job.
    cursor: Option<JobId>,
}

/// Jobs, the youngest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(Which), responses((status = OK, body = List<JobRow>)))]
async fn list(State(app): State<App>, _: Person, Query(which): Query<Which>) -> Result<Json<List<JobRow>>, Problem> {
    let limit = which.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::field("limit", "From 1 to 1000."));
    }
    let mut found = job::Entity::find();
    if let Some(state) = which.state {
        found = found.filter(job::Column::State.eq(state));
    }
    if let Some(study) = which.study_id {
        found = found.filter(job::Column::StudyId.eq(study));
    }
    let total = found.clone().count(&app.db).await?;
    if let Some(cursor) = which.cursor {
        found = found.filter(job::Column::Id.lt(cursor));
    }
    let mut rows = found.order_by_desc(job::Column::Id).limit(limit + 1).all(&app.db).await?;
    let more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|last| last.id.to_string());
    let is_any_waiting = rows.iter().any(|row| row.state == JobState::Queued);
    let places = if is_any_waiting { places(&app.db).await? } else { BTreeMap::new() };
    let items = rows.into_iter().map(|row| {
        let place = places.get(&row.id).copied();
        JobRow::of(row, place)
    });
    Ok(Json(List { items: items.collect(), next, total }))
}

/// A job.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)), responses((status = OK, body = JobRow)))]
async fn one(State(app): State<App>, _: Person, Path(id): Path<JobId>) -> Result<Json<JobRow>, Problem> {
    let row = job::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(|| Problem::not_found("job"))?;
    Ok(Json(shown(&app, row).await?))
}

/// Stops a job: at once if it waits, within a second or so if it runs.
#[utoipa::path(delete, path = "/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)), responses((status = ACCEPTED, body = JobRow)))]
async fn cancel(State(app): State<App>, person: Person, Path(id): Path<JobId>) -> Result<Response, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    let row = LeaseQueue::new(app.db.clone()).cancel(&write, id).await?;
    audit::commit(write, &person, Action::Remove, Object::one(Kind::Job, id)).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&app, row).await?)).into_response())
}

/// Puts a failed or cancelled job back at the end of the queue; it was asked for at this time then.
#[utoipa::path(post, path = "/jobs/{id}/retry", tag = "jobs", params(("id" = JobId, Path)), responses((status = ACCEPTED, body = JobRow)))]
async fn retry(State(app): State<App>, person: Person, Path(id): Path<JobId>) -> Result<Response, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    let row = LeaseQueue::new(app.db.clone()).retry(&write, id).await?;
    audit::commit(write, &person, Action::Change, Object::one(Kind::Job, id).with(json!({"retry": true}))).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&app, row).await?)).into_response())
}

async fn shown(app: &App, row: job::Model) -> Result<JobRow, Problem> {
    let position = position(&app.db, &row).await?;
    Ok(JobRow::of(row, position))
}

/// A stream ends after this time and the browser opens the next one: so a session that was ended stops hearing.
const STREAM: Duration = Duration::from_mins(15);

/// What happens, as it happens: `event: job` with a job, `event: study` and `event: upload` with an id, and `event: missed`
/// where the listener should ask for everything anew. It begins with the jobs that wait or run, and after a break
/// (`Last-Event-ID`) with those that changed since.
#[utoipa::path(
    get, path = "/events", tag = "jobs", params(("Last-Event-ID" = Option<String>, Header)),
    responses((status = OK, content_type = "text/event-stream", body = String))
)]
async fn events(State(app): State<App>, person: Person, headers: HeaderMap) -> Result<Response, Problem> {
    // Before the rows are read, so that nothing falls between.
    let listening = app.events.listen(person.key());
    let listening = listening.ok_or_else(|| Problem::new(Code::TooMany, "Too many pages of yours listen already."))?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse::<i64>().ok());
    let first = first(&app, last).await?;
    let closing = app.closing.clone();
    let live = stream::unfold(listening, |mut listening| async move {
        loop {
            match listening.told.recv().await {
                Ok(event) if event.only_for.as_deref().is_none_or(|only| only == listening.key) => {
                    return Some((sent(&event), listening));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    return Some((sse::Event::default().event("missed").data("{}"), listening));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let end = async move {
        closing.run_until_cancelled(sleep(STREAM)).await;
    };
    let all = stream::iter(first).chain(live).take_until(Box::pin(end)).map(Ok::<_, Infallible>);
    let keep = KeepAlive::new().interval(Duration::from_secs(15)).text("still here");
    let mut response =
        Sse::new(Box::pin(all) as std::pin::Pin<Box<dyn Stream<Item = _> + Send>>).keep_alive(keep).into_response();
    let unbuffered = axum::http::HeaderValue::from_static("no"); // proxies of the kind of nginx
    response.headers_mut().insert("x-accel-buffering", unbuffered);
    Ok(response)
}

/// What the listener should know at its beginning.
async fn first(app: &App, last: Option<i64>) -> Result<Vec<sse::Event>, Problem> {
    let mut wanted = sea_orm::Condition::any().add(job::Column::State.is_in([JobState::Queued, JobState::Running]));
    if let Some(last) = last {
        wanted = wanted.add(job::Column::ChangedAt.gte(last.saturating_sub(3_000)));
    }
    let rows = in_order(job::Entity::find().filter(wanted)).limit(1000).all(&app.db).await?;
    let mut waiting = 0;
    let mut events = Vec::with_capacity(rows.len() + 1);
    if last.is_some() {
        events.push(sse::Event::default().event("missed").data("{}"));
    }
    for row in rows {
        waiting += u64::from(row.state == JobState::Queued);
        events.push(sent(&watch::event(row, Some(waiting))));
    }
    Ok(events)
}

fn sent(event: &Event) -> sse::Event {
    let row = if event.row == Value::Null { json!({"id": event.id}) } else { event.row.clone() };
    sse::Event::default().event(event.kind.as_str()).id(now().to_string()).data(row.to_string())
}

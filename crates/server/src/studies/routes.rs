//! `/studies`: the worklist and one study.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use sea_orm::ColumnTrait;
use sea_orm::{ActiveModelTrait, QueryFilter, Set};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::list;
use super::query::{StudyQuery, checked_date};
use super::rows::{self, Place};
use super::wire::{Series, Study, StudyChange, StudyRow};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::study;
use crate::error::Problem;
use crate::events::{Event, EventKind};
use crate::fields::Fields;
use crate::ids::StudyId;
use crate::list::List;
use crate::segmentations;

/// The most characters of a study's notes.
const NOTES_LENGTH: usize = 10_000;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(worklist)).routes(routes!(one, change, remove)).routes(routes!(restore))
}

/// The worklist.
#[utoipa::path(get, path = "/studies", tag = "studies", params(StudyQuery), responses((status = OK, body = List<StudyRow>)))]
async fn worklist(
    State(app): State<App>,
    person: Person,
    Query(query): Query<StudyQuery>,
) -> Result<Json<List<StudyRow>>, Problem> {
    let asked = query.page(query.select()?)?;
    // At once: each waits mostly, and the answer waits for both.
    let recorded = audit::record(&app, &person, Action::List, Object::all(Kind::Study));
    let (page, ()) = tokio::try_join!(list::page(&app.db, &query, asked), recorded)?;
    Ok(Json(page))
}

/// A study with its scans and masks.
#[utoipa::path(get, path = "/studies/{id}", tag = "studies", params(("id" = StudyId, Path)), responses((status = OK, body = Study)))]
async fn one(State(app): State<App>, person: Person, Path(id): Path<StudyId>) -> Result<Json<Study>, Problem> {
    let row = rows::present(&app.db, id).await?;
    audit::record(&app, &person, Action::Read, Object::one(Kind::Study, id)).await?;
    Ok(Json(whole(&app, row).await?))
}

/// Changes date or notes.
#[utoipa::path(patch, path = "/studies/{id}", tag = "studies", params(("id" = StudyId, Path)), request_body = StudyChange,
    responses((status = OK, body = Study)))]
async fn change(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    Json(Fields(change)): Json<Fields<StudyChange>>,
) -> Result<Json<Study>, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    let before = rows::present(&write, id).await?;
    let mut row = study::ActiveModel { id: Set(id), ..Default::default() };
    if let Some(date) = &change.date {
        row.date = Set(if date.is_empty() { None } else { Some(checked_date("date", date)?) });
    }
    if let Some(notes) = change.notes {
        row.notes = Set(checked_notes(notes)?);
    }
    let row = if row.is_changed() {
        let row = row.update(&write).await?;
        audit::commit(write, &person, Action::Change, Object::one(Kind::Study, id)).await?;
        row
    } else {
        drop(write); // nothing was wished for
        before
    };
    app.events.tell(Event::new(EventKind::Study, id.to_string()));
    Ok(Json(whole(&app, row).await?))
}

fn checked_notes(notes: String) -> Result<String, Problem> {
    if notes.chars().count() > NOTES_LENGTH {
        return Err(Problem::field("notes", format!("At most {NOTES_LENGTH} characters.")));
    }
    if notes.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Problem::field("notes", "Control characters are not allowed."));
    }
    Ok(notes)
}

/// Puts a study into the bin.
#[utoipa::path(delete, path = "/studies/{id}", tag = "studies", params(("id" = StudyId, Path)), responses((status = NO_CONTENT)))]
async fn remove(State(app): State<App>, person: Person, Path(id): Path<StudyId>) -> Result<StatusCode, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    if !rows::set_removed(&write, id, Place::Bin).await? {
        return Err(Problem::not_found("study"));
    }
    audit::commit(write, &person, Action::Remove, Object::one(Kind::Study, id)).await?;
    app.events.tell(Event::new(EventKind::Study, id.to_string()));
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a study out of the bin, and its patient with it.
#[utoipa::path(post, path = "/studies/{id}/restore", tag = "studies", params(("id" = StudyId, Path)), responses((status = OK, body = Study)))]
async fn restore(State(app): State<App>, person: Person, Path(id): Path<StudyId>) -> Result<Json<Study>, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    if !rows::restore(&write, id).await? {
        return Err(Problem::not_found("study in the bin"));
    }
    let row = rows::present(&write, id).await?;
    audit::commit(write, &person, Action::Restore, Object::one(Kind::Study, id)).await?;
    app.events.tell(Event::new(EventKind::Study, id.to_string()));
    Ok(Json(whole(&app, row).await?))
}

/// A study with all that belongs to it.
async fn whole(app: &App, row: study::Model) -> Result<Study, Problem> {
    let line = StudyQuery::default().select()?.filter(study::Column::Id.eq(row.id));
    let line = list::lines(line).one(&app.db).await?.ok_or_else(|| Problem::not_found("study"))?;
    let mut shown = list::shown(&app.db, vec![line]).await?.pop().ok_or_else(|| Problem::not_found("study"))?;
    let all = segmentations::rows::of_study(&app.db, row.id).await?;
    let current = segmentations::rows::current(&all).map(|(current, _)| (current.id, current.labels_sha));
    let segmentations = segmentations::rows::shown(&app.db, all).await?;
    shown.segmentation = current.and_then(|(id, _)| segmentations.iter().find(|row| row.id == id).cloned());
    let scans = rows::series(&app.db, row.id).await?;
    let first = scans.first().map(rows::facts).transpose()?;
    let tumour = match current {
        Some((_, sha)) => app.pictures.middle_of(app, sha).await?,
        None => None,
    };
    let mut series = Vec::with_capacity(scans.len());
    for scan in &scans {
        series.push(Series {
            id: scan.id,
            sequence: scan.sequence,
            url: format!("/api/v1/series/{}/volume.nii.gz", scan.id),
            window: rows::facts(scan)?.window,
            guessed: scan.guessed,
        });
    }
    Ok(Study {
        row: shown,
        notes: row.notes,
        shape: first.as_ref().map(super::facts::Facts::upright_shape),
        spacing: first.as_ref().map(super::facts::Facts::upright_spacing),
        series,
        segmentations,
        brain: first.as_ref().map(|facts| facts.brain),
        centre: tumour.or(first.map(|facts| facts.middle())),
    })
}

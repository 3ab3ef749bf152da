//! `/segmentations`, and making them.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rows::{self, NewMask};
use super::wire::{Decision, SegmentationDetail, SegmentationRow};
use super::{MASK_BYTES, mask};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::segmentation::Source;
use crate::entity::{segmentation, series};
use crate::error::{Code, Problem};
use crate::events::{Event, EventKind};
use crate::fields::Fields;
use crate::files::Staged;
use crate::ids::{ModelId, SegmentationId, StudyId};
use crate::jobs::{JobRow, LeaseQueue, Order, Queue};
use crate::studies;
use crate::studies::download::{Shipment, ship};
use crate::text::line;
use crate::uploads::limits;

/// The most characters of a note.
const NOTE_LENGTH: usize = 500;

/// With which model.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    /// The model; none: the active one.
    #[serde(default)]
    model_id: Option<ModelId>,
}

/// What is said of a new version.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    /// The segmentation of the same study that was edited; none: the mask was painted from nothing.
    #[serde(default)]
    parent: Option<SegmentationId>,
    /// What its author wants to say.
    #[serde(default)]
    note: Option<String>,
    /// The draft that becomes the version: its `ETag` without the quotes, or `none`. Another one, kept in another tab or on
    /// another computer, stays. If nothing is said, whatever draft of the study the person has ends.
    #[serde(default)]
    known: Option<String>,
}

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(segment))
        .routes(routes!(version))
        .routes(routes!(one, decide))
        .routes(routes!(labels))
}

/// Asks for a segmentation. A study that waits for the model already gets no second job.
#[utoipa::path(post, path = "/studies/{id}/segmentations", tag = "segmentations", params(("id" = StudyId, Path)),
    request_body = Option<Segment>, responses((status = ACCEPTED, body = JobRow)))]
async fn segment(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    body: Option<Json<Fields<Segment>>>,
) -> Result<(StatusCode, Json<JobRow>), Problem> {
    person.must(Role::Editor)?;
    let model = body.and_then(|Json(Fields(wanted))| wanted.model_id);
    let write = app.db.write().await?;
    let job = LeaseQueue::new(app.db.clone()).enqueue(&write, Order { study: id, model, by: person.user }).await?;
    audit::commit(write, &person, Action::Create, Object::one(Kind::Job, job.id).with(json!({"study": id}))).await?;
    app.events.tell(Event::new(EventKind::Study, id.to_string()));
    let position = crate::jobs::queue::position(&app.db, &job).await?;
    Ok((StatusCode::ACCEPTED, Json(JobRow::of(job, position))))
}

/// Saves an edited mask as a new version: uint8 NIfTI on the study's grid, 0 background, 1 necrotic core, 2 oedema,
/// 3 enhancing tumour. The person's draft of the study ends with it. Without `parent` the mask was painted where there
/// was none: it is a version like any other, number 1 if it is the study's first.
#[utoipa::path(post, path = "/studies/{id}/versions", tag = "segmentations", params(("id" = StudyId, Path), Version),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = CREATED, body = SegmentationRow)))]
async fn version(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    Query(about): Query<Version>,
    body: Body,
) -> Result<(StatusCode, Json<SegmentationRow>), Problem> {
    person.must(Role::Editor)?;
    studies::rows::present(&app.db, id).await?;
    let note = match about.note.as_deref().map(str::trim).filter(|note| !note.is_empty()) {
        Some(note) => line("note", note, NOTE_LENGTH)?,
        None => String::new(),
    };
    rows::parent(&app.db, id, about.parent).await?;
    let staged = app.files.stage(body.into_data_stream(), MASK_BYTES).await?;
    let scans = studies::rows::series(&app.db, id).await?;
    let (labels, measured) = examined(&app, staged, &scans, "edited by hand").await?;
    let labels = app.files.keep(&app.db, labels).await?;
    let new = NewMask {
        id: measured.segmentation_id,
        study: id,
        source: Source::Edit,
        parent: about.parent,
        labels,
        by: person.user,
        note,
    };
    let write = app.db.write().await?;
    studies::rows::hold(&write, id).await?;
    studies::rows::present(&write, id).await?;
    let row = rows::insert(&write, new, measured.clone()).await?;
    rows::forget_draft(&write, (id, person.key()), about.known.as_deref()).await?;
    let object = Object::one(Kind::Segmentation, row.id).with(json!({"study": id}));
    audit::commit(write, &person, Action::Create, object).await?;
    app.events.tell(Event::new(EventKind::Study, id.to_string()));
    let row = shown(&app, (row, Some(measured))).await?;
    Ok((StatusCode::CREATED, Json(row)))
}

/// Reads a staged mask, writes it anew on the study's grid, and measures it.
pub(super) async fn examined(
    app: &App,
    staged: Staged,
    scans: &[series::Model],
    maker: &'static str,
) -> Result<(Staged, crate::entity::measurement::Model), Problem> {
    use std::io::Read;
    let first = scans.first().ok_or_else(|| Problem::new(Code::StudyIncomplete, "The study has no scan yet."))?;
    let permit = app.pictures.permit().await?; // before the file is in memory
    let scan = app.files.read(&app.db, first.volume_sha).await?;
    let (files, scans, limits) = (app.files.clone(), scans.to_vec(), limits(app));
    let work = move || {
        let _permit = permit;
        let geometry = volume::nifti::geometry(&scan, &limits).map_err(Problem::internal)?;
        let mut bytes = Vec::new();
        staged.reopen()?.read_to_end(&mut bytes)?;
        let labels = mask::read(&bytes, mask::SCHEME, &geometry, &limits)?;
        let measured = mask::measured(SegmentationId::fresh(), &labels, maker, &scans);
        let clean = files.stage_bytes(&mask::file(&labels, &geometry, mask::SCHEME)?)?;
        Ok::<_, Problem>((clean, measured))
    };
    tokio::task::spawn_blocking(work).await?
}

/// A segmentation with its report.
#[utoipa::path(get, path = "/segmentations/{id}", tag = "segmentations", params(("id" = SegmentationId, Path)),
    responses((status = OK, body = SegmentationDetail)))]
async fn one(
    State(app): State<App>,
    person: Person,
    Path(id): Path<SegmentationId>,
) -> Result<Json<SegmentationDetail>, Problem> {
    let found = rows::one(&app.db, id).await?;
    audit::record(&app, &person, Action::Read, Object::one(Kind::Segmentation, id)).await?;
    let report = found.1.as_ref().map(|measured| measured.report.0.clone()).unwrap_or_default();
    Ok(Json(SegmentationDetail { row: shown(&app, found).await?, report }))
}

/// The mask. Never changes; ranges and `If-None-Match` are understood.
#[utoipa::path(get, path = "/segmentations/{id}/labels.nii.gz", tag = "segmentations", params(("id" = SegmentationId, Path)),
    responses((status = OK, content_type = "application/gzip", body = Vec<u8>), (status = NOT_MODIFIED), (status = PARTIAL_CONTENT)))]
async fn labels(
    State(app): State<App>,
    person: Person,
    Path(id): Path<SegmentationId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (row, _) = rows::one(&app.db, id).await?;
    audit::record(&app, &person, Action::Read, Object::one(Kind::Segmentation, id)).await?;
    ship(&app, &headers, &Shipment::volume(row.labels_sha)).await
}

/// Accepts or rejects a mask, or takes that back.
#[utoipa::path(patch, path = "/segmentations/{id}", tag = "segmentations", params(("id" = SegmentationId, Path)),
    request_body = Decision, responses((status = OK, body = SegmentationRow)))]
async fn decide(
    State(app): State<App>,
    person: Person,
    Path(id): Path<SegmentationId>,
    Json(Fields(decision)): Json<Fields<Decision>>,
) -> Result<Json<SegmentationRow>, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    let (row, _) = rows::one(&write, id).await?;
    rows::decide(&write, &row, decision.state, &person).await?;
    let decided = json!({"state": format!("{:?}", decision.state).to_lowercase()});
    audit::commit(write, &person, Action::Change, Object::one(Kind::Segmentation, id).with(decided)).await?;
    app.events.tell(Event::new(EventKind::Study, row.study_id.to_string()));
    Ok(Json(shown(&app, rows::one(&app.db, id).await?).await?))
}

async fn shown(
    app: &App,
    found: (segmentation::Model, Option<crate::entity::measurement::Model>),
) -> Result<SegmentationRow, Problem> {
    let row = rows::shown(&app.db, vec![found]).await?.pop();
    row.ok_or_else(|| Problem::not_found("segmentation"))
}

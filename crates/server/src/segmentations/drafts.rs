//! Unsaved edits: one a person and study, seen by nobody else.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::routes::examined;
use super::{MASK_BYTES, rows};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::db::now;
use crate::entity::draft;
use crate::error::{Code, Problem};
use crate::ids::{SegmentationId, StudyId};
use crate::studies;
use crate::studies::download::{Shipment, ship};

/// Says which segmentation a draft changes.
const PARENT: HeaderName = HeaderName::from_static("glioscope-parent");

/// What is edited.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Edited {
    /// The segmentation of the same study that is being edited; none: the mask is painted from nothing.
    #[serde(default)]
    parent: Option<SegmentationId>,
    /// The largest number among the study's segmentations that the page knows of, 0 if there is none; the parent's (or 0)
    /// if nothing is said.
    #[serde(default)]
    #[param(minimum = 0)]
    after: Option<i32>,
    /// The draft that the page knows of: its `ETag` without the quotes, or `none`. If another one is there, nothing is
    /// written. If nothing is said, whatever is there is replaced.
    #[serde(default)]
    known: Option<String>,
}

/// Which draft is thrown away.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Unwanted {
    /// The draft that the page knows of: its `ETag` without the quotes, or `none`. Another one stays. If nothing is said,
    /// whatever is there is thrown away.
    #[serde(default)]
    known: Option<String>,
}

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, write, remove))
}

/// One's own draft of a study, if there is one; the header `Glioscope-Parent` names the segmentation that it changes, and
/// `ETag` is what `known` means where drafts are written.
#[utoipa::path(get, path = "/studies/{id}/draft", tag = "segmentations", params(("id" = StudyId, Path)),
    responses((status = OK, content_type = "application/gzip", body = Vec<u8>), (status = NO_CONTENT)))]
async fn read(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    studies::rows::present(&app.db, id).await?;
    let Some(row) = rows::draft(&app.db, id, person.key()).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    audit::record(&app, &person, Action::Read, Object::one(Kind::Draft, id)).await?;
    let mut response = ship(&app, &headers, &Shipment::changing(row.labels_sha)).await?;
    if let Some(parent) = row.parent_id.and_then(|parent| HeaderValue::try_from(parent.to_string()).ok()) {
        response.headers_mut().insert(PARENT, parent);
    }
    Ok(response)
}

/// Keeps a draft in place of the one before; the body is as that of a version. A draft that comes late, after the same
/// person saved a version with a number above `after`, is refused (`draft_outdated`): what it holds is in that version.
/// After a version was saved, go on with its id as `parent` and its number as `after`. With `known`, a draft that would
/// take the place of one from another tab or computer is refused too (`draft_elsewhere`): ask the person which of the two
/// to keep. The answer's `ETag` is what `known` will be next time.
#[utoipa::path(put, path = "/studies/{id}/draft", tag = "segmentations", params(("id" = StudyId, Path), Edited),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = NO_CONTENT, headers(("ETag" = String)))))]
async fn write(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    Query(edited): Query<Edited>,
    body: Body,
) -> Result<Response, Problem> {
    person.must(Role::Editor)?;
    studies::rows::present(&app.db, id).await?;
    let parent = rows::parent(&app.db, id, edited.parent).await?;
    let after = edited.after.or(parent.map(|parent| parent.number)).unwrap_or(0);
    let staged = app.files.stage(body.into_data_stream(), MASK_BYTES).await?;
    let scans = studies::rows::series(&app.db, id).await?;
    let (labels, _) = examined(&app, staged, &scans, "edited by hand").await?;
    let sha = app.files.keep(&app.db, labels).await?;
    let row = draft::Model {
        study_id: id,
        user_key: person.key().to_owned(),
        parent_id: edited.parent,
        labels_sha: sha,
        updated_at: now(),
    };
    let known = OnConflict::columns([draft::Column::StudyId, draft::Column::UserKey])
        .update_columns([draft::Column::ParentId, draft::Column::LabelsSha, draft::Column::UpdatedAt])
        .to_owned();
    let write = app.db.write().await?;
    studies::rows::hold(&write, id).await?; // as who saves a version does
    studies::rows::present(&write, id).await?;
    if rows::last_saved(&write, id, &person).await? > after {
        return Err(Problem::of(Code::DraftOutdated));
    }
    if let (Some(known), Some(there)) = (edited.known, rows::draft(&write, id, person.key()).await?) {
        // The same once more: the answer of the first time was lost.
        let is_ours = there.labels_sha == sha || there.labels_sha.to_string() == known;
        if !is_ours {
            return Err(Problem::of(Code::DraftElsewhere));
        }
    }
    draft::Entity::insert(row.into_active_model()).on_conflict(known).exec_without_returning(&write).await?;
    audit::commit(write, &person, Action::Change, Object::one(Kind::Draft, id)).await?;
    let tag = HeaderValue::try_from(format!("\"{sha}\"")).map_err(Problem::internal)?;
    Ok((StatusCode::NO_CONTENT, [(ETAG, tag)]).into_response())
}

/// Throws one's own draft away.
#[utoipa::path(delete, path = "/studies/{id}/draft", tag = "segmentations", params(("id" = StudyId, Path), Unwanted),
    responses((status = NO_CONTENT)))]
async fn remove(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    Query(unwanted): Query<Unwanted>,
) -> Result<StatusCode, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    if rows::forget_draft(&write, (id, person.key()), unwanted.known.as_deref()).await? {
        audit::commit(write, &person, Action::Remove, Object::one(Kind::Draft, id)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

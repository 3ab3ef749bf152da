//! The scans of a study: as files, as slices, as small pictures.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use segment::picture::{self, Shown, Window, slice};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::download::{Shipment, ship};
use super::pictures::middle;
use super::rows;
use crate::accounts::Person;
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::series::Sequence;
use crate::error::Problem;
use crate::ids::{SegmentationId, SeriesId, StudyId};
use crate::segmentations;

/// A plane through the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// Seen from the feet.
    #[default]
    Axial,
    /// Seen from the front.
    Coronal,
    /// Seen from the side.
    Sagittal,
}

impl From<Plane> for picture::Plane {
    fn from(plane: Plane) -> Self {
        match plane {
            Plane::Axial => Self::Axial,
            Plane::Coronal => Self::Coronal,
            Plane::Sagittal => Self::Sagittal,
        }
    }
}

/// Which slice, and how it is drawn.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SliceQuery {
    /// The plane.
    #[param(inline)]
    plane: Plane,
    /// Which one, counted in RAS order; none: where the tumour is largest, else the middle of the brain.
    index: Option<usize>,
    /// What is drawn black; none: the scan's own window.
    lo: Option<f32>,
    /// What is drawn white.
    hi: Option<f32>,
    /// The mask that is drawn over it.
    mask: Option<SegmentationId>,
}

/// Which mask a small picture shows.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ThumbnailQuery {
    /// The mask; none: the one that stands for the study.
    mask: Option<SegmentationId>,
}

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(volume)).routes(routes!(one_slice)).routes(routes!(thumbnail))
}

/// A scan with a clean header. Never changes; ranges and `If-None-Match` are understood.
#[utoipa::path(get, path = "/series/{id}/volume.nii.gz", tag = "studies", params(("id" = SeriesId, Path)),
    responses((status = OK, content_type = "application/gzip", body = Vec<u8>), (status = NOT_MODIFIED), (status = PARTIAL_CONTENT)))]
async fn volume(
    State(app): State<App>,
    person: Person,
    Path(id): Path<SeriesId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = rows::one_series(&app.db, id).await?;
    audit::record(&app, &person, Action::Read, Object::one(Kind::Series, id)).await?;
    ship(&app, &headers, &Shipment::volume(row.volume_sha)).await
}

/// A slice as PNG: the patient's right on the left, one pixel as long as the finest voxel, necrotic core blue, oedema
/// green, enhancing tumour red. Letters are not drawn.
#[utoipa::path(get, path = "/series/{id}/slice.png", tag = "studies", params(("id" = SeriesId, Path), SliceQuery),
    responses((status = OK, content_type = "image/png", body = Vec<u8>)))]
async fn one_slice(
    State(app): State<App>,
    person: Person,
    Path(id): Path<SeriesId>,
    Query(query): Query<SliceQuery>,
) -> Result<Response, Problem> {
    let row = rows::one_series(&app.db, id).await?;
    let own = rows::facts(&row)?.shown();
    let window = Window { low: query.lo.unwrap_or(own.low), high: query.hi.unwrap_or(own.high) };
    if !(window.low.is_finite() && window.high.is_finite() && window.low < window.high) {
        return Err(Problem::field("hi", "It must be above lo."));
    }
    let mask = match query.mask {
        Some(mask) => Some(segmentations::rows::one(&app.db, mask).await?.0),
        None => None,
    };
    if mask.as_ref().is_some_and(|mask| mask.study_id != row.study_id) {
        return Err(Problem::field("mask", "It is a segmentation of another study."));
    }
    audit::record(&app, &person, Action::Read, Object::one(Kind::Series, id)).await?;
    let holding = app.pictures.holding().await?;
    let mask = match mask {
        Some(mask) => Some(app.pictures.labels(&app, mask.labels_sha, &holding).await?),
        None => None,
    };
    let scan = app.pictures.scan(&app, row.volume_sha, &holding).await?;
    let draw = move || {
        let _holding = holding;
        let plane = picture::Plane::from(query.plane);
        let index = query.index.unwrap_or_else(|| middle(&scan, mask.as_deref())[plane.through()]);
        slice((&scan, window), mask.as_deref(), (plane, index), Shown::Whole)
    };
    let png = tokio::task::spawn_blocking(draw).await?.map_err(Problem::internal)?;
    Ok(picture_of(png))
}

/// A small picture for lists: FLAIR if it is there, with the mask, where the tumour is largest. Studies in the bin have
/// theirs too: they are listed.
#[utoipa::path(get, path = "/studies/{id}/thumbnail.png", tag = "studies", params(("id" = StudyId, Path), ThumbnailQuery),
    responses((status = OK, content_type = "image/png", body = Vec<u8>)))]
async fn thumbnail(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    Query(query): Query<ThumbnailQuery>,
) -> Result<Response, Problem> {
    let scans = rows::series(&app.db, id).await?;
    let order = [Sequence::T2f, Sequence::T1c, Sequence::T2w, Sequence::T1n];
    let shown = order.into_iter().find_map(|wanted| scans.iter().find(|scan| scan.sequence == wanted));
    let shown = shown.ok_or_else(|| Problem::not_found("picture of this study"))?;
    let all = segmentations::rows::of_study(&app.db, id).await?;
    let mask = match query.mask {
        Some(wanted) => all.iter().find(|(row, _)| row.id == wanted),
        None => segmentations::rows::current(&all),
    };
    // It shows the patient's head, and whoever knows its address needs no list: an entry of its own. Browsers keep it.
    let object = Object::one(Kind::Study, id).with(json!({"picture": "small"}));
    audit::record(&app, &person, Action::Read, object).await?;
    let png = app.pictures.small(&app, shown.volume_sha, mask.map(|(row, _)| row.labels_sha)).await?;
    Ok(picture_of(png.to_vec()))
}

/// A PNG that a browser may show again for a while; addresses carry the mask, so that a new one is another picture.
pub(crate) fn picture_of(png: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "private, max-age=3600")], png).into_response()
}

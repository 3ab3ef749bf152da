//! Two masks of one study against each other.

use axum::Json;
use axum::extract::{Path, State};
use metrics::Counts;
use segment::labels::Region;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rows;
use super::wire::Volumes;
use crate::accounts::Person;
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::error::Problem;
use crate::ids::SegmentationId;

/// How two masks differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// Millilitres of the second less those of the first.
    pub ml: Volumes,
    /// Dice of each region; null where one of the masks has none of it.
    pub dice: RegionDice,
}

/// Dice of each region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct RegionDice {
    /// Whole tumour.
    #[schema(required)]
    pub wt: Option<f64>,
    /// Tumour core.
    #[schema(required)]
    pub tc: Option<f64>,
    /// Enhancing tumour.
    #[schema(required)]
    pub et: Option<f64>,
}

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(compare))
}

/// Compares two masks of one study.
#[utoipa::path(get, path = "/segmentations/{id}/compare/{other}", tag = "segmentations",
    params(("id" = SegmentationId, Path), ("other" = SegmentationId, Path)), responses((status = OK, body = Comparison)))]
async fn compare(
    State(app): State<App>,
    person: Person,
    Path((a, b)): Path<(SegmentationId, SegmentationId)>,
) -> Result<Json<Comparison>, Problem> {
    let (first, first_measured) = rows::one(&app.db, a).await?;
    let (second, second_measured) = rows::one(&app.db, b).await?;
    if first.study_id != second.study_id {
        return Err(Problem::field("b", "The two segmentations are of different studies."));
    }
    audit::record(&app, &person, Action::Read, Object::one(Kind::Segmentation, a).with(json!({"compared_with": b})))
        .await?;
    let of = |measured: Option<&crate::entity::measurement::Model>| measured.map_or_else(Volumes::default, Volumes::of);
    let (v, w) = (of(first_measured.as_ref()), of(second_measured.as_ref()));
    let ml = Volumes { ncr: w.ncr - v.ncr, ed: w.ed - v.ed, et: w.et - v.et, wt: w.wt - v.wt, tc: w.tc - v.tc };
    let holding = app.pictures.holding().await?;
    let labels = app.pictures.labels(&app, first.labels_sha, &holding).await?;
    let others = app.pictures.labels(&app, second.labels_sha, &holding).await?;
    let compare = move || (dice(labels.voxels(), others.voxels()), holding).0;
    let dice = tokio::task::spawn_blocking(compare).await?;
    Ok(Json(Comparison { ml, dice: dice.ok_or_else(|| Problem::internal("masks of one study differ in length"))? }))
}

/// Dice of two masks of as many voxels.
fn dice(a: &[u8], b: &[u8]) -> Option<RegionDice> {
    if a.len() != b.len() {
        return None;
    }
    let of = |region: Region| Counts::of(&region.mask(a), &region.mask(b)).dice().value();
    Some(RegionDice { wt: of(Region::Wt), tc: of(Region::Tc), et: of(Region::Et) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_of_nothing_is_not_a_number() {
        let found = dice(&[0, 1, 2, 2], &[0, 1, 2, 0]).unwrap();
        assert_eq!(found, RegionDice { wt: Some(0.8), tc: Some(1.0), et: None });
        assert_eq!(dice(&[0], &[0, 1]), None);
    }
}

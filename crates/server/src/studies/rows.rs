//! Rows of studies and their series.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder};

use super::facts::Facts;
use crate::db::{Write, now};
use crate::entity::{measurement, patient, series, study};
use crate::error::Problem;
use crate::ids::{PatientId, SeriesId, StudyId};
use crate::segmentations;

/// A study that does not lie in the bin.
pub(crate) async fn present(on: &impl ConnectionTrait, id: StudyId) -> Result<study::Model, Problem> {
    let row = study::Entity::find_by_id(id).filter(study::Column::RemovedAt.is_null()).one(on).await?;
    row.ok_or_else(|| Problem::not_found("study"))
}

/// Holds a study's row until the transaction ends, so that two changes come one after the other.
pub(crate) async fn hold(write: &Write, id: StudyId) -> Result<(), DbErr> {
    study::Entity::update_many()
        .col_expr(study::Column::LastNumber, Expr::col(study::Column::LastNumber).add(0))
        .filter(study::Column::Id.eq(id))
        .exec(write)
        .await?;
    Ok(())
}

/// The scans of a study, T1, T1ce, T2, FLAIR.
pub(crate) async fn series(on: &impl ConnectionTrait, id: StudyId) -> Result<Vec<series::Model>, DbErr> {
    let mut rows = series::Entity::find().filter(series::Column::StudyId.eq(id)).all(on).await?;
    rows.sort_by_key(|row| row.sequence);
    Ok(rows)
}

/// A scan whose study does not lie in the bin.
pub(crate) async fn one_series(on: &impl ConnectionTrait, id: SeriesId) -> Result<series::Model, Problem> {
    let row = series::Entity::find_by_id(id).one(on).await?.ok_or_else(|| Problem::not_found("series"))?;
    match study::Entity::find_by_id(row.study_id).filter(study::Column::RemovedAt.is_null()).one(on).await? {
        Some(_) => Ok(row),
        None => Err(Problem::not_found("series")),
    }
}

/// What is kept of a scan beside its voxels.
pub(crate) fn facts(row: &series::Model) -> Result<Facts, Problem> {
    row.grid.read().map_err(|error| Problem::internal(format!("series {}: {error}", row.id)))
}

/// The studies of a patient that do not lie in the bin.
pub(crate) async fn of_patient(on: &impl ConnectionTrait, id: PatientId) -> Result<Vec<study::Model>, DbErr> {
    study::Entity::find()
        .filter(study::Column::PatientId.eq(id))
        .filter(study::Column::RemovedAt.is_null())
        .order_by_asc(study::Column::Id)
        .all(on)
        .await
}

/// The studies of a patient with what was measured on the mask that stands for each; those without one are left out.
pub(crate) async fn measured_of_patient(
    on: &impl ConnectionTrait,
    id: PatientId,
) -> Result<Vec<(study::Model, measurement::Model)>, DbErr> {
    let mut found = Vec::new();
    for study in of_patient(on, id).await? {
        let all = segmentations::rows::of_study(on, study.id).await?;
        if let Some((_, Some(measured))) = segmentations::rows::current(&all) {
            found.push((study, measured.clone()));
        }
    }
    Ok(found)
}

/// Puts a study into the bin, or takes it out; whether that changed anything.
pub(crate) async fn set_removed(write: &Write, id: StudyId, to: Place) -> Result<bool, DbErr> {
    let removed = study::Column::RemovedAt;
    let (at, was) = match to {
        Place::Bin => (Some(now()), removed.is_null()),
        Place::Worklist => (None, removed.is_not_null()),
    };
    let done = study::Entity::update_many()
        .col_expr(removed, Expr::value(at))
        .filter(study::Column::Id.eq(id))
        .filter(was)
        .exec(write)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Takes a study out of the bin, and its patient with it; whether it lay there.
pub(crate) async fn restore(write: &Write, id: StudyId) -> Result<bool, Problem> {
    if !set_removed(write, id, Place::Worklist).await? {
        return Ok(false);
    }
    let row = present(write, id).await?;
    patient::Entity::update_many()
        .col_expr(patient::Column::RemovedAt, Expr::value(None::<i64>))
        .filter(patient::Column::Id.eq(row.patient_id))
        .exec(write)
        .await?;
    Ok(true)
}

/// Where a study lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where everybody sees it.
    Worklist,
    /// Where it waits to be forgotten.
    Bin,
}

//! Rows of segmentations.

use std::collections::BTreeMap;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::wire::{Decided, Names, SegmentationRow};
use crate::accounts::Person;
use crate::db::{Write, now};
use crate::entity::segmentation::{self, Column, Source, State};
use crate::entity::{Json, draft, measurement, model, study, user};
use crate::error::Problem;
use crate::ids::{ModelId, SegmentationId, Sha, StudyId, UserId};

/// A segmentation with what was measured on it.
pub(crate) type Measured = (segmentation::Model, Option<measurement::Model>);

/// A mask that is about to be a segmentation.
#[derive(Clone, Debug)]
pub(crate) struct NewMask {
    /// Its id.
    pub(crate) id: SegmentationId,
    /// Of which study.
    pub(crate) study: StudyId,
    /// Where it comes from.
    pub(crate) source: Source,
    /// The one that was edited.
    pub(crate) parent: Option<SegmentationId>,
    /// The mask.
    pub(crate) labels: Sha,
    /// By whom.
    pub(crate) by: Option<UserId>,
    /// What its author wrote.
    pub(crate) note: String,
}

/// Writes a segmentation and its measurement; the next number of its study.
pub(crate) async fn insert(
    write: &Write,
    new: NewMask,
    measured: measurement::Model,
) -> Result<segmentation::Model, DbErr> {
    let state = match new.source {
        Source::Model => State::Draft,
        Source::Edit => State::Edited,
        Source::Reference => State::Accepted,
    };
    let row = segmentation::Model {
        id: new.id,
        study_id: new.study,
        number: study::next_number(write, new.study).await?,
        source: new.source,
        parent_id: new.parent,
        model_id: None,
        parameters: Json::of(&serde_json::json!({})),
        state,
        labels_sha: new.labels,
        picture_sha: None,
        created_by: new.by,
        created_at: now(),
        decided_by: None,
        decided_at: None,
        note: new.note,
    };
    segmentation::Entity::insert(row.clone().into_active_model()).exec_without_returning(write).await?;
    measurement::Entity::insert(measured.into_active_model()).exec_without_returning(write).await?;
    Ok(row)
}

/// A segmentation of a study that does not lie in the bin.
pub(crate) async fn one(on: &impl ConnectionTrait, id: SegmentationId) -> Result<Measured, Problem> {
    let found = segmentation::Entity::find_by_id(id).find_also_related(measurement::Entity).one(on).await?;
    let found = found.ok_or_else(|| Problem::not_found("segmentation"))?;
    let study = study::Entity::find_by_id(found.0.study_id).filter(study::Column::RemovedAt.is_null()).one(on).await?;
    if study.is_some() { Ok(found) } else { Err(Problem::not_found("segmentation")) }
}

/// The segmentation that an edit of a study begins with, if it does not begin with nothing.
pub(super) async fn parent(
    on: &impl ConnectionTrait,
    study: StudyId,
    id: Option<SegmentationId>,
) -> Result<Option<segmentation::Model>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let (parent, _) = one(on, id).await?;
    if parent.study_id != study {
        return Err(Problem::field("parent", "It is a segmentation of another study."));
    }
    Ok(Some(parent))
}

/// The number of the newest version of a study that a person saved; 0 if there is none.
pub(super) async fn last_saved(on: &impl ConnectionTrait, study: StudyId, person: &Person) -> Result<i32, DbErr> {
    let by = person.user.map_or_else(|| Column::CreatedBy.is_null(), |user| Column::CreatedBy.eq(user));
    let last = segmentation::Entity::find()
        .select_only()
        .column(Column::Number)
        .filter(Column::StudyId.eq(study))
        .filter(Column::Source.eq(Source::Edit))
        .filter(by)
        .order_by_desc(Column::Number)
        .into_tuple()
        .one(on)
        .await?;
    Ok(last.unwrap_or(0))
}

/// All of a study, newest first.
pub(crate) async fn of_study(on: &impl ConnectionTrait, id: StudyId) -> Result<Vec<Measured>, DbErr> {
    segmentation::Entity::find()
        .find_also_related(measurement::Entity)
        .filter(Column::StudyId.eq(id))
        .order_by_desc(Column::Number)
        .all(on)
        .await
}

/// The one that stands for the study: the newest that nobody rejected, a reference only if there is nothing else.
pub(crate) fn current(all: &[Measured]) -> Option<&Measured> {
    let open = all.iter().filter(|(row, _)| row.state != State::Rejected);
    open.max_by_key(|(row, _)| (row.source != Source::Reference, row.number))
}

/// Rows as the API shows them.
pub(crate) async fn shown(on: &impl ConnectionTrait, rows: Vec<Measured>) -> Result<Vec<SegmentationRow>, DbErr> {
    let models = model_names(on, rows.iter().filter_map(|(row, _)| row.model_id).collect()).await?;
    let people = rows.iter().flat_map(|(row, _)| [row.created_by, row.decided_by]).flatten();
    let people = user_names(on, people.collect()).await?;
    let named = |(row, measured): Measured| {
        let names = Names {
            model: row.model_id.and_then(|id| models.get(&id).cloned()),
            author: row.created_by.and_then(|id| people.get(&id).cloned()),
            judge: row.decided_by.and_then(|id| people.get(&id).cloned()),
        };
        SegmentationRow::of(row, measured.as_ref(), names)
    };
    Ok(rows.into_iter().map(named).collect())
}

async fn model_names(on: &impl ConnectionTrait, ids: Vec<ModelId>) -> Result<BTreeMap<ModelId, String>, DbErr> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<(ModelId, String)> = model::Entity::find()
        .select_only()
        .column(model::Column::Id)
        .column(model::Column::Name)
        .filter(model::Column::Id.is_in(ids))
        .into_tuple()
        .all(on)
        .await?;
    Ok(found.into_iter().collect())
}

pub(crate) async fn user_names(on: &impl ConnectionTrait, ids: Vec<UserId>) -> Result<BTreeMap<UserId, String>, DbErr> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<(UserId, String)> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .column(user::Column::Name)
        .filter(user::Column::Id.is_in(ids))
        .into_tuple()
        .all(on)
        .await?;
    Ok(found.into_iter().collect())
}

/// Writes what a person decided.
pub(crate) async fn decide(
    write: &Write,
    row: &segmentation::Model,
    decided: Decided,
    person: &Person,
) -> Result<(), DbErr> {
    let (state, at) = match (decided, row.source) {
        (Decided::Accepted, _) => (State::Accepted, Some(now())),
        (Decided::Rejected, _) => (State::Rejected, Some(now())),
        (Decided::Draft, Source::Edit) => (State::Edited, None),
        (Decided::Draft, Source::Model | Source::Reference) => (State::Draft, None),
    };
    segmentation::Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::DecidedAt, Expr::value(at))
        .col_expr(Column::DecidedBy, Expr::value(at.and(person.user)))
        .filter(Column::Id.eq(row.id))
        .exec(write)
        .await?;
    Ok(())
}

/// A person's unsaved edit of a study.
pub(super) async fn draft(
    on: &impl ConnectionTrait,
    study: StudyId,
    user_key: &str,
) -> Result<Option<draft::Model>, DbErr> {
    draft::Entity::find_by_id((study, user_key.to_owned())).one(on).await
}

/// Throws a person's unsaved edit of a study away; whether there was one. With `known`, the hash of a mask, only if it is
/// that one: another one was kept elsewhere meanwhile, and nobody has said that it is not wanted.
pub(super) async fn forget_draft(
    write: &Write,
    (study, user_key): (StudyId, &str),
    known: Option<&str>,
) -> Result<bool, DbErr> {
    let mut gone = draft::Entity::delete_many()
        .filter(draft::Column::StudyId.eq(study))
        .filter(draft::Column::UserKey.eq(user_key));
    if let Some(known) = known {
        gone = gone.filter(draft::Column::LabelsSha.eq(known));
    }
    Ok(gone.exec(write).await?.rows_affected > 0)
}

//! Studies: the scans of one visit.

use sea_orm::ExprTrait;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Json;
use crate::ids::{PatientId, StudyId, UserId};

/// Whether a study can be segmented.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
#[serde(rename_all = "snake_case")]
#[schema(as = StudyState)]
pub enum State {
    /// A sequence is missing.
    #[sea_orm(string_value = "incomplete")]
    Incomplete,
    /// All four sequences are there.
    #[sea_orm(string_value = "ready")]
    Ready,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "study")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StudyId,
    /// Whose.
    pub patient_id: PatientId,
    /// `YYYY-MM-DD`, if somebody wrote one.
    pub date: Option<String>,
    /// What somebody wrote.
    pub notes: String,
    /// Whether it can be segmented.
    pub state: State,
    /// When, in ms since 1970.
    pub created_at: i64,
    /// By whom, where there are accounts.
    pub created_by: Option<UserId>,
    /// Since when it lies in the bin.
    pub removed_at: Option<i64>,
    /// `[x, y, z]`, once there is a series.
    pub shape: Option<Json>,
    /// `[x, y, z]` in mm, once there is a series.
    pub spacing: Option<Json>,
    /// The number of its youngest segmentation; see [`next_number`].
    pub last_number: i32,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Whose.
    #[sea_orm(belongs_to = "super::patient::Entity", from = "Column::PatientId", to = "super::patient::Column::Id")]
    Patient,
    /// Its scans.
    #[sea_orm(has_many = "super::series::Entity")]
    Series,
    /// Its masks.
    #[sea_orm(has_many = "super::segmentation::Entity")]
    Segmentations,
    /// Its jobs.
    #[sea_orm(has_many = "super::job::Entity")]
    Jobs,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::patient::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Patient.def()
    }
}

impl Related<super::series::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Series.def()
    }
}

impl Related<super::segmentation::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Segmentations.def()
    }
}

impl Related<super::job::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Jobs.def()
    }
}

/// The number of the study's next segmentation: 1, 2, 3 ... Call it in the transaction that writes the segmentation; a
/// second transaction on the same study waits for the first.
///
/// # Errors
/// Those of the database; [`DbErr::RecordNotFound`] if the study is gone.
pub async fn next_number(within: &impl ConnectionTrait, study: StudyId) -> Result<i32, DbErr> {
    let counted = Entity::update_many()
        .col_expr(Column::LastNumber, Expr::col(Column::LastNumber).add(1))
        .filter(Column::Id.eq(study))
        .exec(within)
        .await?;
    match Entity::find_by_id(study).one(within).await? {
        Some(row) if counted.rows_affected == 1 => Ok(row.last_number),
        Some(_) | None => Err(DbErr::RecordNotFound(format!("study {study}"))),
    }
}

//! Jobs: work for a worker. Only `jobs::queue` writes this table.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{JobId, ModelId, SegmentationId, StudyId, UserId};

/// What is to be done.
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
pub enum Kind {
    /// A study is segmented.
    #[sea_orm(string_value = "segment")]
    Segment,
}

/// How far a job is.
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
#[schema(as = JobState)]
pub enum State {
    /// It waits.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// A worker has it.
    #[sea_orm(string_value = "running")]
    Running,
    /// A segmentation came of it.
    #[sea_orm(string_value = "done")]
    Done,
    /// It was given up.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Somebody stopped it.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "job")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    /// Of which study.
    pub study_id: StudyId,
    /// What is to be done.
    pub kind: Kind,
    /// With which model.
    pub model_id: ModelId,
    /// How far it is.
    pub state: State,
    /// How often it was begun.
    pub attempt: i32,
    /// How often it may be.
    pub max_attempts: i32,
    /// How often a worker that had it was never heard of again; such a beginning is no attempt.
    pub lost: i32,
    /// Counts claims: who holds an older one has lost the job (fencing).
    pub token: i64,
    /// Until when the worker is trusted to live.
    pub lease_until: Option<i64>,
    /// Who has it.
    pub worker: Option<String>,
    /// What is being done.
    pub stage: Option<String>,
    /// How much of all is done, 0 to 1.
    pub share: f64,
    /// How long it may still take.
    pub eta_ms: Option<i64>,
    /// Why it failed, for programs.
    pub failure_code: Option<String>,
    /// Why it failed, for people.
    pub failure_detail: Option<String>,
    /// What came of it.
    pub segmentation_id: Option<SegmentationId>,
    /// When it was asked for, first or anew, in ms since 1970: the order of the queue.
    pub created_at: i64,
    /// When it was last begun.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// When anything of this row changed.
    pub changed_at: i64,
    /// By whom, where there are accounts.
    pub created_by: Option<UserId>,
    /// Whether somebody wants it stopped.
    pub cancel_asked: bool,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Of which study.
    #[sea_orm(belongs_to = "super::study::Entity", from = "Column::StudyId", to = "super::study::Column::Id")]
    Study,
    /// With which model.
    #[sea_orm(belongs_to = "super::model::Entity", from = "Column::ModelId", to = "super::model::Column::Id")]
    Model,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::study::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Study.def()
    }
}

impl Related<super::model::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Model.def()
    }
}

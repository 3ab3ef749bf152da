//! Segmentations: masks of a study, from a model, a person or a reference.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Json;
use crate::ids::{ModelId, SegmentationId, Sha, StudyId, UserId};

/// Where a mask comes from.
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
#[schema(as = SegmentationSource)]
pub enum Source {
    /// A model.
    #[sea_orm(string_value = "model")]
    Model,
    /// A person, who changed another.
    #[sea_orm(string_value = "edit")]
    Edit,
    /// A file that came with the scans.
    #[sea_orm(string_value = "reference")]
    Reference,
}

/// What people think of a mask.
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
#[schema(as = SegmentationState)]
pub enum State {
    /// Nobody decided.
    #[sea_orm(string_value = "draft")]
    Draft,
    /// A person made it; nobody decided.
    #[sea_orm(string_value = "edited")]
    Edited,
    /// It is good.
    #[sea_orm(string_value = "accepted")]
    Accepted,
    /// It is not.
    #[sea_orm(string_value = "rejected")]
    Rejected,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "segmentation")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SegmentationId,
    /// Of which study.
    pub study_id: StudyId,
    /// 1, 2, 3 ... in its study.
    pub number: i32,
    /// Where it comes from.
    pub source: Source,
    /// The one that was edited.
    pub parent_id: Option<SegmentationId>,
    /// The model that made it.
    pub model_id: Option<ModelId>,
    /// How the model was used.
    pub parameters: Json,
    /// What people think of it.
    pub state: State,
    /// The mask, `uint8` NIfTI on the study's grid: 0, 1 NCR, 2 ED, 3 ET.
    pub labels_sha: Sha,
    /// An overview as PNG.
    pub picture_sha: Option<Sha>,
    /// By whom, where there are accounts.
    pub created_by: Option<UserId>,
    /// When, in ms since 1970.
    pub created_at: i64,
    /// Who accepted or rejected it.
    pub decided_by: Option<UserId>,
    /// When that was.
    pub decided_at: Option<i64>,
    /// What its author wrote.
    pub note: String,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Of which study.
    #[sea_orm(belongs_to = "super::study::Entity", from = "Column::StudyId", to = "super::study::Column::Id")]
    Study,
    /// The model that made it.
    #[sea_orm(belongs_to = "super::model::Entity", from = "Column::ModelId", to = "super::model::Column::Id")]
    Model,
    /// What was measured on it.
    #[sea_orm(has_one = "super::measurement::Entity")]
    Measurement,
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

impl Related<super::measurement::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Measurement.def()
    }
}

//! Drafts: edits that a person has not saved as a version; nobody else sees them.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{SegmentationId, Sha, StudyId};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "draft")]
pub struct Model {
    /// Of which study.
    #[sea_orm(primary_key, auto_increment = false)]
    pub study_id: StudyId,
    /// Whose: the id of an account, or `local`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_key: String,
    /// The segmentation that is being edited.
    pub parent_id: Option<SegmentationId>,
    /// The mask.
    pub labels_sha: Sha,
    /// When, in ms since 1970.
    pub updated_at: i64,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

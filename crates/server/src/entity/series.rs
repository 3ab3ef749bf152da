//! Series: one scan of a study, as it came and as it is shown.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Json;
use crate::ids::{SeriesId, Sha, StudyId};

/// A kind of MR contrast.
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
pub enum Sequence {
    /// T1-weighted, native.
    #[sea_orm(string_value = "t1n")]
    T1n,
    /// T1-weighted after contrast medium.
    #[sea_orm(string_value = "t1c")]
    T1c,
    /// T2-weighted.
    #[sea_orm(string_value = "t2w")]
    T2w,
    /// T2-weighted FLAIR.
    #[sea_orm(string_value = "t2f")]
    T2f,
}

impl From<segment::study::Sequence> for Sequence {
    fn from(sequence: segment::study::Sequence) -> Self {
        match sequence {
            segment::study::Sequence::T1n => Self::T1n,
            segment::study::Sequence::T1c => Self::T1c,
            segment::study::Sequence::T2w => Self::T2w,
            segment::study::Sequence::T2f => Self::T2f,
        }
    }
}

impl From<Sequence> for segment::study::Sequence {
    fn from(sequence: Sequence) -> Self {
        match sequence {
            Sequence::T1n => Self::T1n,
            Sequence::T1c => Self::T1c,
            Sequence::T2w => Self::T2w,
            Sequence::T2f => Self::T2f,
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "series")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SeriesId,
    /// Of which study.
    pub study_id: StudyId,
    /// What it shows.
    pub sequence: Sequence,
    /// The file as it came.
    pub source_sha: Sha,
    /// The volume with a clean header, which is shown and segmented.
    pub volume_sha: Sha,
    /// Of the volume.
    pub bytes: i64,
    /// Shape and affine.
    pub grid: Json,
    /// Whether nobody confirmed the sequence.
    pub guessed: bool,
    /// When, in ms since 1970.
    pub created_at: i64,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Of which study.
    #[sea_orm(belongs_to = "super::study::Entity", from = "Column::StudyId", to = "super::study::Column::Id")]
    Study,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::study::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Study.def()
    }
}

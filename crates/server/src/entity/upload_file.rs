//! Files of an upload.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Json;
use super::series::Sequence;
use crate::ids::{Sha, UploadFileId, UploadId};

/// How far a file is.
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
#[schema(as = UploadFileState)]
pub enum State {
    /// It is coming.
    #[sea_orm(string_value = "receiving")]
    Receiving,
    /// It is there.
    #[sea_orm(string_value = "stored")]
    Stored,
    /// It cannot be used.
    #[sea_orm(string_value = "refused")]
    Refused,
}

/// What a file shows.
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
pub enum Content {
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
    /// A mask made by an expert.
    #[sea_orm(string_value = "mask")]
    Mask,
}

impl Content {
    /// The sequence, if it is a scan.
    pub fn sequence(self) -> Option<Sequence> {
        match self {
            Self::T1n => Some(Sequence::T1n),
            Self::T1c => Some(Sequence::T1c),
            Self::T2w => Some(Sequence::T2w),
            Self::T2f => Some(Sequence::T2f),
            Self::Mask => None,
        }
    }
}

impl From<Sequence> for Content {
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
#[sea_orm(table_name = "upload_file")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UploadFileId,
    /// Of which upload.
    pub upload_id: UploadId,
    /// What the sender called it; forgotten when the upload becomes studies.
    pub name: String,
    /// How many came.
    pub bytes: i64,
    /// The blob, once it is there in full.
    pub sha: Option<Sha>,
    /// How far it is.
    pub state: State,
    /// Files of one group become one study.
    pub group_key: String,
    /// What it shows.
    pub sequence: Option<Content>,
    /// What the numbers of a mask mean.
    pub scheme: Option<String>,
    /// Whether nobody confirmed what it shows.
    pub guessed: bool,
    /// Shape and affine, once it was read.
    pub grid: Option<Json>,
    /// What is wrong with it.
    pub problem: Option<Json>,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Of which upload.
    #[sea_orm(belongs_to = "super::upload::Entity", from = "Column::UploadId", to = "super::upload::Column::Id")]
    Upload,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::upload::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Upload.def()
    }
}

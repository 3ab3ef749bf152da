//! Uploads: files on their way to becoming studies.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::UploadId;

/// Whether more may come.
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
#[schema(as = UploadState)]
pub enum State {
    /// Yes.
    #[sea_orm(string_value = "open")]
    Open,
    /// No: studies were made of it.
    #[sea_orm(string_value = "committed")]
    Committed,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "upload")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UploadId,
    /// Whose: the id of an account, or `local`.
    pub user_key: String,
    /// When, in ms since 1970.
    pub created_at: i64,
    /// When something last came.
    pub updated_at: i64,
    /// Whether more may come.
    pub state: State,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Its files.
    #[sea_orm(has_many = "super::upload_file::Entity")]
    Files,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::upload_file::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Files.def()
    }
}

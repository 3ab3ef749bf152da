//! People with an account.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::UserId;

/// What a person may do; each may do what those before may.
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
pub enum Role {
    /// Look and export.
    #[sea_orm(string_value = "viewer")]
    Viewer,
    /// Upload, segment, edit, decide.
    #[sea_orm(string_value = "editor")]
    Editor,
    /// Everything.
    #[sea_orm(string_value = "admin")]
    Admin,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "user")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// What they type.
    #[sea_orm(unique)]
    pub name: String,
    /// PHC string of argon2id.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// When, in ms since 1970.
    pub created_at: i64,
    /// Since when they may not come in.
    pub disabled_at: Option<i64>,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

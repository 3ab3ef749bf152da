//! Tokens for programs.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{Sha, TokenId, UserId};

/// What a token may do, at most; its owner's role is the other limit.
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
pub enum Scope {
    /// Look and export.
    #[sea_orm(string_value = "read")]
    Read,
    /// All that its owner may.
    #[sea_orm(string_value = "write")]
    Write,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "api_token")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TokenId,
    /// Whose.
    pub user_id: UserId,
    /// What they call it.
    pub name: String,
    /// The hash of the token.
    #[sea_orm(unique)]
    pub token_sha: Sha,
    /// What it may do.
    pub scope: Scope,
    /// When it ends.
    pub expires_at: i64,
    /// When, in ms since 1970.
    pub created_at: i64,
    /// When it was last used.
    pub last_used_at: Option<i64>,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Sessions of browsers.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{Sha, UserId};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "session")]
pub struct Model {
    /// The hash of the cookie.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_sha: Sha,
    /// Whose; nobody's where there are no accounts.
    pub user_id: Option<UserId>,
    /// When, in ms since 1970.
    pub created_at: i64,
    /// When it was last used.
    pub seen_at: i64,
    /// When it ends.
    pub expires_at: i64,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

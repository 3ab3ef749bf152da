//! Blobs: every file that was kept. What refers to one are the `*_sha` columns of other tables.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::Sha;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "file")]
pub struct Model {
    /// The hash of its bytes, and its name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sha: Sha,
    /// How many.
    pub bytes: i64,
    /// When it was last given to us, in ms since 1970.
    pub created_at: i64,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Models that may be used.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use super::Json;
use crate::ids::{ModelId, Sha};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "model")]
#[expect(clippy::struct_excessive_bools, reason = "a row: each is a column")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ModelId,
    /// What its card calls it.
    pub name: String,
    /// The hash of its file; a blob unless it is embedded.
    #[sea_orm(unique)]
    pub sha: Sha,
    /// What it says of itself.
    pub card: Json,
    /// Whether it is the one that is used; one is.
    pub active: bool,
    /// Whether it lies inside the program.
    pub embedded: bool,
    /// When it came, in ms since 1970.
    pub created_at: i64,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

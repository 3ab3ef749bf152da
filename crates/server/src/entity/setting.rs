//! What the server remembers of itself, by name.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "setting")]
pub struct Model {
    /// Of what.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// What it is.
    pub value: String,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

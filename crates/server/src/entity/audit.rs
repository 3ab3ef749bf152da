//! Who did what to whose data; rows are only ever added, each carries the hash of the one before.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use super::Json;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// 1, 2, 3 ...
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When, in ms since 1970.
    pub at: i64,
    /// Who: the id of an account, or `local`.
    pub user_key: String,
    /// What.
    pub action: String,
    /// To what kind of thing.
    pub object_kind: String,
    /// To which.
    pub object_id: String,
    /// What else; no names of patients.
    pub detail: Json,
    /// That of the row before.
    pub previous_hash: String,
    /// Over this row and `previous_hash`.
    pub hash: String,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Patients: a made name and nothing else; who they are stands in `patient_person`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::PatientId;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "patient")]
pub struct Model {
    /// Its name among rows.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PatientId,
    /// `P-0001`, made by the server.
    #[sea_orm(unique)]
    pub pseudonym: String,
    /// When, in ms since 1970.
    pub created_at: i64,
    /// Since when it lies in the bin.
    pub removed_at: Option<i64>,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Who they are.
    #[sea_orm(has_one = "super::patient_person::Entity")]
    Person,
    /// Their studies.
    #[sea_orm(has_many = "super::study::Entity")]
    Studies,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::patient_person::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Person.def()
    }
}

impl Related<super::study::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Studies.def()
    }
}

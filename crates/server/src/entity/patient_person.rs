//! Who a patient is, kept apart from everything that has to do with images.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::PatientId;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "patient_person")]
pub struct Model {
    /// The patient.
    #[sea_orm(primary_key, auto_increment = false)]
    pub patient_id: PatientId,
    /// A name, if somebody wrote one.
    pub name: Option<String>,
    /// A year, if somebody wrote one.
    pub birth_year: Option<i32>,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The patient.
    #[sea_orm(belongs_to = "super::patient::Entity", from = "Column::PatientId", to = "super::patient::Column::Id")]
    Patient,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::patient::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Patient.def()
    }
}

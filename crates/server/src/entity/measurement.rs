//! Measurements: what a mask amounts to. Columns are there to filter and list by; the whole stands in the report.

use sea_orm::entity::prelude::*;
use segment::labels::{Region, Tissue};
use segment::report::Report;
use serde::{Deserialize, Serialize};

use super::Json;
use crate::ids::SegmentationId;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "measurement")]
pub struct Model {
    /// Of which mask.
    #[sea_orm(primary_key, auto_increment = false)]
    pub segmentation_id: SegmentationId,
    /// Necrotic core.
    pub ml_ncr: f64,
    /// Oedema.
    pub ml_ed: f64,
    /// Enhancing tumour.
    pub ml_et: f64,
    /// Whole tumour.
    pub ml_wt: f64,
    /// Tumour core.
    pub ml_tc: f64,
    /// Components of the whole tumour.
    pub n_wt: i32,
    /// Components of the core.
    pub n_tc: i32,
    /// Components of the enhancing tumour.
    pub n_et: i32,
    /// Longest diameter of the whole tumour.
    pub diameter_wt_mm: Option<f64>,
    /// Longest diameter of the core.
    pub diameter_tc_mm: Option<f64>,
    /// Longest diameter of the enhancing tumour.
    pub diameter_et_mm: Option<f64>,
    /// Warnings in the report.
    pub n_warnings: i32,
    /// The whole report.
    pub report: Json,
    /// How sure the model is, where it carries a calibration.
    pub confidence: Option<Json>,
}

/// To other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Of which mask.
    #[sea_orm(
        belongs_to = "super::segmentation::Entity",
        from = "Column::SegmentationId",
        to = "super::segmentation::Column::Id"
    )]
    Segmentation,
}

impl ActiveModelBehavior for ActiveModel {}

impl Related<super::segmentation::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Segmentation.def()
    }
}

impl Model {
    /// What a report says of a mask; `whole` is the report with what else its author wants to keep.
    pub fn of(segmentation_id: SegmentationId, report: &Report, whole: Json) -> Self {
        let tissue = |which| report.tissues.iter().find(|of| of.tissue == which).map_or(0.0, |of| of.ml);
        let region = |which| report.region(which).map_or(0.0, |of| of.ml);
        let parts = |which| report.region(which).map_or(0, |of| i32::try_from(of.n_components).unwrap_or(i32::MAX));
        let longest = |which| {
            let parts = report.region(which).into_iter().flat_map(|of| &of.components);
            parts.map(|part| part.axial_mm[0]).reduce(f64::max)
        };
        Self {
            segmentation_id,
            ml_ncr: tissue(Tissue::Necrotic),
            ml_ed: tissue(Tissue::Oedema),
            ml_et: tissue(Tissue::Enhancing),
            ml_wt: region(Region::Wt),
            ml_tc: region(Region::Tc),
            n_wt: parts(Region::Wt),
            n_tc: parts(Region::Tc),
            n_et: parts(Region::Et),
            diameter_wt_mm: longest(Region::Wt),
            diameter_tc_mm: longest(Region::Tc),
            diameter_et_mm: longest(Region::Et),
            n_warnings: i32::try_from(report.warnings.len()).unwrap_or(i32::MAX),
            report: whole,
            confidence: None,
        }
    }
}

//! Segmentations as the page sees them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::entity::measurement;
use crate::entity::segmentation::{self, Source, State};
use crate::ids::{ModelId, SegmentationId, StudyId};
use crate::text::rfc3339;

/// A mask of a study with what it amounts to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SegmentationRow {
    /// Its id.
    pub id: SegmentationId,
    /// Of which study.
    pub study_id: StudyId,
    /// 1, 2, 3 ... in its study.
    pub number: i32,
    /// Where it comes from.
    pub source: Source,
    /// What people think of it.
    pub state: State,
    /// The one that was edited.
    #[schema(required)]
    pub parent_id: Option<SegmentationId>,
    /// The model that made it.
    #[schema(required)]
    pub model: Option<ModelUsed>,
    /// Millilitres by tissue and region.
    pub ml: Volumes,
    /// What the reader should know before trusting the numbers. Left out in the worklist, whose rows count them.
    pub warnings: Vec<SaidWarning>,
    /// Parts of each region.
    pub components: Components,
    /// Longest axial diameter of each region, mm; null where there is none of it.
    pub diameters_mm: Diameters,
    /// How sure the model is, where it carries a calibration.
    #[schema(value_type = Option<Object>, required)]
    pub confidence: Option<Value>,
    /// The account that made it.
    #[schema(required)]
    pub created_by: Option<String>,
    /// When.
    pub created_at: String,
    /// The account that accepted or rejected it.
    #[schema(required)]
    pub decided_by: Option<String>,
    /// When.
    #[schema(required)]
    pub decided_at: Option<String>,
    /// What its author wrote.
    pub note: String,
    /// The mask: uint8, 0 background, 1 necrotic core, 2 oedema, 3 enhancing tumour.
    pub labels_url: String,
}

/// A segmentation with its whole report.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SegmentationDetail {
    /// What lists show.
    #[serde(flatten)]
    pub row: SegmentationRow,
    /// The report: amounts, parts, hashes of the inputs, times, warnings.
    #[schema(value_type = Object)]
    pub report: Value,
}

/// A model, by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelUsed {
    /// Its id.
    pub id: ModelId,
    /// What its card calls it.
    pub name: String,
}

/// Millilitres by tissue and region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Volumes {
    /// Necrotic core.
    pub ncr: f64,
    /// Oedema.
    pub ed: f64,
    /// Enhancing tumour.
    pub et: f64,
    /// Whole tumour.
    pub wt: f64,
    /// Tumour core.
    pub tc: f64,
}

/// Parts of each region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Components {
    /// Whole tumour.
    pub wt: i32,
    /// Tumour core.
    pub tc: i32,
    /// Enhancing tumour.
    pub et: i32,
}

/// Longest axial diameters, mm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Diameters {
    /// Whole tumour.
    #[schema(required)]
    pub wt: Option<f64>,
    /// Tumour core.
    #[schema(required)]
    pub tc: Option<f64>,
    /// Enhancing tumour.
    #[schema(required)]
    pub et: Option<f64>,
}

/// A warning in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SaidWarning {
    /// A stable name.
    pub code: String,
    /// A sentence.
    pub text: String,
}

/// What changes of a segmentation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The new state; `draft` takes a decision back.
    pub state: Decided,
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// It is good.
    Accepted,
    /// It is not.
    Rejected,
    /// Nothing any more.
    Draft,
}

/// Names that stand for ids in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Of the model.
    pub(crate) model: Option<String>,
    /// Of who made it.
    pub(crate) author: Option<String>,
    /// Of who decided.
    pub(crate) judge: Option<String>,
}

impl SegmentationRow {
    /// A row as the API shows it.
    pub(crate) fn of(row: segmentation::Model, measured: Option<&measurement::Model>, names: Names) -> Self {
        Self {
            labels_url: format!("/api/v1/segmentations/{}/labels.nii.gz", row.id),
            id: row.id,
            study_id: row.study_id,
            number: row.number,
            source: row.source,
            state: row.state,
            parent_id: row.parent_id,
            model: row.model_id.map(|id| ModelUsed { id, name: names.model.unwrap_or_default() }),
            ml: measured.map_or_else(Volumes::default, Volumes::of),
            warnings: measured.map_or_else(Vec::new, |measured| warnings(&measured.report.0)),
            components: measured.map_or_else(Components::default, |m| Components {
                wt: m.n_wt,
                tc: m.n_tc,
                et: m.n_et,
            }),
            diameters_mm: measured.map_or_else(Diameters::default, |m| Diameters {
                wt: m.diameter_wt_mm,
                tc: m.diameter_tc_mm,
                et: m.diameter_et_mm,
            }),
            confidence: measured.and_then(|measured| measured.confidence.clone()).map(|json| json.0),
            created_by: names.author,
            created_at: rfc3339(row.created_at),
            decided_by: names.judge,
            decided_at: row.decided_at.map(rfc3339),
            note: row.note,
        }
    }
}

impl Volumes {
    /// The columns of a measurement.
    pub(crate) fn of(measured: &measurement::Model) -> Self {
        Self { ncr: measured.ml_ncr, ed: measured.ml_ed, et: measured.ml_et, wt: measured.ml_wt, tc: measured.ml_tc }
    }
}

/// The warnings of a report, in its own words.
fn warnings(report: &Value) -> Vec<SaidWarning> {
    let text = |warning: &Value, key: &str| warning[key].as_str().unwrap_or_default().to_owned();
    let said = |warning: &Value| SaidWarning { code: text(warning, "kind"), text: text(warning, "sentence") };
    report["warnings"].as_array().map_or_else(Vec::new, |warnings| warnings.iter().map(said).collect())
}

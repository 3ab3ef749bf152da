//! A page of the worklist in one query, and one more each for what is rarely asked: the total, jobs, names of people.

use std::collections::BTreeMap;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, JoinType, PaginatorTrait, QueryFilter,
    QuerySelect, RelationTrait, Select,
};

use super::query::{Sorted, StudyQuery};
use super::wire::{PatientOfStudy, StudyRow};
use crate::entity::series::Sequence;
use crate::entity::{Json, job, measurement, model, patient, patient_person, segmentation, study};
use crate::error::Problem;
use crate::ids::{JobId, ModelId, PatientId, SegmentationId, StudyId, UserId};
use crate::jobs::{JobRow, queue};
use crate::list::List;
use crate::segmentations::rows::user_names;
use crate::segmentations::wire::{Components, Diameters, ModelUsed, SegmentationRow, Volumes};
use crate::text::rfc3339;

/// A study, its patient and the mask that stands for it, in one line.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Line {
    pub(crate) id: StudyId,
    pub(crate) patient_id: PatientId,
    pub(crate) date: Option<String>,
    pub(crate) state: study::State,
    pub(crate) created_at: i64,
    pub(crate) removed_at: Option<i64>,
    pub(crate) pseudonym: String,
    pub(crate) name: Option<String>,
    pub(crate) s_id: Option<SegmentationId>,
    pub(crate) s_number: Option<i32>,
    pub(crate) s_source: Option<segmentation::Source>,
    pub(crate) s_state: Option<segmentation::State>,
    s_parent: Option<SegmentationId>,
    s_model: Option<ModelId>,
    s_by: Option<UserId>,
    s_at: Option<i64>,
    s_decided_by: Option<UserId>,
    s_decided_at: Option<i64>,
    s_note: Option<String>,
    pub(crate) model_name: Option<String>,
    pub(crate) ml_ncr: Option<f64>,
    pub(crate) ml_ed: Option<f64>,
    pub(crate) ml_et: Option<f64>,
    pub(crate) ml_wt: Option<f64>,
    pub(crate) ml_tc: Option<f64>,
    pub(crate) n_wt: Option<i32>,
    pub(crate) n_tc: Option<i32>,
    pub(crate) n_et: Option<i32>,
    pub(crate) diameter_wt_mm: Option<f64>,
    pub(crate) diameter_tc_mm: Option<f64>,
    pub(crate) diameter_et_mm: Option<f64>,
    pub(crate) n_warnings: Option<i32>,
    confidence: Option<Json>,
    scans: i64,
    job: Option<JobId>,
}

/// Which sequences are there: a bit for each. A row each would be four rows a study, and rows are what a page costs.
const SCANS: &str = "(SELECT COUNT(CASE WHEN q.sequence = 't1n' THEN 1 END) + 2 * COUNT(CASE WHEN q.sequence = 't1c' THEN 1 END) \
                     + 4 * COUNT(CASE WHEN q.sequence = 't2w' THEN 1 END) + 8 * COUNT(CASE WHEN q.sequence = 't2f' THEN 1 END) \
                     FROM series q WHERE q.study_id = study.id)";

/// The youngest job: ids sort by age.
const JOB: &str = "(SELECT MAX(j.id) FROM job j WHERE j.study_id = study.id)";

/// The lines of a selection of studies.
pub(crate) fn lines(found: Select<study::Entity>) -> sea_orm::Selector<sea_orm::SelectModel<Line>> {
    use measurement::Column as M;
    use segmentation::Column as S;
    let mut found = found
        .join(JoinType::LeftJoin, segmentation::Relation::Model.def())
        .select_only()
        .columns([study::Column::Id, study::Column::PatientId, study::Column::Date, study::Column::State])
        .columns([study::Column::CreatedAt, study::Column::RemovedAt])
        .column(patient::Column::Pseudonym)
        .column(patient_person::Column::Name)
        .column_as(model::Column::Name, "model_name")
        .column_as(Expr::cust(SCANS), "scans")
        .column_as(Expr::cust(JOB), "job");
    for (column, name) in [
        (S::Id, "s_id"),
        (S::Number, "s_number"),
        (S::Source, "s_source"),
        (S::State, "s_state"),
        (S::ParentId, "s_parent"),
        (S::ModelId, "s_model"),
        (S::CreatedBy, "s_by"),
        (S::CreatedAt, "s_at"),
        (S::DecidedBy, "s_decided_by"),
        (S::DecidedAt, "s_decided_at"),
        (S::Note, "s_note"),
    ] {
        found = found.column_as(column, name);
    }
    // Not the report: it is long, and lists do not show it.
    found
        .columns([M::MlNcr, M::MlEd, M::MlEt, M::MlWt, M::MlTc, M::NWt, M::NTc, M::NEt])
        .columns([M::DiameterWtMm, M::DiameterTcMm, M::DiameterEtMm, M::NWarnings, M::Confidence])
        .into_model::<Line>()
}

/// The page of the worklist that is asked for: what [`StudyQuery::page`] made of it.
///
/// # Errors
/// Those of the database.
pub(crate) async fn page(
    on: &impl ConnectionTrait,
    query: &StudyQuery,
    asked: Select<study::Entity>,
) -> Result<List<StudyRow>, Problem> {
    let mut found = lines(asked).all(on).await?;
    let limit = usize::try_from(query.limit()).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    let is_all = !more && query.cursor.as_deref().is_none_or(str::is_empty);
    let total = if is_all { found.len() as u64 } else { query.counted()?.count(on).await? };
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|line| query.cursor_of(&line.sorted()));
    Ok(List { items: shown(on, found).await?, next, total })
}

/// Lines as the API shows them.
pub(crate) async fn shown(on: &impl ConnectionTrait, found: Vec<Line>) -> Result<Vec<StudyRow>, Problem> {
    let mut jobs = jobs(on, found.iter().filter_map(|line| line.job).collect()).await?;
    let people = found.iter().flat_map(|line| [line.s_by, line.s_decided_by]).flatten();
    let people = user_names(on, people.collect()).await?;
    let row = |line: Line| {
        let job = line.job.and_then(|id| jobs.remove(&id));
        line.shown(job, &people)
    };
    Ok(found.into_iter().map(row).collect())
}

/// Jobs with their places, by id.
async fn jobs(on: &impl ConnectionTrait, ids: Vec<JobId>) -> Result<BTreeMap<JobId, JobRow>, DbErr> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = job::Entity::find().filter(job::Column::Id.is_in(ids)).all(on).await?;
    let is_any_waiting = rows.iter().any(|row| row.state == job::State::Queued);
    let places = if is_any_waiting { queue::places(on).await? } else { BTreeMap::new() };
    let shown = |row: job::Model| {
        let place = places.get(&row.id).copied();
        (row.id, JobRow::of(row, place))
    };
    Ok(rows.into_iter().map(shown).collect())
}

impl Line {
    /// The same study with another mask.
    pub(crate) fn replace_mask(&mut self, mask: SegmentationRow) {
        self.s_id = Some(mask.id);
        self.s_number = Some(mask.number);
        self.s_source = Some(mask.source);
        self.s_state = Some(mask.state);
        self.model_name = mask.model.map(|model| model.name);
        let ml = mask.ml;
        (self.ml_ncr, self.ml_ed, self.ml_et) = (Some(ml.ncr), Some(ml.ed), Some(ml.et));
        (self.ml_wt, self.ml_tc) = (Some(ml.wt), Some(ml.tc));
        let parts = mask.components;
        (self.n_wt, self.n_tc, self.n_et) = (Some(parts.wt), Some(parts.tc), Some(parts.et));
        let mm = mask.diameters_mm;
        (self.diameter_wt_mm, self.diameter_tc_mm, self.diameter_et_mm) = (mm.wt, mm.tc, mm.et);
        self.n_warnings = i32::try_from(mask.warnings.len()).ok();
    }

    /// What it is sorted by.
    pub(crate) fn sorted(&self) -> Sorted<'_> {
        Sorted {
            id: self.id,
            created_at: self.created_at,
            date: self.date.as_deref(),
            wt: self.ml_wt,
            tc: self.ml_tc,
            et: self.ml_et,
            model: self.model_name.as_deref(),
            state: self.state,
            mask: self.s_state,
            pseudonym: &self.pseudonym,
        }
    }

    fn shown(self, job: Option<JobRow>, people: &BTreeMap<UserId, String>) -> StudyRow {
        let bits = [Sequence::T1n, Sequence::T1c, Sequence::T2w, Sequence::T2f].into_iter().zip([1, 2, 4, 8]);
        let (there, missing): (Vec<_>, Vec<_>) = bits.partition(|(_, bit)| self.scans & bit != 0);
        let only = |some: Vec<(Sequence, i64)>| some.into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>();
        let sequences = only(there);
        let thumbnail = format!("/api/v1/studies/{}/thumbnail.png", self.id);
        // The picture shows the mask, so its address changes with it.
        let version = self.s_id.map(|id| format!("?mask={id}")).unwrap_or_default();
        StudyRow {
            id: self.id,
            patient: PatientOfStudy { id: self.patient_id, pseudonym: self.pseudonym.clone(), name: self.name.clone() },
            date: self.date.clone(),
            state: self.state,
            missing: only(missing),
            thumbnail: (!sequences.is_empty()).then(|| format!("{thumbnail}{version}")),
            sequences,
            warnings: self.n_warnings.unwrap_or(0),
            job,
            created_at: rfc3339(self.created_at),
            removed_at: self.removed_at.map(rfc3339),
            segmentation: self.segmentation(people),
        }
    }

    fn segmentation(self, people: &BTreeMap<UserId, String>) -> Option<SegmentationRow> {
        let id = self.s_id?;
        let name = |id: Option<UserId>| id.and_then(|id| people.get(&id).cloned());
        let ml = |ml: Option<f64>| ml.unwrap_or(0.0);
        let n = |n: Option<i32>| n.unwrap_or(0);
        Some(SegmentationRow {
            id,
            study_id: self.id,
            number: self.s_number?,
            source: self.s_source?,
            state: self.s_state?,
            parent_id: self.s_parent,
            model: self.s_model.map(|id| ModelUsed { id, name: self.model_name.unwrap_or_default() }),
            ml: Volumes {
                ncr: ml(self.ml_ncr),
                ed: ml(self.ml_ed),
                et: ml(self.ml_et),
                wt: ml(self.ml_wt),
                tc: ml(self.ml_tc),
            },
            warnings: vec![],
            components: Components { wt: n(self.n_wt), tc: n(self.n_tc), et: n(self.n_et) },
            diameters_mm: Diameters { wt: self.diameter_wt_mm, tc: self.diameter_tc_mm, et: self.diameter_et_mm },
            confidence: self.confidence.map(|json| json.0),
            created_by: name(self.s_by),
            created_at: rfc3339(self.s_at.unwrap_or(0)),
            decided_by: name(self.s_decided_by),
            decided_at: self.s_decided_at.map(rfc3339),
            note: self.s_note.unwrap_or_default(),
            labels_url: format!("/api/v1/segmentations/{id}/labels.nii.gz"),
        })
    }
}

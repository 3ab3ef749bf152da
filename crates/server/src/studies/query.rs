//! Which studies, in which order: what a person may ask of the worklist, as SQL.

use std::fmt;

use sea_orm::sea_query::{Expr, ExprTrait, Query as Sql, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entity::{job, measurement, model, patient, patient_person, segmentation, study};
use crate::error::Problem;
use crate::ids::{ModelId, PatientId, StudyId};
use crate::list::{Direction, between, by_number, number_value, ordered};
use crate::patients::rows::contains;

/// Which studies.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct StudyQuery {
    /// Part of the patient's made name or name, or of the notes.
    pub search: Option<String>,
    /// Of one patient.
    pub patient: Option<PatientId>,
    /// How far they are.
    #[param(inline)]
    pub state: Option<Stage>,
    /// Segmented by this model.
    pub model: Option<ModelId>,
    /// Millilitres of whole tumour, at least.
    pub wt_min: Option<f64>,
    /// Millilitres of whole tumour, at most.
    pub wt_max: Option<f64>,
    /// Millilitres of tumour core, at least.
    pub tc_min: Option<f64>,
    /// Millilitres of tumour core, at most.
    pub tc_max: Option<f64>,
    /// Millilitres of enhancing tumour, at least.
    pub et_min: Option<f64>,
    /// Millilitres of enhancing tumour, at most.
    pub et_max: Option<f64>,
    /// `YYYY-MM-DD`: on this day or later.
    pub date_from: Option<String>,
    /// `YYYY-MM-DD`: on this day or before.
    pub date_to: Option<String>,
    /// By what; `-` before it: the largest first.
    #[param(inline)]
    pub sort: Option<Sort>,
    /// Those in the bin instead of the others.
    pub bin: Option<bool>,
    /// At most so many; less than 1 is 1, more than 200 is 200.
    pub limit: Option<i64>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// How far a study is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A sequence is missing.
    Incomplete,
    /// All sequences are there.
    Ready,
    /// All sequences are there, and no mask.
    Unsegmented,
    /// Its mask waits for a decision.
    Draft,
    /// Its mask was edited, and waits for a decision.
    Edited,
    /// Its mask was accepted.
    Accepted,
    /// Its newest mask was rejected.
    Rejected,
    /// A job waits.
    Queued,
    /// A job runs.
    Running,
    /// A job failed and none came after it.
    Failed,
}

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Sort {
    /// The youngest first.
    #[default]
    #[serde(rename = "-created_at")]
    Youngest,
    /// The oldest first.
    #[serde(rename = "created_at")]
    Oldest,
    /// By date.
    #[serde(rename = "date")]
    Date,
    /// By date, the last first.
    #[serde(rename = "-date")]
    DateDown,
    /// By whole tumour.
    #[serde(rename = "wt")]
    Wt,
    /// By whole tumour, the largest first.
    #[serde(rename = "-wt")]
    WtDown,
    /// By tumour core.
    #[serde(rename = "tc")]
    Tc,
    /// By tumour core, the largest first.
    #[serde(rename = "-tc")]
    TcDown,
    /// By enhancing tumour.
    #[serde(rename = "et")]
    Et,
    /// By enhancing tumour, the largest first.
    #[serde(rename = "-et")]
    EtDown,
    /// By the name of the model that made the mask; those that no model made first.
    #[serde(rename = "model")]
    Model,
    /// By the name of the model that made the mask; those that no model made last.
    #[serde(rename = "-model")]
    ModelDown,
    /// Incomplete ones, those without a mask, drafts, edited ones, accepted ones.
    #[serde(rename = "state")]
    State,
    /// Accepted ones, edited ones, drafts, those without a mask, incomplete ones.
    #[serde(rename = "-state")]
    StateDown,
    /// By the number in the patient's made name.
    #[serde(rename = "pseudonym")]
    Pseudonym,
    /// By the number in the patient's made name, the largest first.
    #[serde(rename = "-pseudonym")]
    PseudonymDown,
}

/// The mask that stands for a study: as `segmentations::rows::current` chooses. Standard SQL of all three databases.
const CURRENT: &str = "segmentation.id = (SELECT s.id FROM segmentation s WHERE s.study_id = study.id \
                       AND s.state <> 'rejected' \
                       ORDER BY CASE WHEN s.source = 'reference' THEN 0 ELSE 1 END DESC, s.number DESC LIMIT 1)";

/// How far a study is, as [`Sorted::rank`] counts.
const RANK: &str = "CASE WHEN study.state = 'incomplete' THEN 0 WHEN segmentation.id IS NULL THEN 1 \
                    WHEN segmentation.state = 'draft' THEN 2 WHEN segmentation.state = 'edited' THEN 3 ELSE 4 END";

/// The state of the newest mask of all.
const NEWEST_REJECTED: &str = "EXISTS (SELECT 1 FROM segmentation r WHERE r.study_id = study.id \
                               AND r.number = study.last_number AND r.state = 'rejected')";

impl StudyQuery {
    /// How many at most.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.unwrap_or(50).clamp(1, 200).unsigned_abs()
    }

    /// By what.
    fn order(&self) -> Sort {
        self.sort.unwrap_or_default()
    }

    /// The studies with patient, person, current mask and measurement joined, filtered, in no order.
    ///
    /// # Errors
    /// Names the field that cannot be understood.
    pub(crate) fn select(&self) -> Result<Select<study::Entity>, Problem> {
        let current =
            study::Relation::Segmentations.def().on_condition(|_, _| Condition::all().add(Expr::cust(CURRENT)));
        let found = study::Entity::find()
            .join(JoinType::InnerJoin, study::Relation::Patient.def())
            .join(JoinType::LeftJoin, patient::Relation::Person.def())
            .join(JoinType::LeftJoin, current)
            .join(JoinType::LeftJoin, segmentation::Relation::Measurement.def());
        Ok(found.filter(self.of_study()?.add_option(Some(self.of_others()).filter(|others| !others.is_empty()))))
    }

    /// As [`StudyQuery::select`], to be counted: nothing is joined that no filter asks for.
    ///
    /// # Errors
    /// As [`StudyQuery::select`].
    pub(crate) fn counted(&self) -> Result<Select<study::Entity>, Problem> {
        if self.of_others().is_empty() { Ok(study::Entity::find().filter(self.of_study()?)) } else { self.select() }
    }

    /// What is asked of the study's own row.
    fn of_study(&self) -> Result<Condition, Problem> {
        let removed = study::Column::RemovedAt;
        let mut all =
            Condition::all().add(if self.bin == Some(true) { removed.is_not_null() } else { removed.is_null() });
        all = all.add_option(self.patient.map(|id| study::Column::PatientId.eq(id)));
        for (field, day, side) in [("date_from", &self.date_from, Side::From), ("date_to", &self.date_to, Side::To)] {
            let Some(day) = day.as_deref().filter(|day| !day.is_empty()) else { continue };
            let day = checked_date(field, day)?;
            all = all.add(match side {
                Side::From => study::Column::Date.gte(day),
                Side::To => study::Column::Date.lte(day),
            });
        }
        Ok(all)
    }

    /// What is asked of patient, mask, measurement and jobs.
    fn of_others(&self) -> Condition {
        let mut all = Condition::all();
        all = all.add_option(self.model.map(|id| segmentation::Column::ModelId.eq(id)));
        all = all.add_option(self.state.map(in_stage));
        if let Some(text) = self.search.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            all = all.add(
                Condition::any()
                    .add(contains(Expr::col((patient::Entity, patient::Column::Pseudonym)), text))
                    .add(contains(Expr::col((patient_person::Entity, patient_person::Column::Name)), text))
                    .add(contains(Expr::col((study::Entity, study::Column::Notes)), text)),
            );
        }
        for (column, least, most) in [
            (measurement::Column::MlWt, self.wt_min, self.wt_max),
            (measurement::Column::MlTc, self.tc_min, self.tc_max),
            (measurement::Column::MlEt, self.et_min, self.et_max),
        ] {
            all = between(all, column, (least, most));
        }
        all
    }

    /// The page after the cursor, in order: ids with the value that they are sorted by. [`super::list::lines`] joins the
    /// model that one of the orders goes by.
    ///
    /// # Errors
    /// If the cursor is not one of ours.
    pub(crate) fn page(&self, all: Select<study::Entity>) -> Result<Select<study::Entity>, Problem> {
        let (mut keys, direction) = self.order().keys();
        keys.push(Expr::col((study::Entity, study::Column::Id)));
        let last = match self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
            Some(cursor) => {
                let (mut last, id) = self.order().read(cursor)?;
                last.push(Expr::value(id.to_string()));
                Some(last)
            }
            None => None,
        };
        Ok(ordered(all, keys, direction, last).limit(self.limit() + 1))
    }

    /// The cursor of a row.
    pub(crate) fn cursor_of(&self, of: &Sorted<'_>) -> String {
        format!("{}~{}", self.order().of(of), of.id)
    }
}

/// From a day on, or up to it.
#[derive(Clone, Copy, Debug)]
enum Side {
    From,
    To,
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sorted<'a> {
    pub(crate) id: StudyId,
    pub(crate) created_at: i64,
    pub(crate) date: Option<&'a str>,
    pub(crate) wt: Option<f64>,
    pub(crate) tc: Option<f64>,
    pub(crate) et: Option<f64>,
    pub(crate) model: Option<&'a str>,
    pub(crate) state: study::State,
    pub(crate) mask: Option<segmentation::State>,
    pub(crate) pseudonym: &'a str,
}

impl Sorted<'_> {
    /// How far the study is: incomplete, without a mask, draft, edited, accepted.
    fn rank(&self) -> i32 {
        match (self.state, self.mask) {
            (study::State::Incomplete, _) => 0,
            (study::State::Ready, None) => 1,
            (study::State::Ready, Some(segmentation::State::Draft)) => 2,
            (study::State::Ready, Some(segmentation::State::Edited)) => 3,
            (study::State::Ready, Some(segmentation::State::Accepted | segmentation::State::Rejected)) => 4,
        }
    }
}

impl Sort {
    /// The expressions that are sorted by, never null, and the direction.
    fn keys(self) -> (Vec<SimpleExpr>, Direction) {
        let study = |column| vec![Expr::col((study::Entity, column))];
        let model = || vec![Expr::col((model::Entity, model::Column::Name)).if_null("")];
        let date = || vec![Expr::col((study::Entity, study::Column::Date)).if_null("")];
        let ml = |column| vec![Expr::col((measurement::Entity, column)).if_null(-1.0)];
        let name = || by_number(Expr::col((patient::Entity, patient::Column::Pseudonym)));
        match self {
            Self::Youngest => (study(study::Column::CreatedAt), Direction::Down),
            Self::Oldest => (study(study::Column::CreatedAt), Direction::Up),
            Self::Date => (date(), Direction::Up),
            Self::DateDown => (date(), Direction::Down),
            Self::Wt => (ml(measurement::Column::MlWt), Direction::Up),
            Self::WtDown => (ml(measurement::Column::MlWt), Direction::Down),
            Self::Tc => (ml(measurement::Column::MlTc), Direction::Up),
            Self::TcDown => (ml(measurement::Column::MlTc), Direction::Down),
            Self::Et => (ml(measurement::Column::MlEt), Direction::Up),
            Self::EtDown => (ml(measurement::Column::MlEt), Direction::Down),
            Self::Model => (model(), Direction::Up),
            Self::ModelDown => (model(), Direction::Down),
            Self::State => (vec![Expr::cust(RANK)], Direction::Up),
            Self::StateDown => (vec![Expr::cust(RANK)], Direction::Down),
            Self::Pseudonym => (name(), Direction::Up),
            Self::PseudonymDown => (name(), Direction::Down),
        }
    }

    /// The value of a row, as a cursor writes it.
    fn of(self, of: &Sorted<'_>) -> String {
        match self {
            Self::Youngest | Self::Oldest => of.created_at.to_string(),
            Self::Date | Self::DateDown => of.date.unwrap_or_default().to_owned(),
            Self::Wt | Self::WtDown => of.wt.unwrap_or(-1.0).to_string(),
            Self::Tc | Self::TcDown => of.tc.unwrap_or(-1.0).to_string(),
            Self::Et | Self::EtDown => of.et.unwrap_or(-1.0).to_string(),
            Self::Model | Self::ModelDown => of.model.unwrap_or_default().to_owned(),
            Self::State | Self::StateDown => of.rank().to_string(),
            Self::Pseudonym | Self::PseudonymDown => of.pseudonym.to_owned(),
        }
    }

    /// A cursor as values and id.
    fn read(self, cursor: &str) -> Result<(Vec<SimpleExpr>, StudyId), Problem> {
        let wrong = || Problem::field("cursor", "It is not one that this list gave for this order.");
        let (value, id) = cursor.rsplit_once('~').ok_or_else(wrong)?;
        let id = id.parse().map_err(|_| wrong())?;
        if value.contains('\0') {
            return Err(wrong()); // PostgreSQL knows no such text
        }
        let values = match self {
            Self::Youngest | Self::Oldest => vec![Expr::value(value.parse::<i64>().map_err(|_| wrong())?)],
            Self::Wt | Self::WtDown | Self::Tc | Self::TcDown | Self::Et | Self::EtDown => {
                vec![Expr::value(value.parse::<f64>().ok().filter(|ml| ml.is_finite()).ok_or_else(wrong)?)]
            }
            Self::State | Self::StateDown => vec![Expr::value(value.parse::<i32>().map_err(|_| wrong())?)],
            Self::Date | Self::DateDown | Self::Model | Self::ModelDown => vec![Expr::value(value.to_owned())],
            Self::Pseudonym | Self::PseudonymDown => number_value(value),
        };
        Ok((values, id))
    }
}

/// The condition that a study is so far.
fn in_stage(stage: Stage) -> SimpleExpr {
    let mask = |state: segmentation::State| segmentation::Column::State.eq(state);
    let has_job = |states: &[job::State]| {
        let jobs = Sql::select()
            .column(job::Column::StudyId)
            .from(job::Entity)
            .and_where(Expr::col(job::Column::State).is_in(states.iter().copied()))
            .to_owned();
        Expr::col((study::Entity, study::Column::Id)).in_subquery(jobs)
    };
    match stage {
        Stage::Incomplete => study::Column::State.eq(study::State::Incomplete),
        Stage::Ready => study::Column::State.eq(study::State::Ready),
        Stage::Unsegmented => study::Column::State.eq(study::State::Ready).and(segmentation::Column::Id.is_null()),
        Stage::Draft => mask(segmentation::State::Draft),
        Stage::Edited => mask(segmentation::State::Edited),
        Stage::Accepted => mask(segmentation::State::Accepted),
        Stage::Rejected => Expr::cust(NEWEST_REJECTED),
        Stage::Queued => has_job(&[job::State::Queued]),
        Stage::Running => has_job(&[job::State::Running]),
        Stage::Failed => Expr::cust(
            "EXISTS (SELECT 1 FROM job j WHERE j.study_id = study.id AND j.state = 'failed' \
             AND NOT EXISTS (SELECT 1 FROM job k WHERE k.study_id = study.id AND k.id > j.id))",
        ),
    }
}

/// A day as `YYYY-MM-DD`, if there is such a day.
///
/// # Errors
/// Names the field.
pub(crate) fn checked_date(field: &str, typed: &str) -> Result<String, Problem> {
    let day: Result<jiff::civil::Date, _> = typed.parse();
    match day {
        Ok(day) if typed.len() == 10 && day.to_string() == typed => Ok(typed.to_owned()),
        Ok(_) | Err(_) => Err(Problem::field(field, "A day as YYYY-MM-DD.")),
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::to_value(self).unwrap_or_default();
        f.write_str(name.as_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days() {
        assert_eq!(checked_date("date", "2026-02-28").unwrap(), "2026-02-28");
        for bad in ["2026-02-30", "26-02-01", "2026-2-1", "2026-02-28T10:00", "'; DROP TABLE study"] {
            assert!(checked_date("date", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cursors_belong_to_their_order() {
        let id = StudyId::fresh();
        let of = Sorted {
            id,
            created_at: 7,
            date: Some("2026-01-02"),
            wt: Some(0.1 + 0.2),
            tc: Some(0.1),
            et: None,
            model: Some("default"),
            state: study::State::Ready,
            mask: Some(segmentation::State::Edited),
            pseudonym: "P-0001",
        };
        for sort in
            [Sort::Youngest, Sort::Date, Sort::WtDown, Sort::Tc, Sort::Et, Sort::Model, Sort::State, Sort::Pseudonym]
        {
            let query = StudyQuery { sort: Some(sort), ..StudyQuery::default() };
            assert_eq!(sort.read(&query.cursor_of(&of)).unwrap().1, id, "{sort}");
        }
        for bad in ["", "x", "7~x", "NaN~", "x~x~x", "\0~x"] {
            assert!(Sort::WtDown.read(bad).is_err(), "{bad}");
        }
    }
}

//! `/patients`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::query::PatientQuery;
use super::rows::{self, Who};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::{patient, patient_person};
use crate::error::Problem;
use crate::events::{Event, EventKind};
use crate::fields::Fields;
use crate::ids::{PatientId, StudyId};
use crate::list::List;
use crate::studies;
use crate::text::{line, rfc3339};

/// The most characters of a patient's name.
const NAME_LENGTH: usize = 120;

/// A patient.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Patient {
    /// The id.
    pub id: PatientId,
    /// The made name.
    pub pseudonym: String,
    /// A name, if somebody wrote one.
    #[schema(required)]
    pub name: Option<String>,
    /// A year, if somebody wrote one.
    #[schema(required)]
    pub birth_year: Option<i32>,
    /// Studies that do not lie in the bin.
    pub n_studies: i64,
    /// When the patient was made.
    pub created_at: String,
}

impl Patient {
    fn of(row: patient::Model, who: Option<patient_person::Model>, n_studies: i64) -> Self {
        let (name, birth_year) = who.map_or((None, None), |who| (who.name, who.birth_year));
        Self { id: row.id, pseudonym: row.pseudonym, name, birth_year, n_studies, created_at: rfc3339(row.created_at) }
    }
}

/// What changes of a patient; what is left out stays, an empty name or 0 is removed.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientChange {
    /// The name.
    pub name: Option<String>,
    /// The year.
    pub birth_year: Option<i32>,
}

/// The volumes of one study of a patient.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PatientVolumes {
    /// The study.
    pub study_id: StudyId,
    /// Its date.
    #[schema(required)]
    pub date: Option<String>,
    /// Millilitres.
    pub ml: RegionVolumes,
}

/// Millilitres by region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct RegionVolumes {
    /// Whole tumour.
    pub wt: f64,
    /// Tumour core.
    pub tc: f64,
    /// Enhancing tumour.
    pub et: f64,
}

/// `/patients` and what is under it.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(change, remove)).routes(routes!(volumes))
}

/// Patients, the youngest first unless something else is asked for.
#[utoipa::path(get, path = "/patients", tag = "patients", params(PatientQuery),
    responses((status = 200, body = List<Patient>)))]
async fn list(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PatientQuery>,
) -> Result<Json<List<Patient>>, Problem> {
    let limit = query.limit();
    let (mut found, total) = rows::page(&app.db, &query).await?;
    audit::record(&app, &person, Action::List, Object::all(Kind::Patient)).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let counts = rows::study_counts(&app.db, found.iter().map(|(row, _)| row.id).collect()).await?;
    let n_studies = |row: &patient::Model| counts.get(&row.id).copied().unwrap_or(0);
    let next = found.last().filter(|_| more).map(|(row, _)| query.cursor_of(row, n_studies(row)));
    let patient = |(row, who): (patient::Model, _)| {
        let n_studies = n_studies(&row);
        Patient::of(row, who, n_studies)
    };
    Ok(Json(List { items: found.into_iter().map(patient).collect(), next, total }))
}

/// Writes who a patient is.
#[utoipa::path(patch, path = "/patients/{id}", tag = "patients", params(("id" = PatientId, Path)), request_body = PatientChange,
    responses((status = 200, body = Patient)))]
async fn change(
    State(app): State<App>,
    person: Person,
    Path(id): Path<PatientId>,
    Json(Fields(change)): Json<Fields<PatientChange>>,
) -> Result<Json<Patient>, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    let row = rows::present(&write, id).await?;
    let old = rows::who(&write, id).await?;
    let who = Who {
        name: checked_name(change.name.as_deref())?.over(old.name),
        birth_year: checked_year(change.birth_year)?.over(old.birth_year),
    };
    rows::tell(&write, id, who.clone()).await?;
    audit::commit(write, &person, Action::Change, Object::one(Kind::Patient, id)).await?;
    let counts = rows::study_counts(&app.db, vec![id]).await?;
    let who = patient_person::Model { patient_id: id, name: who.name, birth_year: who.birth_year };
    Ok(Json(Patient::of(row, Some(who), counts.get(&id).copied().unwrap_or(0))))
}

/// Puts a patient into the bin, with all studies.
#[utoipa::path(delete, path = "/patients/{id}", tag = "patients", params(("id" = PatientId, Path)),
    responses((status = 204)))]
async fn remove(State(app): State<App>, person: Person, Path(id): Path<PatientId>) -> Result<StatusCode, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    rows::present(&write, id).await?;
    let studies = studies::rows::of_patient(&write, id).await?;
    rows::remove(&write, id).await?;
    audit::commit(write, &person, Action::Remove, Object::one(Kind::Patient, id)).await?;
    for study in studies {
        app.events.tell(Event::new(EventKind::Study, study.id.to_string()));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The volumes of a patient's studies over time, oldest first; studies without a mask are left out.
#[utoipa::path(get, path = "/patients/{id}/volumes", tag = "patients", params(("id" = PatientId, Path)),
    responses((status = 200, body = Vec<PatientVolumes>)))]
async fn volumes(
    State(app): State<App>,
    person: Person,
    Path(id): Path<PatientId>,
) -> Result<Json<Vec<PatientVolumes>>, Problem> {
    rows::present(&app.db, id).await?;
    audit::record(&app, &person, Action::Read, Object::one(Kind::Patient, id)).await?;
    let mut found = studies::rows::measured_of_patient(&app.db, id).await?;
    found.sort_by(|(a, _), (b, _)| (&a.date, a.created_at).cmp(&(&b.date, b.created_at)));
    let volumes = found.into_iter().map(|(study, measured)| PatientVolumes {
        study_id: study.id,
        date: study.date,
        ml: RegionVolumes { wt: measured.ml_wt, tc: measured.ml_tc, et: measured.ml_et },
    });
    Ok(Json(volumes.collect()))
}

/// What somebody typed into a field that may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed<T> {
    /// Nothing: it stays as it is.
    Nothing,
    /// That it is to be empty.
    Empty,
    /// This.
    This(T),
}

impl<T> Typed<T> {
    /// What stands there afterwards.
    pub(crate) fn over(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Nothing => old,
            Self::Empty => None,
            Self::This(new) => Some(new),
        }
    }
}

/// Checks a name; an empty one removes it.
///
/// # Errors
/// Names the field.
pub(crate) fn checked_name(name: Option<&str>) -> Result<Typed<String>, Problem> {
    match name {
        None => Ok(Typed::Nothing),
        Some(name) if name.trim().is_empty() => Ok(Typed::Empty),
        Some(name) => Ok(Typed::This(line("name", name, NAME_LENGTH)?)),
    }
}

/// Checks a year; 0 removes it.
///
/// # Errors
/// Names the field.
pub(crate) fn checked_year(year: Option<i32>) -> Result<Typed<i32>, Problem> {
    match year {
        None => Ok(Typed::Nothing),
        Some(0) => Ok(Typed::Empty),
        Some(year @ 1880..=2100) => Ok(Typed::This(year)),
        Some(_) => Err(Problem::field("birth_year", "A year between 1880 and 2100.")),
    }
}

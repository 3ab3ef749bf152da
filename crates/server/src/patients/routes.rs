//! `/patients`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rows::{self, Who};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::{patient, patient_person};
use crate::error::Problem;
use crate::events::{Event, EventKind};
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

/// Which patients.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PatientQuery {
    /// Part of the made name or of the name.
    #[serde(default)]
    pub search: Option<String>,
    /// At most so many; less than 1 is 1, more than 200 is 200.
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on.
    #[serde(default)]
    pub cursor: Option<PatientId>,
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

/// Patients, youngest first.
#[utoipa::path(get, path = "/patients", tag = "patients", params(PatientQuery),
    responses((status = 200, body = List<Patient>)))]
async fn list(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PatientQuery>,
) -> Result<Json<List<Patient>>, Problem> {
    audit::record(&app, &person, Action::List, Object::all(Kind::Patient)).await?;
    let limit = query.limit.unwrap_or(50).clamp(1, 200).unsigned_abs();
    let search = query.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let (mut found, total) = rows::page(&app.db, search, query.cursor, limit).await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let counts = rows::study_counts(&app.db, found.iter().map(|(row, _)| row.id).collect()).await?;
    let next = found.last().filter(|_| more).map(|(row, _)| row.id.to_string());
    let patient = |(row, who): (patient::Model, _)| {
        let n_studies = counts.get(&row.id).copied().unwrap_or(0);
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
    Json(change): Json<PatientChange>,
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
    write.commit().await?;
    audit::record(&app, &person, Action::Change, Object::one(Kind::Patient, id)).await?;
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
    write.commit().await?;
    audit::record(&app, &person, Action::Remove, Object::one(Kind::Patient, id)).await?;
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

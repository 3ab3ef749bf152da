//! `/studies/{id}/export` and `/exports`.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use segment::labels::LabelScheme;
use segment::picture::{Subject, overview};
use segment::study::Sequence;
use serde::Deserialize;
use serde_json::json;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volume::nifti;

use super::archive::{Part, description, legend, pack, pretty, readme};
use super::names::Names;
use super::table::{line, number, text};
use crate::accounts::Person;
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::{patient, series, study};
use crate::error::Problem;
use crate::ids::{SegmentationId, StudyId};
use crate::segmentations::{self, mask};
use crate::studies;
use crate::studies::list::{Line, lines};
use crate::studies::query::StudyQuery;
use crate::text::rfc3339;
use crate::uploads::limits;
use crate::uploads::wire::Scheme;

/// What is wanted of a study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// All of it, in BIDS-derivative names.
    #[default]
    Zip,
    /// The mask.
    Nifti,
    /// Measurements with report.
    Json,
    /// Measurements as one line.
    Csv,
    /// An overview in three planes.
    Png,
}

/// How a study is exported.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExportQuery {
    /// What is wanted.
    #[param(inline)]
    format: Format,
    /// Which mask; none: the one that stands for the study.
    segmentation: Option<SegmentationId>,
    /// What the numbers of the mask shall mean; none: BraTS 2023.
    labels: Option<Scheme>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(cohort))
}

/// A study with what is exported of it.
struct Export {
    app: App,
    study: study::Model,
    patient: patient::Model,
    scans: Vec<series::Model>,
    mask: Option<segmentations::rows::Measured>,
    scheme: LabelScheme,
    names: Names,
}

/// A study as files: a ZIP unless another form is asked for. No name of a person is in them.
#[utoipa::path(get, path = "/studies/{id}/export", tag = "exports", params(("id" = StudyId, Path), ExportQuery),
    responses((status = OK, content((Vec<u8> = "application/zip"), (Vec<u8> = "application/gzip"),
        (serde_json::Value = "application/json"), (String = "text/csv"), (Vec<u8> = "image/png")))))]
async fn export(
    State(app): State<App>,
    person: Person,
    Path(id): Path<StudyId>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let detail = json!({"format": format!("{:?}", query.format).to_lowercase(), "segmentation": query.segmentation});
    let export = Export::open(&app, id, &query).await?;
    audit::record(&app, &person, Action::Export, Object::one(Kind::Study, id).with(detail)).await?;
    match query.format {
        Format::Zip => export.zip().await,
        Format::Nifti => {
            let name = export.names.mask();
            Ok(attached(&name, "application/gzip", Body::from(export.labels().await?)))
        }
        Format::Json => {
            let name = export.names.of_mask("measurements.json");
            Ok(attached(&name, "application/json", Body::from(export.json().await?)))
        }
        Format::Csv => {
            let name = export.names.of_mask("measurements.csv");
            Ok(attached(&name, "text/csv; charset=utf-8", Body::from(export.csv().await?)))
        }
        Format::Png => {
            let name = export.names.of_mask("overview.png");
            Ok(attached(&name, "image/png", Body::from(export.png().await?)))
        }
    }
}

/// Measurements of all studies that the filters choose, one line each; what a spreadsheet would run is made plain text.
#[utoipa::path(get, path = "/exports/cohort.csv", tag = "exports", params(StudyQuery),
    responses((status = OK, content_type = "text/csv", body = String)))]
async fn cohort(State(app): State<App>, person: Person, Query(query): Query<StudyQuery>) -> Result<Response, Problem> {
    let mut query = StudyQuery { limit: Some(200), cursor: None, ..query };
    query.select()?;
    audit::record(&app, &person, Action::Export, Object::all(Kind::Cohort)).await?;
    let mut table = header();
    loop {
        let mut found = lines(query.page(query.select()?)?).all(&app.db).await?;
        let more = found.len() > 200;
        found.truncate(200);
        for line in &found {
            table.push_str(&row(line));
        }
        let Some(last) = found.last().filter(|_| more) else { break };
        query.cursor = Some(query.cursor_of(&last.sorted()));
    }
    Ok(attached("cohort.csv", "text/csv; charset=utf-8", Body::from(table)))
}

/// The columns of both tables.
const COLUMNS: [&str; 21] = [
    "patient",
    "study",
    "date",
    "study_state",
    "created_at",
    "segmentation",
    "source",
    "state",
    "model",
    "ncr_ml",
    "ed_ml",
    "et_ml",
    "wt_ml",
    "tc_ml",
    "wt_parts",
    "tc_parts",
    "et_parts",
    "wt_axial_mm",
    "tc_axial_mm",
    "et_axial_mm",
    "warnings",
];

/// The first line. The mark before it tells spreadsheets that the text is UTF-8.
fn header() -> String {
    format!("\u{feff}{}", line(&COLUMNS.map(str::to_owned)))
}

fn row(of: &Line) -> String {
    let count = |n: Option<i32>| n.map_or_else(String::new, |n| n.to_string());
    let word = |value: Option<serde_json::Value>| value.and_then(|value| value.as_str().map(text)).unwrap_or_default();
    line(&[
        text(&of.pseudonym),
        of.id.to_string(),
        text(of.date.as_deref().unwrap_or_default()),
        word(serde_json::to_value(of.state).ok()),
        rfc3339(of.created_at),
        count(of.s_number),
        word(serde_json::to_value(of.s_source).ok()),
        word(serde_json::to_value(of.s_state).ok()),
        text(of.model_name.as_deref().unwrap_or_default()),
        number(of.ml_ncr),
        number(of.ml_ed),
        number(of.ml_et),
        number(of.ml_wt),
        number(of.ml_tc),
        count(of.n_wt),
        count(of.n_tc),
        count(of.n_et),
        number(of.diameter_wt_mm),
        number(of.diameter_tc_mm),
        number(of.diameter_et_mm),
        count(of.n_warnings),
    ])
}

impl Export {
    async fn open(app: &App, id: StudyId, query: &ExportQuery) -> Result<Self, Problem> {
        let study = studies::rows::present(&app.db, id).await?;
        let patient = crate::patients::rows::present(&app.db, study.patient_id).await?;
        let all = segmentations::rows::of_study(&app.db, id).await?;
        let mask = match query.segmentation {
            Some(wanted) => {
                let found = all.into_iter().find(|(row, _)| row.id == wanted);
                Some(found.ok_or_else(|| Problem::not_found("segmentation of this study"))?)
            }
            None => segmentations::rows::current(&all).cloned(),
        };
        Ok(Self {
            app: app.clone(),
            scans: studies::rows::series(&app.db, id).await?,
            mask,
            scheme: query.labels.map_or(mask::SCHEME, LabelScheme::from),
            names: Names::of(&patient.pseudonym, &study),
            study,
            patient,
        })
    }

    fn mask(&self) -> Result<&segmentations::rows::Measured, Problem> {
        self.mask.as_ref().ok_or_else(|| Problem::not_found("segmentation of this study; segment it first"))
    }

    /// The mask in the scheme that is wanted.
    async fn labels(&self) -> Result<Vec<u8>, Problem> {
        let (row, _) = self.mask()?;
        if self.scheme == mask::SCHEME {
            return Ok(self.app.files.read(&self.app.db, row.labels_sha).await?);
        }
        let holding = self.app.pictures.holding().await?;
        let bytes = self.app.files.read(&self.app.db, row.labels_sha).await?;
        let (scheme, limits) = (self.scheme, limits(&self.app));
        let recode = move || {
            let _holding = holding;
            let geometry = nifti::geometry(&bytes, &limits).map_err(Problem::internal)?;
            let labels = mask::read(&bytes, mask::SCHEME, &geometry, &limits)?;
            mask::file(&labels, &geometry, scheme)
        };
        tokio::task::spawn_blocking(recode).await?
    }

    async fn json(&self) -> Result<Vec<u8>, Problem> {
        let (row, measured) = self.mask()?;
        let shown = segmentations::rows::shown(&self.app.db, vec![(row.clone(), measured.clone())]).await?;
        let mut segmentation = shown.into_iter().next().map_or_else(|| json!(null), |row| json!(row));
        if let Some(row) = segmentation.as_object_mut() {
            // Free text, and names of those who work here: they stay.
            row.retain(|key, _| !["note", "created_by", "decided_by"].contains(&key.as_str()));
        }
        let mut report = measured.as_ref().map(|measured| measured.report.0.clone()).unwrap_or_default();
        if let Some(case) = report.get_mut("case") {
            *case = json!(self.patient.pseudonym);
        }
        Ok(pretty(&json!({
            "notice": segment::report::NOTICE,
            "patient": self.patient.pseudonym,
            "study": self.study.id,
            "date": self.study.date,
            "segmentation": segmentation,
            "report": report,
        })))
    }

    /// One line, of the mask that is exported and not of another one.
    async fn csv(&self) -> Result<String, Problem> {
        let (row, measured) = self.mask()?;
        let found = StudyQuery::default().select()?;
        let found = sea_orm::QueryFilter::filter(found, sea_orm::ColumnTrait::eq(&study::Column::Id, self.study.id));
        let mut line = lines(found).one(&self.app.db).await?.ok_or_else(|| Problem::not_found("study"))?;
        let shown = segmentations::rows::shown(&self.app.db, vec![(row.clone(), measured.clone())]).await?;
        if let Some(shown) = shown.into_iter().next() {
            line.replace_mask(shown);
        }
        Ok(header() + &self::row(&line))
    }

    /// The overview, drawn anew: it shows this mask.
    async fn png(&self) -> Result<Vec<u8>, Problem> {
        let holding = self.app.pictures.holding().await?;
        let mut scans = [const { None }; 4];
        for scan in &self.scans {
            let read = self.app.pictures.scan(&self.app, scan.volume_sha, &holding).await?;
            scans[Sequence::from(scan.sequence).index()] = Some(read);
        }
        let labels = match &self.mask {
            Some((row, _)) => Some(self.app.pictures.labels(&self.app, row.labels_sha, &holding).await?),
            None => None,
        };
        let name = self.patient.pseudonym.clone();
        let draw = move || {
            let _holding = holding;
            let labels = labels.map(|labels| mask::tissues(&labels));
            overview(&Subject {
                name: &name,
                scans: scans.each_ref().map(|scan| scan.as_deref()),
                labels: labels.as_ref(),
            })
        };
        tokio::task::spawn_blocking(draw).await?.map_err(Problem::internal)
    }

    async fn zip(&self) -> Result<Response, Problem> {
        let folder = self.names.folder();
        let mut parts = vec![description(), readme()];
        for scan in &self.scans {
            self.app.files.blob(&self.app.db, scan.volume_sha).await?;
            let path = self.app.files.path(scan.volume_sha);
            parts.push(Part::Blob(format!("{folder}/{}", self.names.scan(scan.sequence)), path));
        }
        if let Some((mask, _)) = &self.mask {
            let of_mask = |ending: &str| format!("{folder}/{}", self.names.of_mask(ending));
            parts.push(Part::Bytes(format!("{folder}/{}", self.names.mask()), self.labels().await?));
            parts.extend(legend(&self.names, self.scheme, mask.source));
            parts.push(Part::Bytes(of_mask("measurements.json"), self.json().await?));
            parts.push(Part::Bytes(of_mask("measurements.csv"), self.csv().await?.into_bytes()));
            parts.push(Part::Bytes(of_mask("overview.png"), self.png().await?));
        }
        let staging = self.app.files.staging();
        let file = tokio::task::spawn_blocking(move || pack(&staging, &parts)).await??;
        let body = Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), 1 << 17));
        Ok(attached(&self.names.archive(), "application/zip", body))
    }
}

fn attached(name: &str, kind: &'static str, body: Body) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers =
        [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, disposition), (CACHE_CONTROL, "no-store".to_owned())];
    (headers, body).into_response()
}

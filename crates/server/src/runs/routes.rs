//! `/runs` and `/evaluations`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{curves, folder};
use crate::accounts::Person;
use crate::app::App;
use crate::error::Problem;
use crate::frame::headers::SANDBOX;

/// A training run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Run {
    /// The name of its folder.
    pub name: String,
    /// How far it is.
    pub state: RunState,
    /// The last step that was written, from 0 on.
    #[schema(required)]
    pub step: Option<u64>,
    /// How many it will take.
    #[schema(required)]
    pub steps: Option<u64>,
    /// When it last wrote.
    #[schema(required)]
    pub updated_at: Option<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It has left no model yet.
    Running,
    /// It has taken its last step.
    Done,
}

/// The scores of a set of predictions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Evaluation {
    /// The name of its folder.
    pub name: String,
    /// When it was written.
    #[schema(required)]
    pub created_at: Option<String>,
    /// All scores, as `glioscope evaluate` writes them.
    #[schema(value_type = Object)]
    pub metrics: Value,
    /// The address of its page, if there is one.
    #[schema(required)]
    pub report_url: Option<String>,
}

/// Which lines.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct After {
    /// Only those after this step.
    after: Option<u64>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(runs))
        .routes(routes!(metrics))
        .routes(routes!(evaluations))
        .routes(routes!(report))
}

/// The training runs of the server's folder.
#[utoipa::path(get, path = "/runs", tag = "models", responses((status = OK, body = Vec<Run>)))]
async fn runs(State(app): State<App>, _person: Person) -> Result<Json<Vec<Run>>, Problem> {
    let root = app.config.runs_folder();
    let found = tokio::task::spawn_blocking(move || folder::runs(&root)).await??;
    let run = |run: folder::RunFacts| {
        let is_last = run.steps.zip(run.step).is_some_and(|(steps, step)| step + 1 >= steps);
        Run {
            name: run.name,
            state: if run.is_done && (run.steps.is_none() || is_last) { RunState::Done } else { RunState::Running },
            step: run.step,
            steps: run.steps,
            updated_at: run.updated_at.map(|at| at.to_string()),
        }
    };
    Ok(Json(found.into_iter().map(run).collect()))
}

/// The curves of a run: one object a step, its numbers by name.
#[utoipa::path(get, path = "/runs/{name}/metrics", tag = "models", params(("name" = String, Path), After),
    responses((status = OK, body = Vec<Object>)))]
async fn metrics(
    State(app): State<App>,
    _person: Person,
    Path(name): Path<String>,
    Query(query): Query<After>,
) -> Result<Response, Problem> {
    if query.after.is_some_and(|after| i64::try_from(after).is_err()) {
        return Err(Problem::field("after", "A step, below 2^63."));
    }
    let root = app.config.runs_folder();
    let found = tokio::task::spawn_blocking(move || folder::curves_of(&root, &name, query.after)).await??;
    let file = found.ok_or_else(|| Problem::not_found("run"))?;
    let body = Body::from_stream(Box::pin(curves::array(file, query.after)));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// The evaluations of the server's folder.
#[utoipa::path(get, path = "/evaluations", tag = "models", responses((status = OK, body = Vec<Evaluation>)))]
async fn evaluations(State(app): State<App>, _person: Person) -> Result<Json<Vec<Evaluation>>, Problem> {
    let root = app.config.runs_folder();
    let found = tokio::task::spawn_blocking(move || folder::evaluations(&root)).await??;
    let evaluation = |found: folder::EvaluationFacts| Evaluation {
        report_url: found.report.map(|_| format!("/api/v1/evaluations/{}/report.html", percent_encoded(&found.name))),
        name: found.name,
        created_at: found.created_at.map(|at| at.to_string()),
        metrics: found.metrics,
    };
    Ok(Json(found.into_iter().map(evaluation).collect()))
}

/// The page of an evaluation, which may run nothing and reach nothing.
#[utoipa::path(get, path = "/evaluations/{name}/report.html", tag = "models", params(("name" = String, Path)),
    responses((status = OK, content_type = "text/html", body = String)))]
async fn report(State(app): State<App>, _person: Person, Path(name): Path<String>) -> Result<Response, Problem> {
    let root = app.config.runs_folder();
    let found = tokio::task::spawn_blocking(move || folder::report(&root, &name)).await??;
    let file = found.ok_or_else(|| Problem::not_found("report"))?;
    let page = Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), 1 << 17));
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, SANDBOX)], page).into_response())
}

/// A name as a part of an address (RFC 3986: unreserved characters stay).
fn percent_encoded(name: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").ok(); // a string takes everything
        }
    }
    text
}

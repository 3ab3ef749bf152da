//! Numbers for Prometheus: requests, the queue, seconds. No ids, no names.

use std::sync::OnceLock;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sea_orm::{ActiveEnum, EntityTrait, Iterable, QuerySelect};

use crate::accounts::identity::{Asked, Identity, login_is_demanded};
use crate::app::App;
use crate::entity::job;
use crate::error::Problem;

/// One for the process: the facade has but one recorder.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Seconds: a page's patience at the lower end, a segmentation's at the upper.
const SECONDS: [f64; 14] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];

/// Starts counting; the first call of the process counts.
pub fn start() {
    RECORDER.get_or_init(|| {
        let builder =
            PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS).ok()?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        observed::set_global_recorder(recorder).ok()?;
        observed::describe_counter!("glioscope_requests_total", "Requests by method, route and status.");
        observed::describe_histogram!("glioscope_request_seconds", "Time until an answer begins, by route.");
        observed::describe_gauge!("glioscope_jobs", "Jobs by state.");
        observed::describe_histogram!("glioscope_stage_seconds", "How long the stages of segmentations took.");
        observed::describe_counter!("glioscope_damaged_files_total", "Reads of stored files that were damaged.");
        Some(handle)
    });
}

/// Counts a request.
pub(super) fn count(method: &str, route: &str, status: u16, seconds: f64) {
    let (method, route, status) = (method.to_owned(), route.to_owned(), status.to_string());
    observed::counter!("glioscope_requests_total", "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    observed::histogram!("glioscope_request_seconds", "route" => route).record(seconds);
}

/// `GET /metrics`: for everybody on this computer; where others may come, for those who are known (a token will do).
///
/// # Errors
/// [`crate::error::Code::LoginNeeded`], or those of the database.
pub async fn show(State(app): State<App>, asked: Asked, identity: Identity) -> Result<impl IntoResponse, Problem> {
    if login_is_demanded(&app, &asked).await? {
        identity.0?;
    }
    let counts: Vec<(job::State, i64)> = job::Entity::find()
        .select_only()
        .column(job::Column::State)
        .column_as(sea_orm::sea_query::Expr::cust("COUNT(*)"), "n")
        .group_by(job::Column::State)
        .into_tuple()
        .all(&app.db)
        .await?;
    for state in job::State::iter() {
        let n = counts.iter().find(|(of, _)| *of == state).map_or(0, |(_, n)| *n); // a state without jobs is 0, not absent
        observed::gauge!("glioscope_jobs", "state" => state.to_value()).set(n as f64);
    }
    let text = RECORDER.get().and_then(Option::as_ref).map(|handle| {
        handle.run_upkeep();
        handle.render()
    });
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.unwrap_or_default()))
}

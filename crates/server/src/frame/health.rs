//! Is it alive, can it work: for whoever starts and stops servers.

use axum::Json;
use axum::extract::State;
use sea_orm::ConnectionTrait;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{Code, Problem};

/// The routes of health.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// It is well.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`; what is not ok is an error.
    status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = OK, body = Health)), security(()))]
async fn alive() -> Json<Health> {
    OK
}

/// The database and the folder of files answer, and the server is not about to end.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = OK, body = Health)), security(()))]
async fn ready(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if app.closing.is_cancelled() {
        return Err(Problem::new(Code::Unavailable, "The server is about to end."));
    }
    let unready =
        |cause: String| Problem::new(Code::Unavailable, "The database or its folder does not answer.").caused_by(cause);
    app.db.execute_unprepared("SELECT 1").await.map_err(|error| unready(error.to_string()))?;
    tokio::fs::metadata(app.config.files_folder()).await.map_err(|error| unready(error.to_string()))?;
    Ok(OK)
}

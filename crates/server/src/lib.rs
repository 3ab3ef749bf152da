//! The application: HTTP, database, files, queue.
//!
//! What programs begin with, and await to the end, are boxed futures: others would be compiled again in each that awaits them.

pub mod accounts;
pub mod app;
pub mod audit;
mod compared;
pub mod config;
pub mod db;
pub mod demo;
pub mod entity;
pub mod error;
pub mod events;
pub mod exports;
pub mod fields;
pub mod files;
pub mod frame;
pub mod ids;
pub mod jobs;
pub mod list;
pub mod migration;
pub mod models;
pub mod openapi;
pub mod patients;
pub mod runs;
pub mod segmentations;
pub mod studies;
pub mod text;
pub mod upkeep;
pub mod uploads;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_util::future::BoxFuture;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use app::App;
use error::Problem;

/// Every route of the API, with its description.
fn api() -> OpenApiRouter<App> {
    let v1 = OpenApiRouter::new()
        .merge(patients::routes())
        .merge(studies::routes())
        .merge(demo::routes())
        .merge(segmentations::routes())
        .merge(uploads::routes())
        .merge(exports::routes())
        .merge(models::routes())
        .merge(runs::routes())
        .merge(jobs::routes())
        .merge(accounts::routes())
        .merge(audit::routes());
    OpenApiRouter::with_openapi(openapi::head()).nest("/api/v1", v1).merge(frame::health::routes())
}

/// The API's description, as in docs/openapi.json.
pub fn document() -> OpenApi {
    openapi::complete(api().into_openapi())
}

/// All that the server answers, as a value: a test calls it without a socket.
pub fn app(app: App) -> Router {
    frame::metrics::start();
    let (api, document) = api().split_for_parts();
    let routes = Router::new()
        .merge(api)
        .merge(openapi::routes(openapi::complete(document)))
        .route("/enter", get(accounts::entry::enter))
        .route("/metrics", get(frame::metrics::show))
        .fallback(frame::page::serve);
    frame::around(routes, &app).with_state(app)
}

/// Makes the application ready, and begins what goes on beside requests until `app.closing`.
///
/// # Errors
/// If the model inside the program, or what the last start left behind, cannot be written into the database.
pub fn tend(app: &App) -> BoxFuture<'_, Result<(), Problem>> {
    Box::pin(async move {
        models::register_embedded(&app.db).await?;
        uploads::cut_off(&app.db).await?;
        tokio::spawn(jobs::watch::run(app.db.clone(), app.events.clone(), app.closing.clone()));
        let ages = upkeep::Ages::of(app.config.bin_days);
        tokio::spawn(upkeep::tend(app.db.clone(), app.files.clone(), ages, app.closing.clone()));
        tokio::spawn(make_demo(app.clone()));
        tokio::spawn(forget(app.clone()));
        Ok(())
    })
}

/// The page is there before its demo.
async fn make_demo(app: App) {
    match demo::first_start(&app).await {
        Ok(true) => tracing::info!("a phantom patient was made to look at"),
        Ok(false) => {}
        Err(problem) => tracing::error!(%problem, "the phantom patient cannot be made"),
    }
}

/// Who has not come for long is not counted any more.
async fn forget(app: App) {
    let mut minutes = tokio::time::interval(Duration::from_mins(1));
    while app.closing.run_until_cancelled(minutes.tick()).await.is_some() {
        app.limiter.forget_old();
        app.accounts.throttle.forget_old();
    }
}

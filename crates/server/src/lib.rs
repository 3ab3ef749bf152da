//! The application: HTTP, database, files, queue.

pub mod accounts;
pub mod app;
pub mod audit;
pub mod config;
pub mod db;
pub mod entity;
pub mod error;
pub mod events;
pub mod files;
pub mod frame;
pub mod ids;
pub mod list;
pub mod migration;
pub mod openapi;
pub mod text;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use app::App;

/// Every route of the API, with its description.
fn api() -> OpenApiRouter<App> {
    let v1 = OpenApiRouter::new().merge(accounts::routes()).merge(audit::routes());
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

/// What goes on beside requests, until `app.closing`.
pub fn tend(app: &App) {
    let tended = app.clone();
    tokio::spawn(async move {
        let mut minutes = tokio::time::interval(Duration::from_mins(1));
        while tended.closing.run_until_cancelled(minutes.tick()).await.is_some() {
            tended.limiter.forget_old();
            tended.accounts.throttle.forget_old();
        }
    });
}

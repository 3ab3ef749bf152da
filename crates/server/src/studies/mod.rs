//! Studies: the worklist, one study with all that belongs to it, its scans as files and as pictures.

pub mod download;
pub mod facts;
pub(crate) mod list;
pub mod pictures;
pub mod query;
pub mod routes;
pub(crate) mod rows;
pub mod scans;
pub mod wire;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// `/studies`, `/series` and what is under them.
pub fn routes() -> OpenApiRouter<App> {
    routes::routes().merge(scans::routes())
}

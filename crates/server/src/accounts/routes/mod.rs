//! Sessions, accounts and tokens over HTTP.

mod session;
mod tokens;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of the accounts.
pub fn routes() -> OpenApiRouter<App> {
    session::routes().merge(users::routes()).merge(tokens::routes())
}

//! `GET`, `POST` and `DELETE /session`: who am I, log in, log out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use segment::report::NOTICE;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::identity::{Asked, Identity, close_session, login_is_demanded, open_session};
use crate::accounts::{Person, Role, Via, account_name, rows};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::error::{Code, Problem};
use crate::fields::Fields;
use crate::ids::UserId;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, log_in, log_out))
}

/// What the page asks first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// Who is asking; null if the server does not know.
    #[schema(required)]
    person: Option<PersonView>,
    /// Whether somebody unknown must log in, or else open the printed link.
    login_required: bool,
    /// The program's version.
    version: &'static str,
    /// What it is for.
    research_use: &'static str,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub(super) struct PersonView {
    /// The account's name, or `local`.
    name: String,
    /// What they may do.
    role: Role,
    /// The account; null on a server without accounts.
    #[schema(required)]
    user: Option<UserId>,
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The account's name.
    name: String,
    /// Its password.
    #[schema(format = Password)]
    password: String,
}

async fn state(app: &App, asked: &Asked, person: Option<Person>) -> Result<Json<Session>, Problem> {
    Ok(Json(Session {
        person: person.map(|person| PersonView { name: person.name, role: person.role, user: person.user }),
        login_required: login_is_demanded(app, asked).await?,
        version: env!("CARGO_PKG_VERSION"),
        research_use: NOTICE,
    }))
}

/// Who is asking, and whether they must log in.
#[utoipa::path(get, path = "/session", tag = "accounts", responses((status = OK, body = Session)), security(()))]
async fn read(State(app): State<App>, asked: Asked, identity: Identity) -> Result<Json<Session>, Problem> {
    match identity.0 {
        Ok(person) => state(&app, &asked, Some(person)).await,
        Err(problem) if problem.code() == Code::LoginNeeded => state(&app, &asked, None).await,
        Err(problem) => Err(problem), // such as an API token that has expired
    }
}

/// Logs in; the answer sets a cookie.
#[utoipa::path(post, path = "/session", tag = "accounts", request_body = Login,
    responses((status = OK, body = Session)), security(()))]
async fn log_in(
    State(app): State<App>,
    asked: Asked,
    Json(Fields(login)): Json<Fields<Login>>,
) -> Result<impl IntoResponse, Problem> {
    // Counted as accounts are called: with one more space it would be another name, and never tried before.
    let name = account_name(&login.name);
    app.accounts.throttle.attempt(name.as_deref().unwrap_or(&login.name), asked.address)?;
    let user = match name {
        Ok(name) => rows::user_named(&app.db, &name).await?,
        Err(_) => None, // no account has such a name
    };
    let hash = user.as_ref().filter(|user| user.disabled_at.is_none()).map(|user| user.password_hash.clone());
    let fits = app.accounts.passwords.fits(login.password, hash).await?;
    let (true, Some(user)) = (fits, user.as_ref()) else {
        // Which account, but not the name as typed: it may be a password in the wrong field.
        let of = user.map_or_else(|| Object::all(Kind::Session), |user| Object::one(Kind::Session, user.id));
        let from = json!({"address": asked.address.map(|address| address.to_string())});
        audit::record(&app, &Person::unknown(), Action::LogInFailed, of.with(from)).await?;
        return Err(Problem::of(Code::LoginWrong));
    };
    let person = Person::with_account(user.id, user.name.clone(), user.role, Via::Page);
    let cookie = open_session(&app, &asked, &person).await?;
    Ok((cookie, state(&app, &asked, Some(person)).await?))
}

/// Logs out; the answer removes the cookie, and the volumes and pictures that the browser kept.
#[utoipa::path(delete, path = "/session", tag = "accounts", responses((status = NO_CONTENT)), security(()))]
async fn log_out(
    State(app): State<App>,
    asked: Asked,
    identity: Identity,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let person = identity.0.ok();
    if let Some(person) = &person {
        person.must_be_at_the_page()?;
    }
    let mut answer = close_session(&app, &asked, &headers, person.as_ref()).await?;
    answer.insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok((StatusCode::NO_CONTENT, answer))
}

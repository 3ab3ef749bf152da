//! From a request to a person: an API token, else a session cookie; nothing else.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::{Person, Via, rows, secret};
use crate::app::App;
use crate::audit::{self, Action, Entry, Kind, Object};
use crate::config::Config;
use crate::db::now;
use crate::entity::api_token::Scope;
use crate::error::{Code, Problem};

/// A session's last visit is written this often, so that reads do not write.
const VISIT_MS: i64 = 60_000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// From where; unknown in tests without a socket.
    pub address: Option<IpAddr>,
    /// Whether it passed through a proxy.
    pub forwarded: bool,
    /// What the browser sees.
    pub channel: Channel,
}

/// What the browser's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Plain HTTP, on this computer.
    Clear,
    /// TLS, ended by the server or the proxy before it.
    Tls,
}

/// What proxies add. A server without accounts trusts who sits at its computer, and a proxy brings others.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

impl Asked {
    /// What headers and socket say.
    pub fn of(config: &Config, parts: &Parts) -> Self {
        let text = |name: &str| parts.headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok());
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        // The last address is the one that our own proxy added; those before it are the sender's words.
        let told = || text("x-forwarded-for")?.rsplit(',').next()?.trim().parse().ok();
        Self {
            address: if config.proxy { told().or(peer) } else { peer },
            forwarded: FORWARDED.iter().any(|name| parts.headers.contains_key(*name)),
            channel: Channel::of(config, &parts.headers),
        }
    }
}

impl Channel {
    /// What settings and headers say. Behind a proxy that says nothing it is TLS, for which the proxy is there.
    pub fn of(config: &Config, headers: &HeaderMap) -> Self {
        let told = headers.get_all("x-forwarded-proto").iter().next_back();
        let is_clear = config.tls.is_none() && !(config.proxy && told.is_none_or(|told| told != "http"));
        if is_clear { Self::Clear } else { Self::Tls }
    }

    /// The scheme of the page's address.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Clear => "http",
            Self::Tls => "https",
        }
    }
}

impl FromRequestParts<App> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self::of(&app.config, parts))
    }
}

/// Who is asking, or why nobody is.
#[derive(Clone, Debug)]
pub struct Identity(pub Result<Person, Problem>);

impl FromRequestParts<App> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let asked = Asked::of(&app.config, parts);
        Ok(Self(who(app, &asked, parts).await))
    }
}

impl FromRequestParts<App> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Identity::from_request_parts(parts, app).await?.0
    }
}

/// Finds out once who is asking, for all that comes after.
pub async fn identify(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let asked = Asked::of(&app.config, &parts);
    let identity = Identity(who(&app, &asked, &parts).await);
    parts.extensions.insert(identity);
    next.run(Request::from_parts(parts, body)).await
}

/// Whether the request carries an API token: then no cookie counts, and no other site can have made it.
pub fn is_by_token(headers: &HeaderMap) -> bool {
    bearer(headers).is_some()
}

/// Whether a person must log in: an account exists, or others than this computer's user may come.
///
/// # Errors
/// Those of the database.
pub async fn login_is_demanded(app: &App, asked: &Asked) -> Result<bool, Problem> {
    // Each forwarded request, not each one after it: a proxy marks all of its own, and one stray header from
    // another user of this computer must not lock its owner out.
    if !app.config.is_local() || asked.forwarded {
        return Ok(true);
    }
    Ok(app.accounts.exist(&app.db).await?)
}

/// Opens a session and records who came in; the headers set its cookie.
///
/// # Errors
/// Those of the database.
pub async fn open_session(app: &App, asked: &Asked, person: &Person) -> Result<HeaderMap, Problem> {
    let token = secret::random()?;
    let days = i64::from(app.config.session_days.max(1));
    let write = app.db.write().await?;
    rows::open_session(&write, secret::sha(&token), person.user, now() + days * DAY_MS).await?;
    let object = person.user.map_or_else(|| Object::all(Kind::Session), |user| Object::one(Kind::Session, user));
    audit::commit(write, person, Action::LogIn, object).await?;
    cookie_headers(app, asked, &token, days * DAY_MS / 1000)
}

/// Closes the session of a request and records whose it was; the headers remove its cookie.
///
/// # Errors
/// Those of the database.
pub async fn close_session(
    app: &App,
    asked: &Asked,
    headers: &HeaderMap,
    person: Option<&Person>,
) -> Result<HeaderMap, Problem> {
    if let Some(token) = cookie(headers, &cookie_name(app, asked)) {
        let write = app.db.write().await?;
        if rows::close_session(&write, secret::sha(token)).await? {
            let entry = |person: &Person| Entry::of(person, Action::LogOut, Object::one(Kind::Session, person.key()));
            let entries: Vec<Entry> = person.map(entry).into_iter().collect(); // one that had ended is nobody's any more
            audit::commit_all(write, &entries).await?;
        }
    }
    cookie_headers(app, asked, "", 0)
}

async fn who(app: &App, asked: &Asked, parts: &Parts) -> Result<Person, Problem> {
    if let Some(token) = bearer(&parts.headers) {
        return by_token(app, token, &parts.method).await;
    }
    let Some(token) = cookie(&parts.headers, &cookie_name(app, asked)) else {
        return Err(nobody(app, asked).await?);
    };
    let sha = secret::sha(token);
    let now = now();
    let session = match rows::session(&app.db, sha).await? {
        Some(session) if session.expires_at > now => session,
        _ => return Err(nobody(app, asked).await?),
    };
    let is_open = app.config.is_local() && !asked.forwarded && !session.has_accounts();
    let person = match (session.user_id, session.name, session.role) {
        (None, ..) if is_open => Person::local(),
        (Some(id), Some(name), Some(role)) => Person::with_account(id, name, role, Via::Page),
        _ => return Err(nobody(app, asked).await?),
    };
    if now - session.seen_at > VISIT_MS {
        rows::visit(&app.db, sha, now + i64::from(app.config.session_days.max(1)) * DAY_MS).await?;
    }
    Ok(person)
}

async fn by_token(app: &App, token: &str, method: &Method) -> Result<Person, Problem> {
    let invalid = || Problem::of(Code::TokenInvalid);
    let now = now();
    let token =
        rows::token(&app.db, secret::sha(token)).await?.filter(|token| token.expires_at > now).ok_or_else(invalid)?;
    let user = rows::active_user(&app.db, token.user_id).await?.ok_or_else(invalid)?;
    if token.scope == Scope::Read && !is_safe(method) {
        return Err(Problem::of(Code::ScopeTooNarrow));
    }
    if token.last_used_at.is_none_or(|last| now - last > VISIT_MS) {
        rows::use_token(&app.db, token.id).await?;
    }
    Ok(Person::with_account(user.id, user.name, user.role, Via::Token))
}

/// Whether a method only reads.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

async fn nobody(app: &App, asked: &Asked) -> Result<Problem, Problem> {
    let detail = if login_is_demanded(app, asked).await? {
        Code::LoginNeeded.title()
    } else {
        "Please open the address that the server printed in its terminal: it lets this browser in."
    };
    Ok(Problem::new(Code::LoginNeeded, detail))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Behind TLS the browser itself keeps other hosts and plain HTTP away from the cookie (`__Host-`); else the
/// port tells apart the cookies of several servers on one computer.
fn cookie_name(app: &App, asked: &Asked) -> String {
    if asked.channel == Channel::Tls {
        "__Host-glioscope".to_owned()
    } else {
        format!("glioscope-{}", app.config.listen.port())
    }
}

fn cookie_headers(app: &App, asked: &Asked, token: &str, seconds: i64) -> Result<HeaderMap, Problem> {
    let secure = if asked.channel == Channel::Tls { "; Secure" } else { "" };
    let name = cookie_name(app, asked);
    let cookie = format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).map_err(Problem::internal)?;
    Ok(HeaderMap::from_iter([(SET_COOKIE, cookie)]))
}

//! The link of a server without accounts: printed where only its user reads, good for one browser.

use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::{Person, secret};
use crate::accounts::identity::{Asked, Identity, login_is_demanded, open_session};
use crate::app::App;
use crate::error::{Code, Problem};

/// The secret of the link that is good now.
#[derive(Debug)]
pub struct Entry(watch::Sender<String>);

impl Entry {
    /// The first link.
    ///
    /// # Errors
    /// [`Problem`] if the machine gives no randomness.
    pub fn open() -> Result<Self, Problem> {
        Ok(Self(watch::Sender::new(secret::random()?)))
    }

    /// The secrets as they come: when one is used, the next is there for another browser.
    pub fn watch(&self) -> watch::Receiver<String> {
        self.0.subscribe()
    }

    /// Uses up the secret; whether it was the right one.
    fn spend(&self, offered: &str) -> Result<bool, Problem> {
        let next = secret::random()?;
        Ok(self.0.send_if_modified(|now| {
            let fits = secret::sha(now).0.ct_eq(&secret::sha(offered).0).into();
            if fits {
                *now = next;
            }
            fits
        }))
    }
}

/// What the link carries.
#[derive(Deserialize)]
pub struct Link {
    #[serde(default)]
    token: String,
}

/// `GET /enter?token=...`: the secret becomes a cookie, and the browser goes to the page.
///
/// # Errors
/// Those of the database.
pub async fn enter(
    State(app): State<App>,
    method: Method,
    asked: Asked,
    identity: Identity,
    Query(link): Query<Link>,
) -> Result<Response, Problem> {
    let home =
        |headers| (StatusCode::SEE_OTHER, headers, [(LOCATION, "/"), (CACHE_CONTROL, "no-store")]).into_response();
    if login_is_demanded(&app, &asked).await? || identity.0.is_ok() {
        return Ok(home(axum::http::HeaderMap::new())); // the page shows what is needed
    }
    // A HEAD request is a preview, not a visit.
    if method != Method::GET || !app.accounts.entry.spend(&link.token)? {
        return Ok(refused());
    }
    Ok(home(open_session(&app, &asked, &Person::local()).await?))
}

/// A page, because a person reads it in a browser.
fn refused() -> Response {
    const PAGE: &str = concat!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Glioscope</title>",
        "<h1>Glioscope</h1><p>This link was used already, or the server was started anew since. ",
        "The terminal where it runs shows the present one.</p>",
        "<p lang=\"ko\">이 링크는 이미 사용되었거나 서버가 다시 시작되었습니다. 서버를 실행한 터미널에 새 링크가 있습니다.</p>",
    );
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (Code::LinkUsed.status(), headers, PAGE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_once_and_then_there_is_another() {
        let entry = Entry::open().unwrap();
        let mut links = entry.watch();
        let first = links.borrow_and_update().clone();
        assert!(!entry.spend("guess").unwrap());
        assert!(!links.has_changed().unwrap(), "a guess changes nothing");
        assert!(entry.spend(&first).unwrap());
        assert!(!entry.spend(&first).unwrap());
        let second = links.borrow_and_update().clone();
        assert!(entry.spend(&second).unwrap());
    }
}

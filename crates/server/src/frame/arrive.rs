//! Bodies of JSON arrive in full before anything is done with them, or not at all.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;
use tower_http::timeout::TimeoutError;

use super::JSON_BYTES;
use crate::app::App;
use crate::error::{Code, Problem};

/// Waits for a body of JSON. All of it has as long as a sender of anything may be silent: a few kilobytes need no more, and
/// one byte now and then would hold a request for hours.
///
/// # Errors
/// [`Code::TooSlow`], [`Code::TooLarge`], [`Code::BadRequest`].
pub(super) async fn whole_json(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    if !is_json(request.headers()) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let patience = Duration::from_secs(app.config.limits.silent_seconds.max(1));
    let arrived = timeout(patience, to_bytes(body, JSON_BYTES)).await;
    let bytes = arrived.map_err(|_| Problem::of(Code::TooSlow))?.map_err(|error| refused(&error))?;
    Ok(next.run(Request::from_parts(parts, Body::from(bytes))).await)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

fn refused(error: &(dyn Error + 'static)) -> Problem {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    if causes.any(<dyn Error>::is::<TimeoutError>) {
        return Problem::of(Code::TooSlow);
    }
    // The only other fault that is not the connection's own; its type is another crate's.
    if error.to_string().contains("length limit") {
        return Problem::new(Code::TooLarge, format!("JSON of at most {} KiB is read.", JSON_BYTES >> 10));
    }
    Problem::new(Code::BadRequest, "The request did not arrive in full.").caused_by(error)
}

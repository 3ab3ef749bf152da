//! What stands around every request: names, origins, headers, limits, errors, numbers, the page itself.

mod arrive;
pub mod guard;
pub mod headers;
pub mod health;
pub mod limits;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod page;
mod watch;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::accounts::identity::{identify, is_safe};
use crate::app::App;
use crate::error::Problem;

/// The largest JSON body; what is larger says so at its route.
pub const JSON_BYTES: usize = 256 * 1024;

/// Puts the frame around routes. Read from below: that is the way in.
pub fn around(routes: Router<App>, app: &App) -> Router<App> {
    let silent = Duration::from_secs(app.config.limits.silent_seconds.max(1));
    routes
        .layer(from_fn(to_the_end))
        .layer(from_fn_with_state(app.clone(), arrive::whole_json))
        .layer(from_fn_with_state(app.clone(), limits::limit))
        .layer(from_fn_with_state(app.clone(), identify))
        .layer(DefaultBodyLimit::max(JSON_BYTES))
        .layer(RequestBodyTimeoutLayer::new(silent))
        .layer(CompressionLayer::new().compress_when(is_text))
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), headers::secure))
        .layer(from_fn(watch::watch))
}

/// A change goes on to its end though its sender has gone: else some of it would be done, or all and not recorded.
async fn to_the_end(request: Request, next: Next) -> Response {
    if is_safe(request.method()) {
        return next.run(request).await;
    }
    let done = tokio::spawn(next.run(request)).await;
    done.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Problem::from(error).into_response(), // the program is ending
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the layer's")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal(format!("panic: {}", text.unwrap_or("of no text"))).into_response()
}

/// Volumes are compressed already, and a part of a file must stay that part.
fn is_text(
    status: axum::http::StatusCode,
    _: axum::http::Version,
    headers: &axum::http::HeaderMap,
    _: &axum::http::Extensions,
) -> bool {
    const TEXTS: [&str; 6] =
        ["application/json", "application/problem+json", "text/html", "text/css", "text/javascript", "image/svg+xml"];
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    status != axum::http::StatusCode::PARTIAL_CONTENT && TEXTS.iter().any(|text| kind.starts_with(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::routing::post;
    use tokio::sync::{Notify, mpsc};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_change_goes_on_though_its_sender_has_gone() {
        let (say, mut heard) = mpsc::unbounded_channel();
        let go = Arc::new(Notify::new());
        let change = {
            let go = Arc::clone(&go);
            move || async move {
                say.send("begun").unwrap();
                go.notified().await;
                say.send("done").unwrap();
            }
        };
        let router: Router = Router::new().route("/", post(change)).layer(from_fn(to_the_end));
        let sender = tokio::spawn(router.oneshot(Request::post("/").body(Body::empty()).unwrap()));
        assert_eq!(heard.recv().await, Some("begun"));
        sender.abort();
        assert!(sender.await.unwrap_err().is_cancelled());
        go.notify_one();
        assert_eq!(heard.recv().await, Some("done"));
    }
}

//! Gives each request an id, counts and logs it, and makes every error a problem of the API.
//!
//! The log names routes, never addresses: a path may hold a file's name, and a file's name a patient's.

use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use crate::error::{Code, PROBLEM_JSON, Problem};

/// The request's id in the answer, as in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An explanation that is longer was not written by us.
const EXPLANATION_BYTES: usize = 4096;

/// Watches over one request.
pub(super) async fn watch(request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().to_string();
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let mut response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        response = as_problem(response, &id).await;
    }
    if let Ok(value) = HeaderValue::try_from(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, seconds) = (response.status().as_u16(), began.elapsed().as_secs_f64());
    let cause = response.extensions().get::<Problem>().and_then(Problem::cause);
    let (ms, method) = (format!("{:.1}", seconds * 1e3), method.as_str());
    if status >= 500 {
        tracing::error!(target: "server::request", %id, %method, %route, status, %ms, cause, "failed");
    } else {
        tracing::info!(target: "server::request", %id, %method, %route, status, %ms, cause);
    }
    super::metrics::count(known(method), &route, status, seconds);
    response
}

/// Anybody can invent methods; the numbers are kept by a few.
fn known(method: &str) -> &str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    if KNOWN.contains(&method) { method } else { "other" }
}

/// The problem with the request's id; what the framework refused in plain text becomes one.
async fn as_problem(response: Response, id: &str) -> Response {
    let (parts, body) = response.into_parts();
    if let Some(problem) = parts.extensions.get::<Problem>() {
        let mut answer = problem.answer(Some(id));
        keep(&parts.headers, &mut answer);
        return answer;
    }
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with(PROBLEM_JSON) || kind.starts_with("text/html") {
        return Response::from_parts(parts, body); // a page for a person
    }
    let text = to_bytes(body, EXPLANATION_BYTES).await.unwrap_or_default();
    let code = code_of(parts.status);
    let problem = match std::str::from_utf8(&text) {
        Ok(text) if code == Code::Internal => Problem::internal(text),
        Ok(text) if !text.is_empty() => Problem::new(code, text),
        Ok(_) | Err(_) => Problem::of(code),
    };
    let mut answer = problem.answer(Some(id));
    *answer.status_mut() = parts.status;
    keep(&parts.headers, &mut answer);
    answer
}

/// Headers of the refused answer, such as `Allow`, stay; its own form does not.
fn keep(from: &axum::http::HeaderMap, answer: &mut Response) {
    const FORM: [&str; 3] = ["content-type", "content-length", "content-encoding"];
    for (name, value) in from {
        if !FORM.contains(&name.as_str()) && !answer.headers().contains_key(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
}

fn code_of(status: StatusCode) -> Code {
    let known = [
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::NotAcceptable,
        Code::Conflict,
        Code::Gone,
        Code::Changed,
        Code::TooLarge,
        Code::RangeNotSatisfiable,
        Code::UnsupportedMediaType,
        Code::Invalid,
        Code::TooSlow,
        Code::TooMany,
        Code::Unavailable,
    ];
    let general = if status.is_server_error() { Code::Internal } else { Code::BadRequest };
    known.into_iter().find(|code| code.status() == status).unwrap_or(general)
}

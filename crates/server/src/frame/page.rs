//! The page, built into the program.

use std::borrow::Cow;

use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::headers::policy_with;
use crate::error::{Code, Problem};
use crate::ids::Sha;

/// What the page's build made; nothing where it was not built.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// Stands in the page where styles that it makes itself take the nonce from.
const NONCE: &str = "__CSP_NONCE__";

/// The names in here hold a hash of the content: such a file never changes.
const HASHED: &str = "assets/";

/// A file of the page; for any other address the page itself, which knows its own addresses.
///
/// # Errors
/// [`Code::NotFound`], [`Code::MethodNotAllowed`].
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") || path == "api" {
        return Err(Problem::new(Code::NotFound, "There is no such address; /api/docs lists those that are."));
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(Problem::of(Code::MethodNotAllowed));
    }
    if path != "index.html"
        && let Some(file) = Built::get(path)
    {
        return Ok(asset(path, file, &headers));
    }
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.')) && path != "index.html";
    let wants_page = headers.get(ACCEPT).is_none_or(|accept| {
        accept.to_str().is_ok_and(|accept| accept.contains("text/html") || accept.contains("*/*"))
    });
    if is_file || !wants_page {
        return Err(Problem::of(Code::NotFound));
    }
    index()
}

fn asset(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", Sha(file.metadata.sha256_hash()));
    let keep = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    let headers = [(CACHE_CONTROL, keep), (ETAG, tag.as_str())];
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    if known.flat_map(|tags| tags.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let kind = [(CONTENT_TYPE, file.metadata.mimetype())];
    match file.data {
        Cow::Borrowed(bytes) => (headers, kind, bytes).into_response(),
        Cow::Owned(bytes) => (headers, kind, bytes).into_response(),
    }
}

fn index() -> Result<Response, Problem> {
    let kind = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    let Some(file) = Built::get("index.html") else { return Ok((kind, NOT_BUILT).into_response()) };
    let text = String::from_utf8_lossy(&file.data);
    if !text.contains(NONCE) {
        return Ok((kind, text.into_owned()).into_response());
    }
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    let nonce = u128::from_le_bytes(bytes).to_string();
    let policy = HeaderValue::try_from(policy_with(&nonce)).map_err(Problem::internal)?;
    Ok((kind, [(CONTENT_SECURITY_POLICY, policy)], text.replace(NONCE, &nonce)).into_response())
}

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Glioscope</title>\
    <h1>Glioscope</h1><p>The page was not built into this program: <code>make run</code> builds both. \
    The API is here: <a href=\"/api/docs/\">/api/docs</a>.</p>\
    <p lang=\"ko\">이 프로그램에는 화면이 들어 있지 않습니다. <code>make run</code> 으로 다시 빌드하십시오.</p>";

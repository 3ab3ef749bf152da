//! Blobs as answers: their hash is their `ETag`, parts of them may be asked for, and they are never read whole.

use std::io::SeekFrom;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::app::App;
use crate::error::{Code, Problem};
use crate::ids::Sha;

/// A blob, and how it is sent.
#[derive(Clone, Debug)]
pub struct Shipment {
    /// The blob.
    pub sha: Sha,
    /// Its content type.
    pub kind: &'static str,
    /// The name under which a browser saves it; none: it is not offered to be saved.
    pub name: Option<String>,
    /// Whether the address will always mean these bytes.
    pub keep: Keep,
}

/// How long an answer may be used again without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For ever: the address means these bytes.
    ForEver,
    /// Ask whether it is still the same.
    Ask,
}

impl Shipment {
    /// A volume whose address means these bytes for ever.
    pub fn volume(sha: Sha) -> Self {
        Self { sha, kind: "application/gzip", name: None, keep: Keep::ForEver }
    }

    /// A volume that may be another one tomorrow.
    pub fn changing(sha: Sha) -> Self {
        Self { keep: Keep::Ask, ..Self::volume(sha) }
    }

    /// The same, offered to be saved under a name.
    #[must_use]
    pub fn named(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }
}

/// Sends a blob, or the part of it that is asked for, or nothing if the client has it.
///
/// # Errors
/// If the blob is missing or damaged, or has no such part.
pub async fn ship(app: &App, headers: &HeaderMap, shipment: &Shipment) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", shipment.sha);
    let mut answer = HeaderMap::new();
    let mut put = |name: HeaderName, value: String| {
        answer.insert(name, HeaderValue::try_from(value).map_err(Problem::internal)?);
        Ok::<_, Problem>(())
    };
    put(ETAG, tag.clone())?;
    put(ACCEPT_RANGES, "bytes".to_owned())?;
    let keep = match shipment.keep {
        Keep::ForEver => "private, max-age=31536000, immutable",
        Keep::Ask => "private, no-cache",
    };
    put(CACHE_CONTROL, keep.to_owned())?;
    if has_it(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    put(CONTENT_TYPE, shipment.kind.to_owned())?;
    if let Some(name) = &shipment.name {
        put(CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))?;
    }
    let blob = app.files.blob(&app.db, shipment.sha).await?;
    let part = part(headers, &tag, blob.bytes)?;
    let (first, length) = part.unwrap_or((0, blob.bytes));
    put(CONTENT_LENGTH, length.to_string())?;
    let mut status = StatusCode::OK;
    if part.is_some() {
        status = StatusCode::PARTIAL_CONTENT;
        put(CONTENT_RANGE, format!("bytes {first}-{}/{}", first + length - 1, blob.bytes))?;
    }
    let mut file = tokio::fs::File::from_std(blob.file);
    file.seek(SeekFrom::Start(first)).await?;
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), 1 << 17));
    Ok((status, answer, body).into_response())
}

/// Whether the client has the blob already.
fn has_it(headers: &HeaderMap, tag: &str) -> bool {
    let asked = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    asked.is_some_and(|asked| {
        asked.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
    })
}

/// The first byte and the length of the one part that is asked for; nothing for all of it. Several parts at once, and
/// what is no range, are answered with all of it (RFC 9110, 14.2).
fn part(headers: &HeaderMap, tag: &str, bytes: u64) -> Result<Option<(u64, u64)>, Problem> {
    let is_old = headers.get(IF_RANGE).is_some_and(|value| value.as_bytes() != tag.as_bytes());
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()).filter(|_| !is_old) else {
        return Ok(None);
    };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Ok(None);
    };
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.min(bytes.saturating_sub(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, bytes.saturating_sub(1)),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 => (bytes.saturating_sub(count), bytes.saturating_sub(1)),
        _ => return Ok(None),
    };
    if first >= bytes {
        return Err(Problem::new(Code::RangeNotSatisfiable, format!("The file has {bytes} bytes.")));
    }
    Ok(Some((first, last - first + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_understood_and_the_rest_is_everything() {
        let check = |range: &str, expected: Option<(u64, u64)>| {
            let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_str(range).unwrap())]);
            assert_eq!(part(&headers, "\"x\"", 100).unwrap(), expected, "{range}");
        };
        check("bytes=0-0", Some((0, 1)));
        check("bytes=10-", Some((10, 90)));
        check("bytes=-5", Some((95, 5)));
        check("bytes=90-500", Some((90, 10)));
        check("bytes=-500", Some((0, 100)));
        check("bytes=0-1,5-6", None);
        check("bytes=5-1", None);
        check("rows=1-2", None);
        let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=100-"))]);
        assert_eq!(part(&headers, "\"x\"", 100).unwrap_err().code(), Code::RangeNotSatisfiable);
        let mut headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=1-2"))]);
        headers.insert(IF_RANGE, HeaderValue::from_static("\"y\""));
        assert_eq!(part(&headers, "\"x\"", 100).unwrap(), None, "of another version");
    }
}

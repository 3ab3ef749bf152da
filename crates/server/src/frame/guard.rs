//! Whom the server answers: only those who call it by its name, and for changes only its own page.
//!
//! A foreign name means that another site's DNS points here (rebinding); a foreign origin means that another
//! site's page makes the browser send something here. Both are checked with login and without.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::Response;

use crate::accounts::identity::{Channel, is_by_token, is_safe};
use crate::app::App;
use crate::config::Config;
use crate::error::{Code, Problem};

/// The header that the page sends with every change: a form of another site cannot.
pub const PAGE_HEADER: HeaderName = HeaderName::from_static("x-glioscope");

/// Lets through what is asked by a known name and, for changes, by the own page or an API token.
///
/// # Errors
/// [`Code::ForeignHost`], [`Code::ForeignOrigin`], [`Code::PageHeaderMissing`].
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let host = host(&app.config, request.headers(), request.uri());
    let host = host.filter(|host| is_own(&app.config, host)).ok_or_else(|| {
        let detail =
            "The server does not go by this name; names are added with --host or `hosts` in the configuration.";
        Problem::new(Code::ForeignHost, detail)
    })?;
    if !is_safe(request.method()) && !is_by_token(request.headers()) {
        from_own_page(&app.config, request.headers(), &host)?;
    }
    Ok(next.run(request).await)
}

/// The name and port that the client used. Only a proxy of ours may say another than its own request does.
fn host(config: &Config, headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    if config.proxy
        && let Some(told) = headers.get("x-forwarded-host")
    {
        return told.to_str().ok()?.rsplit(',').next()?.trim().parse().ok();
    }
    match headers.get(HOST) {
        Some(host) => host.to_str().ok()?.parse().ok(),
        None => uri.authority().cloned(), // HTTP/2 has the name here
    }
}

/// Whether the server goes by this name.
fn is_own(config: &Config, host: &Authority) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let listens = |ip: IpAddr| ip == config.listen.ip() && !ip.is_unspecified();
    let loopback = |ip: IpAddr| ip.is_loopback();
    name == "localhost"
        || name.parse().is_ok_and(|ip| listens(ip) || loopback(ip))
        || config.hosts.iter().any(|own| own.eq_ignore_ascii_case(&name) || own.eq_ignore_ascii_case(host.as_str()))
}

fn from_own_page(config: &Config, headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
    let scheme = Channel::of(config, headers).scheme();
    let foreign = || Problem::new(Code::ForeignOrigin, "Changes are accepted from the server's own page only.");
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = headers.get(ORIGIN).map(|origin| is_origin_of(origin.to_str().unwrap_or_default(), scheme, host));
    let site = text("sec-fetch-site").map(|site| site == "same-origin");
    // What is there must be right, and one of both must be there.
    match (origin, site) {
        (Some(false), _) | (_, Some(false)) | (None, None) => return Err(foreign()),
        (Some(true), _) | (_, Some(true)) => {}
    }
    if headers.get(PAGE_HEADER).is_none_or(HeaderValue::is_empty) {
        return Err(Problem::new(Code::PageHeaderMissing, "Changes need the header X-Glioscope: 1, or an API token."));
    }
    Ok(())
}

/// Whether an origin is the page of this scheme, name and port. `null` is nobody's.
fn is_origin_of(origin: &str, scheme: &str, host: &Authority) -> bool {
    let Some(place) = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) else { return false };
    let Ok(place) = place.parse::<Authority>() else { return false };
    let usual = if scheme == "https" { 443 } else { 80 };
    let port = |at: &Authority| at.port_u16().unwrap_or(usual);
    place.host().eq_ignore_ascii_case(host.host()) && port(&place) == port(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Authority {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_known_or_foreign() {
        let mut config = Config::plain("x".into());
        config.hosts = vec!["scans.example.org".to_owned()];
        let own =
            ["localhost:8040", "127.0.0.1", "127.9.9.9:1", "[::1]:8040", "SCANS.example.org", "scans.example.org:443"];
        let foreign =
            ["evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "scans.example.org.evil", "[::2]"];
        for host in own {
            assert!(is_own(&config, &authority(host)), "{host}");
        }
        for host in foreign {
            assert!(!is_own(&config, &authority(host)), "{host}");
        }
    }

    #[test]
    fn origins_have_scheme_name_and_port() {
        let cases = [
            ("http://localhost:8040", "http", "localhost:8040", true),
            ("https://localhost:8040", "http", "localhost:8040", false),
            ("http://localhost:8040", "https", "localhost:8040", false),
            ("https://a.example", "https", "a.example", true),
            ("https://a.example", "https", "a.example:443", true),
            ("http://a.example:443", "https", "a.example", false),
            ("http://localhost:8041", "http", "localhost:8040", false),
            ("http://localhost", "http", "localhost:8040", false),
            ("https://localhost:8040.evil.example", "https", "localhost:8040", false),
            ("null", "http", "localhost:8040", false),
            ("file://localhost:8040", "http", "localhost:8040", false),
        ];
        for (origin, scheme, host, same) in cases {
            assert_eq!(is_origin_of(origin, scheme, &authority(host)), same, "{origin} {scheme} {host}");
        }
    }
}

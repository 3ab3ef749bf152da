//! What stands around every request.

use std::num::NonZeroU32;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::routing::get;
use serde_json::json;
use server::frame::{around, headers::POLICY};

use crate::http::visitor::{NAME, PASSWORD, Site, refused};

#[tokio::test]
async fn foreign_names_are_not_answered() {
    let site = Site::open().await;
    let owner = site.owner().await;
    for host in
        ["evil.example", "evil.example:8040", "10.1.2.3:8040", "127.0.0.1.evil.example", "localhost.evil.example"]
    {
        for path in ["/", "/api/v1/session", "/healthz", "/metrics"] {
            refused(&owner.get(path).header("host", host).send().await, 421, "foreign_host");
        }
    }
    refused(&owner.get("/healthz").without("host").send().await, 421, "foreign_host");
    refused(
        &owner.get("/healthz").header("x-forwarded-host", NAME).header("host", "evil.example").send().await,
        421,
        "foreign_host",
    );
    for host in ["localhost:8040", "[::1]:8040", "127.0.0.1"] {
        owner.get("/healthz").header("host", host).send().await.json();
    }
    let site = Site::with(|config| config.hosts.push("scans.example.org".to_owned())).await;
    site.stranger().get("/healthz").header("host", "scans.example.org").send().await.json();
}

#[tokio::test]
async fn changes_come_from_the_own_page() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let kim = || json!({"name": "kim", "password": PASSWORD, "role": "admin"});
    let ask = || owner.ask(Method::POST, "/api/v1/users").json(kim());
    let own = format!("http://{NAME}");
    refused(&ask().send().await, 403, "foreign_origin");
    refused(&ask().header("x-glioscope", "1").send().await, 403, "foreign_origin");
    refused(&ask().header("origin", &own).send().await, 403, "page_header_missing");
    for origin in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://127.0.0.1",
        "https://127.0.0.1:8040.evil.example",
    ] {
        refused(&ask().header("x-glioscope", "1").header("origin", origin).send().await, 403, "foreign_origin");
    }
    for site in ["cross-site", "same-site", "none"] {
        let mixed = ask().header("x-glioscope", "1").header("origin", &own).header("sec-fetch-site", site);
        refused(&mixed.send().await, 403, "foreign_origin");
    }
    let login = json!({"name": "kim", "password": PASSWORD});
    let stranger = owner.ask(Method::POST, "/api/v1/session").json(login).header("origin", "http://evil.example");
    refused(&stranger.send().await, 403, "foreign_origin"); // with login or without
    assert_eq!(ask().header("x-glioscope", "1").header("sec-fetch-site", "same-origin").send().await.status, 201);
}

#[tokio::test]
async fn every_answer_says_what_a_page_may_do() {
    let site = Site::open().await;
    for path in ["/", "/studies/1", "/api/v1/session", "/api/v1/nothing", "/healthz", "/enter?token=x", "/api/docs/"] {
        let answer = site.stranger().get(path).send().await;
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(answer.header("content-security-policy").contains(part), "{path}: {part}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
    }
    assert!(!POLICY.contains("unsafe"), "{POLICY}");
    let private = site.stranger().get("/api/v1/session").send().await;
    assert_eq!(private.header("cache-control"), "no-store");
}

#[tokio::test]
async fn errors_of_the_framework_are_problems_too() {
    let site = Site::open().await;
    let owner = site.owner().await;
    refused(&owner.get("/api/v1/nothing").send().await, 404, "not_found");
    refused(&owner.get("/api/v2/session").send().await, 404, "not_found");
    refused(&owner.get("/assets/none.js").send().await, 404, "not_found");
    let wrong = owner.change(Method::PUT, "/api/v1/session").send().await;
    refused(&wrong, 405, "method_not_allowed");
    assert!(wrong.header("allow").contains("POST"), "{wrong:?}");
    refused(&owner.change(Method::POST, "/studies").send().await, 405, "method_not_allowed");
    let post = || owner.change(Method::POST, "/api/v1/users");
    refused(&post().body("{").header("content-type", "application/json").send().await, 400, "bad_request");
    refused(&post().body("{}").header("content-type", "text/plain").send().await, 415, "unsupported_media_type");
    refused(&post().json(json!({"name": "kim"})).send().await, 422, "invalid");
    refused(&owner.get("/api/v1/audit?limit=many").send().await, 400, "bad_request");
    refused(&owner.get("/api/v1/audit?nothing=1").send().await, 400, "bad_request");
}

#[tokio::test]
async fn a_panic_is_a_problem_without_its_text() {
    let site = Site::open().await;
    let boom = Router::new().route("/boom", get(|| async { boom("Hong Gildong") }));
    let router = around(boom, &site.app).with_state(site.app.clone());
    let answer = Site { router, app: site.app.clone(), folder: site.folder }.stranger().get("/boom").send().await;
    refused(&answer, 500, "internal");
    assert!(!String::from_utf8_lossy(&answer.body).contains("Hong"), "{answer:?}");
}

fn boom(name: &str) -> &'static str {
    assert!(name.is_empty(), "a patient called {name}");
    "never"
}

#[tokio::test]
async fn too_many_requests_of_one_wait_and_others_do_not() {
    let few = |n| NonZeroU32::new(n).unwrap();
    let site = Site::with(|config| {
        config.limits.requests_per_second = few(1);
        config.limits.requests_burst = few(20);
    })
    .await;
    let owner = site.owner().await;
    let mut slowed = 0;
    for _ in 0..30 {
        let answer = owner.get("/api/v1/session").send().await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused(&answer, 429, "too_many_requests");
            assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
            slowed += 1;
        }
    }
    assert!((8..=10).contains(&slowed), "{slowed}");
    site.stranger().get("/api/v1/session").send().await.json();
}

#[tokio::test]
async fn health_and_numbers() {
    let site = Site::open().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(site.stranger().get(path).send().await.json(), json!({"status": "ok"}));
    }
    let numbers = site.stranger().get("/metrics").send().await;
    let text = String::from_utf8(numbers.body).unwrap();
    for part in [
        "glioscope_requests_total{",
        "route=\"/healthz\"",
        "glioscope_request_seconds_bucket{",
        "glioscope_jobs{state=\"queued\"} 0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let through = site.stranger().get("/metrics").header("x-forwarded-for", "10.0.0.1").send().await;
    refused(&through, 401, "login_needed");
    site.app.closing.cancel();
    refused(&site.stranger().get("/readyz").send().await, 503, "unavailable");
}

#[tokio::test]
async fn every_address_of_the_page_is_the_page() {
    let site = Site::open().await;
    for path in ["/", "/studies/0193", "/index.html"] {
        let page = site.stranger().get(path).header("accept", "text/html").send().await;
        assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"), "{path}");
        assert_eq!(page.header("cache-control"), "no-cache");
    }
    for path in ["/../../etc/passwd.txt", "/assets/..%2f..%2fCargo.toml", "/favicon.none"] {
        refused(&site.stranger().get(path).send().await, 404, "not_found");
    }
}

//! What a stranger or a strange text might send.

use axum::http::Method;
use serde_json::json;

use crate::visitor::{PASSWORD, Site, refused};

#[tokio::test]
async fn oversized_json_is_refused() {
    let site = Site::open().await;
    let long = json!({"name": "a".repeat(300_000), "password": PASSWORD});
    refused(&site.stranger().post("/api/v1/session", long).send().await, 413, "too_large");
    let deep = format!("{{\"name\":{}", "[".repeat(100_000));
    let ask = site.stranger().change(Method::POST, "/api/v1/session").body(deep);
    let (status, _) = ask.header("content-type", "application/json").send().await.problem();
    assert!([400, 422].contains(&status), "{status}");
}

#[tokio::test]
async fn who_sends_json_slowly_is_not_waited_for() {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::{Body, Bytes};
    use futures_util::stream::{self, StreamExt as _};

    let site = Site::with(|config| config.limits.silent_seconds = 1).await;
    let silent = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"{")) }).chain(stream::pending());
    let trickling = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(50)).await; // its pace, and no wait of ours
        Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), ()))
    });
    for body in [Body::from_stream(silent), Body::from_stream(trickling)] {
        let ask = site.stranger().change(Method::POST, "/api/v1/session").body(body);
        refused(&ask.header("content-type", "application/json").send().await, 408, "too_slow");
    }
}

#[tokio::test]
async fn sql_and_script_are_text_like_any_other() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let names = [
        "'; DROP TABLE user; --",
        "\" OR \"\"=\"",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "=HYPERLINK(\"http://evil.example\")",
        "%00%0d%0aSet-Cookie:x=y",
        "{{7*7}}${7*7}",
        "홍길동",
    ];
    for name in names {
        let person = site.user(&admin, name, "viewer").await;
        let state = person.get("/api/v1/session").send().await;
        assert_eq!(state.header("content-type"), "application/json");
        assert_eq!(state.json()["person"]["name"], name);
        let token = person.post("/api/v1/tokens", json!({"name": name, "scope": "read"})).send().await.json();
        assert_eq!(token["token"]["name"], name);
    }
    let users = admin.get("/api/v1/users").send().await.json();
    assert_eq!(users["total"], names.len() + 1);
    let found = admin.get("/api/v1/audit?user_key=%27%20OR%201%3D1%20--").send().await.json();
    assert_eq!(found["total"], 0);
}

#[tokio::test]
async fn hidden_characters_and_empty_names_are_refused() {
    let site = Site::open().await;
    let admin = site.admin().await;
    for name in ["", "  ", "a\nb", "a\u{0}b", "a\u{202E}b", &"x".repeat(65)] {
        let new = json!({"name": name, "password": PASSWORD, "role": "viewer"});
        let answer = admin.post("/api/v1/users", new).send().await;
        refused(&answer, 422, "invalid");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["errors"][0]["field"], "name", "{body}");
    }
}

#[tokio::test]
async fn names_are_the_same_however_they_were_typed() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let composed = json!({"name": "가", "password": PASSWORD, "role": "viewer"});
    let decomposed = json!({"name": "\u{1100}\u{1161}", "password": PASSWORD, "role": "viewer"});
    admin.post("/api/v1/users", decomposed).send().await.json();
    refused(&admin.post("/api/v1/users", composed).send().await, 409, "name_taken");
    let login = json!({"name": "\u{1100}\u{1161}", "password": PASSWORD});
    site.stranger().post("/api/v1/session", login).send().await.json();
}

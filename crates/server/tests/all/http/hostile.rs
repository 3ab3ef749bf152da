//! What a stranger or a strange text might send.

use axum::http::Method;
use serde_json::json;

use crate::http::material::{case, commit, escaped, file_of, mask, send};
use crate::http::visitor::{PASSWORD, Site, refused};

/// What would run in a database, a page, a spreadsheet, a header or a template that took it for more than text.
const STRANGE: [&str; 8] = [
    "'; DROP TABLE user; --",
    "\" OR \"\"=\"",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=HYPERLINK(\"http://evil.example\")",
    "%00%0d%0aSet-Cookie:x=y",
    "{{7*7}}${7*7}",
    "홍길동",
];

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
    for name in STRANGE {
        let person = site.user(&admin, name, "viewer").await;
        let state = person.get("/api/v1/session").send().await;
        assert_eq!(state.header("content-type"), "application/json");
        assert_eq!(state.json()["person"]["name"], name);
        let token = person.post("/api/v1/tokens", json!({"name": name, "scope": "read"})).send().await.json();
        assert_eq!(token["token"]["name"], name);
    }
    let users = admin.get("/api/v1/users").send().await.json();
    assert_eq!(users["total"], STRANGE.len() + 1);
    let found = admin.get("/api/v1/audit?user_key=%27%20OR%201%3D1%20--").send().await.json();
    assert_eq!(found["total"], 0);
}

#[tokio::test]
async fn groups_notes_and_drafts_may_be_called_anything() {
    let site = Site::open().await;
    let owner = site.owner().await;
    for name in STRANGE {
        let upload = send(&owner, vec![("a_flair.nii.gz".to_owned(), file_of(&case(1), "flair"))]).await;
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let file = text(&upload["groups"][0]["files"][0]["id"]);
        let path = format!("/api/v1/uploads/{}/files/{file}", text(&upload["id"]));
        let moved = owner.change(Method::PATCH, &path).json(json!({"group": name})).send().await.json();
        assert_eq!(moved["groups"][0]["key"], name, "{moved}");
        let made = commit(&owner, &moved, json!({})).await.json();
        assert_eq!(made["studies"][0]["group"], name, "{made}");
        let study = format!("/api/v1/studies/{}", text(&made["studies"][0]["study_id"]));
        let known = escaped(name);
        let put = owner.change(Method::PUT, &format!("{study}/draft?after=0&known={known}")).body(mask(1));
        assert_eq!(put.send().await.status, 204, "{name}: there was none");
        let save = owner.change(Method::POST, &format!("{study}/versions?note={known}&known={known}"));
        assert_eq!(save.body(mask(1)).send().await.json()["note"], name);
        let none = owner.change(Method::DELETE, &format!("{study}/draft?known={known}")).send().await;
        assert_eq!(none.status, 204, "{name}");
        assert_eq!(owner.get(&format!("{study}/draft")).send().await.status, 200, "{name}: no such draft was known");
    }
    let all = owner.get("/api/v1/segmentations").send().await.json();
    assert_eq!(all["total"], STRANGE.len());
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

//! Programs that act for a person.

use axum::http::{Method, StatusCode};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::http::visitor::{Site, Visitor, refused};

async fn made(visitor: &Visitor, scope: &str) -> (String, String) {
    let made = visitor.post("/api/v1/tokens", json!({"name": "a script", "scope": scope})).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    (made["secret"].as_str().unwrap().to_owned(), made["token"]["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_reads_without_cookie_and_page() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let (secret, _) = made(&admin, "read").await;
    assert!(secret.starts_with("glioscope_") && secret.len() == 53, "{secret}");
    site.stranger().get("/api/v1/users").token(&secret).send().await.json();
    let state = site.stranger().get("/api/v1/session").token(&secret).send().await.json();
    assert_eq!(state["person"]["name"], "kim");
    let listed = admin.get("/api/v1/tokens").send().await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(&secret), "the secret is shown once");
    assert!(listed.json()["items"][0]["last_used_at"].is_string());
}

#[tokio::test]
async fn scopes_and_the_page_bound_a_token() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let new = || json!({"name": "mallory", "password": "three short words", "role": "admin"});
    let (reads, _) = made(&admin, "read").await;
    refused(&site.stranger().post("/api/v1/users", new()).token(&reads).send().await, 403, "scope_too_narrow");
    let (writes, _) = made(&admin, "write").await;
    refused(&site.stranger().post("/api/v1/users", new()).token(&writes).send().await, 403, "session_needed");
    let more = json!({"name": "more", "scope": "write"});
    refused(&site.stranger().post("/api/v1/tokens", more).token(&writes).send().await, 403, "session_needed");
    let viewer = site.user(&admin, "lee", "viewer").await;
    let (lees, _) = made(&viewer, "write").await;
    refused(&site.stranger().get("/api/v1/users").token(&lees).send().await, 403, "role_too_low");
}

#[tokio::test]
async fn a_token_ends_by_time_by_its_owner_and_with_the_account() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let get = |secret: &str| site.stranger().get("/api/v1/session").token(secret).send();
    let (deleted, id) = made(&admin, "read").await;
    get(&deleted).await.json();
    let gone = admin.change(Method::DELETE, &format!("/api/v1/tokens/{id}")).send().await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    refused(&get(&deleted).await, 401, "token_invalid");

    let (expired, id) = made(&admin, "read").await;
    let sql = format!("UPDATE api_token SET expires_at = 1 WHERE id = '{id}'");
    site.app.db.execute_unprepared(&sql).await.unwrap();
    refused(&get(&expired).await, 401, "token_invalid");

    let lee = site.user(&admin, "lee", "editor").await;
    let (closed, _) = made(&lee, "write").await;
    let me = lee.get("/api/v1/session").send().await.json()["person"]["user"].clone();
    admin.change(Method::DELETE, &format!("/api/v1/users/{}", me.as_str().unwrap())).send().await;
    refused(&get(&closed).await, 401, "token_invalid");
    refused(&get("glioscope_guess").await, 401, "token_invalid");
}

#[tokio::test]
async fn tokens_are_personal() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let lee = site.user(&admin, "lee", "viewer").await;
    let (secret, id) = made(&lee, "read").await;
    assert_eq!(admin.get("/api/v1/tokens").send().await.json()["total"], 0);
    refused(&admin.change(Method::DELETE, &format!("/api/v1/tokens/{id}")).send().await, 404, "not_found");
    site.stranger().get("/api/v1/session").token(&secret).send().await.json();
}

#[tokio::test]
async fn a_server_without_accounts_has_no_tokens() {
    let site = Site::open().await;
    let owner = site.owner().await;
    assert_eq!(owner.get("/api/v1/tokens").send().await.json()["items"], Value::Array(Vec::new()));
    let new = json!({"name": "a script", "scope": "read"});
    refused(&owner.post("/api/v1/tokens", new).send().await, 409, "account_needed");
}

#[tokio::test]
async fn a_token_lives_for_a_year_at_most() {
    let site = Site::open().await;
    let admin = site.admin().await;
    for days in [0, 367] {
        let new = json!({"name": "a script", "scope": "read", "days": days});
        refused(&admin.post("/api/v1/tokens", new).send().await, 422, "invalid");
    }
}

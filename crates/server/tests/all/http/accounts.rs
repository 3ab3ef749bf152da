//! Who comes in, and what they may do.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use server::audit;

use crate::http::visitor::{NAME, PASSWORD, Site, refused};

#[tokio::test]
async fn without_accounts_the_link_lets_one_browser_in() {
    let site = Site::open().await;
    let state = site.stranger().get("/api/v1/session").send().await.json();
    assert_eq!((&state["person"], &state["login_required"]), (&Value::Null, &json!(false)));
    refused(&site.stranger().get("/api/v1/users").send().await, 401, "login_needed");

    let link = site.link();
    let owner = site.owner().await;
    let person = &owner.get("/api/v1/session").send().await.json()["person"];
    assert_eq!(person, &json!({"name": "local", "role": "admin", "user": null}));
    assert_eq!(owner.get(&link).send().await.status, StatusCode::SEE_OTHER, "whoever is in may open it again");

    let late = site.stranger();
    let again = late.get(&link).send().await;
    assert_eq!((again.status, late.cookie()), (StatusCode::UNAUTHORIZED, None), "{again:?}");
    assert_ne!(site.link(), link, "there is another one for another browser");
}

#[tokio::test]
async fn a_preview_of_the_link_does_not_use_it_up() {
    let site = Site::open().await;
    let preview = site.stranger().ask(Method::HEAD, &site.link()).send().await;
    assert_eq!(preview.header("set-cookie"), "");
    site.owner().await;
}

#[tokio::test]
async fn the_first_account_ends_the_time_without_login() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let editor = json!({"name": "lee", "password": PASSWORD, "role": "editor"});
    refused(&owner.post("/api/v1/users", editor).send().await, 409, "first_account_is_admin");

    let kim = json!({"name": " kim ", "password": PASSWORD, "role": "admin"});
    let made = owner.post("/api/v1/users", kim).send().await.json();
    assert_eq!((&made["name"], &made["role"]), (&json!("kim"), &json!("admin")), "space is not part of a name");
    refused(&owner.get("/api/v1/users").send().await, 401, "login_needed");
    assert_eq!(owner.get("/api/v1/session").send().await.json()["login_required"], true);
    let link = site.link();
    let late = site.stranger();
    late.get(&link).send().await;
    refused(&late.get("/api/v1/users").send().await, 401, "login_needed");

    let kim = site.log_in("kim").await;
    let person = &kim.get("/api/v1/session").send().await.json()["person"];
    assert_eq!((&person["name"], person["user"].is_string()), (&json!("kim"), true));
}

#[tokio::test]
async fn an_account_made_by_the_command_line_counts_at_once() {
    use server::accounts::rows::{NewUser, create_user};
    let site = Site::open().await;
    let owner = site.owner().await;
    owner.get("/api/v1/users").send().await.json();
    let new = NewUser { name: "kim".into(), password_hash: "$".into(), role: server::accounts::Role::Admin };
    let write = site.app.db.write().await.unwrap();
    create_user(&write, new).await.unwrap();
    write.commit_unrecorded().await.unwrap();
    refused(&owner.get("/api/v1/users").send().await, 401, "login_needed");
}

#[tokio::test]
async fn a_proxy_makes_login_necessary() {
    let site = Site::open().await;
    let owner = site.owner().await;
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let through = owner.get("/api/v1/users").header(name, "10.0.0.1").send().await;
        refused(&through, 401, "login_needed");
        let state = site.stranger().get("/api/v1/session").header(name, "10.0.0.1").send().await.json();
        assert_eq!(state["login_required"], true, "{name}");
        let link = site.link();
        let entered = site.stranger().get(&link).header(name, "10.0.0.1").send().await;
        assert_eq!((entered.header("set-cookie"), entered.header("location")), ("", "/"), "{name}");
    }
    let site = Site::with(|config| config.proxy = true).await;
    assert_eq!(site.stranger().get("/api/v1/session").send().await.json()["login_required"], true);
    let link = site.link();
    assert_eq!(site.stranger().get(&link).send().await.header("set-cookie"), "", "no link where a proxy stands");
}

#[tokio::test]
async fn cookies_are_closed_to_scripts_and_other_sites() {
    let site = Site::open().await;
    let answer = site.stranger().get(&site.link()).send().await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("glioscope-8040="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict"), "{cookie}");

    let site = Site::with(|config| config.proxy = true).await;
    let hash = site.app.accounts.passwords.hash(PASSWORD.into()).await.unwrap();
    let new = server::accounts::rows::NewUser {
        name: "kim".into(),
        password_hash: hash,
        role: server::accounts::Role::Admin,
    };
    let write = site.app.db.write().await.unwrap();
    server::accounts::rows::create_user(&write, new).await.unwrap();
    write.commit_unrecorded().await.unwrap();
    let login = json!({"name": "kim", "password": PASSWORD});
    let ask = || site.stranger().post("/api/v1/session", login.clone()).header("x-forwarded-proto", "https");
    refused(&ask().send().await, 403, "foreign_origin"); // http is not where the page is
    let answer = ask().header("origin", &format!("https://{NAME}")).send().await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-glioscope=") && cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_forged_session_is_nobody() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let good = admin.cookie().unwrap();
    let shas = [
        "glioscope-8040=".to_owned() + &"A".repeat(43),
        "glioscope-8040=' OR 1=1 --".to_owned(),
        good[..good.len() - 1].to_owned(),
        good.replace("glioscope-8040", "glioscope-8041"),
        good.replace("glioscope-8040", "__Host-glioscope"),
    ];
    for forged in shas {
        let thief = site.stranger();
        thief.take_cookie(&forged);
        refused(&thief.get("/api/v1/users").send().await, 401, "login_needed");
    }
    let other_tab = site.stranger();
    other_tab.take_cookie(&format!("theme=dark; {good}"));
    other_tab.get("/api/v1/users").send().await.json();
}

#[tokio::test]
async fn logging_out_ends_the_session_on_the_server() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let cookie = admin.cookie().unwrap();
    let out = admin.change(Method::DELETE, "/api/v1/session").send().await;
    assert_eq!((out.status, out.header("clear-site-data")), (StatusCode::NO_CONTENT, "\"cache\""));
    assert_eq!(admin.cookie(), None);
    let thief = site.stranger();
    thief.take_cookie(&cookie);
    refused(&thief.get("/api/v1/users").send().await, 401, "login_needed");
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let site = Site::open().await;
    site.admin().await;
    let wrong = json!({"name": "kim", "password": "wrong wrong wrong"});
    for _ in 0..4 {
        refused(&site.stranger().post("/api/v1/session", wrong.clone()).send().await, 401, "login_wrong");
    }
    let slowed = site.stranger().post("/api/v1/session", wrong).send().await;
    refused(&slowed, 429, "login_throttled");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() >= 1, "{slowed:?}");
    let spaced = json!({"name": " kim  ", "password": "wrong wrong wrong"});
    refused(&site.stranger().post("/api/v1/session", spaced).send().await, 429, "login_throttled");
    let unknown = json!({"name": "nobody", "password": "wrong wrong wrong"});
    refused(&site.stranger().post("/api/v1/session", unknown).send().await, 401, "login_wrong");
}

#[tokio::test]
async fn roles_are_three_and_each_is_held_to_its_own() {
    let site = Site::open().await;
    let admin = site.admin().await;
    for role in ["viewer", "editor"] {
        let person = site.user(&admin, role, role).await;
        for path in ["/api/v1/users", "/api/v1/audit", "/api/v1/audit/check"] {
            refused(&person.get(path).send().await, 403, "role_too_low");
        }
        let new = json!({"name": "mallory", "password": PASSWORD, "role": "admin"});
        refused(&person.post("/api/v1/users", new).send().await, 403, "role_too_low");
        let me = person.get("/api/v1/session").send().await.json()["person"]["user"].clone();
        let path = format!("/api/v1/users/{}", me.as_str().unwrap());
        let raise = person.change(Method::PATCH, &path).json(json!({"role": "admin"})).send().await;
        refused(&raise, 403, "role_too_low");
    }
    let unknown = json!({"name": "eve", "password": PASSWORD, "role": "god"});
    refused(&admin.post("/api/v1/users", unknown).send().await, 422, "invalid");
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let lee = site.user(&admin, "lee", "editor").await;
    let me = lee.get("/api/v1/session").send().await.json()["person"]["user"].clone();
    let path = format!("/api/v1/users/{}", me.as_str().unwrap());
    let patch = |wish: Value| lee.change(Method::PATCH, &path).json(wish).send();
    refused(&patch(json!({"password": "another password"})).await, 403, "password_wrong");
    refused(&patch(json!({"password": "short", "present_password": PASSWORD})).await, 422, "password_weak");
    patch(json!({"password": "another password", "present_password": PASSWORD})).await.json();
    refused(&lee.get("/api/v1/tokens").send().await, 401, "login_needed"); // every session has ended
    let old = json!({"name": "lee", "password": PASSWORD});
    refused(&site.stranger().post("/api/v1/session", old).send().await, 401, "login_wrong");
    let new = json!({"name": "lee", "password": "another password"});
    site.stranger().post("/api/v1/session", new).send().await.json();
}

#[tokio::test]
async fn a_closed_account_is_out_at_once_and_the_last_administrator_stays() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let lee = site.user(&admin, "lee", "editor").await;
    let users = admin.get("/api/v1/users").send().await.json();
    let id = |name: &str| {
        let user = users["items"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap();
        format!("/api/v1/users/{}", user["id"].as_str().unwrap())
    };
    refused(&admin.change(Method::DELETE, &id("kim")).send().await, 409, "last_admin");
    let demote = admin.change(Method::PATCH, &id("kim")).json(json!({"role": "viewer"})).send().await;
    refused(&demote, 409, "last_admin");
    assert_eq!(admin.change(Method::DELETE, &id("lee")).send().await.status, StatusCode::NO_CONTENT);
    refused(&lee.get("/api/v1/tokens").send().await, 401, "login_needed");
    let login = json!({"name": "lee", "password": PASSWORD});
    refused(&site.stranger().post("/api/v1/session", login).send().await, 401, "login_wrong");
    let twice = json!({"name": "lee", "password": PASSWORD, "role": "viewer"});
    refused(&admin.post("/api/v1/users", twice).send().await, 409, "name_taken");
    admin.change(Method::PATCH, &id("lee")).json(json!({"disabled": false})).send().await.json();
    site.log_in("lee").await;
    let nobody = format!("/api/v1/users/{}", server::ids::UserId::fresh());
    refused(&admin.change(Method::DELETE, &nobody).send().await, 404, "not_found");
    refused(&admin.change(Method::DELETE, "/api/v1/users/7").send().await, 400, "bad_request");
}

#[tokio::test]
async fn what_was_done_is_in_the_log_and_the_log_is_whole() {
    let site = Site::open().await;
    let admin = site.admin().await;
    let wrong = json!({"name": "kim", "password": "wrong wrong wrong"});
    refused(&site.stranger().post("/api/v1/session", wrong).send().await, 401, "login_wrong");
    let log = admin.get("/api/v1/audit?limit=3").send().await.json();
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["list", "log_in_failed", "log_in"], "{log}");
    let next = format!("/api/v1/audit?limit=3&cursor={}", log["next"].as_str().unwrap());
    let rest = admin.get(&next).send().await.json();
    let actions: Vec<&str> =
        rest["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "log_in"], "{rest}");
    assert!(rest["next"].is_null(), "{rest}");
    let failed = admin.get("/api/v1/audit?action=log_in_failed").send().await.json();
    assert_eq!((&failed["total"], &failed["items"][0]["user_key"]), (&json!(1), &json!("unknown")));
    let checked = admin.get("/api/v1/audit/check").send().await.json();
    assert_eq!((&checked["whole"], &checked["broken"]), (&json!(true), &Value::Null), "{checked}");
    assert_eq!(audit::verify(&site.app.db).await.unwrap().broken, None);
}

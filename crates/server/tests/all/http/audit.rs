//! Changes and their entries are one: neither is there without the other.

use axum::http::{Method, StatusCode};
use sea_orm::{ConnectionTrait as _, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use server::entity::audit;
use server::upkeep::backup;

use crate::http::material::{case, escaped, mask, open, put, seen, study, without};
use crate::http::visitor::{Answer, PASSWORD, Site, Visitor, refused};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// All rows but those of files, which are kept before anything refers to them.
async fn rows(site: &Site) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    backup(&site.app.db, &site.app.files, folder.path()).await.unwrap();
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = names.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "jsonl")).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.starts_with("{\"table\":\"file\"")).map(str::to_owned).collect()
}

/// A place with one of everything that can be changed.
struct Things {
    study: Value,
    waiting: String,
    cancelled: String,
    upload: Value,
}

impl Things {
    async fn of(site: &Site, who: &Visitor) -> Self {
        server::models::register_embedded(&site.app.db).await.unwrap();
        let made = study(who, case(1), json!({})).await;
        let job = async |id: &Value| {
            let path = format!("/api/v1/studies/{}/segmentations", text(id));
            text(&who.post(&path, json!({})).send().await.json()["id"]).to_owned()
        };
        let waiting = job(&made["id"]).await;
        let other = study(who, without(case(2), &["seg"]), json!({})).await;
        let cancelled = job(&other["id"]).await;
        who.change(Method::DELETE, &format!("/api/v1/jobs/{cancelled}")).send().await;
        let draft = who.change(Method::PUT, &format!("/api/v1/studies/{}/draft", text(&made["id"]))).body(mask(1));
        let kept = draft.send().await;
        assert_eq!(kept.status, StatusCode::NO_CONTENT, "{kept:?}");
        let upload = open(who).await;
        for (name, bytes) in without(case(3), &["seg"]) {
            put(who, &upload, &name, bytes).await;
        }
        Self { study: made, waiting, cancelled, upload: seen(who, &upload).await }
    }

    /// Every change that can be made of them, one after the other.
    async fn change_all(&self, who: &Visitor, mut each: impl AsyncFnMut(&str, Answer)) {
        let (study, first) = (text(&self.study["id"]), text(&self.study["segmentations"][0]["id"]));
        let study = format!("/api/v1/studies/{study}");
        let patient = format!("/api/v1/patients/{}", text(&self.study["patient"]["id"]));
        let upload = format!("/api/v1/uploads/{}", text(&self.upload["id"]));
        let group = &self.upload["groups"][0];
        let file = format!("{upload}/files/{}", text(&group["files"][0]["id"]));
        let user = json!({"name": "lee", "password": PASSWORD, "role": "viewer"});
        let commit = json!({"groups": [{"key": group["key"], "segment": true}]});
        let send = |method: Method, path: String, body: Value| who.change(method, &path).json(body).send();
        let bytes = |method: Method, path: String, body: Vec<u8>| who.change(method, &path).body(body).send();
        each("notes", send(Method::PATCH, study.clone(), json!({"notes": "x"})).await).await;
        each("name", send(Method::PATCH, patient.clone(), json!({"name": "Kim"})).await).await;
        each(
            "decision",
            send(Method::PATCH, format!("/api/v1/segmentations/{first}"), json!({"state": "rejected"})).await,
        )
        .await;
        each("draft", bytes(Method::PUT, format!("{study}/draft"), mask(1)).await).await;
        each("no draft", bytes(Method::DELETE, format!("{study}/draft"), vec![]).await).await;
        each("version", bytes(Method::POST, format!("{study}/versions"), mask(1)).await).await;
        each("job", send(Method::POST, format!("{study}/segmentations"), json!({})).await).await;
        each("cancel", bytes(Method::DELETE, format!("/api/v1/jobs/{}", self.waiting), vec![]).await).await;
        each("retry", bytes(Method::POST, format!("/api/v1/jobs/{}/retry", self.cancelled), vec![]).await).await;
        each("file", put(who, text(&self.upload["id"]), &escaped("new_t1.nii.gz"), vec![1, 2, 3]).await).await;
        each("group", send(Method::PATCH, file.clone(), json!({"group": "other"})).await).await;
        each("no file", bytes(Method::DELETE, file, vec![]).await).await;
        each("upload", send(Method::POST, "/api/v1/uploads".to_owned(), json!({})).await).await;
        each("commit", send(Method::POST, format!("{upload}/commit"), commit).await).await;
        each("no upload", bytes(Method::DELETE, upload, vec![]).await).await;
        each("bin", bytes(Method::DELETE, study.clone(), vec![]).await).await;
        each("back", bytes(Method::POST, format!("{study}/restore"), vec![]).await).await;
        each("no patient", bytes(Method::DELETE, patient, vec![]).await).await;
        each("token", send(Method::POST, "/api/v1/tokens".to_owned(), json!({"name": "a", "scope": "read"})).await)
            .await;
        each("user", send(Method::POST, "/api/v1/users".to_owned(), user).await).await;
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let things = Things::of(&site, &kim).await;
    let sql = "CREATE TRIGGER no_entries BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END";
    site.app.db.execute_unprepared(sql).await.unwrap();
    let before = rows(&site).await;
    things
        .change_all(&kim, async |what, answer| {
            let done = answer.status;
            let impossible = what == "back"; // it was not put into the bin
            assert_eq!(
                done,
                if impossible { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE },
                "{what}"
            );
            assert_eq!(rows(&site).await, before, "{what}");
        })
        .await;
    let login = json!({"name": "kim", "password": PASSWORD});
    let login = site.stranger().post("/api/v1/session", login).send().await;
    refused(&login, 503, "unavailable");
    assert_eq!(login.header("set-cookie"), "", "nobody came in");
    kim.get("/api/v1/users").send().await.json();
    refused(&kim.change(Method::DELETE, "/api/v1/session").send().await, 503, "unavailable");
    kim.get("/api/v1/users").send().await.json(); // and nobody went out
    refused(&kim.get("/api/v1/studies").send().await, 503, "unavailable");
    refused(&kim.get(text(&things.study["thumbnail"])).send().await, 503, "unavailable");
}

#[tokio::test]
async fn every_change_has_its_entry_and_what_failed_has_none() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let things = Things::of(&site, &kim).await;
    let entries = async || audit::Entity::find().count(&site.app.db).await.unwrap();
    let mut before = entries().await;
    things
        .change_all(&kim, async |what, answer| {
            let is_done = answer.status.is_success();
            assert!(is_done || what == "commit", "{what}: {answer:?}"); // a file of it is none
            let now = entries().await;
            assert_eq!(now - before, u64::from(is_done), "{what}");
            before = now;
        })
        .await;
    for (method, path, code) in [
        (Method::DELETE, format!("/api/v1/jobs/{}", things.waiting), "conflict"),
        (Method::POST, format!("/api/v1/jobs/{}/retry", things.cancelled), "conflict"),
        (Method::DELETE, format!("/api/v1/jobs/{}", server::ids::JobId::fresh()), "not_found"),
        (Method::DELETE, format!("/api/v1/studies/{}", text(&things.study["id"])), "not_found"),
    ] {
        let answer = kim.change(method, &path).send().await;
        assert_eq!(answer.problem().1, code, "{path}: {answer:?}");
        assert_eq!(entries().await, before, "{path}: nothing happened");
    }
    let verdict = server::audit::verify(&site.app.db).await.unwrap();
    assert_eq!(verdict.broken, None);
}

#[tokio::test]
async fn a_picture_is_a_read_like_any_other() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let made = study(&kim, case(1), json!({})).await;
    kim.get(text(&made["thumbnail"])).send().await;
    let upload = open(&kim).await;
    put(&kim, &upload, "a_t1.nii.gz", crate::http::material::file_of(&case(2), "t1")).await;
    let file = seen(&kim, &upload).await["groups"][0]["files"][0]["id"].clone();
    let path = format!("/api/v1/uploads/{upload}/files/{}/thumbnail.png", text(&file));
    assert_eq!(kim.get(&path).send().await.status, StatusCode::OK);
    let log = kim.get("/api/v1/audit?action=read&limit=3").send().await.json();
    let details: Vec<&Value> =
        log["items"].as_array().unwrap().iter().map(|entry| &entry["detail"]["picture"]).collect();
    assert!(details.contains(&&file) && details.contains(&&json!("small")), "{log}");
}

#[tokio::test]
async fn a_filter_that_no_text_can_be_is_refused() {
    let site = Site::open().await;
    let kim = site.admin().await;
    for field in ["user_key", "action", "object_kind", "object_id"] {
        refused(&kim.get(&format!("/api/v1/audit?{field}=a%00b")).send().await, 400, "bad_request");
    }
    refused(&kim.get("/api/v1/studies?sort=date&cursor=%00~x").send().await, 422, "invalid");
}

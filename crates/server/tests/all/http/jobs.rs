//! Jobs as the page sees them: asked, stopped, tried again, and told as they move.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::{Method, StatusCode};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::material::{case, open, study, without};
use crate::http::visitor::{Site, Visitor, refused};

/// A stream of events, read as it comes.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    async fn of(who: &Visitor, last: Option<&str>) -> Self {
        let ask = who.get("/api/v1/events");
        let ask = match last {
            Some(last) => ask.header("last-event-id", last),
            None => ask,
        };
        let response = ask.begin().await;
        assert_eq!(response.status(), StatusCode::OK, "{last:?}");
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event of a kind, and what it carries.
    async fn next(&mut self, kind: &str) -> Value {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned())
                };
                let found = (field("event:"), field("data:"));
                let rest = rest.to_owned();
                self.text = rest;
                if let (Some(found), Some(carried)) = found
                    && found == kind
                {
                    return serde_json::from_str(&carried).unwrap();
                }
            }
            let piece = timeout(Duration::from_secs(20), self.body.next()).await;
            self.text.push_str(std::str::from_utf8(&piece.unwrap().unwrap().unwrap()).unwrap());
        }
    }
}

#[tokio::test]
async fn the_demo_is_made_by_who_may_upload_and_once() {
    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let kim = site.admin().await;
    let lee = site.user(&kim, "lee", "viewer").await;
    refused(&lee.post("/api/v1/demo", json!({})).send().await, 403, "role_too_low");
    let ask = async || {
        let made = kim.change(Method::POST, "/api/v1/demo").send().await;
        (made.status, made.json())
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!((first.0, second.0), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(first.1, second.1);
    let listed = kim.get("/api/v1/studies").send().await.json();
    assert_eq!((&listed["total"], &listed["items"][0]["id"]), (&json!(1), &first.1["study_id"]));
    assert_eq!(
        (&listed["items"][0]["job"]["id"], &listed["items"][0]["job"]["state"]),
        (&first.1["job_id"], &json!("queued"))
    );
    let user = kim.get("/api/v1/session").send().await.json()["person"]["user"].clone();
    let by_kim = format!("/api/v1/audit?user_key={}&action=create", user.as_str().unwrap());
    let kinds = kim.get(&by_kim).send().await.json();
    let kinds: Vec<&str> =
        kinds["items"].as_array().unwrap().iter().filter_map(|row| row["object_kind"].as_str()).collect();
    assert!(kinds.contains(&"study") && kinds.contains(&"job"), "{kinds:?}");
}

async fn waiting(who: &Visitor, seed: u64) -> (String, String) {
    let made = study(who, without(case(seed), &["seg"]), json!({"segment": true})).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["id"]), text(&made["job"]["id"]))
}

#[tokio::test]
async fn jobs_are_listed_stopped_and_tried_again() {
    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let kim = site.admin().await;
    let viewer = site.user(&kim, "park", "viewer").await;
    let ((study, first), (_, second)) = (waiting(&kim, 1).await, waiting(&kim, 2).await);
    let list = viewer.get("/api/v1/jobs").send().await.json();
    let seen: Vec<(&Value, &Value)> =
        list["items"].as_array().unwrap().iter().map(|job| (&job["id"], &job["position"])).collect();
    assert_eq!(seen, [(&json!(second), &json!(2)), (&json!(first), &json!(1))], "{list}");
    let one = viewer.get(&format!("/api/v1/jobs?study_id={study}&state=queued")).send().await.json();
    assert_eq!((&one["total"], &one["items"][0]["id"]), (&json!(1), &json!(first)));
    let page = viewer.get("/api/v1/jobs?limit=1").send().await.json();
    let rest =
        viewer.get(&format!("/api/v1/jobs?limit=1&cursor={}", page["next"].as_str().unwrap())).send().await.json();
    assert_eq!((&rest["items"][0]["id"], &rest["next"]), (&json!(first), &Value::Null));
    refused(&viewer.get("/api/v1/jobs?limit=0").send().await, 422, "invalid");

    let path = format!("/api/v1/jobs/{first}");
    refused(&viewer.change(Method::DELETE, &path).send().await, 403, "role_too_low");
    refused(&kim.change(Method::POST, &format!("{path}/retry")).send().await, 409, "conflict");
    let stopped = kim.change(Method::DELETE, &path).send().await;
    assert_eq!((stopped.status, &stopped.json()["state"]), (StatusCode::ACCEPTED, &json!("cancelled")));
    refused(&kim.change(Method::DELETE, &path).send().await, 409, "conflict");
    let again = kim.change(Method::POST, &format!("{path}/retry")).send().await.json();
    assert_eq!((&again["state"], &again["position"]), (&json!("queued"), &json!(2)), "behind the other");
    assert_eq!(viewer.get(&path).send().await.json()["position"], 2);
    let nobody = format!("/api/v1/jobs/{}", server::ids::JobId::fresh());
    refused(&kim.get(&nobody).send().await, 404, "not_found");
    refused(&kim.change(Method::DELETE, &nobody).send().await, 404, "not_found");
}

#[tokio::test]
async fn what_happens_is_told_to_whom_it_concerns() {
    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let kim = site.admin().await;
    let lee = site.user(&kim, "lee", "editor").await;
    refused(&site.stranger().get("/api/v1/events").send().await, 401, "login_needed");
    let (_, job) = waiting(&kim, 1).await;
    let watching = server::jobs::watch::run(site.app.db.clone(), site.app.events.clone(), site.app.closing.clone());
    let watching = tokio::spawn(watching);
    let mut events = Events::of(&lee, None).await;
    let first = events.next("job").await;
    assert_eq!((&first["id"], &first["position"]), (&json!(job), &json!(1)), "it begins with what waits");
    let another = open(&kim).await;
    crate::http::material::put(&kim, &another, "b_t1.nii", vec![1]).await; // nobody else's business
    kim.change(Method::DELETE, &format!("/api/v1/jobs/{job}")).send().await;
    loop {
        let told = events.next("job").await;
        assert_eq!(told["id"], json!(job));
        if told["state"] == "cancelled" {
            break;
        }
    }
    let upload = open(&lee).await;
    crate::http::material::put(&lee, &upload, "a_t1.nii", vec![1]).await;
    assert_eq!(events.next("upload").await["id"], json!(upload), "one's own, and not the other's");
    let mut late = Events::of(&lee, Some("0")).await;
    late.next("missed").await;
    assert_eq!(late.next("job").await["state"], "cancelled", "what changed since");
    site.app.closing.cancel();
    watching.await.unwrap();
    while timeout(Duration::from_secs(20), events.body.next()).await.unwrap().is_some() {} // until the stream ends
}

#[tokio::test]
async fn how_long_each_stage_took_is_counted() {
    use sea_orm::EntityTrait as _;
    use server::entity::{Json, measurement, segmentation};
    use server::jobs::queue::Made;
    use server::jobs::{LeaseQueue, Queue as _};

    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({"segment": true})).await;
    let watching = server::jobs::watch::run(site.app.db.clone(), site.app.events.clone(), site.app.closing.clone());
    let watching = tokio::spawn(watching);
    let mut events = Events::of(&owner, None).await;
    let mask = segmentation::Entity::find().one(&site.app.db).await.unwrap().unwrap();
    let path = format!("/api/v1/segmentations/{}", mask.id);
    let mut report = owner.get(&path).send().await.json()["report"].clone();
    report["seconds"] = json!([{"stage": "read", "seconds": 0.25}, {"stage": "network", "seconds": 1.5}]);
    let read: segment::report::Report = serde_json::from_value(report.clone()).unwrap();
    let queue = LeaseQueue::new(site.app.db.clone());
    let claim = queue.claim("w", Duration::from_mins(1)).await.unwrap().unwrap();
    let measured = measurement::Model::of(mask.id, &read, Json(report));
    let made_of = Made { labels: mask.labels_sha, picture: None, parameters: Json(json!({})), measured };
    queue.finish(&claim, made_of).await.unwrap().unwrap();
    while events.next("job").await["state"] != "done" {}
    let numbers = owner.get("/metrics").send().await;
    let text = String::from_utf8(numbers.body).unwrap();
    for line in [
        "# HELP glioscope_stage_seconds ",
        "glioscope_stage_seconds_sum{stage=\"network\"} 1.5",
        "glioscope_stage_seconds_count{stage=\"read\"} 1",
        "glioscope_jobs{state=\"done\"} 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let shown = owner.get(&format!("/api/v1/studies/{}", made["id"].as_str().unwrap())).send().await.json();
    assert_eq!(shown["segmentation"]["source"], "model");
    site.app.closing.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn a_person_has_so_many_streams_and_no_more() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let lee = site.user(&kim, "lee", "viewer").await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Events::of(&kim, None).await);
    }
    refused(&kim.get("/api/v1/events").send().await, 429, "too_many_requests");
    Events::of(&lee, None).await;
    streams.pop();
    Events::of(&kim, None).await;
}

//! What people ask of the API, on every kind of database.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use server::config::Secret;
use server::db::Location;

use crate::http::material::{NamedFile, case, commit, escaped, file_of, mask, open, put, seen, send, study, zip};
use crate::http::visitor::{Site, refused};
use crate::store::servers::Place;

/// A server on a database.
async fn site(place: &Place) -> Site {
    Site::with(|config| {
        if let Location::Server(url) = &place.location {
            config.database = Some(Secret::new(url.as_str()));
        }
    })
    .await
}

/// One scan of a case under a name of its own.
fn one(files: &[NamedFile], ending: &str) -> Vec<NamedFile> {
    vec![(format!("x_{ending}.nii.gz"), file_of(files, ending))]
}

/// Two uploads each bring one of the two scans that a study lacks: whichever is second sees that nothing is missing.
pub(crate) async fn two_completions_make_a_study_whole(place: Place) {
    let site = site(&place).await;
    let owner = site.owner().await;
    let files = case(1);
    for _ in 0..3 {
        let half = study(&owner, [one(&files, "t1"), one(&files, "t2")].concat(), json!({})).await;
        let id = half["id"].as_str().unwrap();
        let (first, second) = (send(&owner, one(&files, "t1ce")).await, send(&owner, one(&files, "flair")).await);
        let (first, second) = tokio::join!(
            commit(&owner, &first, json!({"study_id": id})),
            commit(&owner, &second, json!({"study_id": id}))
        );
        assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED), "{first:?} {second:?}");
        let whole = owner.get(&format!("/api/v1/studies/{id}")).send().await.json();
        assert_eq!((&whole["state"], &whole["missing"]), (&json!("ready"), &json!([])), "{whole}");
    }
}

/// Every list in every order, page by page.
pub(crate) async fn lists_are_sorted_and_paged(place: Place) {
    let site = site(&place).await;
    let owner = site.owner().await;
    let files = case(1);
    for with in [vec!["t1"], vec!["t2", "seg"], vec!["flair"]] {
        study(&owner, with.iter().flat_map(|ending| one(&files, ending)).collect(), json!({"name": "Kim"})).await;
    }
    for study in owner.get("/api/v1/studies").send().await.json()["items"].as_array().unwrap() {
        let save = format!("/api/v1/studies/{}/versions", study["id"].as_str().unwrap());
        assert_eq!(owner.change(Method::POST, &save).body(mask(1)).send().await.status, StatusCode::CREATED, "{study}");
    }
    let orders =
        ["created_at", "date", "wt", "tc", "et", "model", "state", "pseudonym"].map(|order| ("studies", order));
    let patients = ["created_at", "pseudonym", "studies"].map(|order| ("patients", order));
    let results = ["created_at", "date", "wt", "tc", "et", "model", "state"].map(|order| ("segmentations", order));
    for (list, order) in orders.into_iter().chain(patients).chain(results) {
        let only = if list == "segmentations" { "source=edit&date_to=&wt_min=0" } else { "search=KIM" };
        let mut ways = Vec::new();
        for sign in ["", "-"] {
            let (mut ids, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/api/v1/{list}?sort={sign}{order}&limit=1&{only}&cursor={cursor}");
                let page = owner.get(&path).send().await.json();
                assert_eq!(page["total"], 3, "{path}");
                ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
                let Some(next) = page["next"].as_str() else { break };
                cursor = escaped(next);
            }
            ways.push(ids);
        }
        ways[1].reverse();
        assert_eq!((ways[0].len(), &ways[0]), (3, &ways[1]), "{list} by {order}, there and back");
    }
    let log = owner.get("/api/v1/audit?user_key=local&action=create&limit=2").send().await.json();
    assert!(log["next"].is_string(), "{log}");
    refused(&owner.get("/api/v1/audit?action=a%00b").send().await, 400, "bad_request");
    assert_eq!(owner.get("/api/v1/studies?search=%00").send().await.json()["total"], 0);
    let checked = owner.get("/api/v1/audit/check").send().await.json();
    assert_eq!(checked["whole"], true, "{checked}");
}

/// A ZIP replaces what has its names, and its files are there all at once; a draft is kept and thrown away.
pub(crate) async fn zips_and_drafts_are_taken(place: Place) {
    let site = site(&place).await;
    let owner = site.owner().await;
    let files = case(1);
    let upload = open(&owner).await;
    put(&owner, &upload, "a/x_t1.nii.gz", vec![1]).await;
    let (t1, t2) = (file_of(&files, "t1"), file_of(&files, "t2"));
    let answer = put(&owner, &upload, "a.zip", zip(&[("x_t1.nii.gz", &t1), ("x_t2.nii.gz", &t2)])).await.json();
    let is_stored = |file: &Value| file["state"] == "stored";
    assert!(
        matches!(answer["files"].as_array().unwrap().as_slice(), [a, b] if is_stored(a) && is_stored(b)),
        "{answer}"
    );
    let whole = seen(&owner, &upload).await;
    assert_eq!(whole["groups"][0]["files"].as_array().unwrap().len(), 2, "the first one was replaced: {whole}");
    assert_eq!(owner.get("/api/v1/uploads").send().await.json()[0], whole);
    let made = commit(&owner, &whole, json!({})).await.json();
    let draft = format!("/api/v1/studies/{}/draft", made["studies"][0]["study_id"].as_str().unwrap());
    let later = format!("{draft}?after=0");
    for _ in 0..2 {
        assert_eq!(
            owner.change(Method::PUT, &later).body(mask(1)).send().await.status,
            StatusCode::NO_CONTENT,
            "{later}"
        );
    }
    assert_eq!(owner.change(Method::DELETE, &draft).send().await.status, StatusCode::NO_CONTENT, "{draft}");
}

//! Files become studies.

use axum::http::{Method, StatusCode};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use server::entity::{file, job, upload_file};

use crate::http::material::{
    NamedFile, SHAPE, case, commit, file_of, flaws, open, put, seen, send, study, without, zip,
};
use crate::http::visitor::{Site, refused};

/// The files under names that say nothing.
fn unnamed(files: Vec<NamedFile>) -> Vec<NamedFile> {
    files.into_iter().enumerate().map(|(n, (_, bytes))| (format!("Kim/{n}.nii.gz"), bytes)).collect()
}

fn sequences(upload: &Value) -> Vec<&str> {
    let files = upload["groups"][0]["files"].as_array().unwrap();
    files.iter().map(|file| file["sequence"].as_str().unwrap_or("none")).collect()
}

#[tokio::test]
async fn a_phantom_becomes_a_study_with_its_reference_and_a_job() {
    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let owner = site.owner().await;
    let upload = send(&owner, case(1)).await;
    let group = &upload["groups"][0];
    assert_eq!((group["title"].as_str(), group["ready"].as_bool()), (Some("phantom_0001"), Some(true)), "{upload}");
    assert_eq!(sequences(&upload), ["t2f", "mask", "t1n", "t1c", "t2w"]);
    let first = &group["files"][0];
    assert_eq!((&first["shape"], &first["orientation"]), (&json!(SHAPE), &json!("LPS")), "{first}");
    let picture = format!(
        "/api/v1/uploads/{}/files/{}/thumbnail.png",
        upload["id"].as_str().unwrap(),
        first["id"].as_str().unwrap()
    );
    assert_eq!(owner.get(&picture).send().await.header("content-type"), "image/png");
    let made = commit(&owner, &upload, json!({"segment": true, "date": "2026-01-31", "name": "홍길동"})).await.json();
    let id = made["studies"][0]["study_id"].as_str().unwrap();
    assert!(made["studies"][0]["job_id"].is_string(), "{made}");
    let study = owner.get(&format!("/api/v1/studies/{id}")).send().await.json();
    assert_eq!(
        (&study["state"], &study["date"], &study["missing"]),
        (&json!("ready"), &json!("2026-01-31"), &json!([]))
    );
    assert_eq!((&study["patient"]["pseudonym"], &study["patient"]["name"]), (&json!("P-0001"), &json!("홍길동")));
    assert_eq!((&study["shape"], study["series"].as_array().unwrap().len()), (&json!(SHAPE), 4));
    assert_eq!((&study["job"]["state"], &study["job"]["position"]), (&json!("queued"), &json!(1)));
    let reference = &study["segmentations"][0];
    assert_eq!((&reference["source"], &reference["number"]), (&json!("reference"), &json!(1)));
    assert!(reference["ml"]["wt"].as_f64().unwrap() > 0.01, "{reference}");
    assert!(reference["diameters_mm"]["wt"].as_f64().unwrap() > 2.0, "{reference}");
    assert_eq!(upload_file::Entity::find().count(&site.app.db).await.unwrap(), 0, "names are forgotten");
    assert_eq!(job::Entity::find().count(&site.app.db).await.unwrap(), 1);
    let uploads = owner.get("/api/v1/uploads").send().await.json();
    assert_eq!(uploads, json!([]), "nothing is open any more");
    refused(&put(&owner, upload["id"].as_str().unwrap(), "t1.nii", vec![1]).await, 409, "upload_closed");
}

#[tokio::test]
async fn an_incomplete_study_is_completed_later() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let half = study(&owner, without(case(1), &["t1ce", "seg"]), json!({"segment": true})).await;
    assert_eq!((&half["state"], &half["missing"], &half["job"]), (&json!("incomplete"), &json!(["t1c"]), &json!(null)));
    let id = half["id"].as_str().unwrap();
    let path = format!("/api/v1/studies/{id}/segmentations");
    refused(&owner.post(&path, json!({})).send().await, 409, "study_incomplete");
    let again = send(&owner, without(case(1), &["t1ce", "t1", "t2", "seg"])).await;
    refused(&commit(&owner, &again, json!({"study_id": id})).await, 422, "study_mismatch");
    let other = segment::phantom::phantom(1, [40, 48, 33]);
    let folder = tempfile::tempdir().unwrap();
    let place = other.write(folder.path()).unwrap().join("phantom_0001_t1ce.nii.gz");
    let other = send(&owner, vec![("x_t1ce.nii.gz".to_owned(), std::fs::read(place).unwrap())]).await;
    let answer = commit(&owner, &other, json!({"study_id": id})).await;
    refused(&answer, 422, "study_mismatch");
    assert!(String::from_utf8_lossy(&answer.body).contains("33 voxels along z"), "{answer:?}");
    let rest = send(&owner, without(case(1), &["t1", "t2", "flair"])).await;
    let made = commit(&owner, &rest, json!({"study_id": id})).await.json();
    assert_eq!(made["studies"][0]["study_id"], id);
    let whole = owner.get(&format!("/api/v1/studies/{id}")).send().await.json();
    assert_eq!((&whole["state"], &whole["missing"]), (&json!("ready"), &json!([])));
    assert_eq!(whole["segmentations"][0]["source"], "reference");
    assert_eq!(owner.get("/api/v1/patients").send().await.json()["total"], 1);
}

#[tokio::test]
async fn what_names_do_not_say_is_guessed_and_corrected() {
    let site = Site::open().await;
    let owner = site.owner().await;
    // In the order of names: FLAIR, mask, T1, T1ce, T2.
    let upload = send(&owner, unnamed(case(1))).await;
    assert_eq!(sequences(&upload), ["t2f", "mask", "t1n", "t1c", "t2w"], "{upload}");
    let files = upload["groups"][0]["files"].as_array().unwrap();
    assert!(files.iter().all(|file| file["guessed"] == true), "{upload}");
    assert_eq!((&upload["groups"][0]["title"], flaws(&upload).len()), (&json!("Kim"), 0), "{upload}");
    let change = |n: usize, json| {
        let (id, file) = (upload["id"].as_str().unwrap(), files[n]["id"].as_str().unwrap());
        owner.change(Method::PATCH, &format!("/api/v1/uploads/{id}/files/{file}")).json(json)
    };
    let changed = change(2, json!({"sequence": "t1c"})).send().await.json();
    assert_eq!(changed["groups"][0]["files"][2]["guessed"], false, "a person said so");
    assert_eq!(sequences(&changed)[2], "t1c");
    // The others are guessed anew around what a person said; a person who says the same twice is told.
    let twice = change(3, json!({"sequence": "t1c"})).send().await.json();
    assert_eq!(flaws(&twice), ["sequence_unknown", "sequence_twice", "sequence_unknown"], "{twice}");
    refused(&commit(&owner, &twice, json!({})).await, 422, "upload_not_ready");
    let moved = change(2, json!({"group": "another"})).send().await.json();
    assert_eq!(moved["groups"].as_array().unwrap().len(), 2);
    refused(&change(2, json!({"sequence": "t3"})).send().await, 422, "invalid");
}

#[tokio::test]
async fn the_same_bytes_are_stored_once_and_a_name_sent_again_replaces() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let (one, two) = (open(&owner).await, open(&owner).await);
    let flair = file_of(&case(1), "flair");
    for upload in [&one, &one, &two] {
        assert_eq!(put(&owner, upload, "a_flair.nii.gz", flair.clone()).await.status, StatusCode::OK);
    }
    assert_eq!(seen(&owner, &one).await["groups"][0]["files"].as_array().unwrap().len(), 1);
    assert_eq!(file::Entity::find().count(&site.app.db).await.unwrap(), 1);
}

#[tokio::test]
async fn a_zip_of_two_patients_with_korean_names() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let (kim, lee) = (case(1), case(2));
    let (a, b, c) = (file_of(&kim, "flair"), file_of(&kim, "t1"), file_of(&lee, "t2"));
    // Decomposed Hangul, as macOS writes it.
    let name = "\u{1100}\u{1175}\u{11b7}/t1.nii.gz";
    let packed = zip(&[
        ("\u{1100}\u{1175}\u{11b7}/flair.nii.gz", &a),
        (name, &b),
        ("이/T2.nii.gz", &c),
        ("__MACOSX/이/._T2.nii.gz", b"x"),
        ("이/.DS_Store", b"x"),
    ]);
    let upload = open(&owner).await;
    let answer = put(&owner, &upload, "시험.zip", packed).await.json();
    assert_eq!(answer["files"].as_array().unwrap().len(), 3, "{answer}");
    let seen = seen(&owner, &upload).await;
    let titles: Vec<&str> = seen["groups"].as_array().unwrap().iter().map(|g| g["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["김", "이"], "{seen}");
    let made = commit(&owner, &seen, json!({})).await.json();
    assert_eq!(made["studies"].as_array().unwrap().len(), 2);
    assert_eq!(owner.get("/api/v1/patients").send().await.json()["items"][0]["pseudonym"], "P-0002");
}

#[tokio::test]
async fn what_is_on_its_way_takes_room_too() {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use futures_util::stream::{self, StreamExt as _};

    let site = Site::with(|config| config.limits.uploads_mib = 1).await;
    let owner = site.owner().await;
    let (one, two) = (open(&owner).await, open(&owner).await);
    let big = || zip(&[("t1.nii", &vec![0; 2 << 20])]);
    let answer = put(&owner, &one, "a.zip", big()).await.json();
    assert_eq!(answer["files"][0]["problem"]["code"], "zip_too_large", "unpacked it is more than may wait: {answer}");
    // A sender who has begun and does not end, having said how much will come.
    let (go, went) = tokio::sync::oneshot::channel::<()>();
    let rest = stream::once(async {
        went.await.ok();
        Ok::<_, Infallible>(Bytes::from(vec![0; 700 << 10]))
    });
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let first = stream::once(async move {
        begun.send(()).await.unwrap();
        Ok::<_, Infallible>(Bytes::new())
    });
    let body = Body::from_stream(first.chain(rest));
    let path = format!("/api/v1/uploads/{one}/files/slow_t1.nii");
    let slow = owner.change(Method::PUT, &path).header("content-length", &(700 << 10).to_string()).body(body);
    let slow = tokio::spawn(slow.send());
    has_begun.recv().await;
    let more = async || {
        let path = format!("/api/v1/uploads/{two}/files/b_t1.nii");
        let length = (500 << 10).to_string();
        owner.change(Method::PUT, &path).header("content-length", &length).body(vec![0; 500 << 10]).send().await
    };
    refused(&more().await, 413, "upload_full");
    go.send(()).unwrap();
    assert_eq!(slow.await.unwrap().status, StatusCode::OK);
    owner.change(Method::DELETE, &format!("/api/v1/uploads/{one}")).send().await;
    assert_eq!(more().await.status, StatusCode::OK, "there is room again");
    let open = owner.get("/api/v1/uploads").send().await.json();
    assert_eq!((open.as_array().unwrap().len(), &open[0]["id"]), (1, &json!(two)), "{open}");
    assert_eq!(open[0]["groups"][0]["files"][0]["name"], "b_t1.nii");
}

#[tokio::test]
async fn uploads_are_personal_and_viewers_send_nothing() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let (lee, park) = (site.user(&kim, "lee", "editor").await, site.user(&kim, "park", "viewer").await);
    let upload = send(&kim, without(case(1), &["seg"])).await;
    let id = upload["id"].as_str().unwrap();
    let file = upload["groups"][0]["files"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/uploads/{id}");
    assert_eq!(lee.get("/api/v1/uploads").send().await.json(), json!([]));
    for answer in [
        lee.get(&path).send().await,
        lee.get(&format!("{path}/files/{file}/thumbnail.png")).send().await,
        lee.change(Method::DELETE, &path).send().await,
        lee.change(Method::DELETE, &format!("{path}/files/{file}")).send().await,
        lee.change(Method::PATCH, &format!("{path}/files/{file}")).json(json!({"sequence": "t1n"})).send().await,
        put(&lee, id, "t1.nii", vec![1]).await,
        commit(&lee, &upload, json!({})).await,
    ] {
        refused(&answer, 404, "not_found");
    }
    refused(&park.post("/api/v1/uploads", json!({})).send().await, 403, "role_too_low");
    assert_eq!(seen(&kim, id).await, upload, "nothing has changed");
}

#[tokio::test]
async fn real_cases_go_in_by_their_own_names() {
    let real =
        std::env::var_os("GLIOSCOPE_REAL").map_or_else(|| "../../../shared/data".into(), std::path::PathBuf::from);
    let place = real.join("brats/BraTS-SSA-00047-000");
    let Ok(entries) = std::fs::read_dir(&place) else {
        println!("SKIPPED: real_cases_go_in_by_their_own_names: no real case at {}", place.display());
        return;
    };
    let site = Site::open().await;
    let owner = site.owner().await;
    let files = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file());
    let files = files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
    let made = study(&owner, files.filter(|(name, _)| name.ends_with(".nii.gz")).collect(), json!({})).await;
    assert_eq!((&made["state"], &made["shape"]), (&json!("ready"), &json!([240, 240, 155])), "{made}");
    let ml = &made["segmentations"][0]["ml"];
    assert!(ml["wt"].as_f64().unwrap() > 1.0 && ml["et"].as_f64().unwrap() > 0.0, "scheme from the name: {ml}");
}

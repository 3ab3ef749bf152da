//! What leaves the system, models and runs.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use axum::http::{Method, StatusCode};
use sea_orm::{ActiveModelTrait, EntityTrait, Set};
use segment::labels::{LabelScheme, encode_labels};
use segment::phantom::phantom;
use serde_json::{Value, json};
use server::entity::model;
use volume::Limits;
use volume::nifti::parse;

use crate::http::material::{SHAPE, case, file_of, gunzip, open, put, seen, study, without};
use crate::http::visitor::{Site, refused};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_study_leaves_in_bids_names_and_comes_back() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({"date": "2026-01-31", "name": "Hong Gildong"})).await;
    let path = format!("/api/v1/studies/{}/export", text(&made["id"]));
    let answer = owner.get(&format!("{path}?format=zip&labels=brats2020")).send().await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"sub-P0001_ses-20260131.zip\"");
    let mut zip = zip::ZipArchive::new(Cursor::new(answer.body.clone())).unwrap();
    let mut files = BTreeMap::new();
    for n in 0..zip.len() {
        let mut entry = zip.by_index(n).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.name().unwrap().into_owned(), bytes);
    }
    let stem = "sub-P0001/ses-20260131/anat/sub-P0001_ses-20260131";
    let names = ["T1w.nii.gz", "ce-gadolinium_T1w.nii.gz", "T2w.nii.gz", "FLAIR.nii.gz", "desc-tumour_dseg.nii.gz"];
    for (name, ending) in names.into_iter().zip(["t1", "t1ce", "t2", "flair", "seg"]) {
        let (out, sent) = (&files[&format!("{stem}_{name}")], file_of(&case(1), ending));
        let [out, sent] = [out, &sent].map(|bytes| parse(bytes, &Limits::default()).unwrap().into_single().unwrap());
        assert_eq!(out, sent, "{name}: the same voxels on the same grid");
    }
    assert!(files.values().all(|bytes| !bytes.windows(4).any(|window| window == b"Hong")), "no name of a person");
    let description: Value = serde_json::from_slice(&files["dataset_description.json"]).unwrap();
    assert_eq!(description["DatasetType"], "derivative");
    let table = String::from_utf8(files[&format!("{stem}_desc-tumour_dseg.tsv")].clone()).unwrap();
    assert!(table.contains("4\tenhancing tumour\tet\t#ff3b3b"), "{table}");
    let report: Value = serde_json::from_slice(&files[&format!("{stem}_desc-tumour_measurements.json")]).unwrap();
    assert_eq!(
        (&report["report"]["case"], &report["segmentation"]["ml"]["wt"]),
        (&json!("P-0001"), &made["segmentations"][0]["ml"]["wt"])
    );
    for key in ["note", "created_by", "decided_by"] {
        assert!(report["segmentation"].get(key).is_none(), "{key}: {report}");
    }
    let sidecar: Value = serde_json::from_slice(&files[&format!("{stem}_desc-tumour_dseg.json")]).unwrap();
    assert_eq!(sidecar["Manual"], true, "an expert drew it");
    // And back in, as anybody's files.
    let upload = open(&owner).await;
    put(&owner, &upload, "export.zip", answer.body).await;
    let back = seen(&owner, &upload).await;
    let [group] = back["groups"].as_array().unwrap().as_slice() else { panic!("{back}") };
    assert_eq!((&group["missing"], group["files"].as_array().unwrap().len()), (&json!([]), 5), "{back}");
}

#[tokio::test]
async fn single_files_of_a_study() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({})).await;
    let path = format!("/api/v1/studies/{}/export", text(&made["id"]));
    for scheme in LabelScheme::ALL {
        let mask = owner.get(&format!("{path}?format=nifti&labels={scheme}")).send().await;
        let mask = parse(&mask.body, &Limits::default()).unwrap().into_single().unwrap();
        let expected = encode_labels(&phantom(1, SHAPE).label_map().unwrap(), scheme).map(f32::from);
        assert_eq!(mask, expected, "{scheme}");
    }
    let table = owner.get(&format!("{path}?format=csv")).send().await;
    let table = String::from_utf8(table.body).unwrap();
    assert_eq!(
        (table.lines().count(), table.lines().nth(1).unwrap().split(',').next()),
        (2, Some("P-0001")),
        "{table}"
    );
    let picture = owner.get(&format!("{path}?format=png")).send().await;
    assert!(picture.body.starts_with(b"\x89PNG") && picture.header("content-type") == "image/png");
    let bare = study(&owner, without(case(2), &["seg", "t1"]), json!({})).await;
    let path = format!("/api/v1/studies/{}/export", text(&bare["id"]));
    refused(&owner.get(&format!("{path}?format=nifti")).send().await, 404, "not_found");
    assert_eq!(owner.get(&path).send().await.header("content-type"), "application/zip", "scans alone");
    refused(&owner.get(&format!("{path}?format=exe")).send().await, 400, "bad_request");
    let exported = owner.get("/api/v1/audit?action=export").send().await.json();
    assert!(exported["total"].as_u64().unwrap() >= 6, "{exported}");
}

#[tokio::test]
async fn every_form_of_an_export_is_one_that_the_document_names() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({})).await;
    let document = serde_json::to_value(server::document()).unwrap();
    let named = &document["paths"]["/api/v1/studies/{id}/export"]["get"]["responses"]["200"]["content"];
    let mut sent = Vec::new();
    for format in ["zip", "nifti", "json", "csv", "png"] {
        let path = format!("/api/v1/studies/{}/export?format={format}", text(&made["id"]));
        let answer = owner.get(&path).send().await;
        let kind = answer.header("content-type").split(';').next().unwrap().to_owned();
        assert_eq!((answer.status, named[&kind].is_object()), (StatusCode::OK, true), "{format}: {kind} of {named}");
        sent.push(kind);
    }
    assert_eq!(named.as_object().unwrap().len(), sent.len(), "and no other: {named}");
    assert_eq!(named["application/zip"]["schema"]["format"], "binary", "{named}");
}

#[tokio::test]
async fn nothing_in_a_cohort_table_runs_in_a_spreadsheet() {
    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let owner = site.owner().await;
    for seed in 1..4 {
        study(&owner, case(seed), json!({"name": "=1+1"})).await;
    }
    // A model may call itself anything; so may a segmentation that it made.
    let mut row: model::ActiveModel = model::Entity::find().one(&site.app.db).await.unwrap().unwrap().into();
    row.name = Set("=cmd|' /C calc'!A0".to_owned());
    let row = row.update(&site.app.db).await.unwrap();
    for made in server::entity::segmentation::Entity::find().all(&site.app.db).await.unwrap() {
        let mut made: server::entity::segmentation::ActiveModel = made.into();
        made.model_id = Set(Some(row.id));
        made.update(&site.app.db).await.unwrap();
    }
    let answer = owner.get("/api/v1/exports/cohort.csv?sort=created_at").send().await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let table = String::from_utf8(answer.body).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines.len(), lines[0].starts_with("\u{feff}patient,study,date")), (4, true), "{table}");
    assert!(lines[1].starts_with("P-0001,") && lines[1].contains(",\"'=cmd|' /C calc'!A0\","), "{table}");
    assert!(!table.contains("=1+1"), "no name of a person");
    let few = owner.get("/api/v1/exports/cohort.csv?wt_min=100000").send().await;
    assert_eq!(String::from_utf8(few.body).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn models_are_added_and_chosen_by_administrators() {
    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    server::models::register_embedded(&site.app.db).await.unwrap();
    let kim = site.admin().await;
    let lee = site.user(&kim, "lee", "editor").await;
    let models = lee.get("/api/v1/models").send().await.json();
    let [embedded] = models.as_array().unwrap().as_slice() else { panic!("{models}") };
    assert_eq!((&embedded["active"], &embedded["embedded"]), (&json!(true), &json!(true)));
    assert!(embedded["card"]["recipe"].is_object() && embedded["card"]["scores"].is_array());
    let add =
        |who: &crate::http::visitor::Visitor, bytes: Vec<u8>| who.change(Method::POST, "/api/v1/models").body(bytes);
    refused(&add(&lee, vec![1]).send().await, 403, "role_too_low");
    refused(&add(&kim, b"no model".to_vec()).send().await, 422, "model_unusable");
    let other = another_model();
    let added = add(&kim, other.clone()).send().await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let added = added.json();
    assert_eq!((&added["active"], &added["name"]), (&json!(false), &json!("another")));
    assert_eq!(add(&kim, other).send().await.json()["id"], added["id"], "once, however often it comes");
    let path = format!("/api/v1/models/{}", text(&added["id"]));
    refused(&lee.change(Method::PATCH, &path).json(json!({"active": true})).send().await, 403, "role_too_low");
    kim.change(Method::PATCH, &path).json(json!({"active": true})).send().await.json();
    let models = kim.get("/api/v1/models").send().await.json();
    let active: Vec<&Value> = models.as_array().unwrap().iter().filter(|one| one["active"] == true).collect();
    assert_eq!((active.len(), &active[0]["id"]), (1, &added["id"]));
    server::models::register_embedded(&site.app.db).await.unwrap();
    assert_eq!(kim.get("/api/v1/models").send().await.json(), models, "a restart changes nothing");
}

/// A model with a tiny net.
fn another_model() -> Vec<u8> {
    use segment::artefact::{Artefact, Card, Provenance};
    use segment::recipe::{DEFAULT, Recipe};
    let mut recipe = Recipe::parse(DEFAULT, std::path::Path::new("default")).unwrap();
    recipe.network.widths = vec![4, 8];
    recipe.network.deep_supervision = vec![1.0];
    let weights = vec![0.01; unet::weights::initial(&recipe.network.spec(), 1).unwrap().len()];
    let provenance =
        Provenance { steps: 0, trained_on: vec![], phantoms: 0, validated_on: vec![], program: String::new() };
    let card = Card {
        version: 1,
        name: "another".to_owned(),
        channels: segment::study::Sequence::ALL,
        outputs: ["WT", "TC", "ET"].map(str::to_owned).to_vec(),
        label_scheme: LabelScheme::Brats2023,
        recipe,
        provenance,
        scores: vec![],
        calibration: None,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    Artefact::write(&path, &card, &weights).unwrap();
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn runs_are_shown_and_lead_nowhere_else() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let run = site.app.config.runs_folder().join("first run");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("metrics.jsonl"), "{\"step\":0,\"train/loss\":1.5}\n{\"step\":1,\"train/loss\":1.0}\n")
        .unwrap();
    std::fs::write(run.join("metrics.json"), "{\"version\":1}").unwrap();
    std::fs::write(run.join("report.html"), "<script>alert(1)</script>").unwrap();
    let runs = owner.get("/api/v1/runs").send().await.json();
    assert_eq!((&runs[0]["name"], &runs[0]["step"]), (&json!("first run"), &json!(1)));
    let new = owner.get("/api/v1/runs/first%20run/metrics?after=0").send().await.json();
    assert_eq!(new, json!([{"step": 1, "train/loss": 1.0}]));
    for after in ["-1", "9223372036854775808", "x"] {
        let answer = owner.get(&format!("/api/v1/runs/first%20run/metrics?after={after}")).send().await;
        assert!(answer.status.is_client_error(), "{after}: {answer:?}");
    }
    let all = owner.get("/api/v1/runs/first%20run/metrics").header("accept-encoding", "gzip").send().await;
    assert_eq!(all.header("content-encoding"), "gzip", "as browsers ask for it");
    let all: Value = serde_json::from_slice(&gunzip(&all.body)).unwrap();
    assert_eq!(all, json!([{"step": 0, "train/loss": 1.5}, {"step": 1, "train/loss": 1.0}]));
    let evaluations = owner.get("/api/v1/evaluations").send().await.json();
    let report = owner.get(text(&evaluations[0]["report_url"])).send().await;
    assert!(report.header("content-security-policy").starts_with("sandbox"), "{:?}", report.headers);
    for name in ["..%2f..%2fetc", "%2e%2e", "first%20run%2f..%2f..", "nothing", "first%20run%00"] {
        let answer = owner.get(&format!("/api/v1/runs/{name}/metrics")).send().await;
        assert!(answer.status.is_client_error(), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn an_export_holds_no_name_and_is_gunzipped_by_anybody() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({})).await;
    let mask = owner.get(text(&made["segmentations"][0]["labels_url"])).send().await;
    assert_eq!(gunzip(&mask.body).len(), 352 + SHAPE.iter().product::<usize>());
}

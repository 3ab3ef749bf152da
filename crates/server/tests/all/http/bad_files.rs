//! Files that something is wrong with: each has a code, and a sentence that names it, beside it.

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use futures_util::stream;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use server::entity::file;

use crate::http::material::{case, commit, escaped, file_of, flaws, gunzip, gzip, open, put, seen, send, zip};
use crate::http::visitor::{Site, Visitor, refused};

/// Sends one file that must be refused with a code and a sentence that names it.
async fn check(who: &Visitor, name: &str, bytes: Vec<u8>, code: &str) {
    let upload = open(who).await;
    let answer = put(who, &upload, name, bytes).await.json();
    let file = &answer["files"][0];
    assert_eq!((&file["state"], &file["problem"]["code"]), (&json!("refused"), &json!(code)), "{name}: {answer}");
    let detail = file["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains(name.rsplit('/').next().unwrap()) && detail.ends_with('.'), "{detail}");
    let upload = seen(who, &upload).await;
    assert_eq!((flaws(&upload), &upload["groups"][0]["ready"]), (vec![code.to_owned()], &json!(false)), "{upload}");
    refused(&commit(who, &upload, json!({})).await, 422, "upload_not_ready");
}

/// A plain NIfTI-1 file with fields of its header replaced.
fn with_header(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = gunzip(&file_of(&case(1), "flair"));
    for (at, field) in changes {
        bytes[*at..at + field.len()].copy_from_slice(field);
    }
    bytes
}

#[tokio::test]
async fn damaged_and_foreign_files() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let flair = file_of(&case(1), "flair");
    let plain = gunzip(&flair);
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM and so on");
    check(&owner, "empty_t1.nii", vec![], "empty").await;
    check(&owner, "IM0001", dicom, "dicom").await;
    check(&owner, "page_t1.nii", b"<html>Not found</html>".to_vec(), "not_nifti").await;
    check(&owner, "cut_t1.nii.gz", flair[..flair.len() / 2].to_vec(), "truncated").await;
    check(&owner, "cut_t1.nii", plain[..plain.len() - 1].to_vec(), "truncated").await;
    let mut broken = flair.clone();
    let middle = broken.len() / 2;
    broken[middle..middle + 8].fill(0xff);
    let upload = open(&owner).await;
    let answer = put(&owner, &upload, "broken_t1.nii.gz", broken).await.json();
    let code = answer["files"][0]["problem"]["code"].as_str().unwrap().to_owned();
    assert!(["damaged_gzip", "truncated", "not_finite"].contains(&code.as_str()), "{answer}");
    assert_eq!(file::Entity::find().count(&site.app.db).await.unwrap(), 0, "nothing that is refused is kept");
}

#[tokio::test]
async fn hostile_headers() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let i16s = |numbers: &[i16]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let huge = i16s(&[3, 32_767, 32_767, 32_767]);
    check(&owner, "huge_t1.nii", with_header(&[(40, &huge)]), "too_large").await;
    check(&owner, "huge_t1.nii.gz", gzip(&with_header(&[(40, &huge)])), "too_large").await;
    check(&owner, "negative_t1.nii", with_header(&[(42, &i16s(&[-4]))]), "damaged_header").await;
    check(&owner, "axes_t1.nii", with_header(&[(40, &i16s(&[9]))]), "damaged_header").await;
    check(&owner, "bits_t1.nii", with_header(&[(72, &i16s(&[8]))]), "damaged_header").await;
    check(&owner, "offset_t1.nii", with_header(&[(108, &f32::NAN.to_le_bytes())]), "damaged_header").await;
    check(&owner, "far_t1.nii", with_header(&[(108, &1e30_f32.to_le_bytes())]), "damaged_header").await;
    check(&owner, "colour_t1.nii", with_header(&[(70, &i16s(&[128, 24]))]), "unsupported_type").await;
    check(&owner, "flat_t1.nii", with_header(&[(280, &[0; 48]), (252, &[0, 0])]), "bad_orientation").await;
    let [x, y, z] = crate::http::material::SHAPE.map(|n| i16::try_from(n).unwrap());
    check(&owner, "stack_t1.nii", with_header(&[(40, &i16s(&[4, x, y, z / 2, 2]))]), "several_volumes").await;
    let mut scan =
        segment::phantom::phantom(1, crate::http::material::SHAPE).scan(segment::study::Sequence::T1n).unwrap();
    scan.voxels_mut()[7] = f32::NAN;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.nii.gz");
    volume::nifti::write_floats(&path, &scan, &volume::nifti::Geometry::from_grid(scan.grid())).unwrap();
    check(&owner, "nan_t1.nii.gz", std::fs::read(path).unwrap(), "not_finite").await;
}

#[tokio::test]
async fn a_gzip_bomb_is_inflated_no_further_than_the_limit() {
    let site = Site::with(|config| config.limits.volume_mib = 8).await;
    let owner = site.owner().await;
    let mut bomb = with_header(&[]);
    bomb.resize(bomb.len() + (64 << 20), 0);
    let bomb = gzip(&bomb);
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    check(&owner, "bomb_t1.nii.gz", bomb, "too_large").await;
}

#[tokio::test]
async fn hostile_archives() {
    let site = Site::with(|config| config.limits.zip_entries = 2000).await;
    let owner = site.owner().await;
    let flair = file_of(&case(1), "flair");
    check(&owner, "up.zip", zip(&[("t1.nii.gz", &flair), ("../../evil_t1.nii.gz", &flair)]), "zip_unsafe_path").await;
    check(&owner, "nested.zip", zip(&[("t1.nii.gz", &flair), ("more.zip", b"PK")]), "zip_nested").await;
    check(&owner, "bomb.zip", zip(&[("t1.nii", &vec![0; 100 << 20])]), "zip_too_large").await;
    check(&owner, "letters.zip", zip(&[("readme.txt", b"hello")]), "zip_empty").await;
    check(&owner, "cut.zip", zip(&[("t1.nii.gz", &flair)])[..flair.len() / 2].to_vec(), "zip_damaged").await;
    let names: Vec<String> = (0..10_000).map(|n| format!("{n}_t1.nii")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    check(&owner, "many.zip", zip(&many), "zip_too_many_files").await;
    assert_eq!(file::Entity::find().count(&site.app.db).await.unwrap(), 0, "nothing was kept");
    assert!(!site.app.config.data.join("../evil_t1.nii.gz").exists());
}

#[tokio::test]
async fn wrong_content() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let one = case(1);
    let named = |name: &str, ending: &str| (name.to_owned(), file_of(&one, ending));
    let check = async |files, expected: &[&str]| {
        let upload = send(&owner, files).await;
        assert_eq!(flaws(&upload), expected, "{upload}");
        refused(&commit(&owner, &upload, json!({})).await, 422, "upload_not_ready");
    };
    check(vec![named("a_t1.nii.gz", "seg")], &["mask_given_as_scan"]).await;
    check(vec![named("a_t1.nii.gz", "t1"), named("a_seg.nii.gz", "t2")], &["scan_given_as_mask"]).await;
    check(vec![named("a_t1.nii.gz", "t1"), named("a_t2.nii.gz", "t1")], &["same_scan_twice"]).await;
    check(vec![named("a_t1.nii.gz", "t1"), named("a_t1w.nii.gz", "t2")], &["sequence_twice"]).await;
    check(vec![named("a_seg.nii.gz", "seg")], &["no_scan"]).await;
    check(vec![named("x/a.nii.gz", "t1")], &["sequence_unknown"]).await;
    let zeros = with_header(&[(112, &f32::MIN_POSITIVE.to_le_bytes()), (116, &(-1.0_f32).to_le_bytes())]);
    check(vec![("a_t1.nii".to_owned(), zeros)], &["no_signal"]).await;
    let mut shifted = with_header(&[]);
    shifted[292..296].copy_from_slice(&7.5_f32.to_le_bytes()); // the sform's offset along x
    check(vec![named("a_t1.nii.gz", "t1"), ("a_flair.nii".to_owned(), shifted)], &["grids_differ"]).await;
}

#[tokio::test]
async fn a_mask_whose_numbers_nobody_explains_is_asked_about() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let head = segment::phantom::phantom(1, crate::http::material::SHAPE);
    let labels = segment::labels::encode_labels(&head.label_map().unwrap(), segment::labels::LabelScheme::Brats2023);
    let geometry = volume::nifti::Geometry::from_grid(labels.grid());
    let mask = volume::nifti::mask_bytes(&labels, &geometry).unwrap();
    let files = vec![("a_t1.nii.gz".to_owned(), file_of(&case(1), "t1")), ("a_seg.nii.gz".to_owned(), mask)];
    let upload = send(&owner, files).await;
    assert_eq!(flaws(&upload), ["scheme_unknown"], "{upload}");
    let problem = &upload["groups"][0]["problems"][0];
    let path = format!("/api/v1/uploads/{}/files/{}", text(&upload["id"]), text(&problem["file_id"]));
    let wrong = owner.change(Method::PATCH, &path).json(json!({"scheme": "brats2020"})).send().await.json();
    assert_eq!(flaws(&wrong), ["unknown_label"]);
    let right = owner.change(Method::PATCH, &path).json(json!({"scheme": "brats2023"})).send().await.json();
    assert!(flaws(&right).is_empty(), "{right}");
    assert_eq!(commit(&owner, &right, json!({})).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_that_breaks_off_can_be_sent_again() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let upload = open(&owner).await;
    let flair = file_of(&case(1), "flair");
    let half = Bytes::copy_from_slice(&flair[..flair.len() / 2]);
    let pieces: [Result<Bytes, std::io::Error>; 2] = [Ok(half), Err(std::io::Error::other("reset by peer"))];
    let path = format!("/api/v1/uploads/{upload}/files/a_flair.nii.gz");
    let broken = owner.change(Method::PUT, &path).body(Body::from_stream(stream::iter(pieces))).send().await;
    refused(&broken, 400, "interrupted");
    let there = seen(&owner, &upload).await;
    assert_eq!(
        (flaws(&there), &there["groups"][0]["files"][0]["state"]),
        (vec!["interrupted".to_owned()], &json!("receiving"))
    );
    assert_eq!(put(&owner, &upload, "a_flair.nii.gz", flair).await.status, StatusCode::OK);
    assert!(flaws(&seen(&owner, &upload).await).is_empty());
}

#[tokio::test]
async fn requests_that_are_no_files() {
    let site = Site::with(|config| config.limits.file_mib = 1).await;
    let owner = site.owner().await;
    let upload = open(&owner).await;
    let path = format!("/api/v1/uploads/{upload}/files/a_t1.nii");
    for kind in
        ["multipart/form-data; boundary=x", "application/json", "text/html", "application/x-www-form-urlencoded"]
    {
        let answer = owner.change(Method::PUT, &path).header("content-type", kind).body("x").send().await;
        refused(&answer, 415, "unsupported_media_type");
    }
    for name in ["../a.nii", "a/../../b.nii", "a\u{0}.nii", &"x".repeat(500)] {
        refused(&put(&owner, &upload, name, vec![1]).await, 422, "file_refused");
    }
    let large = put(&owner, &upload, "large_t1.nii", vec![0; (1 << 20) + 1]).await;
    refused(&large, 413, "too_large");
    assert_eq!(put(&owner, &upload, "a/.DS_Store", vec![1]).await.json(), json!({"files": []}));
    refused(&put(&owner, "00000000-0000-7000-8000-000000000000", "t1.nii", vec![1]).await, 404, "not_found");
}

#[tokio::test]
async fn sql_and_script_in_every_field_are_text() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let names =
        ["'; DROP TABLE study; --", "<script>alert(1)</script>", "=HYPERLINK(\"http:\")", "%_\\ {{7*7}}", "O\"Brien"];
    for name in names {
        let flair = file_of(&case(1), "flair");
        let upload = send(&owner, vec![(format!("{name}_flair.nii.gz").replace('/', ""), flair)]).await;
        let made = commit(&owner, &upload, json!({"name": name, "birth_year": 1961})).await.json();
        let path = format!("/api/v1/studies/{}", text(&made["studies"][0]["study_id"]));
        let study =
            owner.change(Method::PATCH, &path).json(json!({"notes": name, "date": "2026-02-01"})).send().await.json();
        assert_eq!((&study["notes"], &study["patient"]["name"]), (&json!(name), &json!(name)));
        let query = escaped(name);
        let found = owner.get(&format!("/api/v1/studies?search={query}")).send().await.json();
        assert_eq!(found["total"], 1, "{name}: {found}");
        for bad in [json!({"date": name}), json!({"date": "2026-02-30"}), json!({"notes": "a\u{0}b"})] {
            refused(&owner.change(Method::PATCH, &path).json(bad).send().await, 422, "invalid");
        }
    }
    let all = owner.get("/api/v1/studies").send().await.json();
    assert_eq!(all["total"], names.len());
    for bad in ["sort=;DROP", "wt_min=x", "cursor=%27", "state=%27", "limit=x", "nothing=1"] {
        let answer = owner.get(&format!("/api/v1/studies?{bad}")).send().await;
        assert!(answer.status.is_client_error(), "{bad}: {answer:?}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

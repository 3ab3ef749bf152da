//! Files to send: phantoms under the names of the challenges, and files that something is wrong with.

use std::io::Write as _;

use axum::http::{Method, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use segment::labels::{LabelScheme, encode_labels};
use segment::phantom::phantom;
use serde_json::{Value, json};
use volume::nifti::{Geometry, mask_bytes};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::http::visitor::{Answer, Visitor};

/// Voxels of the heads that are sent.
pub(crate) const SHAPE: [usize; 3] = [40, 48, 32];

/// A file and its name.
pub(crate) type NamedFile = (String, Vec<u8>);

/// The five files of a phantom: `phantom_0001_t1.nii.gz`, `_t1ce`, `_t2`, `_flair`, `_seg`.
pub(crate) fn case(seed: u64) -> Vec<NamedFile> {
    let folder = tempfile::tempdir().unwrap();
    let place = phantom(seed, SHAPE).write(folder.path()).unwrap();
    let mut files: Vec<NamedFile> = std::fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// A phantom's mask as the page would send it.
pub(crate) fn mask(seed: u64) -> Vec<u8> {
    let labels = phantom(seed, SHAPE).label_map().unwrap();
    mask_bytes(&encode_labels(&labels, LabelScheme::Brats2023), &Geometry::from_grid(labels.grid())).unwrap()
}

/// One file of a case by the ending of its stem, such as `flair`.
pub(crate) fn file_of(case: &[NamedFile], ending: &str) -> Vec<u8> {
    case.iter().find(|(name, _)| name.ends_with(&format!("_{ending}.nii.gz"))).unwrap().1.clone()
}

/// The files of a case without some of them.
pub(crate) fn without(case: Vec<NamedFile>, endings: &[&str]) -> Vec<NamedFile> {
    case.into_iter().filter(|(name, _)| !endings.iter().any(|one| name.contains(&format!("_{one}.")))).collect()
}

/// Gzip, as a sender would write it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// What a gzip file holds.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut plain).unwrap();
    plain
}

/// A ZIP of files.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Begins an upload.
pub(crate) async fn open(who: &Visitor) -> String {
    let made = who.post("/api/v1/uploads", json!({})).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

/// Any text as a part of an address.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |so_far, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            so_far + std::str::from_utf8(&[byte]).unwrap()
        } else {
            format!("{so_far}%{byte:02X}")
        }
    })
}

/// Sends a file as the page does.
pub(crate) async fn put(who: &Visitor, upload: &str, name: &str, bytes: Vec<u8>) -> Answer {
    let name = escaped(name);
    let path = format!("/api/v1/uploads/{upload}/files/{name}");
    who.change(Method::PUT, &path).header("content-type", "application/octet-stream").body(bytes).send().await
}

/// Sends files and returns the upload as it is then.
pub(crate) async fn send(who: &Visitor, files: Vec<NamedFile>) -> Value {
    let upload = open(who).await;
    for (name, bytes) in files {
        let answer = put(who, &upload, &name, bytes).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {answer:?}");
    }
    seen(who, &upload).await
}

/// An upload.
pub(crate) async fn seen(who: &Visitor, upload: &str) -> Value {
    who.get(&format!("/api/v1/uploads/{upload}")).send().await.json()
}

/// Makes studies of all groups of an upload; their ids.
pub(crate) async fn commit(who: &Visitor, upload: &Value, more: Value) -> Answer {
    let groups: Vec<Value> = upload["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let mut wanted = json!({"key": group["key"], "segment": false});
            wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            wanted
        })
        .collect();
    let path = format!("/api/v1/uploads/{}/commit", upload["id"].as_str().unwrap());
    who.post(&path, json!({ "groups": groups })).send().await
}

/// Sends a case and makes a study of it; the study.
pub(crate) async fn study(who: &Visitor, files: Vec<NamedFile>, more: Value) -> Value {
    let upload = send(who, files).await;
    let made = commit(who, &upload, more).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?} of {upload}");
    let id = made.json()["studies"][0]["study_id"].as_str().unwrap().to_owned();
    who.get(&format!("/api/v1/studies/{id}")).send().await.json()
}

/// The codes of everything that is wrong with an upload.
pub(crate) fn flaws(upload: &Value) -> Vec<String> {
    let groups = upload["groups"].as_array().unwrap();
    let problems = groups.iter().flat_map(|group| group["problems"].as_array().unwrap());
    problems.map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

//! Masks: versions, drafts, decisions, comparisons; scans and masks as files and as slices.

use axum::http::{Method, StatusCode};
use segment::labels::{LabelScheme, Tissue, encode_labels};
use segment::phantom::phantom;
use segment::study::Sequence;
use serde_json::{Value, json};
use volume::nifti::{Geometry, mask_bytes, write_scan};
use volume::{Orientation, Volume};

use crate::http::material::{SHAPE, case, file_of, gunzip, study};
use crate::http::visitor::{Site, Visitor, refused};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The phantom's mask as the page would send it, without the tissues that `drop` names.
fn edited(drop: &[Tissue]) -> Vec<u8> {
    let labels = phantom(1, SHAPE).label_map().unwrap();
    let labels = labels.map(|tissue| if drop.contains(&tissue) { Tissue::Background } else { tissue });
    mask_bytes(&encode_labels(&labels, LabelScheme::Brats2023), &Geometry::from_grid(labels.grid())).unwrap()
}

async fn save(who: &Visitor, study: &Value, mask: Vec<u8>, query: &str) -> crate::http::visitor::Answer {
    let path = format!("/api/v1/studies/{}/versions?{query}", text(&study["id"]));
    who.change(Method::POST, &path).header("content-type", "application/gzip").body(mask).send().await
}

#[tokio::test]
async fn an_edit_becomes_a_version_that_is_measured_compared_and_accepted() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let made = study(&kim, case(1), json!({})).await;
    let parent = &made["segmentations"][0];
    let query = format!("parent={}&note=%3Cb%3Eless", text(&parent["id"]));
    let answer = save(&kim, &made, edited(&[Tissue::Enhancing]), &query).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let version = answer.json();
    assert_eq!(
        (&version["number"], &version["source"], &version["state"]),
        (&json!(2), &json!("edit"), &json!("edited"))
    );
    assert_eq!(
        (&version["created_by"], &version["note"], &version["parent_id"]),
        (&json!("kim"), &json!("<b>less"), &parent["id"])
    );
    assert_eq!(
        (&version["ml"]["et"], &version["components"]["et"], &version["diameters_mm"]["et"]),
        (&json!(0.0), &json!(0), &json!(null))
    );
    assert_eq!(version["warnings"][0]["code"], "no_enhancing");
    let path = format!("/api/v1/segmentations/{}", text(&version["id"]));
    let compared = kim.get(&format!("/api/v1/segmentations/{}/compare/{}", text(&parent["id"]), text(&version["id"])));
    let compared = compared.send().await.json();
    let lost = compared["ml"]["et"].as_f64().unwrap();
    assert!((lost + parent["ml"]["et"].as_f64().unwrap()).abs() < 1e-9, "{compared}");
    assert_eq!(compared["dice"]["et"], json!(null), "one has none");
    assert!(compared["dice"]["wt"].as_f64().unwrap() < 1.0);
    let accepted = kim.change(Method::PATCH, &path).json(json!({"state": "accepted"})).send().await.json();
    assert_eq!((&accepted["state"], &accepted["decided_by"]), (&json!("accepted"), &json!("kim")));
    let taken_back = kim.change(Method::PATCH, &path).json(json!({"state": "draft"})).send().await.json();
    assert_eq!((&taken_back["state"], &taken_back["decided_by"]), (&json!("edited"), &json!(null)));
    kim.change(Method::PATCH, &path).json(json!({"state": "rejected"})).send().await.json();
    let now = kim.get(&format!("/api/v1/studies/{}", text(&made["id"]))).send().await.json();
    assert_eq!((&now["segmentation"]["id"], now["segmentations"].as_array().unwrap().len()), (&parent["id"], 2));
    let detail = kim.get(&path).send().await.json();
    assert_eq!((&detail["report"]["model"]["name"], &detail["id"]), (&json!("edited by hand"), &version["id"]));
    let viewer = site.user(&kim, "park", "viewer").await;
    refused(&save(&viewer, &made, edited(&[]), "").await, 403, "role_too_low");
    refused(&viewer.change(Method::PATCH, &path).json(json!({"state": "accepted"})).send().await, 403, "role_too_low");
}

#[tokio::test]
async fn masks_that_do_not_fit_are_refused_with_a_sentence() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({})).await;
    let other = phantom(1, [40, 48, 33]).label_map().unwrap();
    let other = mask_bytes(&encode_labels(&other, LabelScheme::Brats2023), &Geometry::from_grid(other.grid())).unwrap();
    let fours = file_of(&case(1), "seg"); // 4 is enhancing tumour there, and nothing here
    for (mask, word) in
        [(other, "33 voxels"), (fours, "number 4"), (file_of(&case(1), "t1"), "number"), (b"x".to_vec(), "NIfTI")]
    {
        let answer = save(&owner, &made, mask, "").await;
        refused(&answer, 422, "mask_unusable");
        assert!(String::from_utf8_lossy(&answer.body).contains(word), "{answer:?}");
    }
    let another = study(&owner, case(2), json!({})).await;
    let parent = format!("parent={}", text(&another["segmentations"][0]["id"]));
    refused(&save(&owner, &made, edited(&[]), &parent).await, 422, "invalid");
}

#[tokio::test]
async fn drafts_are_personal_and_end_with_a_version() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let lee = site.user(&kim, "lee", "editor").await;
    let made = study(&kim, case(1), json!({})).await;
    let path = format!("/api/v1/studies/{}/draft", text(&made["id"]));
    assert_eq!(kim.get(&path).send().await.status, StatusCode::NO_CONTENT, "none yet");
    let parent = text(&made["segmentations"][0]["id"]);
    let put = kim.change(Method::PUT, &format!("{path}?parent={parent}")).body(edited(&[Tissue::Oedema]));
    assert_eq!(put.send().await.status, StatusCode::NO_CONTENT);
    let draft = kim.get(&path).send().await;
    assert_eq!((draft.header("glioscope-parent"), gunzip(&draft.body)), (parent, gunzip(&edited(&[Tissue::Oedema]))));
    assert_eq!(lee.get(&path).send().await.status, StatusCode::NO_CONTENT, "none of their own");
    assert_eq!(lee.change(Method::DELETE, &path).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(kim.get(&path).send().await.status, StatusCode::OK, "another's draft is out of reach");
    assert_eq!(kim.change(Method::PUT, &path).body(edited(&[])).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(kim.get(&path).send().await.header("glioscope-parent"), "", "replaced");
    assert_eq!(save(&kim, &made, edited(&[]), "").await.status, StatusCode::CREATED);
    assert_eq!(kim.get(&path).send().await.status, StatusCode::NO_CONTENT, "it became the version");
}

#[tokio::test]
async fn a_late_draft_does_not_come_after_its_version() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let lee = site.user(&kim, "lee", "editor").await;
    let made = study(&kim, case(1), json!({})).await;
    let path = format!("/api/v1/studies/{}/draft", text(&made["id"]));
    let parent = text(&made["segmentations"][0]["id"]);
    let put = async |who: &Visitor, query: &str| {
        who.change(Method::PUT, &format!("{path}?{query}")).body(edited(&[Tissue::Oedema])).send().await
    };
    assert_eq!(put(&kim, &format!("parent={parent}&after=1")).await.status, StatusCode::NO_CONTENT);
    let version = save(&kim, &made, edited(&[]), &format!("parent={parent}")).await.json();
    assert_eq!(version["number"], 2);
    for late in [format!("parent={parent}&after=1"), format!("parent={parent}"), String::new(), "after=1".to_owned()] {
        refused(&put(&kim, &late).await, 409, "draft_outdated");
    }
    assert_eq!(kim.get(&path).send().await.status, StatusCode::NO_CONTENT, "it does not come back");
    // Whoever knows of the version goes on, also with what was there before; others' versions stop nobody.
    let own = text(&version["id"]);
    for (who, query) in [
        (&kim, format!("parent={own}")),
        (&kim, format!("parent={own}&after=2")),
        (&kim, format!("parent={parent}&after=2")),
        (&kim, "after=2".to_owned()),
        (&lee, format!("parent={parent}")),
    ] {
        assert_eq!(put(who, &query).await.status, StatusCode::NO_CONTENT, "{query}");
    }
    assert_eq!(save(&lee, &made, edited(&[]), "").await.status, StatusCode::CREATED);
    assert_eq!(put(&kim, "after=2").await.status, StatusCode::NO_CONTENT, "another's version stops nobody");
    let another = study(&kim, case(2), json!({})).await;
    let foreign = text(&another["segmentations"][0]["id"]);
    refused(&put(&kim, &format!("parent={foreign}&after=9")).await, 422, "invalid");
    refused(&put(&kim, &format!("parent={}", server::ids::SegmentationId::fresh())).await, 404, "not_found");
}

#[tokio::test]
async fn two_tabs_do_not_write_over_each_others_draft() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let made = study(&kim, case(1), json!({})).await;
    let path = format!("/api/v1/studies/{}/draft", text(&made["id"]));
    let put = async |query: &str, drop: &[Tissue]| {
        let answer = kim.change(Method::PUT, &format!("{path}?after=1&{query}")).body(edited(drop)).send().await;
        (answer.header("etag").trim_matches('"').to_owned(), answer)
    };
    let (first, answer) = put("known=none", &[Tissue::Oedema]).await;
    assert_eq!((answer.status, first.len()), (StatusCode::NO_CONTENT, 64));
    assert_eq!(kim.get(&path).send().await.header("etag").trim_matches('"'), first);
    // The other tab knows of none, or of an older one.
    refused(&put("known=none", &[Tissue::Enhancing]).await.1, 409, "draft_elsewhere");
    let (second, _) = put(&format!("known={first}"), &[Tissue::Necrotic]).await;
    refused(&put(&format!("known={first}"), &[Tissue::Enhancing]).await.1, 409, "draft_elsewhere");
    // An answer that was lost: the same draft comes again.
    assert_eq!(put(&format!("known={first}"), &[Tissue::Necrotic]).await.0, second);
    // Neither a version of the other tab nor its discarding takes this one along.
    assert_eq!(save(&kim, &made, edited(&[]), "known=none").await.status, StatusCode::CREATED);
    let discard = kim.change(Method::DELETE, &format!("{path}?known={first}")).send().await;
    assert_eq!(discard.status, StatusCode::NO_CONTENT);
    assert_eq!(kim.get(&path).send().await.header("etag").trim_matches('"'), second);
    let last = kim.change(Method::PUT, &format!("{path}?after=2")).body(edited(&[])).send().await;
    assert_eq!(last.status, StatusCode::NO_CONTENT, "who says nothing replaces what is there");
    let query = format!("known={}", last.header("etag").trim_matches('"'));
    assert_eq!(save(&kim, &made, edited(&[Tissue::Oedema]), &query).await.status, StatusCode::CREATED);
    assert_eq!(kim.get(&path).send().await.status, StatusCode::NO_CONTENT, "it became the version");
}

#[tokio::test]
async fn a_mask_is_painted_where_there_was_none() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let made = study(&kim, vec![("a_flair.nii.gz".to_owned(), file_of(&case(1), "flair"))], json!({})).await;
    assert_eq!((&made["segmentations"], &made["state"]), (&json!([]), &json!("incomplete")));
    let path = format!("/api/v1/studies/{}/draft", text(&made["id"]));
    let put = kim.change(Method::PUT, &format!("{path}?after=0")).body(edited(&[Tissue::Oedema]));
    assert_eq!(put.send().await.status, StatusCode::NO_CONTENT);
    let draft = kim.get(&path).send().await;
    assert!(!draft.headers.contains_key("glioscope-parent"), "of nothing");
    assert_eq!(gunzip(&draft.body), gunzip(&edited(&[Tissue::Oedema])));
    let version = save(&kim, &made, edited(&[]), "").await;
    assert_eq!(version.status, StatusCode::CREATED, "{version:?}");
    let version = version.json();
    assert_eq!(
        (&version["number"], &version["source"], &version["state"], &version["parent_id"]),
        (&json!(1), &json!("edit"), &json!("edited"), &Value::Null)
    );
    assert_eq!(kim.get(&path).send().await.status, StatusCode::NO_CONTENT, "it became the version");
    let now = kim.get(&format!("/api/v1/studies/{}", text(&made["id"]))).send().await.json();
    assert_eq!(now["segmentation"]["id"], version["id"]);
}

#[tokio::test]
async fn a_damaged_volume_is_not_given_away() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({})).await;
    let url = text(&made["series"][0]["url"]);
    let whole = owner.get(url).send().await;
    let sha: server::ids::Sha = whole.header("etag").trim_matches('"').parse().unwrap();
    let path = site.app.files.path(sha);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let later = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1); // clocks of files tick slowly
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    refused(&owner.get(url).send().await, 500, "file_damaged");
    refused(&owner.get(url).header("range", "bytes=0-9").send().await, 500, "file_damaged");
    let export = format!("/api/v1/studies/{}/export", text(&made["id"]));
    refused(&owner.get(&export).send().await, 500, "file_damaged");
}

#[tokio::test]
async fn volumes_are_clean_and_come_in_parts_and_once() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let mut talkative = gunzip(&file_of(&case(1), "flair"));
    talkative[148..158].copy_from_slice(b"Hong Gildo"); // the header's free text
    let made = study(&owner, vec![("a_flair.nii".to_owned(), talkative.clone())], json!({})).await;
    let url = text(&made["series"][0]["url"]);
    let whole = owner.get(url).send().await;
    let plain = gunzip(&whole.body);
    assert_eq!(plain[352..], talkative[352..], "the voxels");
    assert!(!plain.windows(4).any(|window| window == b"Hong"), "and nothing else");
    let tag = whole.header("etag").to_owned();
    assert!(whole.header("cache-control").contains("immutable") && whole.header("accept-ranges") == "bytes");
    assert_eq!(whole.header("content-encoding"), "", "a gzip file, not a gzip transfer");
    let known = owner.get(url).header("if-none-match", &tag).send().await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let part = owner.get(url).header("range", "bytes=10-19").send().await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, &whole.body[10..20]));
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{}", whole.body.len()));
    let end = owner.get(url).header("range", "bytes=-5").send().await;
    assert_eq!(end.body, whole.body[whole.body.len() - 5..]);
    let beyond = owner.get(url).header("range", "bytes=999999999-").send().await;
    refused(&beyond, 416, "range_not_satisfiable");
    let stale = owner.get(url).header("range", "bytes=0-1").header("if-range", "\"old\"").send().await;
    assert_eq!((stale.status, stale.body.len()), (StatusCode::OK, whole.body.len()));
}

#[tokio::test]
async fn left_is_left_whatever_the_file_stores() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let head = phantom(1, SHAPE);
    let ras = Orientation::of(head.grid().unwrap().affine()).to_ras(&head.scan(Sequence::T2f).unwrap());
    // A bright block on the patient's right, so that a mirrored slice cannot go unseen.
    let [nx, ny, _] = ras.grid().shape();
    let mut marked = ras;
    for (x, y) in (nx - 6..nx - 2).flat_map(|x| (4..8).map(move |y| (x, y))) {
        marked.voxels_mut()[x + nx * (y + ny * 16)] = 30_000.0;
    }
    let mut pictures = Vec::new();
    for code in ["LPS", "RAS", "PIR"] {
        let orientation = Orientation::all().into_iter().find(|one| one.code() == code).unwrap();
        let made =
            study(&owner, vec![("a_flair.nii.gz".to_owned(), file(&orientation.from_ras(&marked)))], json!({})).await;
        assert_eq!(made["shape"], json!(SHAPE), "{code}: in RAS order");
        let url = text(&made["series"][0]["url"]).replace("volume.nii.gz", "slice.png");
        let slices = ["plane=axial&index=16", "plane=coronal&index=5", "plane=sagittal&index=36"];
        let mut drawn = Vec::new();
        for slice in slices {
            let answer = owner.get(&format!("{url}?{slice}&lo=0&hi=1000")).send().await;
            assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "image/png"), "{answer:?}");
            drawn.push(pixels(&answer.body));
        }
        pictures.push(drawn);
    }
    assert!(pictures.iter().all(|drawn| *drawn == pictures[0]), "one picture, however it is stored");
    let ([width, height], axial) = &pictures[0][0];
    assert_eq!([*width, *height], [nx, ny], "one pixel a voxel");
    let white = |x: usize, y: usize| axial[3 * (x + width * y)] == 255;
    assert!(white(3, ny - 1 - 5) && !white(nx - 1 - 3, ny - 1 - 5), "the patient's right is on the left");
}

#[tokio::test]
async fn slices_show_the_mask_in_the_reports_colours() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({})).await;
    let url = text(&made["series"][3]["url"]).replace("volume.nii.gz", "slice.png");
    let mask = text(&made["segmentations"][0]["id"]);
    let codes = phantom(1, SHAPE).labels;
    let slab = |z: usize| &codes[SHAPE[0] * SHAPE[1] * z..SHAPE[0] * SHAPE[1] * (z + 1)];
    let tissues =
        |z: usize| Tissue::TUMOUR.into_iter().filter(|tissue| slab(z).contains(&tissue.code())).collect::<Vec<_>>();
    let z = (0..SHAPE[2]).max_by_key(|&z| tissues(z).len()).unwrap();
    assert!(tissues(z).len() >= 2, "{:?} at {z}", tissues(z));
    let drawn = owner.get(&format!("{url}?index={z}&mask={mask}")).send().await;
    let (_, pixels) = pixels(&drawn.body);
    for (tissue, colour) in Tissue::TUMOUR.into_iter().zip([[0x3b, 0x6c, 0xff], [0x2f, 0xbf, 0x4a], [0xff, 0x3b, 0x3b]])
    {
        assert_eq!(pixels.as_chunks::<3>().0.contains(&colour), tissues(z).contains(&tissue), "{tissue}: an outline");
    }
    assert_eq!(owner.get(&format!("{url}?mask={mask}")).send().await.status, StatusCode::OK, "its own slice");
    refused(&owner.get(&format!("{url}?lo=5&hi=1")).send().await, 422, "invalid");
    refused(&owner.get(&format!("{url}?lo=NaN&hi=1")).send().await, 422, "invalid");
    let far = owner.get(&format!("{url}?plane=sagittal&index=99999999")).send().await;
    assert_eq!(far.status, StatusCode::OK, "the last slice");
    let other = study(&owner, case(2), json!({})).await;
    let foreign = text(&other["segmentations"][0]["id"]);
    refused(&owner.get(&format!("{url}?mask={foreign}")).send().await, 422, "invalid");
    let regions = owner.get("/api/v1/regions").send().await.json();
    assert_eq!((&regions[0]["colour"], &regions[2]["name_ko"]), (&json!("#3b6cff"), &json!("조영증강 종양")));
}

fn file(volume: &Volume<f32>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii.gz");
    write_scan(&path, volume, &Geometry::from_grid(volume.grid())).unwrap();
    std::fs::read(path).unwrap()
}

fn pixels(png: &[u8]) -> ([usize; 2], Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    ([frame.width as usize, frame.height as usize], pixels)
}

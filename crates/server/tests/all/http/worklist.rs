//! The worklist: searched, filtered, sorted, in pages; the bin; patients over time.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::http::material::{case, escaped, file_of, study, without};
use crate::http::visitor::{Site, Visitor, refused};

/// Four studies of three patients: two with a reference, one incomplete.
async fn four(owner: &Visitor) -> Vec<Value> {
    let first = study(owner, case(1), json!({"date": "2026-01-31", "name": "Kim"})).await;
    let patient = first["patient"]["id"].clone();
    let second = study(owner, case(2), json!({"date": "2026-03-01", "patient_id": patient})).await;
    let third =
        study(owner, without(case(3), &["seg"]), json!({"date": "2025-12-24", "name": "100% _Lee_ Ärzte"})).await;
    let fourth = study(owner, without(case(4), &["seg", "t1ce"]), json!({})).await;
    vec![first, second, third, fourth]
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn studies_are_found_sorted_and_paged() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = four(&owner).await;
    let id = |n: usize| made[n]["id"].as_str().unwrap();
    let wt = |n: usize| made[n]["segmentation"]["ml"]["wt"].as_f64().unwrap();
    let ask = async |query: &str| owner.get(&format!("/api/v1/studies?{query}")).send().await.json();
    let check = async |query: &str, expected: &[&str]| {
        let found = ask(query).await;
        assert_eq!((ids(&found).as_slice(), &found["total"]), (expected, &json!(expected.len())), "{query}");
    };
    check("", &[id(3), id(2), id(1), id(0)]).await;
    check("sort=created_at", &[id(0), id(1), id(2), id(3)]).await;
    check("sort=-date", &[id(1), id(0), id(2), id(3)]).await;
    check("sort=state&state=incomplete", &[id(3)]).await;
    assert_eq!(ids(&ask("sort=state").await), [id(3), id(2), id(0), id(1)], "incomplete, no mask, accepted twice");
    check("search=kIM&sort=created_at", &[id(0), id(1)]).await;
    check("search=p-0002", &[id(2)]).await;
    check("search=%25", &[id(2)]).await;
    check("search=_lee_", &[id(2)]).await;
    check("search=%C3%84rz", &[id(2)]).await;
    check("search=%00", &[]).await;
    check("date_from=2026-01-31&date_to=2026-02-28", &[id(0)]).await;
    check("state=unsegmented", &[id(2)]).await;
    check("state=accepted&sort=created_at", &[id(0), id(1)]).await;
    let (more, less) = if wt(0) > wt(1) { (0, 1) } else { (1, 0) };
    let between = f64::midpoint(wt(0), wt(1));
    check(&format!("wt_min={between}"), &[id(more)]).await;
    check(&format!("wt_max={between}"), &[id(less)]).await;
    let by_volume = ask("sort=-wt").await;
    assert_eq!(ids(&by_volume)[..2], [id(more), id(less)]);
    for sort in [
        "-created_at",
        "created_at",
        "date",
        "-date",
        "wt",
        "-wt",
        "tc",
        "-tc",
        "et",
        "-et",
        "model",
        "-model",
        "state",
        "-state",
        "pseudonym",
        "-pseudonym",
    ] {
        let whole = ask(&format!("sort={sort}")).await;
        let mut seen: Vec<String> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = ask(&format!("sort={sort}&limit=1&cursor={cursor}")).await;
            assert_eq!(page["total"], 4, "{sort}");
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next"].as_str() else { break };
            cursor = escaped(next);
        }
        assert_eq!(seen, ids(&whole), "{sort}: every study once, in order");
    }
}

#[tokio::test]
async fn studies_are_sorted_by_what_made_their_masks() {
    use sea_orm::{ActiveModelTrait as _, EntityTrait as _, Set};
    use server::entity::{model, segmentation};

    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let owner = site.owner().await;
    let made = four(&owner).await;
    let id = |n: usize| made[n]["id"].as_str().unwrap();
    let model = model::Entity::find().one(&site.app.db).await.unwrap().unwrap().id;
    let mask: server::ids::SegmentationId = made[1]["segmentation"]["id"].as_str().unwrap().parse().unwrap();
    let row = segmentation::ActiveModel {
        id: Set(mask),
        model_id: Set(Some(model)),
        state: Set(segmentation::State::Draft),
        ..Default::default()
    };
    row.update(&site.app.db).await.unwrap();
    let ask = async |query: &str| owner.get(&format!("/api/v1/studies?{query}")).send().await.json();
    assert_eq!(ids(&ask("sort=-model").await)[0], id(1));
    assert_eq!(ids(&ask("sort=model").await)[3], id(1), "those without one come first");
    assert_eq!(ids(&ask("sort=state").await), [id(3), id(2), id(1), id(0)], "incomplete, no mask, draft, accepted");
    assert_eq!(ids(&ask(&format!("model={model}")).await), [id(1)]);
    refused(&owner.get("/api/v1/studies?sort=state&cursor=ready~x").send().await, 422, "invalid");
}

#[tokio::test]
async fn results_are_found_sorted_and_paged_whether_or_not_they_stand_for_their_study() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = four(&owner).await;
    let versions = format!("/api/v1/studies/{}/versions", made[0]["id"].as_str().unwrap());
    let saved = owner.change(Method::POST, &versions).body(crate::http::material::mask(1)).send().await.json();
    let edit = saved["id"].as_str().unwrap();
    let [first, second] = [0, 1].map(|n| made[n]["segmentations"][0]["id"].as_str().unwrap());
    let decide = format!("/api/v1/segmentations/{second}");
    owner.change(Method::PATCH, &decide).json(json!({"state": "rejected"})).send().await.json();
    let ask = async |query: &str| owner.get(&format!("/api/v1/segmentations?{query}")).send().await.json();
    let check = async |query: &str, expected: &[&str]| {
        let found = ask(query).await;
        assert_eq!((ids(&found).as_slice(), &found["total"]), (expected, &json!(expected.len())), "{query}");
    };
    check("", &[edit, second, first]).await;
    check("state=rejected", &[second]).await;
    check("source=edit", &[edit]).await;
    check("source=reference&sort=date", &[first, second]).await;
    check("date_from=2026-02-01", &[second]).await;
    check("date_to=2026-01-31&sort=created_at", &[first, edit]).await;
    check(&format!("study={}", made[1]["id"].as_str().unwrap()), &[second]).await;
    check(&format!("patient={}", made[2]["patient"]["id"].as_str().unwrap()), &[]).await;
    check(&format!("model={}", server::ids::ModelId::fresh()), &[]).await;
    let wt = made[1]["segmentations"][0]["ml"]["wt"].as_f64().unwrap();
    check(&format!("wt_min={wt}&wt_max={wt}"), &[second]).await;
    check("tc_max=-1", &[]).await;
    for key in ["created_at", "date", "wt", "tc", "et", "model", "state"] {
        for sort in [key.to_owned(), format!("-{key}")] {
            let whole = ask(&format!("sort={sort}")).await;
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = ask(&format!("sort={sort}&limit=1&cursor={cursor}")).await;
                assert_eq!(page["total"], 3, "{sort}");
                seen.extend(ids(&page).into_iter().map(str::to_owned));
                let Some(next) = page["next"].as_str() else { break };
                cursor = escaped(next);
            }
            assert_eq!(seen, ids(&whole), "{sort}: every result once, in order");
        }
    }
    assert!(ask("sort=wt").await["items"][0]["labels_url"].is_string());
    for bad in ["sort=evil", "cursor=x", "sort=wt&cursor=NaN~x", "date_from=2026-02-30", "wt_min=x", "more=1"] {
        let answer = owner.get(&format!("/api/v1/segmentations?{bad}")).send().await;
        assert!(answer.status.is_client_error(), "{bad}: {answer:?}");
    }
    let study = format!("/api/v1/studies/{}", made[0]["id"].as_str().unwrap());
    owner.change(Method::DELETE, &study).send().await;
    check("", &[second]).await;
}

#[tokio::test]
async fn the_worklist_says_which_place_in_the_queue_a_study_has() {
    let site = Site::open().await;
    server::models::register_embedded(&site.app.db).await.unwrap();
    let owner = site.owner().await;
    for seed in 1..4 {
        study(&owner, case(seed), json!({"segment": seed != 2})).await;
    }
    let found = owner.get("/api/v1/studies?sort=created_at").send().await.json();
    let places: Vec<&Value> = found["items"].as_array().unwrap().iter().map(|item| &item["job"]["position"]).collect();
    assert_eq!(places, [&json!(1), &Value::Null, &json!(2)], "{found}");
}

#[tokio::test]
async fn what_is_removed_lies_in_the_bin_and_comes_back() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = four(&owner).await;
    let path = format!("/api/v1/studies/{}", made[0]["id"].as_str().unwrap());
    assert_eq!(owner.change(Method::DELETE, &path).send().await.status, StatusCode::NO_CONTENT);
    refused(&owner.get(&path).send().await, 404, "not_found");
    let series = made[0]["series"][0]["url"].as_str().unwrap();
    refused(&owner.get(series).send().await, 404, "not_found");
    let labels = made[0]["segmentations"][0]["labels_url"].as_str().unwrap();
    refused(&owner.get(labels).send().await, 404, "not_found");
    refused(&owner.change(Method::DELETE, &path).send().await, 404, "not_found");
    let bin = owner.get("/api/v1/studies?bin=true").send().await.json();
    assert!(bin["total"] == 1 && bin["items"][0]["removed_at"].is_string(), "{bin}");
    let patient = format!("/api/v1/patients/{}", made[0]["patient"]["id"].as_str().unwrap());
    assert_eq!(owner.change(Method::DELETE, &patient).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(owner.get("/api/v1/studies").send().await.json()["total"], 2, "both of the patient's are gone");
    let back = owner.change(Method::POST, &format!("{path}/restore")).send().await.json();
    assert_eq!((&back["id"], &back["patient"]["name"]), (&made[0]["id"], &json!("Kim")));
    assert_eq!(owner.get("/api/v1/patients").send().await.json()["total"], 3, "the patient came back too");
    let fresh = study(&owner, without(case(5), &["seg"]), json!({})).await;
    assert_eq!(fresh["patient"]["pseudonym"], "P-0004", "no made name is given twice");
}

#[tokio::test]
async fn patients_are_named_and_followed_over_time() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = four(&owner).await;
    let path = format!("/api/v1/patients/{}", made[0]["patient"]["id"].as_str().unwrap());
    let named = owner.change(Method::PATCH, &path).json(json!({"birth_year": 1961})).send().await.json();
    assert_eq!((&named["name"], &named["birth_year"], &named["n_studies"]), (&json!("Kim"), &json!(1961), &json!(2)));
    let cleared = owner.change(Method::PATCH, &path).json(json!({"name": "", "birth_year": 0})).send().await.json();
    assert_eq!((&cleared["name"], &cleared["birth_year"]), (&json!(null), &json!(null)));
    refused(&owner.change(Method::PATCH, &path).json(json!({"birth_year": 961})).send().await, 422, "invalid");
    let volumes = owner.get(&format!("{path}/volumes")).send().await.json();
    let dates: Vec<&str> = volumes.as_array().unwrap().iter().map(|one| one["date"].as_str().unwrap()).collect();
    assert_eq!(dates, ["2026-01-31", "2026-03-01"]);
    assert_eq!(volumes[0]["ml"]["wt"], made[0]["segmentations"][0]["ml"]["wt"]);
    let page = owner.get("/api/v1/patients?limit=2").send().await.json();
    assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(3), 2));
    let rest =
        owner.get(&format!("/api/v1/patients?limit=2&cursor={}", page["next"].as_str().unwrap())).send().await.json();
    assert_eq!(rest["items"][0]["pseudonym"], "P-0001");
}

#[tokio::test]
async fn patients_are_sorted_and_paged() {
    let site = Site::open().await;
    let owner = site.owner().await;
    four(&owner).await;
    let ask = async |query: &str| owner.get(&format!("/api/v1/patients?{query}")).send().await.json();
    // As the ten-thousandth patient would be called, and a study without a date of theirs.
    let sql = "UPDATE patient SET pseudonym = 'P-10000' WHERE pseudonym = 'P-0002'";
    sea_orm::ConnectionTrait::execute_unprepared(&site.app.db, sql).await.unwrap();
    let names = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|one| one["pseudonym"].as_str().unwrap().to_owned()).collect()
    };
    for (sort, expected) in [
        ("", ["P-0003", "P-10000", "P-0001"]),
        ("-created_at", ["P-0003", "P-10000", "P-0001"]),
        ("created_at", ["P-0001", "P-10000", "P-0003"]),
        ("pseudonym", ["P-0001", "P-0003", "P-10000"]),
        ("-pseudonym", ["P-10000", "P-0003", "P-0001"]),
        ("studies", ["P-10000", "P-0003", "P-0001"]),
        ("-studies", ["P-0001", "P-0003", "P-10000"]),
    ] {
        let sort = if sort.is_empty() { String::new() } else { format!("sort={sort}&") };
        assert_eq!(names(&ask(&sort).await), expected, "{sort}");
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ask(&format!("{sort}limit=1&cursor={cursor}")).await;
            assert_eq!(page["total"], 3, "{sort}");
            seen.extend(names(&page));
            let Some(next) = page["next"].as_str() else { break };
            cursor = escaped(next);
        }
        assert_eq!(seen, expected, "{sort}: each once");
    }
    refused(&owner.get("/api/v1/patients?cursor=x").send().await, 422, "invalid");
    refused(&owner.get("/api/v1/patients?sort=pseudonym&cursor=%00~x").send().await, 422, "invalid");
    let studies = owner.get("/api/v1/studies?sort=pseudonym").send().await.json();
    let last = studies["items"].as_array().unwrap().last().unwrap();
    assert_eq!(last["patient"]["pseudonym"], "P-10000", "by number");
}

#[tokio::test]
async fn a_study_has_a_small_picture_and_begins_in_its_tumour() {
    let site = Site::open().await;
    let owner = site.owner().await;
    let made = study(&owner, case(1), json!({})).await;
    let picture = owner.get(made["thumbnail"].as_str().unwrap()).send().await;
    assert_eq!((picture.status, picture.header("content-type")), (StatusCode::OK, "image/png"));
    assert!(picture.body.starts_with(b"\x89PNG") && picture.body.len() < 40_000, "{} bytes", picture.body.len());
    let labels = segment::phantom::phantom(1, crate::http::material::SHAPE);
    let [nx, ny, nz] = labels.shape;
    let area = |z: usize| labels.labels[nx * ny * z..nx * ny * (z + 1)].iter().filter(|code| **code != 0).count();
    let most = (0..nz).map(area).max().unwrap();
    let z = usize::try_from(made["centre"][2].as_u64().unwrap()).unwrap();
    assert_eq!(area(z), most, "the stored z runs upwards in a phantom");
    let bare = study(&owner, vec![("x_flair.nii.gz".to_owned(), file_of(&case(1), "flair"))], json!({})).await;
    assert!(bare["centre"].is_array() && bare["thumbnail"].is_string(), "{bare}");
}

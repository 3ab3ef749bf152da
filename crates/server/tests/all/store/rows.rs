//! Rows are what was written, and contradictions are refused.

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, Set};
use serde_json::json;
use server::db::now;
use server::entity::{Json, measurement, patient, patient_person, segmentation, series, study, user};
use server::ids::{PatientId, SegmentationId, SeriesId, Sha, StudyId, UserId};

use crate::store::material::{Store, bare_study, measured};

pub(crate) async fn steps_are_taken_once(store: Store) {
    assert_eq!(store.db.pending().await.unwrap(), 0);
    store.db.migrate().await.unwrap();
    store.study("P-0001").await;
}

pub(crate) async fn what_is_written_is_read(store: Store) {
    let id = store.patient("P-0001").await;
    let person =
        patient_person::Model {
            patient_id: id, name: Some("홍길동 😀 O'Neil".to_owned()), birth_year: Some(1950)
        };
    store.add(person.clone()).await;
    assert_eq!(patient_person::Entity::find_by_id(id).one(&store.db).await.unwrap(), Some(person));

    let (study_id, labels_sha) = (store.study("P-0002").await, store.blob("labels").await);
    let id = SegmentationId::fresh();
    let row = segmentation::Model {
        id,
        study_id,
        number: 1,
        source: segmentation::Source::Reference,
        parent_id: None,
        model_id: None,
        parameters: Json(json!({"b": [1.5, null, true], "a": "가"})),
        state: segmentation::State::Accepted,
        labels_sha,
        picture_sha: None,
        created_by: Some(UserId::fresh()),
        created_at: now(),
        decided_by: None,
        decided_at: Some(i64::MAX),
        note: "n".repeat(100_000),
    };
    store.add(row.clone()).await;
    assert_eq!(segmentation::Entity::find_by_id(id).one(&store.db).await.unwrap(), Some(row));
    // Longer than MySQL's TEXT, and numbers to the last bit.
    let report = Json(json!({"text": "é".repeat(200_000)}));
    let row = measurement::Model { segmentation_id: id, report, ..measured() };
    store.add(row.clone()).await;
    assert_eq!(measurement::Entity::find_by_id(id).one(&store.db).await.unwrap(), Some(row));

    let one = series::Entity::find().one(&store.db).await.unwrap().unwrap();
    let mut guessed = one.clone().into_active_model();
    guessed.guessed = Set(true);
    assert!(guessed.update(&store.db).await.unwrap().guessed && !one.guessed, "truth values change");
}

pub(crate) async fn the_database_refuses_what_contradicts(store: Store) {
    let db = &store.db;
    let refused = async |row: patient::Model| row.into_active_model().insert(db).await.unwrap_err().to_string();
    store.patient("P-0001").await;
    let again = patient::Model { id: PatientId::fresh(), pseudonym: "P-0001".into(), created_at: 0, removed_at: None };
    let said = refused(again).await.to_lowercase();
    assert!(said.contains("unique") || said.contains("duplicate"), "{said}");

    for name in ["kim", "Kim", "KIM"] {
        let id = UserId::fresh();
        let (password_hash, role) = (String::new(), user::Role::Viewer);
        store.add(user::Model { id, name: name.into(), password_hash, role, created_at: 0, disabled_at: None }).await;
    }

    let orphan = bare_study(StudyId::fresh(), PatientId::fresh());
    assert!(study::Entity::insert(orphan.into_active_model()).exec(db).await.is_err(), "a study of nobody");
    let study_id = store.study("P-0002").await;
    let row = |sha| series::Model {
        id: SeriesId::fresh(),
        study_id,
        sequence: series::Sequence::T1n,
        source_sha: sha,
        volume_sha: sha,
        bytes: 1,
        grid: Json::of(&0),
        guessed: false,
        created_at: 0,
    };
    let nowhere = Sha::of(b"never stored");
    assert!(
        series::Entity::insert(row(nowhere).into_active_model()).exec(db).await.is_err(),
        "a row that points at nothing"
    );
    let there = store.blob("there").await;
    assert!(series::Entity::insert(row(there).into_active_model()).exec(db).await.is_err(), "a second T1n");
}

pub(crate) async fn numbers_have_no_gaps_and_no_doubles(store: Store) {
    let study_id = store.study("P-0001").await;
    let mut numbers = Vec::new();
    let tasks: Vec<_> = (0..12)
        .map(|i| {
            let db = store.db.clone();
            tokio::spawn(async move {
                let within = db.write().await.unwrap();
                let number = study::next_number(&within, study_id).await.unwrap();
                if i % 3 == 0 {
                    return None; // not committed: its number is given to another
                }
                within.commit_unrecorded().await.unwrap();
                Some(number)
            })
        })
        .collect();
    for task in tasks {
        numbers.extend(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<i32>>());
}

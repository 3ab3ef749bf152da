//! Taking out the bin, finding damage, backup and the way back.

use std::fs;

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, PaginatorTrait, Set};
use server::accounts::Person;
use server::entity::{audit, draft, file, job, patient, segmentation, study};
use server::files::FilesError;
use server::ids::{Sha, StudyId};
use server::jobs::{Queue, State};
use server::upkeep::{Ages, Finding, MANIFEST, Purged, RestoreError, backup, check, purge, restore};

use crate::store::material::Store;
use crate::store::servers::Place;

/// Everything that is in the bin, or of no use, is old. Negative, so that this moment counts as past.
const NOW: Ages = Ages { bin_ms: -1000, uploads_ms: -1000, blobs_ms: -1000 };

async fn take_out(store: &Store, ages: Ages) -> Purged {
    purge(&store.db, &store.files, &Person::server(), ages).await.unwrap()
}

async fn done(store: &Store, name: &str) -> StudyId {
    let id = store.queued(name).await;
    let claim = store.claim("w").await;
    let made = store.made(&format!("labels of {name}")).await;
    store.queue.finish(&claim, made).await.unwrap().unwrap();
    job::Entity::find_by_id(id).one(&store.db).await.unwrap().unwrap().study_id
}

async fn remove(store: &Store, id: StudyId) {
    let row = study::Entity::find_by_id(id).one(&store.db).await.unwrap().unwrap();
    let mut patient =
        patient::Entity::find_by_id(row.patient_id).one(&store.db).await.unwrap().unwrap().into_active_model();
    let mut row = row.into_active_model();
    row.removed_at = Set(Some(server::db::now()));
    row.update(&store.db).await.unwrap();
    patient.removed_at = Set(Some(server::db::now()));
    patient.update(&store.db).await.unwrap();
}

pub(crate) async fn the_bin_is_taken_out(store: Store) {
    store.model("tiny").await;
    let (gone, kept) = (done(&store, "P-0001").await, done(&store, "P-0002").await);
    let (mask, unused) = (Sha::of(b"labels of P-0001"), store.blob("of no use").await);
    let labels_sha = store.blob("a draft").await;
    let row = draft::Model { study_id: gone, user_key: "local".into(), parent_id: None, labels_sha, updated_at: 0 };
    store.add(row).await;
    remove(&store, gone).await;
    assert!(take_out(&store, Ages::of(30)).await.is_nothing(), "it lies there for 30 days");
    assert!(store.files.path(unused).exists());
    let purged = take_out(&store, NOW).await;
    assert_eq!(purged, Purged { studies: 1, patients: 1, uploads: 0, files: 4 + 1 + 1 + 1 });
    assert!(!store.files.path(mask).exists() && !store.files.path(unused).exists());
    assert_eq!(store.bytes_of(mask).await, None);
    assert!(study::Entity::find_by_id(kept).one(&store.db).await.unwrap().is_some());
    let report = check(&store.db, &store.files).await.unwrap();
    assert_eq!((report.findings, report.blobs), (vec![], 4 + 1 + 1), "what is left is whole");
    let said = audit::Entity::find().all(&store.db).await.unwrap();
    assert_eq!(said.iter().filter(|entry| entry.action == "purge").count(), 2, "study and patient");

    // A study that a worker has is left until it has ended.
    let running = store.study("P-0003").await;
    store.wish(running).await;
    let claim = store.claim("w").await;
    remove(&store, running).await;
    assert_eq!(take_out(&store, NOW).await.studies, 0);
    assert_eq!(audit::Entity::find().count(&store.db).await.unwrap(), said.len() as u64, "nothing happened");
    assert!(store.queue.cancelled(&claim).await.unwrap());
    assert_eq!(take_out(&store, NOW).await.studies, 1);
}

/// The bin is taken out while somebody takes a study out of it: whoever comes later sees that.
pub(crate) async fn what_is_taken_out_of_the_bin_stays(store: Store) {
    store.model("tiny").await;
    let id = done(&store, "P-0001").await;
    remove(&store, id).await;
    let within = store.db.write().await.unwrap();
    let row = study::Entity::find_by_id(id).one(&within).await.unwrap().unwrap();
    let mut back = row.into_active_model();
    back.removed_at = Set(None);
    back.update(&within).await.unwrap();
    let (db, files) = (store.db.clone(), store.files.clone());
    let purging = tokio::spawn(async move { purge(&db, &files, &Person::server(), NOW).await.unwrap() });
    let mut purging = Box::pin(purging);
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut purging).await;
    assert!(early.is_err(), "it waits for who holds the study");
    within.commit_unrecorded().await.unwrap();
    assert_eq!(purging.await.unwrap().studies, 0);
    assert!(study::Entity::find_by_id(id).one(&store.db).await.unwrap().is_some());
    let said = audit::Entity::find().all(&store.db).await.unwrap();
    assert!(said.iter().all(|entry| entry.object_kind != "study"), "nothing was purged: {said:?}");
}

/// Bytes that nobody uses are purged while somebody stores them again: the row and the blob stay together.
pub(crate) async fn what_is_stored_again_is_not_purged(store: Store) {
    let store = std::sync::Arc::new(store);
    let ages = Ages { blobs_ms: 60_000, ..NOW };
    for round in 0..15 {
        let text = format!("round {round}");
        let old = store.blob(&text).await;
        let mut row = file::Entity::find_by_id(old).one(&store.db).await.unwrap().unwrap().into_active_model();
        row.created_at = Set(0);
        row.update(&store.db).await.unwrap();
        let (one, two) = (store.clone(), store.clone());
        let purging = tokio::spawn(async move { take_out(&one, ages).await });
        let storing = tokio::spawn(async move { two.blob(&text).await });
        let sha = storing.await.unwrap();
        purging.await.unwrap();
        let row = file::Entity::find_by_id(sha).one(&store.db).await.unwrap();
        assert!(row.is_some() && store.files.path(sha).exists(), "round {round}: both are there");
    }
}

pub(crate) async fn damage_is_found(store: Store) {
    store.model("tiny").await;
    done(&store, "P-0001").await;
    let clean = check(&store.db, &store.files).await.unwrap();
    assert_eq!(clean.findings, vec![]);
    let folder = store.folder.path().join("backup");
    assert_eq!(backup(&store.db, &store.files, &folder).await.unwrap().damaged, vec![]);
    let [cut, changed, lost] = ["P-0001 T1n", "P-0001 T1c", "P-0001 T2w"].map(|text| Sha::of(text.as_bytes()));
    fs::write(store.files.path(cut), "P-0001").unwrap();
    fs::write(store.files.path(changed), "P-0001 t1c").unwrap();
    fs::remove_file(store.files.path(lost)).unwrap();
    let left = store.files.path(Sha::of(b"nobody's"));
    fs::create_dir_all(left.parent().unwrap()).unwrap();
    fs::write(&left, "nobody's").unwrap();
    segmentation::Entity::find().all(&store.db).await.unwrap();
    server::entity::measurement::Entity::delete_many().exec(&store.db).await.unwrap();
    let findings = check(&store.db, &store.files).await.unwrap().findings;
    let has = |finding: &Finding| assert!(findings.contains(finding), "{finding}: {findings:?}");
    has(&Finding::Damaged { sha: cut, expected: 10, found: 6 });
    has(&Finding::Damaged { sha: changed, expected: 10, found: 10 });
    has(&Finding::Missing { sha: lost });
    assert!(findings.iter().any(|finding| matches!(finding, Finding::Orphan { .. })), "{findings:?}");
    assert!(findings.iter().any(|finding| matches!(finding, Finding::Unmeasured { .. })), "{findings:?}");
    assert_eq!(findings.len(), 5, "{findings:?}");
    assert!(matches!(store.files.blob(&store.db, cut).await, Err(FilesError::Damaged { .. })), "a read sees it too");
    // A backup keeps what it had, and is not content with the length of what it holds.
    let report = backup(&store.db, &store.files, &folder).await.unwrap();
    assert_eq!((report.kept, report.damaged), (clean.blobs, vec![]));
    let (one, other) = (cut.to_string(), changed.to_string());
    let at = |name: &str| folder.join("blobs").join(&name[..2]).join(&name[2..]);
    fs::write(at(&other), "P-0001 t1c").unwrap();
    fs::remove_file(at(&one)).unwrap();
    let mut damaged = backup(&store.db, &store.files, &folder).await.unwrap().damaged;
    damaged.sort();
    let mut expected = vec![cut, changed];
    expected.sort();
    assert_eq!(damaged, expected);
    assert!(!at(&other).exists() && !at(&one).exists(), "and holds nothing damaged");
}

pub(crate) async fn a_backup_comes_back(store: Store) {
    let target = crate::store::servers::Databases::sqlite();
    moves(store, target.fresh("back").await).await;
}

/// A backup made while jobs are written, again into the same folder, and back on another database.
pub(crate) async fn moves(store: Store, target: Place) {
    store.model("tiny").await;
    done(&store, "P-0001").await;
    let folder = store.folder.path().join("backup");
    let first = backup(&store.db, &store.files, &folder).await.unwrap();
    assert_eq!((first.copied, first.kept, first.damaged.len()), (6, 0, 0));
    let (writing, copying) = tokio::join!(
        async {
            for i in 2..8 {
                done(&store, &format!("P-{i:04}")).await;
            }
        },
        backup(&store.db, &store.files, &folder)
    );
    let () = writing;
    assert!(copying.unwrap().damaged.is_empty());
    store.queued("P-0009").await;
    store.claim("w").await;
    let last = backup(&store.db, &store.files, &folder).await.unwrap();
    assert!(last.kept >= 6 && last.damaged.is_empty(), "{last:?}");

    let back = Store::without_tables(target).await;
    let report = restore(&back.db, &back.files, &folder, &Person::command_line()).await.unwrap();
    assert_eq!((report.rows, report.missing.len()), (last.rows, 0));
    let found = check(&back.db, &back.files).await.unwrap();
    assert_eq!(found.findings, vec![]);
    assert_eq!(rows(&back).await, rows(&store).await);
    let last = audit::Entity::find().all(&back.db).await.unwrap().pop().unwrap();
    assert_eq!((last.action.as_str(), last.user_key.as_str()), ("restore", "command-line"), "in the same transaction");
    let row = job::Entity::find().all(&back.db).await.unwrap().into_iter().find(|row| row.ended_at.is_none()).unwrap();
    assert_eq!((row.state, row.attempt, row.worker), (State::Queued, 0, None), "what ran waits again");
    store_goes_on(&back).await;
    assert!(matches!(
        restore(&back.db, &back.files, &folder, &Person::command_line()).await,
        Err(RestoreError::NotEmpty { .. })
    ));

    of_other_versions(&back, &folder).await;

    let name = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("rows-"));
    let mut text = fs::read(name.as_ref().unwrap()).unwrap();
    text[100] ^= 1;
    fs::write(name.unwrap(), text).unwrap();
    let refused = restore(&back.db, &back.files, &folder, &Person::command_line()).await.unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
    fs::remove_file(folder.join(MANIFEST)).unwrap();
    assert!(matches!(
        restore(&back.db, &back.files, &folder, &Person::command_line()).await,
        Err(RestoreError::NoBackup { .. })
    ));
}

/// A backup of a version whose rows were the same is taken, one of another is not.
async fn of_other_versions(back: &Store, folder: &std::path::Path) {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(MANIFEST)).unwrap()).unwrap();
    for (steps, is_taken) in [(3, false), (4, true), (99, false)] {
        let mut other = manifest.clone();
        other["steps"] = steps.into();
        fs::write(folder.join(MANIFEST), other.to_string()).unwrap();
        let refused = restore(&back.db, &back.files, folder, &Person::command_line()).await.unwrap_err();
        let is_for_rows = matches!(refused, RestoreError::NotEmpty { .. });
        let is_for_version = matches!(refused, RestoreError::OtherVersion { .. });
        assert_eq!((is_for_rows, is_for_version), (is_taken, !is_taken), "{steps} steps: {refused}");
    }
    fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
}

/// Counters go on where they were.
async fn store_goes_on(store: &Store) {
    let claim = store.claim("w").await;
    let made = store.made("after the restore").await;
    store.queue.finish(&claim, made).await.unwrap().unwrap();
    let before = audit::Entity::find().count(&store.db).await.unwrap();
    take_out(store, NOW).await;
    let study = done(store, "P-0010").await;
    remove(store, study).await;
    take_out(store, NOW).await;
    assert!(audit::Entity::find().count(&store.db).await.unwrap() > before, "the audit log goes on");
}

async fn rows(store: &Store) -> (Vec<study::Model>, Vec<segmentation::Model>, Vec<server::entity::measurement::Model>) {
    let mut studies = study::Entity::find().all(&store.db).await.unwrap();
    let mut segmentations = segmentation::Entity::find().all(&store.db).await.unwrap();
    let mut measurements = server::entity::measurement::Entity::find().all(&store.db).await.unwrap();
    studies.sort_by_key(|row| row.id);
    segmentations.sort_by_key(|row| row.id);
    measurements.sort_by_key(|row| row.segmentation_id);
    (studies, segmentations, measurements)
}

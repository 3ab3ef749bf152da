//! `worker`, `check`, `backup`, `restore`, `migrate` as they are typed.

use std::fs;
use std::process::Output;

use sea_orm::EntityTrait;
use segment::deliver::Delivered;
use serde_json::Value;
use server::entity::{file, measurement, segmentation};
use server::jobs::State;

use crate::jobs::material::{Running, Store, block_on, run};

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A store with one study that a real worker segmented.
async fn segmented() -> Store {
    let store = Store::new().await;
    let study = store.study(1).await;
    let id = store.wish(study).await;
    let mut worker = Running::start(&mut store.glioscope("worker"));
    let row = store.until(id, |row| row.ended_at.is_some()).await;
    assert_eq!((row.state, row.attempt), (State::Done, 1), "{row:?}");
    assert!(worker.end(), "a worker that is asked to end ends well");
    store
}

#[test]
fn a_worker_segments_and_its_result_is_whole() {
    block_on(async {
        let store = segmented().await;
        let row = segmentation::Entity::find().one(&store.db).await.unwrap().unwrap();
        let measured = measurement::Entity::find_by_id(row.id).one(&store.db).await.unwrap().unwrap();
        let delivered: Delivered = measured.report.read().unwrap();
        assert_eq!(delivered.report.case, "P-0001", "the made name, not a person's");
        assert_eq!(delivered.report.inputs.len(), 4);
        let labels = store.files.read(&store.db, row.labels_sha).await.unwrap();
        assert!(volume::nifti::parse(&labels, &volume::Limits::default()).is_ok());
        let picture = store.files.read(&store.db, row.picture_sha.unwrap()).await.unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
        assert_eq!(fs::read_dir(store.data.join("files/staging")).unwrap().count(), 0, "nothing is left behind");
    });
}

#[test]
fn a_segmentation_keeps_to_its_memory() {
    block_on(async {
        let store = Store::new().await;
        let study = store.study(1).await;
        let id = store.wish(study).await;
        let mut worker = Running::start(store.glioscope("worker").env("GLIOSCOPE_WORKER__MEMORY_MIB", "48"));
        let row = store.until(id, |row| row.ended_at.is_some()).await;
        assert_eq!((row.state, row.failure_code.as_deref()), (State::Failed, Some("out_of_memory")), "{row:?}");
        assert_eq!(row.attempt, 3, "it was tried again, and then reported");
        assert!(worker.end(), "the worker itself lives on");
    });
}

#[test]
fn a_store_is_checked_copied_and_brought_back() {
    block_on(async {
        let store = segmented().await;
        let good = run(&store.data, "check", &["--json"]);
        assert!(good.status.success(), "{good:?}");
        assert_eq!((json(&good)["findings"].as_array().unwrap().len(), &json(&good)["blobs"]), (0, &Value::from(7)));
        let folder = store.folder.path().join("backup");
        let copied = run(&store.data, "backup", &[folder.to_str().unwrap(), "--json"]);
        assert!(copied.status.success() && json(&copied)["copied"] == 7, "{copied:?}");

        let other = store.folder.path().join("other");
        let folder = folder.to_str().unwrap();
        let back = run(&other, "restore", &[folder, "--json"]);
        assert!(back.status.success() && json(&back)["blobs"] == 7, "{back:?}");
        let good = run(&other, "check", &["--json"]);
        assert!(good.status.success(), "{good:?}");
        assert_eq!(json(&run(&other, "migrate", &["--json"]))["steps"], 0);
        let refused = run(&other, "restore", &[folder, "--json"]);
        assert_eq!(refused.status.code(), Some(1), "not over what is there");

        let row = file::Entity::find().one(&store.db).await.unwrap().unwrap();
        let path = store.files.path(row.sha);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let bad = run(&store.data, "check", &[]);
        let said = String::from_utf8_lossy(&bad.stderr).into_owned();
        assert_eq!(bad.status.code(), Some(1));
        assert!(said.contains(&row.sha.to_string()) && said.contains("damaged"), "{said}");
    });
}

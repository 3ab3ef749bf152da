//! The worker and its children, with children that only pretend.

use std::time::Duration;

use sea_orm::EntityTrait;
use server::entity::job;
use server::jobs::State;
use server::jobs::worker::{Settings, Worker};
use tokio_util::sync::CancellationToken;

use crate::store::material::{LONG, Store};

fn worker(store: &Store, script: &str, limit: Duration) -> Worker {
    let settings = Settings {
        name: "w".to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        lease: LONG,
        memory: None,
        cache: None,
        limit,
    };
    Worker::new(store.db.clone(), store.files.clone(), settings)
}

/// Does the one job that waits, until it waits no more; what became of it.
async fn work_off(store: &Store, script: &str, limit: Duration) -> job::Model {
    let stop = CancellationToken::new();
    let worker = worker(store, script, limit);
    while worker.next(&stop).await.unwrap() {}
    job::Entity::find().one(&store.db).await.unwrap().unwrap()
}

pub(crate) async fn a_job_that_kills_its_process_is_given_up(store: Store) {
    store.model("tiny").await;
    let id = store.queued("P-0001").await;
    let begun = store.folder.path().join("begun");
    let script = format!("read task; echo x >> {}; kill -9 $$", begun.display());
    let row = work_off(&store, &script, LONG).await;
    assert_eq!((row.state, row.failure_code.as_deref()), (State::Failed, Some("crashed")));
    assert_eq!(row.failure_detail.as_deref(), Some("The process that segmented was ended by signal 9."));
    assert_eq!(std::fs::read_to_string(&begun).unwrap().lines().count(), 3, "three attempts");

    let again = async |script: &str, limit| {
        store.retry(id).await.unwrap();
        work_off(&store, script, limit).await
    };
    let row = again("echo 'memory allocation of 99 bytes failed' >&2; kill -6 $$", LONG).await;
    assert_eq!(row.failure_code.as_deref(), Some("out_of_memory"));
    let row = again("read task; echo nonsense; exec sleep 1000", Duration::from_millis(300)).await;
    assert_eq!((row.failure_code.as_deref(), row.attempt), (Some("timed_out"), 1), "which is not tried again");
    let said = r#"{"said":"failed","code":"scans_unusable","detail":"T1c: a mask"}"#;
    let row = again(&format!("read task; echo '{said}'"), LONG).await;
    assert_eq!(
        (row.failure_code.as_deref(), row.failure_detail.as_deref()),
        (Some("scans_unusable"), Some("T1c: a mask"))
    );

    // A worker that is shut down gives its job back, and its child is gone.
    store.retry(id).await.unwrap();
    let stop = CancellationToken::new();
    let pid = store.folder.path().join("pid");
    let script = format!("read task; echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000", pid.display());
    let (running, stopping) = (worker(&store, &script, LONG), stop.clone());
    let work = tokio::spawn(async move { running.next(&stopping).await.unwrap() });
    until(|| pid.exists()).await;
    stop.cancel();
    assert!(work.await.unwrap());
    let row = job::Entity::find().one(&store.db).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempt), (State::Queued, 0));
    let child = std::fs::read_to_string(&pid).unwrap();
    let alive = std::path::Path::new("/proc").join(child.trim());
    until(|| !alive.exists()).await;
}

/// Waits for a file of another process, which cannot wake us.
async fn until(is: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(20), "it did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

//! Blobs: whole or not at all, once however often they come.

use std::io;

use futures_util::stream;
use server::files::{Files, FilesError};
use server::ids::Sha;

use crate::store::material::Store;

pub(crate) async fn blobs_are_stored_once(store: Store) {
    let pieces =
        |text: &'static str| stream::iter(text.as_bytes().chunks(3).map(|piece| Ok::<_, io::Error>(piece.to_vec())));
    let staged = store.files.stage(pieces("the same bytes"), 14).await.unwrap();
    assert_eq!((staged.sha(), staged.bytes()), (Sha::of(b"the same bytes"), 14));
    let sha = store.files.keep(&store.db, staged).await.unwrap();
    assert_eq!(store.blob("the same bytes").await, sha);
    assert_eq!(store.bytes_of(sha).await, Some(14));
    assert_eq!(store.files.read(&store.db, sha).await.unwrap(), b"the same bytes");

    let refused = store.files.stage(pieces("the same bytes"), 13).await.unwrap_err();
    assert!(matches!(refused, FilesError::TooLarge { limit: 13 }), "{refused}");
    let broken = stream::iter([Ok(vec![1]), Err(io::Error::other("gone"))]);
    let refused = store.files.stage(broken, 99).await.unwrap_err();
    assert!(matches!(refused, FilesError::Interrupted { .. }), "{refused}");
    let staging = std::fs::read_dir(store.files.folder().join("staging")).unwrap();
    assert_eq!(staging.count(), 0, "what failed leaves nothing");

    // Damage is seen, and mended by the same bytes.
    let path = store.files.path(sha);
    std::fs::write(&path, "the same").unwrap();
    let refused = store.files.blob(&store.db, sha).await.unwrap_err();
    assert!(matches!(refused, FilesError::Damaged { expected: 14, found: 8, .. }), "{refused}");
    store.blob("the same bytes").await;
    assert_eq!(store.files.read(&store.db, sha).await.unwrap(), b"the same bytes");
    // Also where only some bytes are others.
    std::fs::write(&path, "the same bytez").unwrap();
    let later = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1); // clocks of files tick slowly
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let refused = store.files.blob(&store.db, sha).await.unwrap_err();
    assert!(matches!(refused, FilesError::Damaged { expected: 14, found: 14, .. }), "{refused}");
    store.files.present(&store.db, sha).await.unwrap(); // for who compares by themselves
    store.blob("the same bytes").await;
    assert_eq!(store.files.blob(&store.db, sha).await.unwrap().bytes, 14);
    assert_eq!(std::fs::read(&path).unwrap(), b"the same bytes", "mended");
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(store.files.blob(&store.db, sha).await.unwrap_err(), FilesError::Missing { .. }));

    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (db, files) = (store.db.clone(), store.files.clone());
            tokio::spawn(async move {
                let staged = files.stage_bytes(&vec![7; 100_000]).unwrap();
                files.keep(&db, staged).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Sha::of(&vec![7; 100_000]));
    }
}

/// A disk of one megabyte, where the machine lets one mount.
#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(folder.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("SKIPPED: a full disk, since this machine mounts none");
        return;
    }
    let files = Files::open(folder.path()).unwrap();
    let refused = files.stage_bytes(&vec![1; 2 << 20]).unwrap_err();
    let left = std::fs::read_dir(folder.path().join("staging")).unwrap().count();
    let small = files.stage_bytes(&[1; 1000]).map(|staged| staged.bytes());
    assert!(std::process::Command::new("umount").arg(folder.path()).status().unwrap().success());
    assert!(matches!(refused, FilesError::DiskFull), "{refused}");
    assert_eq!((left, small.unwrap()), (0, 1000));
}

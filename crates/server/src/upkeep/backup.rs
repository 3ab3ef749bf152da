//! A copy of everything, made while the server runs: rows of one moment, and the blobs that they name.
//!
//! A backup is a folder: `rows-HASH.jsonl`, one row a line, the same for every kind of database; `blobs`, as in the
//! store; and `backup.json`, written last. Blobs never change, so a second backup into the same folder copies what is new.
//! Every blob is compared with its hash, those of the store while they are copied and those that are there already by
//! reading them: a backup takes as long as reading all of it, and is whole when it says so.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, Iterable, PaginatorTrait, PrimaryKeyToColumn, QueryOrder,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use volume::write_atomically;

use super::check::hash;
use crate::compared::copy_hashed;
use crate::db::{Db, now};
use crate::entity::{self, file};
use crate::files::{Files, FilesError, blocking, sync};
use crate::ids::Sha;

/// The name of the file that says that a backup is whole.
pub const MANIFEST: &str = "backup.json";
/// Of this layout.
pub(super) const VERSION: u32 = 1;
/// How often a backup is begun anew whose blobs were removed while it was made.
const TRIES: u32 = 3;

/// What `backup.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the layout.
    pub version: u32,
    /// Of the program that made it.
    pub program: String,
    /// Steps that its tables had come.
    pub steps: usize,
    /// When, in ms since 1970.
    pub made_at: i64,
    /// The hash of the file with the rows, and in its name.
    pub rows_sha: Sha,
    /// How many rows.
    pub rows: u64,
}

/// What was copied.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BackupReport {
    /// Rows.
    pub rows: u64,
    /// Blobs that were copied.
    pub copied: usize,
    /// Blobs that were there from an earlier backup.
    pub kept: usize,
    /// Blobs that are missing or damaged in the store, so that the backup lacks them.
    pub damaged: Vec<Sha>,
}

/// Why there is no backup. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something about the database.
    #[error(transparent)]
    Db(#[from] DbErr),
    /// Something about the files.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Blobs went while they were copied, again and again.
    #[error("blobs were removed while they were copied; please try again later")]
    Unsteady,
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self::Files(error.into())
    }
}

/// Every table whose rows are worth keeping, each after those that it refers to. Sessions are not: after a restore people
/// log in again.
macro_rules! tables {
    ($($table:ident)*) => {
        /// The names of the tables in a backup, in the order in which they are written.
        pub(super) const TABLES: &[&str] = &[$(stringify!($table)),*];

        async fn dump_all(from: &DatabaseTransaction, out: &mut Rows) -> Result<(), BackupError> {
            $(dump::<entity::$table::Entity>(stringify!($table), from, out).await?;)*
            Ok(())
        }

        /// Writes rows of one table; how many.
        pub(super) async fn insert(
            table: &str,
            rows: Vec<serde_json::Value>,
            to: &crate::db::Write,
        ) -> Result<(), super::RestoreError> {
            match table {
                $(stringify!($table) => super::restore::insert_rows::<entity::$table::Entity>(rows, to).await,)*
                _ => Err(super::RestoreError::Unknown { table: table.to_owned() }),
            }
        }

        /// The first table that has rows, if there is one.
        pub(super) async fn first_filled(on: &impl ConnectionTrait) -> Result<Option<&'static str>, DbErr> {
            $(if entity::$table::Entity::find().count(on).await? > 0 {
                return Ok(Some(stringify!($table)));
            })*
            Ok(None)
        }
    };
}

tables! {
    file setting patient patient_person study series model segmentation measurement job draft user api_token audit upload
    upload_file
}

/// A row of a table, as it stands in a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line<T> {
    pub(super) table: String,
    pub(super) row: T,
}

/// The file with the rows, while it is written.
struct Rows {
    out: BufWriter<File>,
    sha: Sha256,
    count: u64,
}

impl Rows {
    fn write(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        self.sha.update(&text);
        self.count += 1;
        Ok(self.out.write_all(&text)?)
    }
}

async fn dump<E>(table: &str, from: &DatabaseTransaction, out: &mut Rows) -> Result<(), BackupError>
where
    E: EntityTrait,
    E::Model: Serialize + Send + Sync,
{
    let mut ordered = E::find();
    for key in E::PrimaryKey::iter() {
        ordered = ordered.order_by_asc(key.into_column());
    }
    let mut pages = ordered.paginate(from, 500);
    while let Some(rows) = pages.fetch_and_next().await? {
        for row in rows {
            out.write(&Line { table: table.to_owned(), row })?;
        }
    }
    Ok(())
}

/// Copies everything into a folder, which is made if it is not there.
///
/// # Errors
/// As [`BackupError`] says.
pub fn backup<'a>(db: &'a Db, files: &'a Files, folder: &'a Path) -> BoxFuture<'a, Result<BackupReport, BackupError>> {
    Box::pin(async move {
        DirBuilder::new().recursive(true).mode(0o700).create(folder.join("blobs"))?;
        for _ in 0..TRIES {
            let (draft, mut manifest, blobs) = rows(db, folder).await?;
            let (place, target) = (files.clone(), folder.to_owned());
            let report = blocking(move || Ok(copy_all(&place, &target, &blobs)?)).await?;
            // A blob may be gone because the bin was taken out after the rows were read.
            if gone(db, &report.damaged).await? {
                continue;
            }
            manifest.steps -= db.pending().await?;
            let name = rows_name(manifest.rows_sha);
            fs::rename(draft, folder.join(&name))?;
            sync(folder)?;
            let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
            write_atomically(&folder.join(MANIFEST), |out| out.write_all(&text))?;
            forget_old(folder, &name)?;
            return Ok(BackupReport { rows: manifest.rows, ..report });
        }
        Err(BackupError::Unsteady)
    })
}

/// The name of the file with rows.
pub(super) fn rows_name(sha: Sha) -> String {
    format!("rows-{sha}.jsonl")
}

/// Writes the rows of this moment to a file without a name yet, and says which blobs there are.
async fn rows(db: &Db, folder: &Path) -> Result<(PathBuf, Manifest, Vec<file::Model>), BackupError> {
    let draft = folder.join(".rows.partial");
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let mut out = Rows { out: BufWriter::new(file), sha: Sha256::new(), count: 0 };
    let from = db.snapshot().await?;
    dump_all(&from, &mut out).await?;
    let blobs = file::Entity::find().all(&from).await?;
    from.commit().await?;
    let file = out.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let manifest = Manifest {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        steps: crate::migration::steps(),
        made_at: now(),
        rows_sha: Sha(out.sha.finalize().into()),
        rows: out.count,
    };
    Ok((draft, manifest, blobs))
}

fn copy_all(files: &Files, folder: &Path, blobs: &[file::Model]) -> io::Result<BackupReport> {
    let mut report = BackupReport::default();
    for blob in blobs {
        let target = blob_in(folder, blob.sha);
        match hash(&target) {
            Ok((sha, _)) if sha == blob.sha => {
                report.kept += 1;
                continue;
            }
            Ok(_) => fs::remove_file(&target)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if let Some(parent) = target.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        match copy(&files.path(blob.sha), &target, blob.sha) {
            Ok(()) => report.copied += 1,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                report.damaged.push(blob.sha);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

/// Copies a blob; of one with another hash, which is `InvalidData`, nothing is left.
fn copy(source: &Path, target: &Path, sha: Sha) -> io::Result<()> {
    let mut from = File::open(source)?;
    write_atomically(target, |out| {
        let (found, _) = copy_hashed(&mut from, out)?;
        if found == sha { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    })
}

/// Where a blob lies in a backup.
pub(super) fn blob_in(folder: &Path, sha: Sha) -> PathBuf {
    let name = sha.to_string();
    folder.join("blobs").join(&name[..2]).join(&name[2..])
}

/// Whether one of these has no row any more.
async fn gone(db: &Db, blobs: &[Sha]) -> Result<bool, DbErr> {
    for &sha in blobs {
        if file::Entity::find_by_id(sha).one(db).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the rows of earlier backups.
fn forget_old(folder: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let other = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if other.starts_with("rows-") && other != name {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

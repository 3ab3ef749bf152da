//! The way back: a backup into an empty store, on this or another kind of database.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::backup::{Line, MANIFEST, Manifest, TABLES, VERSION, blob_in, first_filled, insert, rows_name};
use super::check::hash;
use crate::accounts::Person;
use crate::audit::{self, Action, Kind, Object};
use crate::db::{Db, Write};
use crate::entity::{file, job};
use crate::error::Problem;
use crate::files::{Files, FilesError, blocking};
use crate::ids::Sha;
use crate::migration::{SAME_ROWS_SINCE, steps};

/// Rows of one `INSERT`.
const TOGETHER: usize = 200;

/// What was brought back.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RestoreReport {
    /// Rows.
    pub rows: u64,
    /// Blobs.
    pub blobs: usize,
    /// Blobs that the backup lacks, or holds damaged.
    pub missing: Vec<Sha>,
}

/// Why nothing was brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The folder holds no whole backup.
    #[error("{}: there is no whole backup here ({why})", folder.display())]
    NoBackup {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The backup is of a newer or older program.
    #[error(
        "the backup was made by version {program} of the program, whose tables are others; restore with that version"
    )]
    OtherVersion {
        /// Which.
        program: String,
    },
    /// There is something already.
    #[error("the store is not empty (table {table}): restore into an empty one, so that nothing is overwritten")]
    NotEmpty {
        /// A table with rows.
        table: &'static str,
    },
    /// A row of a table that does not exist.
    #[error("the backup holds rows of a table {table} that this version does not know")]
    Unknown {
        /// Which.
        table: String,
    },
    /// Something about the database.
    #[error(transparent)]
    Db(#[from] DbErr),
    /// Something about the files.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What cannot be recorded must not be done.
    #[error(transparent)]
    Audit(#[from] Problem),
}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        Self::Files(error.into())
    }
}

/// Brings a backup back into an empty store. Rows come in one transaction, after the blobs that they name; the audit log
/// goes on with an entry that says so.
///
/// # Errors
/// As [`RestoreError`] says; no row was written then.
pub fn restore<'a>(
    db: &'a Db,
    files: &'a Files,
    folder: &'a Path,
    by: &'a Person,
) -> BoxFuture<'a, Result<RestoreReport, RestoreError>> {
    Box::pin(async move {
        let manifest = read_manifest(folder)?;
        db.migrate().await?;
        if let Some(table) = first_filled(db).await? {
            return Err(RestoreError::NotEmpty { table });
        }
        let path = folder.join(rows_name(manifest.rows_sha));
        let (missing, blobs) = {
            let (files, folder, path) = (files.clone(), folder.to_owned(), path.clone());
            blocking(move || blobs_back(&files, &folder, &path)).await?
        };
        let within = db.write().await?;
        let rows = rows_back(&within, &path).await?;
        hand_back(&within).await?;
        if db.backend() == DbBackend::Postgres {
            // Numbers that were given do not move its counter.
            let sql = "SELECT setval(pg_get_serial_sequence('audit', 'id'), \
                       (SELECT COALESCE(MAX(id), 0) + 1 FROM audit), false)";
            within.execute_unprepared(sql).await?;
        }
        let object = Object::all(Kind::Cohort).with(json!({"command": "restore"}));
        audit::commit(within, by, Action::Restore, object).await?;
        Ok(RestoreReport { rows, blobs, missing })
    })
}

fn read_manifest(folder: &Path) -> Result<Manifest, RestoreError> {
    let no = |why: String| RestoreError::NoBackup { folder: folder.to_owned(), why };
    let text = fs::read(folder.join(MANIFEST)).map_err(|error| no(format!("{MANIFEST}: {error}")))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| no(format!("{MANIFEST}: {error}")))?;
    let has_our_rows = (SAME_ROWS_SINCE..=steps()).contains(&manifest.steps);
    if manifest.version != VERSION || !has_our_rows {
        return Err(RestoreError::OtherVersion { program: manifest.program });
    }
    let name = rows_name(manifest.rows_sha);
    let (sha, _) = hash(&folder.join(&name)).map_err(|error| no(format!("{name}: {error}")))?;
    if sha == manifest.rows_sha { Ok(manifest) } else { Err(no(format!("{name} is damaged"))) }
}

/// The lines of the file with rows.
fn lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Line<serde_json::Value>>>> {
    let lines = BufReader::new(File::open(path)?).lines();
    Ok(lines.map(|line| serde_json::from_str(&line?).map_err(io::Error::other)))
}

/// Stores the blobs that the rows name, each hashed on the way.
fn blobs_back(files: &Files, folder: &Path, rows: &Path) -> Result<(Vec<Sha>, usize), FilesError> {
    let (mut missing, mut blobs) = (Vec::new(), 0);
    for line in lines(rows)? {
        let line = line?;
        if line.table != TABLES[0] {
            break; // files come first
        }
        let row: file::Model = serde_json::from_value(line.row).map_err(io::Error::other)?;
        let mut source = match File::open(blob_in(folder, row.sha)) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.push(row.sha);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let staged = files.stage_from(&mut source, u64::MAX)?;
        if staged.sha() == row.sha {
            files.link(&staged)?;
            blobs += 1;
        } else {
            missing.push(row.sha);
        }
    }
    Ok((missing, blobs))
}

async fn rows_back(within: &Write, path: &Path) -> Result<u64, RestoreError> {
    let (mut count, mut table, mut rows) = (0, String::new(), Vec::new());
    for line in lines(path)? {
        let line = line?;
        if line.table != table || rows.len() == TOGETHER {
            flush(within, &table, &mut rows).await?;
            table = line.table;
        }
        rows.push(line.row);
        count += 1;
    }
    flush(within, &table, &mut rows).await?;
    Ok(count)
}

async fn flush(within: &Write, table: &str, rows: &mut Vec<serde_json::Value>) -> Result<(), RestoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    insert(table, std::mem::take(rows), within).await
}

/// Writes rows of one table.
pub(super) async fn insert_rows<E>(rows: Vec<serde_json::Value>, to: &Write) -> Result<(), RestoreError>
where
    E: EntityTrait,
    E::Model: DeserializeOwned + IntoActiveModel<E::ActiveModel>,
{
    let mut models = Vec::with_capacity(rows.len());
    for row in rows {
        let model: E::Model = serde_json::from_value(row).map_err(io::Error::other)?;
        models.push(model.into_active_model());
    }
    E::insert_many(models).exec_without_returning(to).await?;
    Ok(())
}

/// What ran when the backup was made runs no more.
async fn hand_back(within: &Write) -> Result<(), DbErr> {
    job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(job::State::Queued))
        .col_expr(job::Column::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(job::Column::Worker, Expr::value(None::<String>))
        .col_expr(job::Column::Attempt, Expr::col(job::Column::Attempt).sub(1))
        .filter(job::Column::State.eq(job::State::Running))
        .exec(within)
        .await?;
    Ok(())
}

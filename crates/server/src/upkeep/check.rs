//! A look at everything: every blob read and hashed, every file that nobody knows, every row that lacks another.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, JoinType, PaginatorTrait, QueryFilter, QuerySelect, RelationTrait};
use serde::Serialize;

use super::refer;
use crate::audit;
use crate::compared;
use crate::db::Db;
use crate::entity::{file, measurement, model, segmentation, series, study};
use crate::files::{Files, FilesError, blocking};
use crate::ids::Sha;

/// Something is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// A row names a blob that is not there.
    Missing {
        /// Which.
        sha: Sha,
    },
    /// A blob has other bytes than were written.
    Damaged {
        /// Which.
        sha: Sha,
        /// Bytes that were written.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A file lies among the blobs that no row names.
    Orphan {
        /// Where, in the folder of blobs.
        path: PathBuf,
    },
    /// A segmentation has no measurement.
    Unmeasured {
        /// Which.
        segmentation: String,
    },
    /// A study is called ready and lacks a sequence.
    NotReady {
        /// Which.
        study: String,
    },
    /// A model's file is in no row.
    ModelWithoutFile {
        /// Which.
        model: String,
    },
    /// The audit log was changed.
    AuditBroken {
        /// Where and how.
        detail: String,
    },
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { sha } => write!(f, "blob {sha} is missing: restore it from a backup"),
            Self::Damaged { sha, expected, found } if expected == found => {
                write!(f, "blob {sha} is damaged: its bytes have another hash; restore it from a backup")
            }
            Self::Damaged { sha, expected, found } => {
                write!(f, "blob {sha} is damaged: {found} bytes of {expected}; restore it from a backup")
            }
            Self::Orphan { path } => write!(f, "{}: no row names this file; it may be removed", path.display()),
            Self::Unmeasured { segmentation } => write!(f, "segmentation {segmentation} has no measurement"),
            Self::NotReady { study } => write!(f, "study {study} is called ready and lacks a sequence"),
            Self::ModelWithoutFile { model } => write!(f, "the file of model {model} is in no row"),
            Self::AuditBroken { detail } => write!(f, "the audit log was changed: {detail}"),
        }
    }
}

/// What was looked at and found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckReport {
    /// Blobs that were read.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs to which nothing refers; they go by themselves.
    pub unreferenced: u64,
    /// Entries of the audit log.
    pub audit_entries: u64,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Something about the database.
    #[error(transparent)]
    Db(#[from] DbErr),
    /// Something about the files.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Looks at everything. A blob that appears or goes meanwhile is no finding: rows are read before and after.
///
/// # Errors
/// If rows or folders cannot be read at all.
pub fn check<'a>(db: &'a Db, files: &'a Files) -> BoxFuture<'a, Result<CheckReport, CheckError>> {
    Box::pin(async move {
        let rows: HashMap<Sha, u64> = known(db).await?;
        let place = files.clone();
        let (mut report, orphans) = blocking(move || Ok(look(&place, &rows)?)).await?;
        let now = known(db).await?;
        report.findings.retain(|finding| {
            let (Finding::Missing { sha } | Finding::Damaged { sha, .. }) = finding else { return true };
            now.contains_key(sha)
        });
        let nameless = orphans.into_iter().filter(|(sha, _)| sha.is_none_or(|sha| !now.contains_key(&sha)));
        report.findings.extend(nameless.map(|(_, path)| Finding::Orphan { path }));
        report.unreferenced = file::Entity::find().filter(refer::by_nothing()).count(db).await?;
        rows_that_lack(db, &now, &mut report.findings).await?;
        let verdict = audit::verify(db).await?;
        report.audit_entries = verdict.entries;
        report.findings.extend(verdict.broken.map(|broken| Finding::AuditBroken { detail: broken.to_string() }));
        Ok(report)
    })
}

async fn known(db: &Db) -> Result<HashMap<Sha, u64>, DbErr> {
    let rows = file::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(|row| (row.sha, row.bytes.cast_unsigned())).collect())
}

/// Reads every blob. Beside the report: files that have no row, by the hash that their path says.
type Looked = (CheckReport, Vec<(Option<Sha>, PathBuf)>);

fn look(files: &Files, rows: &HashMap<Sha, u64>) -> io::Result<Looked> {
    let mut report = CheckReport::default();
    let mut sorted: Vec<_> = rows.iter().map(|(sha, bytes)| (*sha, *bytes)).collect();
    sorted.sort_unstable();
    for (sha, expected) in sorted {
        match hash(&files.path(sha)) {
            Ok((there, found)) => {
                report.blobs += 1;
                report.bytes += found;
                if there != sha || found != expected {
                    report.findings.push(Finding::Damaged { sha, expected, found });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => report.findings.push(Finding::Missing { sha }),
            Err(error) => return Err(error),
        }
    }
    let mut orphans = Vec::new();
    for folder in sorted_entries(&files.blobs())? {
        let inside = if folder.is_dir() { sorted_entries(&folder)? } else { vec![folder] };
        for path in inside {
            let sha = named(&path);
            if sha.is_none_or(|sha| !rows.contains_key(&sha)) {
                let short = path.strip_prefix(files.blobs()).map_or_else(|_| path.clone(), Path::to_owned);
                orphans.push((sha, short));
            }
        }
    }
    Ok((report, orphans))
}

fn sorted_entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    Ok(paths)
}

/// The hash that a path says.
fn named(path: &Path) -> Option<Sha> {
    let folder = path.parent()?.file_name()?.to_str()?;
    format!("{folder}{}", path.file_name()?.to_str()?).parse().ok()
}

/// The hash of a file, and how long it is.
pub(super) fn hash(path: &Path) -> io::Result<(Sha, u64)> {
    compared::hash(&mut File::open(path)?)
}

async fn rows_that_lack(db: &Db, files: &HashMap<Sha, u64>, findings: &mut Vec<Finding>) -> Result<(), DbErr> {
    let unmeasured = segmentation::Entity::find()
        .join(JoinType::LeftJoin, segmentation::Relation::Measurement.def())
        .filter(measurement::Column::SegmentationId.is_null())
        .all(db)
        .await?;
    findings.extend(unmeasured.iter().map(|row| Finding::Unmeasured { segmentation: row.id.to_string() }));
    for row in study::Entity::find().filter(study::Column::State.eq(study::State::Ready)).all(db).await? {
        let count = series::Entity::find().filter(series::Column::StudyId.eq(row.id)).count(db).await?;
        if count != 4 {
            findings.push(Finding::NotReady { study: row.id.to_string() });
        }
    }
    for row in model::Entity::find().filter(model::Column::Embedded.eq(false)).all(db).await? {
        if !files.contains_key(&row.sha) {
            findings.push(Finding::ModelWithoutFile { model: row.id.to_string() });
        }
    }
    Ok(())
}

//! Taking out the bin: what was deleted long ago goes for good, and then the blobs that nothing refers to any more.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, ExprTrait, JoinType, PaginatorTrait, QueryFilter, QuerySelect, RelationTrait,
};
use serde_json::json;

use super::refer;
use crate::accounts::Person;
use crate::audit::{self, Action, Kind, Object};
use crate::db::{Db, Write, clock};
use crate::entity::{draft, file, job, patient, segmentation, series, session, study, upload};
use crate::error::Problem;
use crate::files::{Files, FilesError, blocking};
use crate::ids::Sha;
use crate::studies::rows::hold;

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How old things must be to be removed for good.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// What lies in the bin, in ms.
    pub bin_ms: i64,
    /// Uploads in which nothing came for so long, in ms.
    pub uploads_ms: i64,
    /// Blobs to which nothing refers: somebody may be about to, in ms.
    pub blobs_ms: i64,
}

impl Ages {
    /// The bin after so many days; unfinished uploads after a week; blobs after a day.
    pub fn of(bin_days: u32) -> Self {
        Self { bin_ms: i64::from(bin_days) * DAY_MS, uploads_ms: 7 * DAY_MS, blobs_ms: DAY_MS }
    }
}

/// What was removed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Studies with all that belongs to them.
    pub studies: usize,
    /// Patients.
    pub patients: usize,
    /// Uploads.
    pub uploads: u64,
    /// Blobs.
    pub files: usize,
}

impl Purged {
    /// Whether there was nothing to remove.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Why the bin was not taken out.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
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

/// Removes for good what is old enough.
///
/// # Errors
/// As [`PurgeError`] says; what was removed until then stays removed.
pub async fn purge(db: &Db, files: &Files, by: &Person, ages: Ages) -> Result<Purged, PurgeError> {
    let at = clock(db).await?;
    let studies = old_studies(db, by, at - ages.bin_ms).await?;
    let patients = old_patients(db, by, at - ages.bin_ms).await?;
    let uploads = old_uploads(db, by, at, ages.uploads_ms).await?;
    session::Entity::delete_many().filter(session::Column::ExpiresAt.lt(at)).exec(db).await?;
    let files = old_blobs(db, files, at - ages.blobs_ms).await?;
    Ok(Purged { studies, patients, uploads, files })
}

async fn old_studies(db: &Db, by: &Person, before: i64) -> Result<usize, PurgeError> {
    let old = study::Entity::find().filter(study::Column::RemovedAt.lt(before)).all(db).await?;
    let mut removed = 0;
    for row in old {
        removed += usize::from(remove_study(db, by, &row, before).await?);
    }
    Ok(removed)
}

/// Removes a study with all its rows, unless a worker has it or somebody took it out of the bin.
async fn remove_study(db: &Db, by: &Person, row: &study::Model, before: i64) -> Result<bool, PurgeError> {
    let id = row.id;
    let within = db.write().await?;
    hold(&within, id).await?; // else it could be taken out of the bin after this look
    let is_old =
        study::Entity::find_by_id(id).filter(study::Column::RemovedAt.lt(before)).one(&within).await?.is_some();
    let running =
        job::Entity::find().filter(job::Column::StudyId.eq(id)).filter(job::Column::State.eq(job::State::Running));
    if !is_old || running.count(&within).await? > 0 {
        return Ok(false);
    }
    job::Entity::delete_many().filter(job::Column::StudyId.eq(id)).exec(&within).await?;
    draft::Entity::delete_many().filter(draft::Column::StudyId.eq(id)).exec(&within).await?;
    segmentation::Entity::delete_many().filter(segmentation::Column::StudyId.eq(id)).exec(&within).await?; // and measurements
    series::Entity::delete_many().filter(series::Column::StudyId.eq(id)).exec(&within).await?;
    study::Entity::delete_by_id(id).exec(&within).await?;
    let object = Object::one(Kind::Study, id).with(json!({"patient": row.patient_id}));
    audit::commit(within, by, Action::Purge, object).await?;
    Ok(true)
}

async fn old_patients(db: &Db, by: &Person, before: i64) -> Result<usize, PurgeError> {
    let old = patient::Entity::find()
        .join(JoinType::LeftJoin, patient::Relation::Studies.def())
        .filter(patient::Column::RemovedAt.lt(before))
        .filter(study::Column::Id.is_null())
        .all(db)
        .await?;
    let mut removed = 0;
    for row in old {
        let within = db.write().await?;
        let still_old = patient::Entity::delete_by_id(row.id).filter(patient::Column::RemovedAt.lt(before));
        if still_old.exec(&within).await?.rows_affected == 1 {
            audit::commit(within, by, Action::Purge, Object::one(Kind::Patient, row.id)).await?; // and who they are
            removed += 1;
        }
    }
    Ok(removed)
}

/// Uploads that became studies, and those that were forgotten.
async fn old_uploads(db: &Db, by: &Person, at: i64, forgotten: i64) -> Result<u64, PurgeError> {
    let older =
        |state: upload::State, ms: i64| upload::Column::State.eq(state).and(upload::Column::UpdatedAt.lt(at - ms));
    let is_old = older(upload::State::Committed, DAY_MS).or(older(upload::State::Open, forgotten));
    let mut removed = 0;
    for row in upload::Entity::find().filter(is_old.clone()).all(db).await? {
        let within = db.write().await?;
        // Files go with it; unless something came meanwhile.
        let gone = upload::Entity::delete_by_id(row.id).filter(is_old.clone()).exec(&within).await?.rows_affected;
        if gone == 1 {
            let object = Object::one(Kind::Upload, row.id).with(json!({"of": row.user_key}));
            audit::commit(within, by, Action::Purge, object).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Blobs to which nothing refers, and what was staged by processes that are no more.
async fn old_blobs(db: &Db, files: &Files, before: i64) -> Result<usize, PurgeError> {
    let old =
        file::Entity::find().filter(file::Column::CreatedAt.lt(before)).filter(refer::by_nothing()).all(db).await?;
    let mut removed = 0;
    for row in old {
        let within = db.write().await?;
        let removal = file::Entity::delete_many()
            .filter(file::Column::Sha.eq(row.sha))
            .filter(file::Column::CreatedAt.eq(row.created_at)); // or it was given to us again
        let is_ours = match removal.exec(&within).await {
            Ok(deleted) => deleted.rows_affected == 1,
            Err(_) => false, // something refers to it since: the database keeps it
        };
        if is_ours {
            remove_blob(files, within, row.sha).await?;
            removed += 1;
        }
    }
    let (staging, before) = (files.staging(), before);
    blocking(move || Ok(sweep(&staging, before)?)).await?;
    Ok(removed)
}

/// Moves the blob aside while the row is held, so that whoever stores the same bytes sees either both or neither.
async fn remove_blob(files: &Files, within: Write, sha: Sha) -> Result<(), PurgeError> {
    let (path, aside) = (files.path(sha), files.staging().join(format!("gone-{sha}")));
    let (from, to) = (path.clone(), aside.clone());
    blocking(move || match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    })
    .await?;
    let committed = within.commit_unrecorded().await; // nothing refers to it: what did was recorded
    blocking(move || {
        let done = if committed.is_ok() { std::fs::remove_file(aside) } else { std::fs::rename(aside, path) };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(committed?),
        }
    })
    .await?;
    Ok(())
}

/// Removes what lies in a folder and was not changed since a time.
fn sweep(folder: &Path, before: i64) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(about) = entry.metadata() else { continue };
        let changed = about.modified()?.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_millis());
        if i64::try_from(changed).is_ok_and(|changed| changed < before) {
            let path = entry.path();
            if about.is_dir() {
                std::fs::remove_dir_all(path)?;
            } else {
                std::fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

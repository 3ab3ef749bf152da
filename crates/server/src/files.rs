//! Blobs: files named by the SHA-256 of their bytes, written once, never changed.
//!
//! A blob comes in two steps. It is *staged*: written to a hidden file, hashed on the way, synced. Then it is *kept*:
//! given its name, and only then its row. So a row never points at nothing, and what a killed process leaves is at most
//! a file that nobody refers to, which upkeep removes. The same bytes are stored once however often they come.
//!
//! Reads verify: before the first byte of a blob is given away its hash is compared, once a process. A file that was
//! compared is known again by inode, length and time of its last change, so that a part of a volume, or the tenth look at
//! it, costs no more than asking for these. Bytes that a disk changes without writing are for `check` to find.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::compared::Compared;
use crate::db::{Db, now};
use crate::entity::file;
use crate::ids::Sha;

const BLOBS: &str = "blobs";
const STAGING: &str = "staging";

/// Why a blob was not written or read; by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The sender should send less.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// Bytes that are allowed.
        limit: u64,
    },
    /// The operator should make room.
    #[error("the disk is full")]
    DiskFull,
    /// The sender should send it again.
    #[error("the file did not arrive in full: {why}")]
    Interrupted {
        /// What the connection said.
        why: String,
    },
    /// The operator should restore it from a backup.
    #[error("blob {sha} is missing")]
    Missing {
        /// Which.
        sha: Sha,
    },
    /// The operator should restore it from a backup.
    #[error("blob {sha} is damaged: {found} bytes where {expected} were written, or other bytes")]
    Damaged {
        /// Which.
        sha: Sha,
        /// Bytes that were written.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Something else about the disk.
    #[error(transparent)]
    Io(io::Error),
    /// Something about the database.
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl From<io::Error> for FilesError {
    fn from(error: io::Error) -> Self {
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if is_full { Self::DiskFull } else { Self::Io(error) }
    }
}

/// The folder of the blobs.
#[derive(Clone, Debug)]
pub struct Files {
    folder: Arc<Path>,
    compared: Compared,
}

/// A file that is being written; removed if it is dropped.
#[derive(Debug)]
pub struct Staging {
    file: NamedTempFile,
    hash: Sha256,
    bytes: u64,
    limit: u64,
}

/// A file that is written, synced and hashed, and has no name yet; removed if it is dropped.
#[derive(Debug)]
pub struct Staged {
    file: NamedTempFile,
    sha: Sha,
    bytes: u64,
}

impl Staged {
    /// The hash of its bytes.
    pub fn sha(&self) -> Sha {
        self.sha
    }

    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it lies until it is kept.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Opens it to be read, from its beginning.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn reopen(&self) -> io::Result<File> {
        self.file.reopen()
    }
}

/// A blob that was opened, at its beginning: it is what was written.
#[derive(Debug)]
pub struct Blob {
    /// Its bytes.
    pub file: File,
    /// How many.
    pub bytes: u64,
    /// Its name.
    pub sha: Sha,
}

impl Files {
    /// The blobs in `folder`, which is made if it is not there. Nobody else on the computer may look inside.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(folder: &Path) -> io::Result<Self> {
        for name in [BLOBS, STAGING] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder.join(name))?;
        }
        Ok(Self { folder: folder.into(), compared: Compared::default() })
    }

    /// Where the blob lies, if it is there.
    pub fn path(&self, sha: Sha) -> PathBuf {
        let name = sha.to_string();
        self.folder.join(BLOBS).join(&name[..2]).join(&name[2..])
    }

    /// Begins a file of at most `limit` bytes. Blocks, as writing to it does.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin(&self, limit: u64) -> Result<Staging, FilesError> {
        let file = tempfile::Builder::new().tempfile_in(self.folder.join(STAGING))?;
        Ok(Staging { file, hash: Sha256::new(), bytes: 0, limit })
    }

    /// A folder of its own for files that a child process makes; removed if it is dropped.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin_folder(&self) -> Result<tempfile::TempDir, FilesError> {
        Ok(tempfile::Builder::new().tempdir_in(self.folder.join(STAGING))?)
    }

    /// Stages bytes. Blocks.
    ///
    /// # Errors
    /// As [`FilesError`] says.
    pub fn stage_bytes(&self, bytes: &[u8]) -> Result<Staged, FilesError> {
        let mut staging = self.begin(u64::MAX)?;
        staging.write(bytes)?;
        staging.finish()
    }

    /// Stages all that a reader gives. Blocks.
    ///
    /// # Errors
    /// As [`FilesError`] says; [`FilesError::Interrupted`] if the reader fails.
    pub fn stage_from(&self, from: &mut dyn Read, limit: u64) -> Result<Staged, FilesError> {
        let mut staging = self.begin(limit)?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return staging.finish(),
                Ok(n) => staging.write(&buffer[..n])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FilesError::Interrupted { why: error.to_string() }),
            }
        }
    }

    /// Stages the body of a request as it arrives: hashing and writing happen on a thread of their own, and memory holds
    /// a few pieces at a time, however large the body is.
    ///
    /// # Errors
    /// As [`FilesError`] says.
    pub async fn stage<B, E>(
        &self,
        mut body: impl Stream<Item = Result<B, E>> + Unpin,
        limit: u64,
    ) -> Result<Staged, FilesError>
    where
        B: AsRef<[u8]> + Send + 'static,
        E: std::fmt::Display,
    {
        let mut staging = {
            let files = self.clone();
            blocking(move || files.begin(limit)).await?
        };
        let mut pieces = Vec::new();
        let mut waiting = 0;
        loop {
            let piece = body.next().await.transpose();
            let piece = piece.map_err(|error| FilesError::Interrupted { why: error.to_string() })?;
            let is_last = piece.is_none();
            if let Some(piece) = piece {
                waiting += piece.as_ref().len();
                pieces.push(piece);
            }
            if is_last || waiting >= 1 << 18 {
                waiting = 0;
                let batch = std::mem::take(&mut pieces);
                staging = blocking(move || {
                    batch.iter().try_for_each(|piece| staging.write(piece.as_ref()))?;
                    Ok(staging)
                })
                .await?;
            }
            if is_last {
                return blocking(move || staging.finish()).await;
            }
        }
    }

    /// Gives a staged file its name and its row. If the blob was there already, its row becomes young again, so that
    /// upkeep does not remove it before somebody refers to it.
    ///
    /// # Errors
    /// As [`FilesError`] says.
    pub async fn keep(&self, db: &Db, staged: Staged) -> Result<Sha, FilesError> {
        let (sha, bytes) = (staged.sha, staged.bytes);
        let files = self.clone();
        let staged = blocking(move || files.link(&staged).map(|()| staged)).await?;
        let row = file::ActiveModel {
            sha: Set(sha),
            bytes: Set(i64::try_from(bytes).unwrap_or(i64::MAX)),
            created_at: Set(now()),
        };
        let known = OnConflict::column(file::Column::Sha).update_column(file::Column::CreatedAt).to_owned();
        file::Entity::insert(row).on_conflict(known).exec_without_returning(db).await?;
        // Upkeep may have taken an old blob of this name away between the two steps; the young row keeps it from a second.
        let files = self.clone();
        blocking(move || files.link(&staged)).await?;
        Ok(sha)
    }

    /// Opens a blob whose hash was compared with what was written, by this process.
    ///
    /// # Errors
    /// [`FilesError::Missing`], [`FilesError::Damaged`].
    pub async fn blob(&self, db: &Db, sha: Sha) -> Result<Blob, FilesError> {
        let blob = self.opened(db, sha).await?;
        let files = self.clone();
        blocking(move || {
            if !files.compared.is_whole(sha, &blob.file)? {
                return Err(damaged(sha, blob.bytes, blob.bytes));
            }
            Ok(blob)
        })
        .await
    }

    /// Where a blob lies that is as long as it was written: for who compares the hash of what is read.
    ///
    /// # Errors
    /// [`FilesError::Missing`], [`FilesError::Damaged`].
    pub async fn present(&self, db: &Db, sha: Sha) -> Result<PathBuf, FilesError> {
        self.opened(db, sha).await?;
        Ok(self.path(sha))
    }

    /// All of a blob, its hash compared. For small ones.
    ///
    /// # Errors
    /// [`FilesError::Missing`], [`FilesError::Damaged`].
    pub async fn read(&self, db: &Db, sha: Sha) -> Result<Vec<u8>, FilesError> {
        let mut blob = self.opened(db, sha).await?;
        blocking(move || {
            let mut bytes = Vec::new();
            blob.file.read_to_end(&mut bytes)?;
            if Sha::of(&bytes) != sha {
                return Err(damaged(sha, blob.bytes, bytes.len() as u64));
            }
            Ok(bytes)
        })
        .await
    }

    /// Opens a blob that is as long as it was written.
    async fn opened(&self, db: &Db, sha: Sha) -> Result<Blob, FilesError> {
        let row = file::Entity::find_by_id(sha).one(db).await?.ok_or(FilesError::Missing { sha })?;
        let path = self.path(sha);
        blocking(move || {
            let file = File::open(path).map_err(|error| {
                let is_gone = error.kind() == io::ErrorKind::NotFound;
                if is_gone { FilesError::Missing { sha } } else { FilesError::Io(error) }
            })?;
            let (bytes, expected) = (file.metadata()?.len(), row.bytes.cast_unsigned());
            if bytes != expected {
                return Err(damaged(sha, expected, bytes));
            }
            Ok(Blob { file, bytes, sha })
        })
        .await
    }

    /// The folder in which it all lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of blobs, two levels deep.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.folder.join(BLOBS)
    }

    /// The folder of what is being written.
    pub(crate) fn staging(&self) -> PathBuf {
        self.folder.join(STAGING)
    }

    /// Makes the blob's name point at these bytes, durably. One that is there is left, unless it is damaged: then these are
    /// the bytes that it should have. Without its row it is nobody's yet.
    pub(crate) fn link(&self, staged: &Staged) -> Result<(), FilesError> {
        let path = self.path(staged.sha);
        let folder = path.parent().unwrap_or(&self.folder);
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            sync(&self.blobs())?;
        }
        loop {
            match File::open(&path) {
                Ok(there)
                    if there.metadata()?.len() == staged.bytes && self.compared.is_whole(staged.sha, &there)? =>
                {
                    return Ok(sync(folder)?); // who named it may be slower
                }
                Ok(_) => {
                    tracing::warn!(sha = %staged.sha, "a damaged file is mended: the same bytes came again");
                    return self.copy(staged, &path);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            match fs::hard_link(staged.path(), &path) {
                Ok(()) => {
                    self.compared.remember(staged.sha, &staged.file.as_file().metadata()?); // hashed as it came
                    return Ok(sync(folder)?);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // somebody else was faster: look again
                Err(_) => return self.copy(staged, &path),                       // a file system without links
            }
        }
    }

    /// As [`Files::link`] where there are no links, or a file to replace.
    fn copy(&self, staged: &Staged, path: &Path) -> Result<(), FilesError> {
        let mut copy = tempfile::Builder::new().tempfile_in(self.staging())?;
        io::copy(&mut staged.reopen()?, &mut copy)?;
        copy.as_file().sync_all()?;
        copy.persist(path).map_err(|failed| failed.error)?;
        Ok(sync(path.parent().unwrap_or(&self.folder))?)
    }
}

impl Staging {
    /// Adds bytes.
    ///
    /// # Errors
    /// [`FilesError::TooLarge`], [`FilesError::DiskFull`].
    pub fn write(&mut self, piece: &[u8]) -> Result<(), FilesError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.limit {
            return Err(FilesError::TooLarge { limit: self.limit });
        }
        self.hash.update(piece);
        Ok(self.file.write_all(piece)?)
    }

    /// Ends the file: all of it is on the disk now.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn finish(mut self) -> Result<Staged, FilesError> {
        self.file.flush()?;
        self.file.as_file().sync_all()?;
        self.file.rewind()?;
        Ok(Staged { file: self.file, sha: Sha(self.hash.finalize().into()), bytes: self.bytes })
    }
}

/// Whoever runs the server should hear of it, whatever the answer says.
fn damaged(sha: Sha, expected: u64, found: u64) -> FilesError {
    observed::counter!("glioscope_damaged_files_total").increment(1);
    let error = FilesError::Damaged { sha, expected, found };
    tracing::error!(%error, "a stored file is damaged; `glioscope check` finds all that are");
    error
}

/// Runs what blocks on a thread that may be blocked.
///
/// # Errors
/// Those of the work.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
) -> Result<T, FilesError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(FilesError::Io(io::Error::other(error))))
}

/// Makes the names in a folder durable.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

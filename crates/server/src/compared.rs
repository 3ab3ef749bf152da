//! Files whose hash was compared, so that it is not compared at every look.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::ids::Sha;

/// Marks that are kept: a few megabytes.
const MARKS: usize = 1 << 16;

/// What a file was when its hash was compared: one that was written since has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Mark {
    fn of(about: &Metadata) -> Self {
        Self { inode: about.ino(), bytes: about.len(), changed: (about.mtime(), about.mtime_nsec()) }
    }
}

/// The files that this process compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compared(Arc<Mutex<HashMap<Sha, Mark>>>);

impl Compared {
    /// Whether an open file has this hash: read and compared unless that was done. At its beginning afterwards.
    pub(crate) fn is_whole(&self, sha: Sha, mut file: &File) -> io::Result<bool> {
        let about = file.metadata()?;
        if self.marks().get(&sha) == Some(&Mark::of(&about)) {
            return Ok(true);
        }
        let (found, _) = hash(&mut file)?;
        file.rewind()?;
        if found == sha {
            self.remember(sha, &about);
        }
        Ok(found == sha)
    }

    /// This file has this hash.
    pub(crate) fn remember(&self, sha: Sha, about: &Metadata) {
        let mut marks = self.marks();
        if marks.len() >= MARKS {
            marks.clear();
        }
        marks.insert(sha, Mark::of(about));
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<Sha, Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hash of a file from where it is read, and how many bytes there are.
pub(crate) fn hash(from: &mut dyn Read) -> io::Result<(Sha, u64)> {
    copy_hashed(from, &mut io::sink())
}

/// Copies what a reader gives; its hash, and how many bytes there were.
pub(crate) fn copy_hashed(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<(Sha, u64)> {
    let (mut sha, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((Sha(sha.finalize().into()), bytes)),
            Ok(n) => {
                sha.update(&buffer[..n]);
                to.write_all(&buffer[..n])?;
                bytes += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

//! A folder of results that appears whole or not at all: files are made in a hidden folder and moved as the last act.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

/// Ends the names of folders that are being filled.
const PARTIAL: &str = ".partial";

/// Why results cannot be written to a folder.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder, or one above it, is a file.
    #[error("{}: this is a file, so the results cannot go there; give a folder to --out", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("{}: the disk is full, nothing was written; make room, or give a folder on another disk to --out", path.display())]
    Full {
        /// The folder.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("{}: the results cannot be written ({source}); give a folder to --out that you may write to", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OutputError {
    /// What a fault of the system means for the results in `folder`.
    pub fn of(folder: &Path, source: io::Error) -> Self {
        let path = folder.to_owned();
        let kind = source.kind();
        // Some of the faults name the hidden folder, which is nobody's business.
        let source = if kind == io::ErrorKind::Other || source.get_ref().is_none() { source } else { kind.into() };
        if kind == io::ErrorKind::NotADirectory {
            Self::NotAFolder { path }
        } else if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::Full { path }
        } else {
            Self::Refused { path, source }
        }
    }
}

/// Results on their way into a folder. Dropped without [`Staging::commit`] it leaves no trace.
///
/// A folder that does not exist is made whole and appears by one rename, together with the folders above it that do not
/// exist either. In a folder that exists each file replaces its namesake by a rename, in the order of their names; what
/// else lies there is left alone. The hidden folder is locked while its process lives, so that the next run can tell
/// what a killed one left and remove it.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    hidden: TempDir,
    place: Place,
    /// Holds the lock.
    _lock: File,
}

/// Where results go when they are whole.
#[derive(Debug)]
enum Place {
    /// Into a folder that exists.
    Within,
    /// The first folder to be made, and the path from it to the target.
    New { first: PathBuf, rest: PathBuf },
}

impl Staging {
    /// Begins to fill `target`, and finds out at once whether that is possible.
    ///
    /// # Errors
    /// [`OutputError`], naming the folder.
    pub fn begin(target: &Path) -> Result<Self, OutputError> {
        let refused = |source| OutputError::of(target, source);
        let absolute = std::path::absolute(target).map_err(refused)?;
        let (exists, missing) = existing_part(&absolute).map_err(refused)?;
        if !exists.is_dir() {
            return Err(OutputError::NotAFolder { path: exists });
        }
        let (prefix, place) = match missing.first() {
            None => (OsString::from(".glioscope."), Place::Within),
            Some(first) => {
                let mut prefix = OsString::from(".");
                prefix.push(first);
                prefix.push(".");
                (prefix, Place::New { first: exists.join(first), rest: missing[1..].iter().collect() })
            }
        };
        remove_stale(&exists, &prefix.to_string_lossy());
        if let (Place::Within, Some(parent), Some(name)) = (&place, absolute.parent(), absolute.file_name()) {
            remove_stale(parent, &format!(".{}.", name.to_string_lossy()));
        }
        let hidden = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(PARTIAL)
            .permissions(Permissions::from_mode(0o777)) // less the umask, as any new folder
            .tempdir_in(&exists)
            .map_err(refused)?;
        let lock = File::open(hidden.path()).map_err(refused)?;
        lock.try_lock().ok(); // a file system without locks has no stale folders told apart, and nothing else is lost
        let staging = Self { target: target.to_owned(), hidden, place, _lock: lock };
        fs::create_dir_all(staging.folder()).map_err(refused)?;
        Ok(staging)
    }

    /// The folder to write the files into. It has no folders inside.
    pub fn folder(&self) -> PathBuf {
        match &self.place {
            Place::Within => self.hidden.path().to_owned(),
            Place::New { rest, .. } if rest.as_os_str().is_empty() => self.hidden.path().to_owned(),
            Place::New { rest, .. } => self.hidden.path().join(rest),
        }
    }

    /// What a fault of the system means while the files are written.
    pub fn refused(&self, source: io::Error) -> OutputError {
        OutputError::of(&self.target, source)
    }

    /// Moves the files into place.
    ///
    /// # Errors
    /// [`OutputError`]; of a new folder nothing is there then, of an old one each file is the old or the new one, whole.
    pub fn commit(self) -> Result<(), OutputError> {
        let refused = |source| OutputError::of(&self.target, source);
        match &self.place {
            Place::New { first, .. } => {
                fs::rename(self.hidden.path(), first).map_err(refused)?;
                sync(first.parent()).map_err(refused)
            }
            Place::Within => {
                let mut names: Vec<OsString> = Vec::new();
                for entry in fs::read_dir(self.hidden.path()).map_err(refused)? {
                    names.push(entry.map_err(refused)?.file_name());
                }
                names.sort();
                for name in names {
                    fs::rename(self.hidden.path().join(&name), self.target.join(&name)).map_err(refused)?;
                }
                sync(Some(&self.target)).map_err(refused)
            }
        }
    }
}

/// The longest part of a path that exists, and the names after it.
fn existing_part(path: &Path) -> io::Result<(PathBuf, Vec<OsString>)> {
    let mut missing = Vec::new();
    let mut exists = path;
    loop {
        match fs::metadata(exists) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(error),
        }
        match (exists.components().next_back(), exists.parent()) {
            (Some(Component::Normal(name)), Some(parent)) => {
                missing.insert(0, name.to_owned());
                exists = parent;
            }
            _ => return Err(io::ErrorKind::NotFound.into()), // such as `..` of a folder that does not exist
        }
    }
    Ok((exists.to_owned(), missing))
}

/// Removes what killed processes left: folders of this name that nobody holds a lock on.
fn remove_stale(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix)
            && name.ends_with(PARTIAL)
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok())
        {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Makes new names durable, where the file system can.
fn sync(folder: Option<&Path>) -> io::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every path under a folder, hidden ones too.
    fn tree(folder: &Path) -> Vec<String> {
        let entries = walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name();
        entries.into_iter().map(|e| e.unwrap().path().strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_new_folder_appears_whole_with_those_above_it() {
        let root = tempfile::tempdir().unwrap();
        let staging = Staging::begin(&root.path().join("a/b")).unwrap();
        fs::write(staging.folder().join("one"), "1").unwrap();
        assert!(!root.path().join("a").exists(), "not before it is whole");
        staging.commit().unwrap();
        assert_eq!(tree(root.path()), ["a", "a/b", "a/b/one"]);
        let mode = fs::metadata(root.path().join("a/b")).unwrap().permissions().mode();
        assert_eq!(mode & 0o500, 0o500, "as any folder");
    }

    #[test]
    fn a_dropped_one_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let staging = Staging::begin(&root.path().join("a/b")).unwrap();
        fs::write(staging.folder().join("one"), "1").unwrap();
        drop(staging);
        assert!(tree(root.path()).is_empty());
    }

    #[test]
    fn an_old_folder_keeps_what_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("mine"), "m").unwrap();
        fs::write(root.path().join("one"), "old").unwrap();
        let staging = Staging::begin(root.path()).unwrap();
        fs::write(staging.folder().join("one"), "new").unwrap();
        assert_eq!(fs::read_to_string(root.path().join("one")).unwrap(), "old", "until the last act");
        staging.commit().unwrap();
        assert_eq!(tree(root.path()), ["mine", "one"]);
        assert_eq!(fs::read_to_string(root.path().join("one")).unwrap(), "new");
    }

    #[test]
    fn what_a_killed_run_left_goes_and_what_a_living_one_makes_stays() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("out");
        let dead = root.path().join(".out.dead.partial");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("half"), "").unwrap();
        let living = Staging::begin(&target).unwrap();
        assert!(!dead.exists(), "the dead one");
        drop(Staging::begin(&target).unwrap());
        assert!(living.folder().exists(), "the living one");
        drop(living);
        fs::create_dir(&target).unwrap();
        fs::create_dir(&dead).unwrap();
        drop(Staging::begin(&target).unwrap());
        assert!(!dead.exists(), "beside a folder that was made meanwhile, too");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        for out in [file.clone(), file.join("below"), file.join("far/below")] {
            let error = Staging::begin(&out).unwrap_err();
            assert!(matches!(&error, OutputError::NotAFolder { path } if *path == file), "{out:?}: {error}");
        }
        assert!(matches!(Staging::begin(&root.path().join("no/../x")), Err(OutputError::Refused { .. })));
        assert_eq!(tree(root.path()), ["file"]);
    }
}

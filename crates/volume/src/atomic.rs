//! Files that are either there in full or not there at all.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Ends the names of files that are being written.
const PARTIAL: &str = ".partial";

/// Write a file so that its name only ever shows the old content or the whole new one.
///
/// `fill` writes to a file `.NAME.*.partial` in the same folder, which is then synced, renamed over `path`, and the
/// folder synced. If anything fails nothing stays behind and an old file of that name is untouched. What a killed
/// process left for this name is removed by the next write; locks tell it from the file of a writer that still runs.
///
/// # Errors
/// Those of `fill` and of the file system; the path is not part of them.
pub fn write_atomically(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let prefix = format!(".{}.", name.to_string_lossy());
    for stale in partial_files(folder, &prefix).unwrap_or_default() {
        remove_unless_locked(&stale);
    }
    let partial = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(PARTIAL)
        .permissions(Permissions::from_mode(0o666)) // less the umask, as any new file
        .tempfile_in(folder)?;
    partial.as_file().try_lock().ok();
    let mut writer = BufWriter::with_capacity(1 << 16, partial);
    fill(&mut writer)?;
    let partial = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    partial.as_file().sync_all()?;
    partial.persist(path).map_err(|failed| failed.error)?;
    sync_folder(folder)
}

/// Files of this folder that an earlier write to the same name began. A folder may be writable but not readable.
fn partial_files(folder: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(PARTIAL) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A partial file without a lock has no living writer.
fn remove_unless_locked(path: &Path) {
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
    {
        fs::remove_file(path).ok();
    }
}

/// Make the new name durable. Some network file systems cannot sync a folder; there the rename is all there is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("labels.nii.gz");
        write_atomically(&path, |out| out.write_all(b"first")).expect("first");
        let failed = write_atomically(&path, |out| {
            out.write_all(&vec![0; 200_000])?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err(), "the error of the closure comes through");
        assert_eq!(fs::read(&path).expect("old file"), b"first", "the old content");
        assert_eq!(names(folder.path()), ["labels.nii.gz"], "nothing beside it");
        write_atomically(&path, |out| out.write_all(b"second")).expect("second");
        assert_eq!(fs::read(&path).expect("new file"), b"second", "the new content");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o600, 0o600, "readable by its owner");
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_but_not_what_a_living_one_writes() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.json");
        fs::write(folder.path().join(".a.json.dead.partial"), b"half").expect("stale file");
        let alive = File::create(folder.path().join(".a.json.live.partial")).expect("live file");
        alive.lock().expect("locked");
        write_atomically(&path, |out| out.write_all(b"{}")).expect("written");
        assert_eq!(names(folder.path()), [".a.json.live.partial", "a.json"], "only the dead one went");
    }

    #[test]
    fn a_folder_or_a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(write_atomically(folder.path(), |_| Ok(())).is_err(), "the target is a folder");
        assert!(write_atomically(&folder.path().join("no/where"), |_| Ok(())).is_err(), "no such folder");
        assert!(names(folder.path()).is_empty(), "nothing was made");
    }
}

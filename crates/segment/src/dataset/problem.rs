//! What can be wrong with a case on disk, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::study::Sequence;

/// What a file of a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The scan of a sequence.
    Scan(Sequence),
    /// The mask of an expert.
    Seg,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan(sequence) => sequence.fmt(f),
            Self::Seg => f.write_str("the mask"),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Scan(sequence) => sequence.name(),
            Self::Seg => "seg",
        })
    }
}

/// What is wrong with a case on disk; displayed with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Problem {
    /// No file for a sequence.
    Missing {
        /// The sequence.
        sequence: Sequence,
    },
    /// More than one file for a sequence or the mask.
    Doubled {
        /// What they are.
        role: Role,
        /// All of them.
        files: Vec<PathBuf>,
    },
    /// Several cases in one folder, not all of them whole.
    SharesFolder {
        /// The other cases.
        with: Vec<String>,
    },
    /// DICOM files instead of NIfTI.
    Dicom {
        /// Where they lie.
        folder: PathBuf,
    },
    /// A list names a file that is not there.
    NoSuchFile {
        /// What it should be.
        role: Role,
        /// Where it should be.
        path: PathBuf,
    },
    /// A folder or list that cannot be read.
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Another case of the same name, found before.
    SameName {
        /// Where the other one is.
        other: PathBuf,
    },
    /// A NIfTI file whose name is not Unicode: it could stand in no report.
    NotUnicode {
        /// The name as far as it can be read.
        name: String,
    },
    /// NIfTI files, but no name says a sequence.
    NotNamed {
        /// The files.
        files: Vec<PathBuf>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { sequence } => {
                let words = match sequence {
                    Sequence::T1n => "t1n or t1",
                    Sequence::T1c => "t1c, t1ce, t1gd or t1post",
                    Sequence::T2w => "t2w or t2",
                    Sequence::T2f => "t2f or flair",
                };
                write!(f, "{sequence} is missing; add a file whose name carries {words}")
            }
            Self::Doubled { role, files } => write!(f, "{role} is there more than once ({}); keep one", names(files)),
            Self::SharesFolder { with } => {
                write!(f, "the folder also holds {}; give each case its own folder", with.join(", "))
            }
            Self::Dicom { folder } => write!(
                f,
                "{} holds DICOM files; convert them to NIfTI with dcm2niix first and name the results by sequence",
                folder.display()
            ),
            Self::NoSuchFile { role, path } => {
                write!(f, "{role} should be {}, which does not exist; correct the list", path.display())
            }
            Self::Unreadable { path, why } => {
                write!(f, "{} cannot be read ({why}); take it away, or see that you may read it", path.display())
            }
            Self::SameName { other } => {
                write!(f, "a case of this name was found before in {}; keep one of them", other.display())
            }
            Self::NotUnicode { name } => {
                write!(
                    f,
                    "the name {name} is not written in UTF-8; rename the file or folder, in plain letters if need be"
                )
            }
            Self::NotNamed { files } => write!(
                f,
                "no file name says its sequence ({}); rename the files so that they carry t1n, t1c, t2w and t2f",
                names(files)
            ),
        }
    }
}

impl Problem {
    /// What a walk below `root` could not look into, and where that is.
    pub(crate) fn unlisted(error: &walkdir::Error, root: &Path) -> (PathBuf, Self) {
        let path = error.path().unwrap_or(root).to_path_buf();
        let why = error.io_error().map_or_else(|| "a link leads in a circle".to_owned(), ToString::to_string);
        (path.clone(), Self::Unreadable { path, why })
    }

    /// Whether it says already why a file is not there.
    pub(crate) fn explains(&self, wanted: Role) -> bool {
        match self {
            Self::Doubled { role, .. } | Self::NoSuchFile { role, .. } => *role == wanted,
            Self::Missing { .. }
            | Self::SharesFolder { .. }
            | Self::Dicom { .. }
            | Self::Unreadable { .. }
            | Self::SameName { .. }
            | Self::NotUnicode { .. }
            | Self::NotNamed { .. } => false,
        }
    }

    /// Whether the scans may not be read because of it; a case of a taken name would count twice in a training.
    pub(super) fn concerns_scans(&self) -> bool {
        match self {
            Self::Doubled { role, .. } | Self::NoSuchFile { role, .. } => *role != Role::Seg,
            Self::Missing { .. }
            | Self::SharesFolder { .. }
            | Self::Dicom { .. }
            | Self::Unreadable { .. }
            | Self::SameName { .. }
            | Self::NotUnicode { .. }
            | Self::NotNamed { .. } => true,
        }
    }
}

fn names(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned());
    files.iter().filter_map(name).collect::<Vec<_>>().join(", ")
}

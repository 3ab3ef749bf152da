//! What can be wrong with a file that somebody sent: a stable code, and a sentence that names the file, the fault and
//! the next step.

use segment::labels::LabelScheme;
use segment::study::GridDifference;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use volume::nifti::{Foreign, NiftiError};

use super::naming::last;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// No bytes.
    Empty,
    /// The request ended before the file did.
    Interrupted,
    /// Another format.
    NotNifti,
    /// DICOM.
    Dicom,
    /// The gzip stream is damaged.
    DamagedGzip,
    /// The file ends too early.
    Truncated,
    /// More than the limits allow.
    TooLarge,
    /// A header that contradicts itself.
    DamagedHeader,
    /// A transform to the world that is none.
    BadOrientation,
    /// Colours, complex numbers, bits.
    UnsupportedType,
    /// A stack where one volume is needed.
    SeveralVolumes,
    /// NaN or infinity.
    NotFinite,
    /// Nothing but zeros.
    NoSignal,
    /// Labels where a scan is needed.
    MaskGivenAsScan,
    /// Intensities where labels are needed.
    ScanGivenAsMask,
    /// A number that the label scheme does not know.
    UnknownLabel,
    /// Nothing says what a mask's numbers mean.
    SchemeUnknown,
    /// Nothing says which sequence a scan is.
    SequenceUnknown,
    /// Two files for one sequence.
    SequenceTwice,
    /// Two masks.
    SeveralMasks,
    /// The same voxels twice.
    SameScanTwice,
    /// Scans that do not lie on one grid.
    GridsDiffer,
    /// A group without a scan.
    NoScan,
    /// A file name that is none.
    BadName,
    /// A ZIP that cannot be read.
    ZipDamaged,
    /// A ZIP with a password.
    ZipEncrypted,
    /// A ZIP with too many files.
    ZipTooManyFiles,
    /// A ZIP that unpacks to too much.
    ZipTooLarge,
    /// A ZIP in a ZIP.
    ZipNested,
    /// A ZIP whose files want to lie outside of it.
    ZipUnsafePath,
    /// A ZIP without a NIfTI file.
    ZipEmpty,
}

/// A fault with its sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What it is.
    pub code: Flaw,
    /// A sentence for the person.
    pub detail: String,
}

impl Fault {
    /// The request ended before the file did.
    pub(crate) fn interrupted(name: &str) -> Self {
        Flaw::Interrupted.says(format!("{}: it did not arrive in full. Send it again.", last(name)))
    }
}

impl Flaw {
    /// The fault of a file, in words.
    pub fn says(self, detail: impl Into<String>) -> Fault {
        Fault { code: self, detail: detail.into() }
    }

    /// Its stable name.
    pub fn as_str(self) -> String {
        serde_json::to_value(self).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// The fault of a file that is no usable NIfTI volume.
pub(crate) fn of_nifti(name: &str, error: &NiftiError) -> Fault {
    let fault = error.fault();
    let flaw = match fault {
        NiftiError::Empty => Flaw::Empty,
        NiftiError::TooLarge { .. } | NiftiError::TooManyVoxels { .. } | NiftiError::OutOfMemory { .. } => {
            Flaw::TooLarge
        }
        NiftiError::Foreign { found: Foreign::Dicom } => Flaw::Dicom,
        NiftiError::Foreign { found: Foreign::Zip } => Flaw::ZipNested,
        NiftiError::Foreign { .. } | NiftiError::Pair | NiftiError::Cifti { .. } | NiftiError::NotAFile => {
            Flaw::NotNifti
        }
        NiftiError::HeaderTruncated { .. } | NiftiError::Truncated { .. } => Flaw::Truncated,
        NiftiError::Gzip { .. } => Flaw::DamagedGzip,
        NiftiError::TextTransfer
        | NiftiError::Axes { .. }
        | NiftiError::AxisLength { .. }
        | NiftiError::UnknownDatatype { .. }
        | NiftiError::BitsPerVoxel { .. }
        | NiftiError::VoxelOffset { .. }
        | NiftiError::InFile { .. }
        | NiftiError::Unreadable { .. }
        | NiftiError::Unwritable { .. }
        | NiftiError::GridsDiffer { .. }
        | NiftiError::OutOfRange { .. }
        | NiftiError::AxisTooLong { .. } => Flaw::DamagedHeader,
        NiftiError::Transform { .. } => Flaw::BadOrientation,
        NiftiError::UnsupportedDatatype { .. } => Flaw::UnsupportedType,
        NiftiError::TooManyVolumes { .. } | NiftiError::NotOneVolume { .. } => Flaw::SeveralVolumes,
    };
    flaw.says(format!("{name}: {fault}."))
}

/// Two files that do not lie on one grid.
pub(crate) fn of_grids(name: &str, first: &str, difference: GridDifference) -> Fault {
    let how = match difference {
        GridDifference::Shape { axis, first: a, second: b } => {
            format!("it has {b} voxels along {axis} where {first} has {a}")
        }
        GridDifference::Place { axis, difference } => {
            format!("it lies {:.1} mm away from {first} along {axis}", difference.0)
        }
    };
    Flaw::GridsDiffer.says(format!(
        "{name}: {how}. The files of one study must be registered to each other and lie on one grid; \
         register them first, or move this file to another study."
    ))
}

/// A mask whose numbers nobody explained.
pub(crate) fn of_scheme(name: &str, codes: &[u8]) -> Fault {
    Flaw::SchemeUnknown.says(format!(
        "{name}: nothing says what its numbers ({}) mean. Choose the label scheme: BraTS up to 2022 (1, 2, 4), BraTS \
         2023 and later (1, 2, 3), or Decathlon (1 oedema, 2 core, 3 enhancing).",
        listed(codes)
    ))
}

/// A mask with a number that its scheme does not know.
pub(crate) fn of_label(name: &str, code: u8, scheme: LabelScheme) -> Fault {
    Flaw::UnknownLabel.says(format!(
        "{name}: it holds the number {code}, which the label scheme {scheme} does not know. Choose another scheme, or \
         remove the file."
    ))
}

fn listed(codes: &[u8]) -> String {
    codes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_names_the_file_and_codes_are_words() {
        let fault = of_nifti("a.nii", &NiftiError::Foreign { found: Foreign::Dicom });
        assert_eq!(fault.code.as_str(), "dicom");
        assert!(fault.detail.starts_with("a.nii: ") && fault.detail.contains("dcm2niix"), "{}", fault.detail);
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault);
        assert!(of_scheme("m.nii", &[1, 2, 3]).detail.contains("(1, 2, 3)"));
    }
}

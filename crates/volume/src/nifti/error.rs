//! What can be wrong with a file, each as a sentence that says what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::{Datatype, Version};
use crate::VolumeError;

/// Why a file cannot be read as a volume, or not be written. Each sentence is complete: no cause is chained behind it.
#[derive(Debug, thiserror::Error)]
pub enum NiftiError {
    /// Any of the others, in a file.
    #[error("{}: {fault}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Box<NiftiError>,
    },
    /// The operating system refuses.
    #[error("the file cannot be read: {cause}")]
    Unreadable {
        /// Its reason.
        cause: io::Error,
    },
    /// The operating system refuses.
    #[error("the file cannot be written: {cause}; nothing was left half-written")]
    Unwritable {
        /// Its reason.
        cause: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("this is not a file; name one .nii or .nii.gz file")]
    NotAFile,
    /// No bytes.
    #[error("the file is empty (0 bytes); copy or download it again")]
    Empty,
    /// The file as stored, or what its gzip stream inflates to, is larger than the limits allow.
    #[error("the file holds more than the limit of {limit} bytes; if it is genuine, raise the limit")]
    TooLarge {
        /// The most bytes that are allowed.
        limit: u64,
    },
    /// Another format.
    #[error("this is not a NIfTI file: {found}")]
    Foreign {
        /// What it looks like.
        found: Foreign,
    },
    /// Half of a pair of header and voxels.
    #[error("this is the header of a .hdr/.img pair; convert the pair to one .nii file (for instance with nibabel)")]
    Pair,
    /// Surfaces and matrices in a `NIfTI-2` wrapper.
    #[error("this is a CIFTI file (intent {intent}), a matrix over brain structures; a volume is needed")]
    Cifti {
        /// The intent code, 3000 to 3099.
        intent: i32,
    },
    /// The signature of `NIfTI-2` lost its line-end bytes.
    #[error("the signature is damaged as by a text-mode transfer; copy the file again in binary mode")]
    TextTransfer,
    /// The file ends inside the header.
    #[error("the file ends inside the header ({found} of {expected} bytes); copy or download it again")]
    HeaderTruncated {
        /// Bytes of a whole header.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The file ends before the last voxel.
    #[error(
        "the file is truncated: its header declares {expected} bytes, at most {found} are there; copy or download it again"
    )]
    Truncated {
        /// Bytes up to the last voxel, inflated.
        expected: u64,
        /// Bytes that are there; of a gzip stream an upper bound if it cannot possibly hold as many.
        found: u64,
    },
    /// The compressed stream is broken or its checksum is wrong.
    #[error("the gzip stream is damaged ({cause}); copy or download the file again")]
    Gzip {
        /// What the decoder found.
        cause: io::Error,
    },
    /// The number of axes is not 1 to 7.
    #[error("the header declares {axes} axes, where 1 to 7 are possible; the header is damaged")]
    Axes {
        /// The field `dim[0]`.
        axes: i64,
    },
    /// An axis with no or a negative number of voxels.
    #[error("the header declares {length} voxels along axis {axis}; the header is damaged")]
    AxisLength {
        /// 1 to 7.
        axis: usize,
        /// The field `dim[axis]`.
        length: i64,
    },
    /// More voxels in all volumes together than the limits allow.
    #[error("the header declares {} voxels, over the limit of {limit}; it is damaged, or crop the volume first", voxels.map_or("2^64 or more".into(), |n| n.to_string()))]
    TooManyVoxels {
        /// The number, unless it overflows.
        voxels: Option<u64>,
        /// The most that are allowed.
        limit: u64,
    },
    /// More volumes in the stack than the limits allow.
    #[error("the header declares {volumes} volumes, over the limit of {limit}; it is damaged, or take the stack apart")]
    TooManyVolumes {
        /// The number.
        volumes: u64,
        /// The most that are allowed.
        limit: u64,
    },
    /// The machine has not enough memory.
    #[error("{bytes} bytes of memory are needed and not free; end other programs, or crop the volume first")]
    OutOfMemory {
        /// What was asked for.
        bytes: u64,
    },
    /// A known kind of voxel that is no single number.
    #[error("the voxels are {name}; convert the file to an integer or float type of at most 64 bits")]
    UnsupportedDatatype {
        /// Its name in nifti1.h, in lower case.
        name: &'static str,
    },
    /// A datatype that the standard does not name.
    #[error("the datatype code {code} is unknown; the header is damaged")]
    UnknownDatatype {
        /// The field `datatype`.
        code: i16,
    },
    /// Two fields of the header contradict each other.
    #[error("the header says {datatype} and {bitpix} bits for each voxel, which cannot both be true; it is damaged")]
    BitsPerVoxel {
        /// The field `datatype`.
        datatype: Datatype,
        /// The field `bitpix`.
        bitpix: i16,
    },
    /// The voxels cannot begin there.
    #[error("the voxels cannot begin at byte {offset} (vox_offset), the least is {least}; the header is damaged")]
    VoxelOffset {
        /// The field `vox_offset`.
        offset: f64,
        /// Where voxels may begin.
        least: u64,
    },
    /// No usable transform, though one is declared.
    #[error("the {transform} is declared but unusable: {fault}; write the file again with a correct one")]
    Transform {
        /// The one that is looked at first.
        transform: Transform,
        /// What is wrong with it.
        fault: VolumeError,
    },
    /// A stack where one volume is needed.
    #[error("the file holds {volumes} volumes where one is needed; take the stack apart first")]
    NotOneVolume {
        /// How many it holds.
        volumes: usize,
    },
    /// A volume is not on the grid of the geometry that it is to be written with.
    #[error("the volume ({} x {} x {}) is not on the grid of the file's geometry ({} x {} x {})",
        volume[0], volume[1], volume[2], geometry[0], geometry[1], geometry[2])]
    GridsDiffer {
        /// Shape of the volume.
        volume: [usize; 3],
        /// Shape of the geometry; the same if only the affines differ.
        geometry: [usize; 3],
    },
    /// A value does not fit the type that it is to be written in.
    #[error("the value {value} does not fit a voxel of type {datatype}")]
    OutOfRange {
        /// The first such value.
        value: f32,
        /// The type.
        datatype: Datatype,
    },
    /// A grid that the header of this version cannot describe.
    #[error("an axis of {length} voxels does not fit {version}")]
    AxisTooLong {
        /// Voxels along the longest axis.
        length: usize,
        /// The version of the geometry.
        version: Version,
    },
}

/// What a file that is not `NIfTI` looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// "DICM" after 128 bytes.
    #[error("it is DICOM; convert the series to .nii.gz first, for instance with dcm2niix")]
    Dicom,
    /// "PK" at the start.
    #[error("it is a ZIP archive; unpack it and name the files inside")]
    Zip,
    /// A tar archive, most often inside gzip.
    #[error("it is a tar archive; unpack it and name the files inside")]
    Tar,
    /// "NRRD" at the start.
    #[error("it is NRRD; convert it to .nii.gz first, for instance with 3D Slicer")]
    Nrrd,
    /// HDF5, as MINC 2 and others use.
    #[error("it is HDF5 (perhaps MINC); convert it to .nii.gz first")]
    Hdf5,
    /// The size of a header is right, the signature is not.
    #[error("it is an ANALYZE 7.5 header, which does not tell left from right; convert it from its source")]
    Analyze,
    /// Printable characters only.
    #[error("it is text; a web page or a pointer may have been saved in place of the file, so download it again")]
    Text,
    /// None of these.
    #[error("it begins with neither of the header sizes 348 and 540; name a .nii or .nii.gz file")]
    Unknown,
}

/// What a header may say about where voxels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Transform {
    /// Three rows of an affine.
    #[error("sform")]
    Sform,
    /// A quaternion, the spacing and an offset.
    #[error("qform")]
    Qform,
    /// The spacing alone, where neither of them is declared.
    #[error("voxel spacing")]
    Spacing,
}

/// Something odd in a readable file that a person should know of.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Warning {
    /// The sform is declared but singular or not finite; the qform was taken.
    #[error("the sform is unusable, so the qform was taken")]
    SformUnusable,
    /// Neither sform nor qform is declared; left and right are a guess (x to the left, as nibabel guesses).
    #[error("the header does not say where left and right are; x was taken to run to the left")]
    NoOrientation,
    /// A spacing of the header was zero, negative or not finite and was replaced.
    #[error("a voxel spacing of the header is not positive and was repaired")]
    SpacingRepaired,
    /// The slope is usable but the intercept is not finite: values were taken as stored.
    #[error("the intercept of the intensity scale is not finite, so values were taken as stored")]
    ScaleIgnored,
    /// The header names metres or micrometres; numbers were taken as millimetres all the same.
    #[error("the header gives lengths in another unit than millimetres; its numbers were taken as millimetres")]
    NotMillimetres,
    /// Bytes after the last voxel.
    #[error("the file goes on after its last voxel")]
    TrailingBytes,
}

impl NiftiError {
    /// This fault, in a file.
    pub(super) fn in_file(self, path: &Path) -> NiftiError {
        NiftiError::InFile { path: path.to_path_buf(), fault: Box::new(self) }
    }

    /// What is wrong, without the file.
    pub fn fault(&self) -> &NiftiError {
        if let NiftiError::InFile { fault, .. } = self { fault.fault() } else { self }
    }
}

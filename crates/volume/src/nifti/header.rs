//! The two headers as tables of byte positions, and what they say.

use std::fmt;
use std::ops::Range;

use super::datatype::Scale;
use super::error::Foreign;
use super::{Datatype, NiftiError};
use crate::Limits;

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// The version of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 348 bytes, 16-bit sizes, 32-bit floats.
    One,
    /// 540 bytes, 64-bit sizes and floats.
    Two,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::One => "NIfTI-1",
            Version::Two => "NIfTI-2",
        })
    }
}

/// Byte positions of the fields that are used. Source: nifti1.h and nifti2.h (nifti.nimh.nih.gov).
#[derive(Debug)]
pub(super) struct Layout {
    /// Bytes of the header, also its first field.
    pub(super) len: usize,
    pub(super) magic: Range<usize>,
    pub(super) dim: usize,
    pub(super) intent: usize,
    pub(super) datatype: usize,
    pub(super) bitpix: usize,
    pub(super) pixdim: usize,
    pub(super) vox_offset: usize,
    pub(super) slope: usize,
    pub(super) inter: usize,
    pub(super) units: usize,
    pub(super) qform_code: usize,
    pub(super) sform_code: usize,
    pub(super) quatern: usize,
    pub(super) qoffset: usize,
    pub(super) srow: usize,
    /// Everything that says where voxels are in space, and nothing else: pixdim, codes, quaternion, offsets, rows,
    /// units, `dim_info`.
    pub(super) spatial: [Range<usize>; 4],
}

static ONE: Layout = Layout {
    len: 348,
    magic: 344..348,
    dim: 40,
    intent: 68,
    datatype: 70,
    bitpix: 72,
    pixdim: 76,
    vox_offset: 108,
    slope: 112,
    inter: 116,
    units: 123,
    qform_code: 252,
    sform_code: 254,
    quatern: 256,
    qoffset: 268,
    srow: 280,
    spatial: [39..40, 76..108, 123..124, 252..328],
};

static TWO: Layout = Layout {
    len: 540,
    magic: 4..12,
    dim: 16,
    intent: 504,
    datatype: 12,
    bitpix: 14,
    pixdim: 104,
    vox_offset: 168,
    slope: 176,
    inter: 184,
    units: 500,
    qform_code: 344,
    sform_code: 348,
    quatern: 352,
    qoffset: 376,
    srow: 400,
    spatial: [104..168, 344..496, 500..504, 524..525],
};

impl Version {
    pub(super) fn layout(self) -> &'static Layout {
        match self {
            Version::One => &ONE,
            Version::Two => &TWO,
        }
    }

    /// The first four bytes: the size of the header, least significant first.
    pub(super) fn announcement(self) -> [u8; 4] {
        match self {
            Version::One => 348_i32.to_le_bytes(),
            Version::Two => 540_i32.to_le_bytes(),
        }
    }

    /// The signature of a file that holds header and voxels.
    pub(super) fn magic(self) -> &'static [u8] {
        match self {
            Version::One => b"n+1\0",
            Version::Two => b"n+2\0\r\n\x1a\n",
        }
    }

    /// Where voxels begin if there are no extensions: the header and four bytes that say so.
    pub(super) fn least_offset(self) -> usize {
        self.layout().len + 4
    }
}

/// The bytes of a header with the way to read them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) version: Version,
    pub(super) order: Order,
    pub(super) bytes: Vec<u8>,
}

impl Header {
    /// What the first bytes of a file announce. At least the first 4 and at best 348 of them are looked at.
    ///
    /// # Errors
    /// [`NiftiError::Foreign`] if they are no header of either version.
    pub(super) fn announced(start: &[u8]) -> Result<(Version, Order), NiftiError> {
        match start {
            [0x5c, 1, 0, 0, ..] => Ok((Version::One, Order::Little)),
            [0, 0, 1, 0x5c, ..] => Ok((Version::One, Order::Big)),
            [0x1c, 2, 0, 0, ..] => Ok((Version::Two, Order::Little)),
            [0, 0, 2, 0x1c, ..] => Ok((Version::Two, Order::Big)),
            _ => Err(NiftiError::Foreign { found: foreign(start) }),
        }
    }

    /// A whole header whose signature is that of a single file.
    ///
    /// # Errors
    /// [`NiftiError::Pair`], [`NiftiError::TextTransfer`], [`NiftiError::Cifti`] or [`NiftiError::Foreign`].
    pub(super) fn signed(version: Version, order: Order, bytes: Vec<u8>) -> Result<Header, NiftiError> {
        let header = Header { version, order, bytes };
        let magic = &header.bytes[version.layout().magic.clone()];
        if magic != version.magic() {
            return Err(match &magic[..3] {
                b"ni1" | b"ni2" => NiftiError::Pair,
                b"n+2" if version == Version::Two => NiftiError::TextTransfer,
                _ if version == Version::One => NiftiError::Foreign { found: Foreign::Analyze },
                _ => NiftiError::Foreign { found: Foreign::Unknown },
            });
        }
        let intent = header.code(header.version.layout().intent);
        if version == Version::Two && (3000..3100).contains(&intent) {
            return Err(NiftiError::Cifti { intent });
        }
        Ok(header)
    }

    /// `N` bytes at a position of the layout, least significant first.
    fn number<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes: [u8; N] = std::array::from_fn(|k| self.bytes[at + k]);
        if self.order == Order::Big {
            bytes.reverse();
        }
        bytes
    }

    fn short(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.number(at))
    }

    /// A code: 16 bits in version 1, 32 in version 2.
    pub(super) fn code(&self, at: usize) -> i32 {
        match self.version {
            Version::One => i32::from(self.short(at)),
            Version::Two => i32::from_le_bytes(self.number(at)),
        }
    }

    /// A float: 32 bits in version 1, 64 in version 2. `index` counts floats from `at`.
    pub(super) fn float(&self, at: usize, index: usize) -> f64 {
        match self.version {
            Version::One => f64::from(f32::from_le_bytes(self.number(at + 4 * index))),
            Version::Two => f64::from_le_bytes(self.number(at + 8 * index)),
        }
    }

    /// Entry `index` of `dim`.
    fn dim(&self, index: usize) -> i64 {
        let at = self.version.layout().dim;
        match self.version {
            Version::One => i64::from(self.short(at + 2 * index)),
            Version::Two => i64::from_le_bytes(self.number(at + 8 * index)),
        }
    }

    /// The unit of lengths: 0 unknown, 1 metre, 2 millimetre, 3 micrometre.
    pub(super) fn length_unit(&self) -> u8 {
        let at = self.version.layout().units;
        let [least] = match self.version {
            Version::One => self.number::<1>(at),
            Version::Two => [self.number::<4>(at)[0]],
        };
        least & 7
    }

    /// Voxels along x, y, z, and the number of volumes: the product of the other axes.
    ///
    /// # Errors
    /// Axes that cannot be, and counts over the limits. Nothing was allocated yet.
    pub(super) fn extent(&self, limits: &Limits) -> Result<Extent, NiftiError> {
        let axes = self.dim(0);
        let Some(axes) = usize::try_from(axes).ok().filter(|axes| (1..=7).contains(axes)) else {
            return Err(NiftiError::Axes { axes });
        };
        let mut lengths = [1_u64; 8];
        for (axis, length) in lengths.iter_mut().enumerate().take(axes + 1).skip(1) {
            let declared = self.dim(axis);
            *length = u64::try_from(declared)
                .ok()
                .filter(|&n| n > 0)
                .ok_or(NiftiError::AxisLength { axis, length: declared })?;
        }
        let product = |range: Range<usize>| lengths[range].iter().try_fold(1_u64, |all, &n| all.checked_mul(n));
        let voxels = product(1..8);
        if voxels.is_none_or(|voxels| voxels > limits.max_voxels) {
            return Err(NiftiError::TooManyVoxels { voxels, limit: limits.max_voxels });
        }
        let volumes = product(4..8).unwrap_or(u64::MAX);
        if volumes > limits.max_volumes {
            return Err(NiftiError::TooManyVolumes { volumes, limit: limits.max_volumes });
        }
        let too_many = |_| NiftiError::TooManyVoxels { voxels, limit: limits.max_voxels };
        let mut shape = [1; 3];
        for (n, length) in shape.iter_mut().zip(&lengths[1..4]) {
            *n = usize::try_from(*length).map_err(too_many)?;
        }
        Ok(Extent { shape, volumes: usize::try_from(volumes).map_err(too_many)? })
    }

    /// The type of a voxel.
    ///
    /// # Errors
    /// Types that are no single number of at most 64 bits, and a `bitpix` that contradicts the type.
    pub(super) fn datatype(&self) -> Result<Datatype, NiftiError> {
        let layout = self.version.layout();
        let datatype = Datatype::of_code(self.short(layout.datatype))?;
        let bitpix = self.short(layout.bitpix);
        if bitpix == datatype.bits() { Ok(datatype) } else { Err(NiftiError::BitsPerVoxel { datatype, bitpix }) }
    }

    /// Where voxels begin; 0 means the least that is possible, as other readers take it.
    ///
    /// # Errors
    /// [`NiftiError::VoxelOffset`] if it is no whole number or points into the header.
    pub(super) fn voxel_offset(&self) -> Result<u64, NiftiError> {
        let layout = self.version.layout();
        let least = self.version.least_offset() as u64;
        let (offset, whole) = match self.version {
            Version::One => {
                let offset = self.float(layout.vox_offset, 0);
                (offset, as_whole(offset))
            }
            Version::Two => {
                let offset = i64::from_le_bytes(self.number(layout.vox_offset));
                (offset as f64, u64::try_from(offset).ok())
            }
        };
        match whole {
            Some(0) => Ok(least),
            Some(whole) if whole >= least => Ok(whole),
            Some(_) | None => Err(NiftiError::VoxelOffset { offset, least }),
        }
    }

    /// The intensity scale, if there is one, and whether a slope had to be ignored for its intercept.
    pub(super) fn scale(&self) -> (Option<Scale>, ScaleUse) {
        let layout = self.version.layout();
        let (slope, inter) = (self.float(layout.slope, 0), self.float(layout.inter, 0));
        if slope == 0.0 || !slope.is_finite() {
            return (None, ScaleUse::AsDeclared);
        }
        if !inter.is_finite() {
            return (None, ScaleUse::Ignored);
        }
        let is_identity = slope.to_bits() == 1_f64.to_bits() && inter == 0.0;
        ((!is_identity).then_some(Scale { slope, inter }), ScaleUse::AsDeclared)
    }
}

/// Voxels along x, y, z, and how many such volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) shape: [usize; 3],
    pub(super) volumes: usize,
}

/// What became of slope and intercept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScaleUse {
    AsDeclared,
    Ignored,
}

/// A float that holds a whole number below 2^53, as that number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
fn as_whole(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
    is_whole.then_some(number as u64)
}

/// A guess at what a file is that is not `NIfTI`.
fn foreign(start: &[u8]) -> Foreign {
    let has = |at: usize, magic: &[u8]| start.get(at..at + magic.len()) == Some(magic);
    if has(128, b"DICM") {
        Foreign::Dicom
    } else if has(0, b"PK\x03\x04") || has(0, b"PK\x05\x06") {
        Foreign::Zip
    } else if has(257, b"ustar") {
        Foreign::Tar
    } else if has(0, b"NRRD") {
        Foreign::Nrrd
    } else if has(0, b"\x89HDF\r\n\x1a\n") {
        Foreign::Hdf5
    } else if start.iter().all(|&byte| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r')) {
        Foreign::Text
    } else {
        Foreign::Unknown
    }
}

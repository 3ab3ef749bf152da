//! Where the voxels of a file are: its spatial header fields, kept byte for byte.

use super::datatype::Scale;
use super::error::{Transform, Warning};
use super::header::{Header, Order, Version};
use super::{Datatype, NiftiError};
use crate::{Affine, Grid, VolumeError};

/// The spatial fields of a header, byte for byte, so that what is written lies exactly where the source lies.
///
/// Kept: shape, pixdim, qform, sform, units, `dim_info`, header version, byte order. Nothing else: no free text, no
/// acquisition fields, no intensity scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    shape: [usize; 3],
    affine: Affine,
    /// A whole header in which only the spatial fields are not zero.
    header: Header,
}

impl Geometry {
    /// The geometry of a header.
    ///
    /// The affine is the sform's if it is declared, else the qform's, else made of the spacing alone with the centre
    /// of the volume at the origin and x to the left (what nibabel does).
    ///
    /// # Errors
    /// [`NiftiError::Transform`] if a transform is declared and neither is usable.
    pub(super) fn of(header: &Header, shape: [usize; 3], warnings: &mut Vec<Warning>) -> Result<Geometry, NiftiError> {
        let affine = affine_of(header, shape, warnings)?;
        let mut bytes = vec![0; header.bytes.len()];
        for field in header.version.layout().spatial.clone() {
            bytes[field.clone()].copy_from_slice(&header.bytes[field]);
        }
        Ok(Geometry { shape, affine, header: Header { version: header.version, order: header.order, bytes } })
    }

    /// The geometry of a new file: sform code 1 and, unless the affine shears, qform code 1; `NIfTI-1` where it fits.
    pub fn from_grid(grid: &Grid) -> Geometry {
        let shape = grid.shape();
        let fits = shape.iter().all(|&n| i16::try_from(n).is_ok());
        let version = if fits { Version::One } else { Version::Two };
        let layout = version.layout();
        let mut header = Header { version, order: Order::Little, bytes: vec![0; layout.len] };
        let quaternion = Quaternion::of(grid.affine());
        let [dx, dy, dz] = grid.spacing();
        let qfac = quaternion.map_or(1.0, |quaternion| quaternion.qfac);
        for (index, number) in [qfac, dx, dy, dz, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
            header.put_float(layout.pixdim, index, number);
        }
        header.bytes[layout.units] = 2; // millimetres, little-endian in version 2
        for (row, numbers) in grid.affine().rows().iter().enumerate() {
            for (column, &number) in numbers.iter().enumerate() {
                header.put_float(layout.srow, 4 * row + column, number);
            }
        }
        header.put_code(layout.sform_code, 1);
        if let Some(quaternion) = quaternion {
            header.put_code(layout.qform_code, 1);
            for axis in 0..3 {
                header.put_float(layout.quatern, axis, quaternion.bcd[axis]);
                header.put_float(layout.qoffset, axis, grid.affine().rows()[axis][3]);
            }
        }
        Geometry { shape, affine: *grid.affine(), header }
    }

    /// Voxels along x, y, z.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Voxel index to world mm.
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// The version of the header that it came with, and is written with.
    pub fn version(&self) -> Version {
        self.header.version
    }

    pub(super) fn order(&self) -> Order {
        self.header.order
    }

    /// A grid belongs to this geometry if each voxel is where it is here, to a thousandth of a voxel (`NIfTI-1` stores
    /// single precision).
    pub(super) fn holds(&self, grid: &Grid) -> bool {
        let [a, b, c] = grid.spacing();
        self.shape == grid.shape() && grid.largest_shift(&self.affine) <= 1e-3 * a.min(b).min(c)
    }

    /// A header for one volume of this type on this grid: magic, sizes, type and intensity scale (slope 1 if there is
    /// none) beside the spatial fields, followed by the four bytes that say "no extensions".
    ///
    /// # Errors
    /// [`NiftiError::AxisTooLong`] if the shape does not fit the version.
    pub(super) fn file_header(&self, datatype: Datatype, scale: Option<Scale>) -> Result<Vec<u8>, NiftiError> {
        let mut header = self.header.clone();
        let version = header.version;
        let layout = version.layout();
        header.put(0, version.announcement());
        header.bytes[layout.magic.clone()].copy_from_slice(version.magic());
        let dim = [3, self.shape[0], self.shape[1], self.shape[2], 1, 1, 1, 1];
        for (index, length) in dim.into_iter().enumerate() {
            match version {
                Version::One => {
                    let too_long = |_| NiftiError::AxisTooLong { length, version };
                    header.put(layout.dim + 2 * index, i16::try_from(length).map_err(too_long)?.to_le_bytes());
                }
                Version::Two => header.put(layout.dim + 8 * index, (length as u64).to_le_bytes()),
            }
        }
        header.put(layout.datatype, datatype.code().to_le_bytes());
        header.put(layout.bitpix, datatype.bits().to_le_bytes());
        match version {
            Version::One => header.put_float(layout.vox_offset, 0, version.least_offset() as f64),
            Version::Two => header.put(layout.vox_offset, (version.least_offset() as u64).to_le_bytes()),
        }
        header.put_float(layout.slope, 0, scale.map_or(1.0, |scale| scale.slope));
        header.put_float(layout.inter, 0, scale.map_or(0.0, |scale| scale.inter));
        let mut bytes = header.bytes;
        bytes.extend([0; 4]);
        Ok(bytes)
    }
}

impl Header {
    /// Write `N` bytes, given least significant first.
    fn put<const N: usize>(&mut self, at: usize, mut number: [u8; N]) {
        if self.order == Order::Big {
            number.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&number);
    }

    fn put_code(&mut self, at: usize, code: i16) {
        match self.version {
            Version::One => self.put(at, code.to_le_bytes()),
            Version::Two => self.put(at, i32::from(code).to_le_bytes()),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "version 1 stores single precision")]
    fn put_float(&mut self, at: usize, index: usize, number: f64) {
        match self.version {
            Version::One => self.put(at + 4 * index, (number as f32).to_le_bytes()),
            Version::Two => self.put(at + 8 * index, number.to_le_bytes()),
        }
    }
}

/// Sform, else qform, else spacing.
fn affine_of(header: &Header, shape: [usize; 3], warnings: &mut Vec<Warning>) -> Result<Affine, NiftiError> {
    let layout = header.version.layout();
    if matches!(header.length_unit(), 1 | 3) {
        warnings.push(Warning::NotMillimetres);
    }
    let is_sform = header.code(layout.sform_code) > 0;
    let is_qform = header.code(layout.qform_code) > 0;
    if is_sform {
        let row = |row: usize| std::array::from_fn(|column| header.float(layout.srow, 4 * row + column));
        match Affine::new([row(0), row(1), row(2)]) {
            Ok(affine) => return Ok(affine),
            Err(_) if is_qform => warnings.push(Warning::SformUnusable),
            Err(fault) => return Err(NiftiError::Transform { transform: Transform::Sform, fault }),
        }
    }
    let spacing = spacing_of(header, warnings);
    if is_qform {
        return qform(header, spacing).map_err(|fault| NiftiError::Transform { transform: Transform::Qform, fault });
    }
    warnings.push(Warning::NoOrientation);
    let [dx, dy, dz] = spacing;
    let origin = std::array::from_fn(|axis| -[-dx, dy, dz][axis] * (shape[axis] - 1) as f64 / 2.0);
    Affine::axis_aligned([-dx, dy, dz], origin)
        .map_err(|fault| NiftiError::Transform { transform: Transform::Spacing, fault })
}

/// The spacing with nibabel's repairs: zero means 1, a sign is dropped; what is not finite becomes 1 too.
fn spacing_of(header: &Header, warnings: &mut Vec<Warning>) -> [f64; 3] {
    let declared: [f64; 3] = std::array::from_fn(|axis| header.float(header.version.layout().pixdim, axis + 1));
    let repaired = declared.map(|d| if d == 0.0 || !d.is_finite() { 1.0 } else { d.abs() });
    if declared.iter().zip(&repaired).any(|(d, r)| d.to_bits() != r.to_bits()) {
        warnings.push(Warning::SpacingRepaired);
    }
    repaired
}

/// Method 2 of nifti1.h: rotation from the quaternion, times spacing, with qfac on the third axis.
fn qform(header: &Header, [dx, dy, dz]: [f64; 3]) -> Result<Affine, VolumeError> {
    let layout = header.version.layout();
    let [b, c, d] = std::array::from_fn(|axis| header.float(layout.quatern, axis));
    // Rounding may push a half turn a little past 1; the rotation below is normalised in any case.
    let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
    let n = a * a + b * b + c * c + d * d;
    let s = 2.0 / n;
    let rotation = [
        [1.0 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)],
        [s * (b * c + a * d), 1.0 - s * (b * b + d * d), s * (c * d - a * b)],
        [s * (b * d - a * c), s * (c * d + a * b), 1.0 - s * (b * b + c * c)],
    ];
    let qfac = if header.float(layout.pixdim, 0) < 0.0 { -1.0 } else { 1.0 };
    let steps = [dx, dy, qfac * dz];
    Affine::new(std::array::from_fn(|row| {
        std::array::from_fn(|column| match column {
            3 => header.float(layout.qoffset, row),
            axis => rotation[row][axis] * steps[axis],
        })
    }))
}

/// A rotation as `NIfTI` stores it.
#[derive(Clone, Copy, Debug)]
struct Quaternion {
    bcd: [f64; 3],
    /// -1 if the third axis is mirrored.
    qfac: f64,
}

impl Quaternion {
    /// The rotation of an affine; none if its axes are not perpendicular to a millionth, which no quaternion can say.
    ///
    /// Source: `nifti_mat44_to_quatern` in `nifti1_io.c`, the largest of a, b, c, d first.
    fn of(affine: &Affine) -> Option<Quaternion> {
        let spacing = affine.spacing();
        let mut m: [[f64; 3]; 3] =
            std::array::from_fn(|row| std::array::from_fn(|axis| affine.rows()[row][axis] / spacing[axis]));
        let dot = |p: usize, q: usize| m.iter().map(|row| row[p] * row[q]).sum::<f64>();
        if [dot(0, 1), dot(0, 2), dot(1, 2)].iter().any(|cosine| cosine.abs() > 1e-6) {
            return None;
        }
        let qfac = if affine.determinant() < 0.0 { -1.0 } else { 1.0 };
        for row in &mut m {
            row[2] *= qfac;
        }
        let squares = [
            1.0 + m[0][0] + m[1][1] + m[2][2],
            1.0 + m[0][0] - m[1][1] - m[2][2],
            1.0 - m[0][0] + m[1][1] - m[2][2],
            1.0 - m[0][0] - m[1][1] + m[2][2],
        ];
        let mut largest = 0;
        for k in 1..4 {
            if squares[k] > squares[largest] {
                largest = k;
            }
        }
        let (x, y, z) = (m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]);
        let (xy, xz, yz) = (m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]);
        let four = match largest {
            0 => [squares[0], x, y, z],
            1 => [x, squares[1], xy, xz],
            2 => [y, xy, squares[2], yz],
            _ => [z, xz, yz, squares[3]],
        };
        let length = 2.0 * squares[largest].sqrt();
        let sign = if four[0] < 0.0 { -1.0 } else { 1.0 };
        Some(Quaternion { bcd: [four[1], four[2], four[3]].map(|part| sign * part / length), qfac })
    }
}

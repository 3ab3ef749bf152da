//! Volumes to files.

use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::header::Order;
use super::{Datatype, Geometry, NiftiError};
use crate::{Volume, write_atomically};

/// Level 6 is where deflate stops to pay: masks of 9 M voxels become tens of kilobytes in about 50 ms.
const LEVEL: u32 = 6;

/// Voxels that are converted at a time.
const CHUNK: usize = 1 << 14;

/// Write labels or a mask as uint8 on the geometry of a source file; gzip if the name ends in `.gz`.
///
/// The spatial fields are the source's, byte for byte, as are version and byte order. No free text, no extensions, no
/// time stamp: equal volumes give equal files. The file appears whole or not at all.
///
/// # Errors
/// [`NiftiError::InFile`] around `GridsDiffer` or `Unwritable`.
pub fn write_mask(path: &Path, volume: &Volume<u8>, geometry: &Geometry) -> Result<(), NiftiError> {
    write(path, volume, geometry, Datatype::U8, |voxel| [voxel])
}

/// Write a scan as int16, rounding to whole numbers; else as [`write_mask`].
///
/// # Errors
/// [`NiftiError::InFile`] around `OutOfRange` (not finite, or beyond int16), `GridsDiffer` or `Unwritable`.
pub fn write_scan(path: &Path, volume: &Volume<f32>, geometry: &Geometry) -> Result<(), NiftiError> {
    let fits = |voxel: &f32| (f32::from(i16::MIN)..=f32::from(i16::MAX)).contains(&voxel.round());
    if let Some(&value) = volume.voxels().iter().find(|voxel| !fits(voxel)) {
        return Err(NiftiError::OutOfRange { value, datatype: Datatype::I16 }.in_file(path));
    }
    let order = geometry.order();
    write(path, volume, geometry, Datatype::I16, |voxel| {
        #[expect(clippy::cast_possible_truncation, reason = "rounded, and checked to fit")]
        let whole = voxel.round() as i16;
        match order {
            Order::Little => whole.to_le_bytes(),
            Order::Big => whole.to_be_bytes(),
        }
    })
}

/// Write values as float32, bit for bit; else as [`write_mask`].
///
/// # Errors
/// [`NiftiError::InFile`] around `GridsDiffer` or `Unwritable`.
pub fn write_floats(path: &Path, volume: &Volume<f32>, geometry: &Geometry) -> Result<(), NiftiError> {
    let order = geometry.order();
    write(path, volume, geometry, Datatype::F32, |voxel| match order {
        Order::Little => voxel.to_le_bytes(),
        Order::Big => voxel.to_be_bytes(),
    })
}

/// The one way of a volume into a file.
fn write<T: Copy, const N: usize>(
    path: &Path,
    volume: &Volume<T>,
    geometry: &Geometry,
    datatype: Datatype,
    stored: impl Fn(T) -> [u8; N],
) -> Result<(), NiftiError> {
    if !geometry.holds(volume.grid()) {
        let (volume, geometry) = (volume.grid().shape(), geometry.shape());
        return Err(NiftiError::GridsDiffer { volume, geometry }.in_file(path));
    }
    let header = geometry.file_header(datatype).map_err(|fault| fault.in_file(path))?;
    let fill = |out: &mut dyn Write| -> io::Result<()> {
        out.write_all(&header)?;
        let mut bytes = Vec::with_capacity(CHUNK * N);
        for chunk in volume.voxels().chunks(CHUNK) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|&voxel| stored(voxel)));
            out.write_all(&bytes)?;
        }
        Ok(())
    };
    let is_gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let written = write_atomically(path, |out| {
        if is_gzip {
            let mut gzip = GzBuilder::new().mtime(0).write(out, Compression::new(LEVEL));
            fill(&mut gzip)?;
            gzip.finish().map(|_| ())
        } else {
            fill(out)
        }
    });
    written.map_err(|cause| NiftiError::Unwritable { cause }.in_file(path))
}

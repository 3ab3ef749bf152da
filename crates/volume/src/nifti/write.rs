//! Volumes to files.

use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::header::Order;
use super::read::{self, Stream, read_header, skip_to_voxels};
use super::{Datatype, Geometry, NiftiError};
use crate::{Limits, Volume, write_atomically};

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

/// The bytes of the file that [`write_mask`] would write, gzip.
///
/// # Errors
/// `GridsDiffer`, or `Unwritable` if memory cannot be had.
pub fn mask_bytes(volume: &Volume<u8>, geometry: &Geometry) -> Result<Vec<u8>, NiftiError> {
    check_grid(volume, geometry)?;
    let header = geometry.file_header(Datatype::U8, None)?;
    let unwritable = |cause| NiftiError::Unwritable { cause };
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(LEVEL));
    gzip.write_all(&header).and_then(|()| gzip.write_all(volume.voxels())).map_err(unwritable)?;
    gzip.finish().map_err(unwritable)
}

/// The same volume as a gzip file without anything but voxels and geometry: bit for bit the stored voxels with their
/// type and intensity scale, the spatial fields, no free text, no extensions, no acquisition fields, no time stamp.
///
/// # Errors
/// As [`super::parse`], and [`NiftiError::NotOneVolume`] for a stack.
pub fn cleaned(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, NiftiError> {
    let mut stream = Stream::open(bytes, limits)?;
    let header = read_header(&mut stream)?;
    let extent = header.extent(limits)?;
    if extent.volumes != 1 {
        return Err(NiftiError::NotOneVolume { volumes: extent.volumes });
    }
    let datatype = header.datatype()?;
    let begin = header.voxel_offset()?;
    let geometry = Geometry::of(&header, extent.shape, &mut Vec::new())?;
    let mut left = extent.shape.iter().product::<usize>() as u64 * datatype.size() as u64;
    let expected = begin.saturating_add(left);
    let mut buffer = vec![0; read::CHUNK];
    skip_to_voxels(&mut stream, [begin, expected], limits, &mut buffer)?;
    let unwritable = |cause| NiftiError::Unwritable { cause };
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(LEVEL));
    gzip.write_all(&geometry.file_header(datatype, header.scale().0)?).map_err(unwritable)?;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(read::CHUNK).min(read::CHUNK);
        if stream.fill(&mut buffer[..step])? < step {
            return Err(NiftiError::Truncated { expected, found: stream.position });
        }
        gzip.write_all(&buffer[..step]).map_err(unwritable)?;
        left -= step as u64;
    }
    stream.finish(&mut buffer, limits)?;
    gzip.finish().map_err(unwritable)
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

/// Refuses a volume that does not lie where the geometry says.
fn check_grid<T>(volume: &Volume<T>, geometry: &Geometry) -> Result<(), NiftiError> {
    if geometry.holds(volume.grid()) {
        return Ok(());
    }
    Err(NiftiError::GridsDiffer { volume: volume.grid().shape(), geometry: geometry.shape() })
}

/// The one way of a volume into a file.
fn write<T: Copy, const N: usize>(
    path: &Path,
    volume: &Volume<T>,
    geometry: &Geometry,
    datatype: Datatype,
    stored: impl Fn(T) -> [u8; N],
) -> Result<(), NiftiError> {
    check_grid(volume, geometry).map_err(|fault| fault.in_file(path))?;
    let header = geometry.file_header(datatype, None).map_err(|fault| fault.in_file(path))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Grid};

    /// A file of int16 voxels with a scale, a patient's name in its free text and an extension.
    fn talkative() -> (Vec<u8>, Geometry) {
        let affine = Affine::new([[-1.0, 0.0, 0.0, 3.0], [0.0, -2.0, 0.0, 7.0], [0.0, 0.0, 3.0, 1.0]]).unwrap();
        let grid = Grid::new([2, 3, 4], affine, &Limits::default()).unwrap();
        let geometry = Geometry::from_grid(&grid);
        let scale = super::super::datatype::Scale { slope: 0.5, inter: -3.0 };
        let mut bytes = geometry.file_header(Datatype::I16, Some(scale)).unwrap();
        bytes[148..158].copy_from_slice(b"Hong Gildo"); // descrip
        bytes[108..112].copy_from_slice(&384_f32.to_le_bytes());
        bytes[348] = 1;
        bytes.extend([32, 0, 0, 0, 6, 0, 0, 0]);
        bytes.extend(b"born 1961-01-01.........");
        bytes.extend((0..24_i16).flat_map(|n| (n - 7).to_le_bytes()));
        (bytes, geometry)
    }

    #[test]
    fn a_cleaned_file_holds_the_same_voxels_and_nothing_else() {
        let (bytes, geometry) = talkative();
        let (before, limits) = (read::parse(&bytes, &Limits::default()).unwrap(), Limits::default());
        let clean = cleaned(&bytes, &limits).unwrap();
        let after = read::parse(&clean, &limits).unwrap();
        assert_eq!(after.volumes, before.volumes, "the same values on the same grid");
        assert_eq!(read::geometry(&clean[..], &limits).unwrap(), geometry, "from the header alone");
        assert_eq!((after.datatype, after.geometry), (Datatype::I16, geometry), "the same type and place");
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&clean[..]), &mut plain).unwrap();
        assert_eq!(plain.len(), 352 + 48, "a header and voxels");
        assert!(!plain.windows(4).any(|window| window == b"Hong" || window == b"born"), "no free text");
        assert_eq!(cleaned(&clean, &limits).unwrap(), clean, "clean stays as it is");
        assert!(matches!(cleaned(&bytes[..400], &limits), Err(NiftiError::Truncated { .. })), "cut");
    }

    #[test]
    fn a_mask_in_memory_is_the_file() {
        let (_, geometry) = talkative();
        let grid = Grid::new([2, 3, 4], *geometry.affine(), &Limits::default()).unwrap();
        let mask = Volume::new(grid, (0..24).map(|n| n % 4).collect()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.nii.gz");
        write_mask(&path, &mask, &geometry).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), mask_bytes(&mask, &geometry).unwrap(), "byte for byte");
    }
}

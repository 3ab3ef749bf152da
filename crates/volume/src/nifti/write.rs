//! Volumes to files.

use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::datatype::append;
use super::header::{Header, Order};
use super::read::{self, Stream, read_header, skip_to_voxels};
use super::{Datatype, Geometry, NiftiError, Version, Warning};
use crate::{Grid, Limits, Volume, write_atomically};

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

/// The same volume as a gzip file without anything but voxels and geometry: no free text, no extensions, no acquisition
/// fields, no time stamp.
///
/// The form is the plainest one, so that every viewer takes left for left: little-endian, `NIfTI-1` where the shape fits,
/// an sform. Where the source has that form already, its spatial fields stay byte for byte. Voxels keep their type and
/// intensity scale bit for bit; 64-bit integers, which few read, become float32 of the scaled values.
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
    let geometry = plain_geometry(&header, extent.shape)?;
    let mut left = extent.shape.iter().product::<usize>() as u64 * datatype.size() as u64;
    let expected = begin.saturating_add(left);
    let mut buffer = vec![0; read::CHUNK];
    skip_to_voxels(&mut stream, [begin, expected], limits, &mut buffer)?;
    let scale = header.scale().0;
    let is_wide = matches!(datatype, Datatype::I64 | Datatype::U64);
    let written = if is_wide { (Datatype::F32, None) } else { (datatype, scale) };
    let unwritable = |cause| NiftiError::Unwritable { cause };
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(LEVEL));
    gzip.write_all(&geometry.file_header(written.0, written.1)?).map_err(unwritable)?;
    let mut floats: Vec<f32> = Vec::new();
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(read::CHUNK).min(read::CHUNK);
        let piece = &mut buffer[..step];
        if stream.fill(piece)? < step {
            return Err(NiftiError::Truncated { expected, found: stream.position });
        }
        if is_wide {
            floats.clear();
            append(datatype, header.order, scale, piece, &mut floats);
            let bytes: Vec<u8> = floats.iter().flat_map(|value| value.to_le_bytes()).collect();
            gzip.write_all(&bytes).map_err(unwritable)?;
        } else {
            if header.order == Order::Big {
                piece.chunks_exact_mut(datatype.size()).for_each(<[u8]>::reverse);
            }
            gzip.write_all(piece).map_err(unwritable)?;
        }
        left -= step as u64;
    }
    stream.finish(&mut buffer, limits)?;
    gzip.finish().map_err(unwritable)
}

/// The geometry of a header if every viewer understands it alike, else the same place in the plainest form.
fn plain_geometry(header: &Header, shape: [usize; 3]) -> Result<Geometry, NiftiError> {
    let mut warnings = Vec::new();
    let geometry = Geometry::of(header, shape, &mut warnings)?;
    let has_sform = header.code(header.version.layout().sform_code) > 0 && !warnings.contains(&Warning::SformUnusable);
    let is_plain = header.version == Version::One && header.order == Order::Little && has_sform;
    if is_plain { Ok(geometry) } else { Ok(Geometry::from_grid(&Grid::from_smaller(shape, *geometry.affine()))) }
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
        let mut bytes = vec![[0; N]; CHUNK.min(volume.voxels().len())];
        for chunk in volume.voxels().chunks(CHUNK) {
            let bytes = &mut bytes[..chunk.len()];
            bytes.iter_mut().zip(chunk).for_each(|(bytes, &voxel)| *bytes = stored(voxel));
            out.write_all(bytes.as_flattened())?;
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
    use crate::Affine;

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

    /// The same file with everything after a number's width turned round: big-endian.
    fn big_endian(little: &[u8]) -> Vec<u8> {
        let mut bytes = little.to_vec();
        let mut turn = |from: usize, to: usize, width: usize| {
            bytes[from..to].chunks_exact_mut(width).for_each(<[u8]>::reverse);
        };
        turn(0, 4, 4);
        turn(40, 56, 2);
        turn(68, 76, 2);
        turn(76, 120, 4);
        turn(252, 256, 2);
        turn(256, 328, 4);
        turn(384, 432, 2);
        bytes
    }

    #[test]
    fn what_viewers_take_differently_is_written_plainly() {
        let limits = Limits::default();
        let (bytes, geometry) = talkative();
        let plain = cleaned(&bytes, &limits).unwrap();
        assert_eq!(cleaned(&big_endian(&bytes), &limits).unwrap(), plain, "byte order");
        let mut bare = bytes.clone();
        bare[252..256].fill(0); // neither qform nor sform: x runs to the left, as nibabel takes it
        let (before, after) = (read::parse(&bare, &limits).unwrap(), cleaned(&bare, &limits).unwrap());
        assert!(before.warnings.contains(&Warning::NoOrientation), "{:?}", before.warnings);
        let (header, after) = (gunzip(&after), read::parse(&after, &limits).unwrap());
        assert_eq!((header[254], after.volumes), (1, before.volumes), "an sform says where left is");
        let mut flat = bytes;
        flat[280..328].fill(0); // an sform that is none beside a good qform
        let after = cleaned(&flat, &limits).unwrap();
        let affine = *read::parse(&after, &limits).unwrap().geometry.affine();
        assert!(
            Grid::new([2, 3, 4], affine, &limits).unwrap().largest_shift(geometry.affine()) < 1e-4,
            "the qform's place"
        );
        assert_eq!(gunzip(&after)[280..284], (-1.0_f32).to_le_bytes(), "written as sform");
    }

    #[test]
    fn wide_integers_become_floats() {
        let (mut bytes, _) = talkative();
        bytes[70..74].copy_from_slice(&[0, 4, 64, 0]); // int64
        bytes.truncate(384);
        bytes.extend((0..24_i64).flat_map(|n| (n - 7).to_le_bytes()));
        let limits = Limits::default();
        let (before, after) =
            (read::parse(&bytes, &limits).unwrap(), read::parse(&cleaned(&bytes, &limits).unwrap(), &limits).unwrap());
        assert_eq!((after.datatype, after.volumes), (Datatype::F32, before.volumes), "scaled values");
    }

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut plain).unwrap();
        plain
    }

    #[test]
    fn a_mask_lies_byte_for_byte_where_its_source_lies_and_tells_nothing_else_of_it() {
        let limits = Limits::default();
        for (source, version) in [(talkative().0, "little-endian"), (big_endian(&talkative().0), "big-endian")] {
            let image = read::parse(&source, &limits).unwrap();
            let mask = image.volumes[0].map(|voxel| u8::from(voxel > 0.0));
            let written = gunzip(&mask_bytes(&mask, &image.geometry).unwrap());
            for field in [39..40, 76..108, 123..124, 252..328] {
                assert_eq!(written[field.clone()], source[field.clone()], "{version}: bytes {field:?}");
            }
            for text in [4..39, 124..252, 328..344] {
                assert!(written[text.clone()].iter().all(|&byte| byte == 0), "{version}: free text in {text:?}");
            }
            assert_eq!(written.len(), 352 + 24, "no extension, one byte a voxel");
            assert_eq!(read::parse(&written, &limits).unwrap().volumes[0], mask.map(f32::from), "{version}");
        }
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

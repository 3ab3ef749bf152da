//! Bytes to volumes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::datatype::{Scale, append};
use super::error::Warning;
use super::geometry::Geometry;
use super::header::{Extent, Header, Order, ScaleUse};
use super::{Datatype, NiftiError};
use crate::{Grid, Limits, Volume};

/// Bytes that are inflated and converted at a time: small enough for the second-level cache, a multiple of 8.
pub(super) const CHUNK: usize = 1 << 16;

/// The most that deflate can shrink: 258 bytes by two bits of a block (RFC 1951), about 1032 : 1.
const DEFLATE_RATIO: u64 = 1032;

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Image {
    /// One volume, or a stack of them if the file has more than three axes. All on one grid, scaled to real values.
    pub volumes: Vec<Volume<f32>>,
    /// Where the voxels are, to be written back byte for byte.
    pub geometry: Geometry,
    /// How voxels were stored.
    pub datatype: Datatype,
    /// Voxels that are NaN or infinite. They are kept as they are: refuse them where they matter.
    pub non_finite: usize,
    /// Oddities that a person should know of.
    pub warnings: Vec<Warning>,
}

impl Image {
    /// The one volume of a file.
    ///
    /// # Errors
    /// [`NiftiError::NotOneVolume`] if it is a stack.
    pub fn into_single(mut self) -> Result<Volume<f32>, NiftiError> {
        let volumes = self.volumes.len();
        match self.volumes.pop() {
            Some(volume) if volumes == 1 => Ok(volume),
            Some(_) | None => Err(NiftiError::NotOneVolume { volumes }),
        }
    }
}

/// Read a `.nii` or `.nii.gz` file; its name does not matter.
///
/// # Errors
/// [`NiftiError::InFile`] with the path and the fault.
pub fn read(path: &Path, limits: &Limits) -> Result<Image, NiftiError> {
    file_bytes(path, limits).and_then(|bytes| parse(&bytes, limits)).map_err(|fault| fault.in_file(path))
}

/// The bytes of a regular file within the limits.
fn file_bytes(path: &Path, limits: &Limits) -> Result<Vec<u8>, NiftiError> {
    let unreadable = |cause: io::Error| NiftiError::Unreadable { cause };
    let too_large = NiftiError::TooLarge { limit: limits.max_file_bytes };
    // Looked at before it is opened, since opening a pipe would wait for a writer.
    let facts = std::fs::metadata(path).map_err(unreadable)?;
    if !facts.is_file() {
        return Err(NiftiError::NotAFile);
    }
    if facts.len() > limits.max_file_bytes {
        return Err(too_large);
    }
    let mut bytes = Vec::new();
    reserve(&mut bytes, facts.len())?;
    let file = File::open(path).map_err(unreadable)?;
    // The file may grow while it is read.
    file.take(limits.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limits.max_file_bytes { Err(too_large) } else { Ok(bytes) }
}

/// Read a file that is in memory, plain or gzip.
///
/// Limits hold before memory is taken, and a gzip stream is inflated no further than `max_file_bytes`. Its checksum
/// is checked.
///
/// # Errors
/// Every variant of [`NiftiError`] but those of paths and of writing.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Image, NiftiError> {
    parse_stream(&mut Stream::open(bytes, limits)?, limits)
}

/// The geometry of a file that is in memory, plain or gzip. Voxels are neither read nor checked.
///
/// # Errors
/// As [`parse`], as far as the header goes.
pub fn geometry(bytes: &[u8], limits: &Limits) -> Result<Geometry, NiftiError> {
    let header = read_header(&mut Stream::open(bytes, limits)?)?;
    let extent = header.extent(limits)?;
    Geometry::of(&header, extent.shape, &mut Vec::new())
}

/// The members of a gzip file as one stream. Zeros after the last one are padding, as gzip itself takes them.
struct Members<'a> {
    member: Option<GzDecoder<&'a [u8]>>,
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let rest: &[u8] = member.get_ref();
            self.member = rest.iter().any(|&byte| byte != 0).then(|| GzDecoder::new(rest));
        }
        Ok(0)
    }
}

/// Plain bytes of a file, in order.
pub(super) struct Stream<R> {
    bytes: R,
    pub(super) position: u64,
    /// No more bytes than this can follow from the start; exact for plain files.
    most: u64,
}

impl<'a> Stream<Box<dyn Read + 'a>> {
    /// The plain bytes of a file that is in memory, plain or gzip.
    ///
    /// # Errors
    /// [`NiftiError::Empty`] or [`NiftiError::TooLarge`].
    pub(super) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, NiftiError> {
        if bytes.is_empty() {
            return Err(NiftiError::Empty);
        }
        let available = bytes.len() as u64;
        if available > limits.max_file_bytes {
            return Err(NiftiError::TooLarge { limit: limits.max_file_bytes });
        }
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let most = available.saturating_mul(DEFLATE_RATIO).min(limits.max_file_bytes);
            let members = Members { member: Some(GzDecoder::new(bytes)) };
            let inflated = members.take(limits.max_file_bytes.saturating_add(1));
            Ok(Stream { bytes: Box::new(inflated), position: 0, most })
        } else {
            Ok(Stream { bytes: Box::new(bytes), position: 0, most: available })
        }
    }
}

impl<R: Read> Stream<R> {
    /// Fill as much of the buffer as there are bytes.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, NiftiError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.bytes.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(cause) => return Err(NiftiError::Gzip { cause }),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    /// Read to the end: whether anything followed. For a gzip stream this checks that its checksum is there and right.
    pub(super) fn finish(&mut self, buffer: &mut [u8], limits: &Limits) -> Result<Rest, NiftiError> {
        let voxels_end = self.position;
        loop {
            match self.bytes.read(buffer) {
                Ok(0) if self.position == voxels_end => return Ok(Rest::Nothing),
                Ok(0) => return Ok(Rest::Bytes),
                Ok(count) => self.position += count as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(NiftiError::Gzip { cause }),
            }
            if self.position > limits.max_file_bytes {
                return Err(NiftiError::TooLarge { limit: limits.max_file_bytes });
            }
        }
    }
}

/// What follows the last voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    Bytes,
}

/// The way of a file: header, checks, limits, voxels.
fn parse_stream<R: Read>(stream: &mut Stream<R>, limits: &Limits) -> Result<Image, NiftiError> {
    let header = read_header(stream)?;
    let mut warnings = Vec::new();
    let extent = header.extent(limits)?;
    let datatype = header.datatype()?;
    let begin = header.voxel_offset()?;
    let geometry = Geometry::of(&header, extent.shape, &mut warnings)?;
    let (scale, scale_use) = header.scale();
    if scale_use == ScaleUse::Ignored {
        warnings.push(Warning::ScaleIgnored);
    }
    let voxels = extent.shape.iter().product::<usize>() as u64 * extent.volumes as u64;
    let expected = begin.saturating_add(voxels.saturating_mul(datatype.size() as u64));
    let mut buffer = vec![0; CHUNK];
    skip_to_voxels(stream, [begin, expected], limits, &mut buffer)?;
    let format = Format { datatype, order: header.order, scale, expected };
    let (volumes, non_finite) = read_volumes(stream, &format, extent, &geometry, &mut buffer)?;
    if stream.finish(&mut buffer, limits)? == Rest::Bytes {
        warnings.push(Warning::TrailingBytes);
    }
    Ok(Image { volumes, geometry, datatype, non_finite, warnings })
}

/// Go to the first voxel, unless the file cannot hold all of them.
pub(super) fn skip_to_voxels<R: Read>(
    stream: &mut Stream<R>,
    [begin, expected]: [u64; 2],
    limits: &Limits,
    buffer: &mut [u8],
) -> Result<(), NiftiError> {
    if expected > limits.max_file_bytes {
        return Err(NiftiError::TooLarge { limit: limits.max_file_bytes });
    }
    if expected > stream.most {
        return Err(NiftiError::Truncated { expected, found: stream.most });
    }
    while stream.position < begin {
        let step = usize::try_from(begin - stream.position).unwrap_or(CHUNK).min(buffer.len());
        if stream.fill(&mut buffer[..step])? < step {
            return Err(NiftiError::Truncated { expected, found: stream.position });
        }
    }
    Ok(())
}

/// The header, whichever version.
pub(super) fn read_header<R: Read>(stream: &mut Stream<R>) -> Result<Header, NiftiError> {
    let mut bytes = vec![0; 348];
    let found = stream.fill(&mut bytes)?;
    if found == 0 {
        return Err(NiftiError::HeaderTruncated { expected: 348, found: 0 });
    }
    let (version, order) = Header::announced(&bytes[..found])?;
    let expected = version.layout().len;
    bytes.resize(expected, 0);
    let rest = if found == 348 { stream.fill(&mut bytes[348..])? } else { 0 };
    if found + rest < expected {
        return Err(NiftiError::HeaderTruncated { expected: expected as u64, found: (found + rest) as u64 });
    }
    Header::signed(version, order, bytes)
}

/// How voxels are stored, and where they end.
struct Format {
    datatype: Datatype,
    order: Order,
    scale: Option<Scale>,
    expected: u64,
}

/// All volumes, and how many of their voxels are not finite.
fn read_volumes<R: Read>(
    stream: &mut Stream<R>,
    format: &Format,
    extent: Extent,
    geometry: &Geometry,
    buffer: &mut [u8],
) -> Result<(Vec<Volume<f32>>, usize), NiftiError> {
    let grid = Grid::from_smaller(extent.shape, *geometry.affine());
    let can_be_non_finite = format.datatype.is_float() || format.scale.is_some();
    let mut volumes = Vec::new();
    let mut non_finite = 0;
    for _ in 0..extent.volumes {
        let mut voxels: Vec<f32> = Vec::new();
        reserve(&mut voxels, grid.len() as u64)?;
        while voxels.len() < grid.len() {
            let step = ((grid.len() - voxels.len()) * format.datatype.size()).min(buffer.len());
            if stream.fill(&mut buffer[..step])? < step {
                return Err(NiftiError::Truncated { expected: format.expected, found: stream.position });
            }
            let before = voxels.len();
            append(format.datatype, format.order, format.scale, &buffer[..step], &mut voxels);
            if can_be_non_finite {
                non_finite += voxels[before..].iter().filter(|voxel| !voxel.is_finite()).count();
            }
        }
        volumes.push(Volume::from_counted(grid, voxels));
    }
    Ok((volumes, non_finite))
}

/// Memory for so many more elements, or an error where `Vec` would end the process.
fn reserve<T>(vec: &mut Vec<T>, count: u64) -> Result<(), NiftiError> {
    let out_of_memory = NiftiError::OutOfMemory { bytes: count.saturating_mul(size_of::<T>() as u64) };
    let Ok(count) = usize::try_from(count) else { return Err(out_of_memory) };
    vec.try_reserve_exact(count).map_err(|_| out_of_memory)
}

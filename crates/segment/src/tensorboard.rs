//! Curves of a training: event files that `TensorBoard` reads, and the same numbers as lines of JSON.
//!
//! An event file is a run of records: length (u64), its checksum (u32), the payload, its checksum (u32), little-endian;
//! checksums are CRC-32C, rotated and shifted (`TFRecord`). Payloads are `Event` messages of protocol buffers, of which five
//! fields are needed, so they are written by hand. golden/events.py makes the same bytes with the package itself.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// Both kinds of curves of one training.
#[derive(Debug)]
pub struct Curves {
    events: EventFile,
    journal: Journal,
}

impl Curves {
    /// Begins in `folder`, which exists: a new event file, and `metrics.jsonl`, new or continued.
    ///
    /// `first_step`: 0, or the step at which a stopped training goes on; what was written for it and later steps is dropped.
    /// `wall_time`: seconds since 1970.
    ///
    /// # Errors
    /// If a file cannot be made or written.
    pub fn begin(folder: &Path, wall_time: f64, first_step: u64) -> io::Result<Self> {
        let journal = Journal::begin(&folder.join("metrics.jsonl"), first_step)?;
        Ok(Self { events: EventFile::create(folder, wall_time, first_step)?, journal })
    }

    /// Writes numbers of one step, each with its name such as `train/loss`.
    ///
    /// # Errors
    /// If a file cannot be written.
    #[expect(clippy::cast_possible_truncation, reason = "TensorBoard keeps curves as f32")]
    pub fn write(&mut self, wall_time: f64, step: u64, scalars: &[(&str, f64)]) -> io::Result<()> {
        let rounded: Vec<(&str, f32)> = scalars.iter().map(|&(tag, v)| (tag, v as f32)).collect();
        self.events.write(wall_time, step, &rounded)?;
        self.journal.write(wall_time, step, scalars)
    }
}

/// A file of events. Each start of a training has its own; `TensorBoard` joins them.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Makes `events.out.tfevents.<seconds>.glioscope` in `folder`, or one with a further number if that exists.
    ///
    /// From `first_step` on `TensorBoard` forgets what earlier files say.
    ///
    /// # Errors
    /// If the file cannot be made or written.
    pub fn create(folder: &Path, wall_time: f64, first_step: u64) -> io::Result<Self> {
        let name = format!("events.out.tfevents.{:010.0}.glioscope", wall_time.trunc());
        let mut path = folder.join(&name);
        let mut number = 0_u32;
        let mut file = loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number += 1;
                    path = folder.join(format!("{name}.{number}"));
                }
                opened => break opened?,
            }
        };
        file.write_all(&record(&version_event(wall_time)))?;
        if first_step > 0 {
            file.write_all(&record(&start_event(wall_time, first_step)))?;
        }
        Ok(Self { file, path })
    }

    /// Writes the numbers of one step as one record, in one piece: a run that is killed leaves whole records but the last.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, wall_time: f64, step: u64, scalars: &[(&str, f32)]) -> io::Result<()> {
        self.file.write_all(&record(&scalar_event(wall_time, step, scalars)))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Lines of JSON, one a step: `{"step": .., "wall_time": .., "train/loss": .., ..}`. Numbers that JSON lacks are null.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

/// What resuming needs of a line.
#[derive(Deserialize)]
struct Line {
    step: u64,
}

impl Journal {
    /// Begins at `first_step`: lines of earlier steps are kept, later and torn ones are cut off.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn begin(path: &Path, first_step: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut kept = 0;
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let whole = line.ends_with(b"\n");
            let earlier = serde_json::from_slice::<Line>(&line).is_ok_and(|line| line.step < first_step);
            if !(whole && earlier) {
                break;
            }
            kept += line.len() as u64;
            line.clear();
        }
        file.set_len(kept)?;
        Ok(Self { file })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, wall_time: f64, step: u64, scalars: &[(&str, f64)]) -> io::Result<()> {
        let mut line = Map::new();
        line.insert("step".to_owned(), step.into());
        line.insert("wall_time".to_owned(), wall_time.into());
        line.extend(scalars.iter().map(|&(tag, v)| (tag.to_owned(), v.into())));
        self.file.write_all(format!("{}\n", Value::Object(line)).as_bytes())
    }
}

/// CRC-32C, rotated right by 15 and shifted by a constant, so that checksums of checksums stay apart.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn record(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(payload.len() + 16);
    bytes.extend(length);
    bytes.extend(checksum(&length).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(checksum(payload).to_le_bytes());
    bytes
}

/// Wire types of protocol buffers.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

fn put_varint(bytes: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        bytes.push(v.to_le_bytes()[0] | 0x80);
        v >>= 7;
    }
    bytes.push(v.to_le_bytes()[0]);
}

fn put_key(bytes: &mut Vec<u8>, field: u64, wire: u64) {
    put_varint(bytes, field << 3 | wire);
}

fn put_bytes(bytes: &mut Vec<u8>, field: u64, value: &[u8]) {
    put_key(bytes, field, BYTES);
    put_varint(bytes, value.len() as u64);
    bytes.extend(value);
}

/// `Event`: 1 `wall_time` double, 2 `step` int64; zeros are not written.
fn event(wall_time: f64, step: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if wall_time != 0.0 {
        put_key(&mut bytes, 1, FIXED64);
        bytes.extend(wall_time.to_le_bytes());
    }
    if step > 0 {
        put_key(&mut bytes, 2, VARINT);
        put_varint(&mut bytes, step);
    }
    bytes
}

/// `Event` with 3 `file_version`: the first of each file.
fn version_event(wall_time: f64) -> Vec<u8> {
    let mut bytes = event(wall_time, 0);
    put_bytes(&mut bytes, 3, b"brain.Event:2");
    bytes
}

/// `Event` with 7 `session_log`, in it 1 `status` = START: what earlier files say of this and later steps is void.
fn start_event(wall_time: f64, step: u64) -> Vec<u8> {
    let mut bytes = event(wall_time, step);
    put_bytes(&mut bytes, 7, &[8, 1]);
    bytes
}

/// `Event` with 5 `summary`, in it 1 `value` for each scalar, in that 1 `tag` and 2 `simple_value` float.
fn scalar_event(wall_time: f64, step: u64, scalars: &[(&str, f32)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, v) in scalars {
        let mut value = Vec::new();
        put_bytes(&mut value, 1, tag.as_bytes());
        put_key(&mut value, 2, FIXED32);
        value.extend(v.to_le_bytes());
        put_bytes(&mut summary, 1, &value);
    }
    let mut bytes = event(wall_time, step);
    put_bytes(&mut bytes, 5, &summary);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{checksum, put_varint, record, scalar_event};

    #[test]
    fn checksums_are_masked_crc32c() {
        // CRC-32C of "123456789" is e3069283 (RFC 3720); rotated by 15 it is 2507c60d, plus the constant c78ab0e5.
        assert_eq!(checksum(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn numbers_are_written_seven_bits_at_a_time() {
        for (v, expected) in
            [(0, vec![0]), (127, vec![127]), (300, vec![0xac, 2]), (u64::MAX, [[255; 9].as_slice(), &[1]].concat())]
        {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, v);
            assert_eq!(bytes, expected, "{v}");
        }
    }

    #[test]
    fn a_scalar_is_these_bytes() {
        let bytes = record(&scalar_event(2.0, 300, &[("a", 1.0)]));
        let payload = [
            &[9, 0, 0, 0, 0, 0, 0, 0, 64][..], // 1: 2.0
            &[16, 0xac, 2],                    // 2: 300
            &[42, 10, 10, 8],                  // 5: 10 bytes; 1: 8 bytes
            &[10, 1, b'a', 21, 0, 0, 128, 63], // 1: "a"; 2: 1.0
        ]
        .concat();
        assert_eq!(bytes[..8], 24_u64.to_le_bytes());
        assert_eq!(bytes[12..36], payload);
        assert_eq!(bytes[36..], checksum(&payload).to_le_bytes());
    }
}

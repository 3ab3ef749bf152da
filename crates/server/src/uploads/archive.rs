//! A ZIP, unpacked with distrust: what it declares is checked before anything is written, and what comes out while it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};

use encoding_rs::EUC_KR;
use segment::dataset::nifti_stem;
use zip::ZipArchive;
use zip::result::ZipError;

use super::fault::{Fault, Flaw};
use super::naming::{cleaned, is_noise, last};
use crate::files::{Files, FilesError, Staged};

/// How much a ZIP may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caps {
    /// Files.
    pub(crate) entries: usize,
    /// Bytes of all files together, unpacked.
    pub(crate) total: u64,
    /// Bytes of one file, unpacked.
    pub(crate) each: u64,
}

/// All files together may be so many times as large as the ZIP. Masks of zeros inside shrink 300 : 1, whole cases 5 : 1
/// to 30 : 1, deflate can do 1032 : 1.
const RATIO: u64 = 200;

/// Ratios say nothing about archives that are small when unpacked.
const SMALL: u64 = 64 << 20;

/// Endings of files that lie beside scans and are no images.
const BESIDE: [&str; 16] = [
    "txt", "md", "json", "csv", "tsv", "xml", "html", "pdf", "png", "jpg", "jpeg", "bval", "bvec", "log", "yaml", "yml",
];

/// Why a ZIP was not unpacked.
#[derive(Debug)]
pub(crate) enum ArchiveError {
    /// Of the ZIP.
    Fault(Fault),
    /// Of our disk.
    Files(FilesError),
}

impl From<Fault> for ArchiveError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Unpacks the files of a ZIP that may be scans, each staged and then `given` under its cleaned name. Blocks.
///
/// # Errors
/// [`ArchiveError`]; files may have been given before, which the caller takes back.
pub(crate) fn unpack(
    (name, file): (&str, File),
    files: &Files,
    caps: &Caps,
    given: &mut dyn FnMut(String, Staged),
) -> Result<(), ArchiveError> {
    let packed = file.metadata().map_err(|error| ArchiveError::Files(error.into()))?.len();
    let mut zip = open(name, file, caps)?;
    let wanted = wanted(name, &mut zip, caps, packed)?;
    let folder = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut left = caps.total.min(SMALL.max(packed.saturating_mul(RATIO)));
    let too_large = |limit: u64| {
        Flaw::ZipTooLarge.says(format!(
            "{name}: it unpacks to more than {} MiB. Send its files one by one, or in several ZIPs.",
            limit >> 20
        ))
    };
    for (index, inside) in wanted {
        let mut entry = zip.by_index(index).map_err(|error| of_zip(name, &error))?;
        let limit = left.min(caps.each);
        let staged = files.stage_from(&mut entry, limit).map_err(|error| match error {
            FilesError::TooLarge { limit } => too_large(limit).into(),
            FilesError::Interrupted { why } => damaged(name, &why).into(),
            other @ (FilesError::DiskFull
            | FilesError::Missing { .. }
            | FilesError::Damaged { .. }
            | FilesError::Io(_)
            | FilesError::Db(_)) => ArchiveError::Files(other),
        })?;
        left -= staged.bytes().min(left);
        given(format!("{folder}/{inside}"), staged);
    }
    Ok(())
}

/// Opens a ZIP that does not list too many files. They are counted first: a list of millions takes gigabytes.
fn open(name: &str, mut file: File, caps: &Caps) -> Result<ZipArchive<File>, ArchiveError> {
    let too_many = |count: usize| {
        Flaw::ZipTooManyFiles.says(format!(
            "{name}: it holds {count} files, more than the {} that are taken at once. Send fewer cases in one ZIP.",
            caps.entries
        ))
    };
    // Twice as many: a file inside may hold some too.
    let listed = list_headers(&mut file).map_err(|error| ArchiveError::Files(error.into()))?;
    if listed > caps.entries.saturating_mul(2) {
        return Err(too_many(listed).into());
    }
    let zip = ZipArchive::new(file).map_err(|error| of_zip(name, &error))?;
    if zip.len() > caps.entries {
        return Err(too_many(zip.len()).into());
    }
    Ok(zip)
}

/// How often the bytes stand in the file that each entry of a list begins with (APPNOTE.TXT 4.3.12). The numbers in its
/// end records can lie, or stand where nobody looks; no list is longer than this.
fn list_headers(file: &mut File) -> io::Result<usize> {
    const REST: [u8; 3] = [b'K', 1, 2];
    file.rewind()?;
    let mut bytes = BufReader::with_capacity(1 << 18, &mut *file);
    let mut found = 0;
    while bytes.skip_until(b'P')? > 0 {
        let mut matched = 0;
        while matched < REST.len() && bytes.fill_buf()?.first() == Some(&REST[matched]) {
            bytes.consume(1);
            matched += 1;
        }
        found += usize::from(matched == REST.len());
    }
    file.rewind()?;
    Ok(found)
}

/// The entries that may be scans, with their cleaned names; everything that is declared is checked.
fn wanted(
    name: &str,
    zip: &mut ZipArchive<File>,
    caps: &Caps,
    packed: u64,
) -> Result<Vec<(usize, String)>, ArchiveError> {
    let mut wanted = Vec::new();
    let (mut total, mut nested) = (0_u64, None);
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(|error| of_zip(name, &error))?;
        let inside = decoded(entry.name_raw());
        if entry.is_dir() {
            continue;
        }
        let unsafe_path = || {
            Flaw::ZipUnsafePath.says(format!(
                "{name}: it holds a file that would lie outside of it (a link, an absolute path, or one with ..), which is \
                 never right. Nothing of it was taken; pack it anew."
            ))
        };
        if entry.is_symlink() || inside.starts_with('/') || inside.get(1..2) == Some(":") {
            return Err(unsafe_path().into());
        }
        let inside = cleaned(&inside).map_err(|_| unsafe_path())?;
        if is_noise(&inside) || is_beside(&inside) {
            continue;
        }
        if entry.encrypted() {
            let detail = format!("{name}: it is locked with a password. Pack its files anew without one.");
            return Err(Flaw::ZipEncrypted.says(detail).into());
        }
        if inside.to_ascii_lowercase().ends_with(".zip") {
            nested = nested.or(Some(inside.clone()));
        }
        total = total.saturating_add(entry.size());
        wanted.push((index, inside));
    }
    if let Some(inside) = nested {
        let detail = format!("{name}: {} is a ZIP inside of it. Unpack that one and send its files.", last(&inside));
        return Err(Flaw::ZipNested.says(detail).into());
    }
    if total > caps.total || (total > SMALL && total > packed.saturating_mul(RATIO)) {
        return Err(Flaw::ZipTooLarge
            .says(format!("{name}: it declares {} MiB of files, more than is taken from one ZIP.", total >> 20))
            .into());
    }
    if wanted.is_empty() {
        let detail = format!("{name}: there is no .nii or .nii.gz file in it. Convert the scans to NIfTI first.");
        return Err(Flaw::ZipEmpty.says(detail).into());
    }
    Ok(only_one_dicom_folder_each(wanted))
}

/// DICOM comes in hundreds of slices; one of each folder is enough to say what it is.
fn only_one_dicom_folder_each(wanted: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let is_nifti = |name: &str| nifti_stem(last(name)).is_some();
    let mut folders: Vec<String> = Vec::new();
    let mut kept = Vec::new();
    for (index, name) in wanted {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        if is_nifti(&name) {
            kept.push((index, name));
        } else if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
            kept.push((index, name));
        }
    }
    kept
}

/// Whether a file is one of those that lie beside scans: by its ending, or a text without one that data sets carry.
fn is_beside(name: &str) -> bool {
    if ["README", "LICENSE", "CHANGES", "AUTHORS"].contains(&last(name)) {
        return true;
    }
    let ending = last(name).rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| BESIDE.contains(&ending.as_str()))
}

/// A name of a ZIP: UTF-8 if it can be, else CP949 as Korean Windows writes it, else whatever can be read of it.
fn decoded(raw: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(raw) {
        return text.to_owned();
    }
    let (text, _, has_faults) = EUC_KR.decode(raw);
    if has_faults { String::from_utf8_lossy(raw).into_owned() } else { text.into_owned() }
}

fn damaged(name: &str, why: &dyn std::fmt::Display) -> Fault {
    Flaw::ZipDamaged.says(format!("{name}: the ZIP is damaged or was cut off ({why}). Pack it or copy it again."))
}

fn of_zip(name: &str, error: &ZipError) -> ArchiveError {
    let is_locked =
        matches!(error, ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword);
    if is_locked {
        let detail = format!("{name}: it is locked with a password. Pack its files anew without one.");
        return Flaw::ZipEncrypted.says(detail).into();
    }
    damaged(name, error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const CAPS: Caps = Caps { entries: 100, total: 1 << 30, each: 1 << 28 };

    fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn unpacked(bytes: &[u8], caps: &Caps) -> Result<Vec<String>, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path()).unwrap();
        let path = folder.path().join("x.zip");
        std::fs::write(&path, bytes).unwrap();
        let mut names = Vec::new();
        match unpack(("P1.zip", File::open(path).unwrap()), &files, caps, &mut |name, _| names.push(name)) {
            Ok(()) => Ok(names),
            Err(ArchiveError::Fault(fault)) => Err(fault),
            Err(ArchiveError::Files(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn scans_come_out_and_noise_stays() {
        let zip = packed(&[
            ("a/t1.nii.gz", b"x"),
            ("__MACOSX/a/._t1.nii.gz", b"x"),
            ("a/.DS_Store", b"x"),
            ("a/readme.txt", b"x"),
            ("README", b"x"),
            ("a/IM0001", b"x"),
            ("a/IM0002", b"x"),
        ]);
        assert_eq!(unpacked(&zip, &CAPS).unwrap(), ["P1/a/t1.nii.gz", "P1/a/IM0001"]);
    }

    #[test]
    fn korean_names_are_read_however_they_were_written() {
        let decomposed = "\u{1112}\u{1161}\u{11ab}_t1.nii";
        assert_eq!(unpacked(&packed(&[(decomposed, b"x")]), &CAPS).unwrap(), ["P1/\u{d55c}_t1.nii"]);
        assert_eq!(decoded(b"\xc7\xd1_t1.nii"), "\u{d55c}_t1.nii");
        assert_eq!(decoded(b"\xc7\xff\xfe"), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn hostile_archives_are_refused_with_their_reason() {
        let check =
            |entries: &[(&str, &[u8])], flaw| assert_eq!(unpacked(&packed(entries), &CAPS).unwrap_err().code, flaw);
        check(&[("a/../../evil.nii", b"x")], Flaw::ZipUnsafePath);
        check(&[("/etc/evil.nii", b"x")], Flaw::ZipUnsafePath);
        check(&[("C:/evil.nii", b"x")], Flaw::ZipUnsafePath);
        check(&[("a.zip", b"x"), ("t1.nii", b"x")], Flaw::ZipNested);
        check(&[("readme.txt", b"x")], Flaw::ZipEmpty);
        assert_eq!(unpacked(b"PK\x03\x04 but no more", &CAPS).unwrap_err().code, Flaw::ZipDamaged);
        let zip = packed(&[("t1.nii", &[7; 4000])]);
        assert_eq!(unpacked(&zip[..zip.len() / 2], &CAPS).unwrap_err().code, Flaw::ZipDamaged, "cut off");
        let bomb = packed(&[("t1.nii", &vec![0; 100 << 20])]);
        assert_eq!(unpacked(&bomb, &CAPS).unwrap_err().code, Flaw::ZipTooLarge, "100 MiB of zeros in 100 kB");
        let many: Vec<String> = (0..10_000).map(|n| format!("{n}.nii")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let fault = unpacked(&packed(&many), &CAPS).unwrap_err();
        assert!(fault.code == Flaw::ZipTooManyFiles && fault.detail.contains("10000"), "{fault:?}");
    }

    #[test]
    fn a_list_that_its_end_record_hides_is_counted_all_the_same() {
        let many: Vec<String> = (0..300).map(|n| format!("{n}.nii")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let mut zip = packed(&many);
        let end = zip.len() - 22;
        let begin = u32::from_le_bytes(zip[end + 16..end + 20].try_into().unwrap());
        // The true count in a record so long that it begins far from the end, and "1" at the end.
        let far: u64 = 200_000;
        let mut record = b"PK\x06\x06".to_vec();
        record.extend((44 + far).to_le_bytes());
        record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [300, 300, end as u64 - u64::from(begin), u64::from(begin)] {
            record.extend(number.to_le_bytes());
        }
        record.resize(56 + 200_000, 0);
        record.extend(b"PK\x06\x07\0\0\0\0");
        record.extend((end as u64).to_le_bytes());
        record.extend(1_u32.to_le_bytes());
        zip[end + 8..end + 12].copy_from_slice(&[1, 0, 1, 0]);
        zip[end + 12..end + 20].fill(0xff);
        zip.splice(end..end, record);
        let fault = unpacked(&zip, &CAPS).unwrap_err();
        assert!(fault.code == Flaw::ZipTooManyFiles && fault.detail.contains("300"), "{fault:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.zip");
        std::fs::write(&path, b"PPK\x01\x02PK\x01PK\x01\x02").unwrap();
        assert_eq!(list_headers(&mut File::open(path).unwrap()).unwrap(), 2);
    }

    #[test]
    fn an_archive_that_lies_about_its_sizes_is_stopped_while_it_unpacks() {
        let mut zip = packed(&[("t1.nii", &vec![0; 3 << 20])]);
        // The size in the central directory, which is what is looked at first.
        let at = zip.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        zip[at + 24..at + 28].copy_from_slice(&100_u32.to_le_bytes());
        let caps = Caps { total: 1 << 20, ..CAPS };
        let fault = unpacked(&zip, &caps).unwrap_err();
        assert!(matches!(fault.code, Flaw::ZipTooLarge | Flaw::ZipDamaged), "{fault:?}");
    }
}

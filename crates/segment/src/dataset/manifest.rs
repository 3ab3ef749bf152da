//! A CSV file that lists cases: case,t1n,t1c,t2w,t2f and optionally seg and scheme.

use std::path::Path;

use super::msd::note_absent;
use super::{FoundCase, Role, ScanFile};
use crate::error::{ManifestFault, SegmentError};
use crate::labels::LabelScheme;
use crate::source::read_text;
use crate::study::Sequence;

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    Case,
    File(Role),
    Scheme,
}

impl Column {
    fn of(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        match name.as_str() {
            "case" => Some(Self::Case),
            "seg" => Some(Self::File(Role::Seg)),
            "scheme" => Some(Self::Scheme),
            _ => Sequence::ALL.into_iter().find(|s| s.name() == name).map(|s| Self::File(Role::Scan(s))),
        }
    }
}

/// The cases of a manifest; paths in it are relative to its folder. An empty field is a missing file.
pub(super) fn read(path: &Path) -> Result<Vec<FoundCase>, SegmentError> {
    let fault = |line, fault| SegmentError::Manifest { path: path.into(), line, fault };
    let text = read_text(path).map_err(|source| SegmentError::Io { path: path.into(), source })?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_slice());
    let header = reader.headers().map_err(|_| fault(1, ManifestFault::NotCsv))?.clone();
    let mut columns = Vec::new();
    for name in &header {
        let name = name.trim_start_matches('\u{feff}'); // spreadsheets write a byte order mark
        let column = Column::of(name).ok_or_else(|| fault(1, ManifestFault::ColumnUnknown(name.to_owned())))?;
        if columns.contains(&column) {
            return Err(fault(1, ManifestFault::ColumnTwice(name.to_owned())));
        }
        columns.push(column);
    }
    let wanted = Sequence::ALL.map(|s| (Column::File(Role::Scan(s)), s.name()));
    for (column, name) in [(Column::Case, "case")].into_iter().chain(wanted) {
        if !columns.contains(&column) {
            return Err(fault(1, ManifestFault::ColumnMissing(name)));
        }
    }
    let mut cases = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| fault(e.position().map_or(0, csv::Position::line), ManifestFault::NotCsv))?;
        let line = record.position().map_or(0, csv::Position::line);
        cases.push(case_of(path, &columns, &record).map_err(|found| fault(line, found))?);
    }
    Ok(cases)
}

fn case_of(path: &Path, columns: &[Column], record: &csv::StringRecord) -> Result<FoundCase, ManifestFault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut case = FoundCase::empty(String::new(), path);
    let mut scheme = None;
    for (column, field) in columns.iter().zip(record).filter(|(_, field)| !field.is_empty()) {
        match column {
            Column::Case => field.clone_into(&mut case.name),
            Column::Scheme => {
                let known = LabelScheme::ALL.into_iter().find(|scheme| scheme.name() == field);
                scheme = Some(known.ok_or_else(|| ManifestFault::SchemeUnknown(field.to_owned()))?);
            }
            Column::File(role) => {
                let file = folder.join(field);
                note_absent(&mut case, *role, &file);
                let file = Some(ScanFile::whole(file));
                match role {
                    Role::Scan(sequence) => case.scans[sequence.index()] = file,
                    Role::Seg => case.seg = file,
                }
            }
        }
    }
    if case.name.is_empty() {
        return Err(ManifestFault::NoName);
    }
    if !can_name_a_file(&case.name) {
        return Err(ManifestFault::NameOfNoFile(case.name));
    }
    case.scheme = scheme.or_else(|| LabelScheme::of_case_name(&case.name));
    case.note_missing();
    Ok(case)
}

/// Whether results may be called so: a name that leads to another folder would let a list write anywhere.
fn can_name_a_file(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control())
}

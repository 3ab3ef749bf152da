//! A study as a ZIP in BIDS-derivative names.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::names::Names;
use crate::entity::segmentation::Source;
use crate::segmentations::regions::TISSUES;
use segment::labels::{LabelScheme, Tissue};

/// One file of an archive.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Bytes in memory.
    Bytes(String, Vec<u8>),
    /// A blob.
    Blob(String, PathBuf),
}

/// Writes an archive into a file without a name in `folder`, and returns it at its beginning. Blocks.
pub(crate) fn pack(folder: &Path, parts: &[Part]) -> io::Result<File> {
    let mut zip = ZipWriter::new(tempfile::tempfile_in(folder)?);
    for part in parts {
        let name = match part {
            Part::Bytes(name, _) | Part::Blob(name, _) => name,
        };
        // What is compressed already does not become smaller.
        let is_packed = [".gz", ".png"].iter().any(|ending| name.ends_with(ending));
        let method = if is_packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method).large_file(true);
        zip.start_file(name.as_str(), options).map_err(io::Error::other)?;
        match part {
            Part::Bytes(_, bytes) => zip.write_all(bytes)?,
            Part::Blob(_, path) => {
                io::copy(&mut File::open(path)?, &mut zip)?;
            }
        }
    }
    let mut file = zip.finish().map_err(io::Error::other)?;
    file.rewind()?;
    Ok(file)
}

/// The file that makes a folder a BIDS derivative.
pub(crate) fn description() -> Part {
    let text = json!({
        "Name": "Export of Glioscope",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{
            "Name": "Glioscope",
            "Version": env!("CARGO_PKG_VERSION"),
            "Description": "Segmentation of brain tumours on MRI. Research use only, not a medical device.",
        }],
    });
    Part::Bytes("dataset_description.json".to_owned(), pretty(&text))
}

/// A word to whoever opens the folder.
pub(crate) fn readme() -> Part {
    let text = "Export of Glioscope: scans with clean headers, mask, measurements, overview.\n\
                Research use only, not a medical device.\n\
                Names follow the derivatives of the Brain Imaging Data Structure (BIDS 1.10).\n";
    Part::Bytes("README.md".to_owned(), text.as_bytes().to_vec())
}

/// What the numbers of a mask mean: BIDS' table of labels, and a sidecar.
pub(crate) fn legend(names: &Names, scheme: LabelScheme, source: Source) -> [Part; 2] {
    let mut table = "index\tname\tabbreviation\tcolor\n".to_owned();
    for (tissue, entry) in Tissue::TUMOUR.into_iter().zip(TISSUES) {
        let line = [&scheme.encode(tissue).to_string(), entry.name_en, entry.key, entry.colour].join("\t");
        table.push_str(&line);
        table.push('\n');
    }
    let sidecar = json!({
        "Manual": source != Source::Model, "LabelScheme": scheme.name(), "SpatialReference": "orig",
    });
    let path = |ending: &str| format!("{}/{}", names.folder(), names.of_mask(ending));
    [Part::Bytes(path("dseg.tsv"), table.into_bytes()), Part::Bytes(path("dseg.json"), pretty(&sidecar))]
}

/// JSON for people.
pub(crate) fn pretty(value: &serde_json::Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default(); // a value always is JSON
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let blob = folder.path().join("blob");
        std::fs::write(&blob, b"volume").unwrap();
        let parts = [Part::Blob("sub-P1/a.nii.gz".to_owned(), blob), description(), readme()];
        let mut zip = zip::ZipArchive::new(pack(folder.path(), &parts).unwrap()).unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut zip.by_name("sub-P1/a.nii.gz").unwrap(), &mut text).unwrap();
        assert_eq!((text.as_str(), zip.len()), ("volume", 3));
    }
}

//! Tissues, the regions made of them, and the numbers that files store for them.
//!
//! A file's number means nothing without its [`LabelScheme`]: 1 is necrosis in BraTS and oedema in the Medical
//! Segmentation Decathlon, and enhancing tumour is 4 up to BraTS 2021 but 3 after it.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use volume::{Limits, Volume, VoxelIndex, nifti};

use crate::error::SegmentError;
use crate::source::{SourceFile, parse, read_bytes};

/// What one voxel is; the discriminants are the codes used inside (`u8` arrays included).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Tissue {
    /// No tumour.
    #[default]
    Background = 0,
    /// Necrotic or non-enhancing tumour core.
    Necrotic = 1,
    /// Peritumoural oedema (BraTS 2023: surrounding FLAIR hyperintensity).
    Oedema = 2,
    /// Contrast-enhancing tumour.
    Enhancing = 3,
}

impl Tissue {
    /// The three tumour tissues, in the order of their codes.
    pub const TUMOUR: [Self; 3] = [Self::Necrotic, Self::Oedema, Self::Enhancing];

    /// The code used inside, 0..=3.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The tissue of an inside code; `None` above 3.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Background),
            1 => Some(Self::Necrotic),
            2 => Some(Self::Oedema),
            3 => Some(Self::Enhancing),
            _ => None,
        }
    }

    /// The colour of the report's figures, RGB: blue necrotic core, green oedema, red enhancing tumour.
    pub fn colour(self) -> Option<[u8; 3]> {
        match self {
            Self::Background => None,
            Self::Necrotic => Some([0, 0, 255]),
            Self::Oedema => Some([0, 255, 0]),
            Self::Enhancing => Some([255, 0, 0]),
        }
    }
}

impl fmt::Display for Tissue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Background => "background",
            Self::Necrotic => "necrotic core",
            Self::Oedema => "oedema",
            Self::Enhancing => "enhancing tumour",
        })
    }
}

/// A union of tissues, as the BraTS challenges score them. Never stored: derived from tissues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// Whole tumour: necrotic core, oedema and enhancing tumour.
    Wt,
    /// Tumour core: necrotic core and enhancing tumour.
    Tc,
    /// Enhancing tumour.
    Et,
}

impl Region {
    /// The regions in the order of the network's outputs; each contains the next.
    pub const ALL: [Self; 3] = [Self::Wt, Self::Tc, Self::Et];

    /// Whether voxels of `tissue` belong to this region.
    pub fn contains(self, tissue: Tissue) -> bool {
        match self {
            Self::Wt => tissue != Tissue::Background,
            Self::Tc => matches!(tissue, Tissue::Necrotic | Tissue::Enhancing),
            Self::Et => tissue == Tissue::Enhancing,
        }
    }

    /// Whether voxels of an inside tissue code belong to this region; unknown codes belong to none.
    pub fn contains_code(self, code: u8) -> bool {
        Tissue::from_code(code).is_some_and(|tissue| self.contains(tissue))
    }

    /// This region's voxels of an array of inside tissue codes.
    pub fn mask(self, codes: &[u8]) -> Vec<bool> {
        codes.iter().map(|&code| self.contains_code(code)).collect()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wt => "WT",
            Self::Tc => "TC",
            Self::Et => "ET",
        })
    }
}

/// Which number a file stores for which tissue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelScheme {
    /// BraTS 2017 to 2022: 1 necrotic core, 2 oedema, 4 enhancing tumour.
    Brats2020,
    /// BraTS 2023 glioma, Africa, meningioma, metastases: 1 necrotic core, 2 oedema, 3 enhancing tumour.
    Brats2023,
    /// Medical Segmentation Decathlon, task 1: 1 oedema, 2 non-enhancing core, 3 enhancing tumour.
    Msd,
}

impl LabelScheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::Brats2020, Self::Brats2023, Self::Msd];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brats2020 => "brats2020",
            Self::Brats2023 => "brats2023",
            Self::Msd => "msd",
        }
    }

    /// The number that this scheme stores for `tissue`.
    pub fn encode(self, tissue: Tissue) -> u8 {
        match (self, tissue) {
            (_, Tissue::Background) => 0,
            (Self::Brats2020 | Self::Brats2023, Tissue::Necrotic) | (Self::Msd, Tissue::Oedema) => 1,
            (Self::Brats2020 | Self::Brats2023, Tissue::Oedema) | (Self::Msd, Tissue::Necrotic) => 2,
            (Self::Brats2020, Tissue::Enhancing) => 4,
            (Self::Brats2023 | Self::Msd, Tissue::Enhancing) => 3,
        }
    }

    /// The tissue that a stored number means; `None` if the scheme has no such number.
    pub fn decode(self, code: u8) -> Option<Tissue> {
        [Tissue::Background, Tissue::Necrotic, Tissue::Oedema, Tissue::Enhancing]
            .into_iter()
            .find(|&tissue| self.encode(tissue) == code)
    }

    /// The scheme that a challenge's case name implies, if it implies one.
    ///
    /// `Brats17..20`, `BraTS2021` and Glioscope's own `phantom_`: [`Self::Brats2020`]. `BraTS-GLI-`, `-SSA-`, `-MET-`, `-GoAT-` and `-MEN-`
    /// (not `-MEN-RT-`): [`Self::Brats2023`]. Paediatric sets changed their numbers between years: no guess.
    pub fn of_case_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let classic = ["brats17_", "brats18_", "brats19_", "brats20_", "brats2021_", "phantom_"];
        let later = ["brats-gli-", "brats-ssa-", "brats-met-", "brats-goat-", "brats-men-"];
        if classic.iter().any(|prefix| name.starts_with(prefix)) {
            Some(Self::Brats2020)
        } else if later.iter().any(|prefix| name.starts_with(prefix)) && !name.starts_with("brats-men-rt-") {
            Some(Self::Brats2023)
        } else {
            None
        }
    }
}

impl fmt::Display for LabelScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A volume of tissues.
pub type LabelMap = Volume<Tissue>;

/// Reads a mask file whose numbers mean what `scheme` says.
///
/// # Errors
/// The file cannot be read, holds intensities and not labels ([`SegmentError::ScanGivenAsMask`]), or holds a
/// number that the scheme does not know ([`SegmentError::UnknownLabel`], with file, number and scheme).
pub fn read_labels(
    path: &Path,
    scheme: LabelScheme,
    limits: &Limits,
) -> Result<(LabelMap, nifti::Geometry, SourceFile), SegmentError> {
    let bytes = read_bytes(path, limits)?;
    let file = SourceFile::of(path, &bytes);
    let image = parse(path, &bytes, limits)?;
    let n_volumes = image.volumes.len();
    match <[Volume<f32>; 1]>::try_from(image.volumes) {
        Ok([stored]) => Ok((decode_labels(&stored, scheme, path)?, image.geometry, file)),
        Err(_) => Err(SegmentError::SeveralVolumes { path: path.into(), n_volumes }),
    }
}

/// Turns stored numbers into tissues.
///
/// # Errors
/// As [`read_labels`]; `path` is only named in them.
pub fn decode_labels(stored: &Volume<f32>, scheme: LabelScheme, path: &Path) -> Result<LabelMap, SegmentError> {
    let shape = stored.grid().shape();
    let mut seen = [false; 256];
    for (at, &value) in stored.voxels().iter().enumerate() {
        let Some(code) = code_of(value) else {
            return Err(SegmentError::ScanGivenAsMask { path: path.into(), at: voxel_at(at, shape), value });
        };
        seen[usize::from(code)] = true;
    }
    let unknown = |value: f32| code_of(value).and_then(|code| scheme.decode(code)).is_none();
    if let Some(at) = stored.voxels().iter().position(|&value| unknown(value)) {
        let (value, at) = (stored.voxels()[at], voxel_at(at, shape));
        if seen.iter().filter(|&&seen| seen).count() > MOST_CODES {
            return Err(SegmentError::ScanGivenAsMask { path: path.into(), at, value });
        }
        return Err(SegmentError::UnknownLabel { path: path.into(), at, code: value, scheme });
    }
    Ok(stored.map(|value| code_of(value).and_then(|code| scheme.decode(code)).unwrap_or_default()))
}

/// More distinct numbers than any label scheme of the field has: such a file is an 8-bit scan.
const MOST_CODES: usize = 16;

/// The numbers to store for a label map.
pub fn encode_labels(labels: &LabelMap, scheme: LabelScheme) -> Volume<u8> {
    labels.map(|tissue| scheme.encode(tissue))
}

/// The stored value as a number that can be a label at all: integral, 0..=255.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is integral and 0..=255")]
fn code_of(value: f32) -> Option<u8> {
    ((0.0..=255.0).contains(&value) && value.fract() == 0.0).then_some(value as u8)
}

/// The voxel at an index of an x-fastest array.
pub(crate) fn voxel_at(index: usize, [nx, ny, _]: [usize; 3]) -> VoxelIndex {
    VoxelIndex([index % nx, index / nx % ny, index / (nx * ny)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_decodes_what_it_encodes() {
        for scheme in LabelScheme::ALL {
            for code in 0..=3 {
                let tissue = Tissue::from_code(code).unwrap();
                assert_eq!(scheme.decode(scheme.encode(tissue)), Some(tissue), "{scheme} {tissue}");
            }
        }
        assert_eq!(LabelScheme::Brats2020.decode(3), None);
        assert_eq!(LabelScheme::Brats2023.decode(4), None);
        assert_eq!(LabelScheme::Msd.decode(1), Some(Tissue::Oedema));
    }

    #[test]
    fn regions_nest() {
        for tissue in Tissue::TUMOUR {
            assert!(Region::Wt.contains(tissue));
            assert!(!Region::Et.contains(tissue) || Region::Tc.contains(tissue));
        }
        assert_eq!(Region::Tc.mask(&[0, 1, 2, 3]), [false, true, false, true]);
    }

    #[test]
    fn names_imply_schemes() {
        let check = |name, expected| assert_eq!(LabelScheme::of_case_name(name), expected, "{name}");
        check("Brats18_2013_21_1", Some(LabelScheme::Brats2020));
        check("BraTS20_Training_001", Some(LabelScheme::Brats2020));
        check("BraTS2021_00002", Some(LabelScheme::Brats2020));
        check("phantom_0007", Some(LabelScheme::Brats2020));
        check("BraTS-SSA-00047-000", Some(LabelScheme::Brats2023));
        check("BraTS-GLI-00001-000", Some(LabelScheme::Brats2023));
        check("BraTS-PED-00001-000", None);
        check("BraTS-MEN-RT-0001-1", None);
        check("BRATS_001", None);
        check("patient7", None);
    }
}

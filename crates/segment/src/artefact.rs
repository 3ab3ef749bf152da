//! A model on disk: a safetensors file whose metadata say what it is, how it was made and how well it did.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unet::{UnetError, weights};
use volume::write_atomically;

use crate::infer::Model;
use crate::labels::LabelScheme;
use crate::precision::Calibration;
use crate::recipe::Recipe;
use crate::source::Digest;
use crate::study::Sequence;

/// The model inside the binary.
// A `static`: a `const` of this size was copied into each place that names it (the program had five copies).
pub static DEFAULT: &[u8] = include_bytes!("../../../models/default.safetensors");

/// The metadata key under which [`Card`] stands, as JSON.
const KEY: &str = "glioscope";

/// What is written beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Of this layout; 1.
    pub version: u32,
    /// A short name.
    pub name: String,
    /// Order of the input channels.
    pub channels: [Sequence; 4],
    /// Order of the outputs, by name.
    pub outputs: Vec<String>,
    /// The scheme in which masks are written unless another is asked for.
    pub label_scheme: LabelScheme,
    /// The whole recipe: preparing, network, training, inference.
    pub recipe: Recipe,
    /// Where the weights come from.
    pub provenance: Provenance,
    /// Scores on cases that were not trained on; empty if there are none.
    pub scores: Vec<ScoreLine>,
    /// What products of integers must know; none in models that were never calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Steps that were taken.
    pub steps: u64,
    /// Names of the cases trained on.
    pub trained_on: Vec<String>,
    /// Phantoms among what it was trained on.
    pub phantoms: usize,
    /// Names of the cases that the scores are on.
    pub validated_on: Vec<String>,
    /// Version of the program.
    pub program: String,
}

/// One score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreLine {
    /// For instance `dice`.
    pub measure: String,
    /// For instance `WT`.
    pub of: String,
    /// Mean over the cases.
    pub mean: f64,
    /// Number of cases.
    pub cases: usize,
    /// What an empty mask counts as.
    pub convention: String,
}

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// It cannot be read or written.
    #[error("{}: the model cannot be read or written ({source}); check its name, and that you may", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its container or weights are wrong.
    #[error("{}: not a model of Glioscope: {source}; give one that `glioscope train` made", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: UnetError,
    },
    /// It has no card.
    #[error(
        "{}: not a model of Glioscope: its metadata have no entry `{KEY}`; give one that `glioscope train` made",
        path.display()
    )]
    NoCard {
        /// The file.
        path: PathBuf,
    },
    /// Its card cannot be understood.
    #[error("{}: the model's card cannot be read ({source}); was it made by another version?", path.display())]
    Card {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// A model that was opened, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Artefact {
    /// What it says of itself.
    pub card: Card,
    /// What it computes with.
    pub model: Model,
    /// Hash of the file.
    pub sha256: Digest,
}

impl Artefact {
    /// The model inside the binary.
    ///
    /// # Errors
    /// If the binary was built with a broken model.
    pub fn embedded() -> Result<Self, ArtefactError> {
        Self::parse(DEFAULT, Path::new("the model inside the program"))
    }

    /// Opens a model file.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, ArtefactError> {
        let unread = |source| ArtefactError::Io { path: path.to_owned(), source };
        // Looked at before it is opened: a pipe would wait for a writer, a device may have no end.
        if !std::fs::metadata(path).map_err(unread)?.is_file() {
            return Err(unread(std::io::Error::other("it is no file")));
        }
        Self::parse(&std::fs::read(path).map_err(unread)?, path)
    }

    /// Opens the bytes of a model file; `path` is named in errors.
    ///
    /// # Errors
    /// As [`Artefact::open`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, ArtefactError> {
        let broken = |source| ArtefactError::Weights { path: path.to_owned(), source };
        let metadata = weights::metadata(bytes).map_err(broken)?;
        let card = metadata.get(KEY).ok_or_else(|| ArtefactError::NoCard { path: path.to_owned() })?;
        let card: Card =
            serde_json::from_str(card).map_err(|source| ArtefactError::Card { path: path.to_owned(), source })?;
        let network = card.recipe.network.clone();
        let weights = weights::from_bytes(&network.spec(), bytes).map_err(broken)?;
        let calibration = card.calibration.clone();
        if let Some(calibration) = &calibration {
            calibration.in_order(&network).map_err(broken)?;
        }
        Ok(Self { card, model: Model { network, weights, calibration }, sha256: Digest::of(bytes) })
    }

    /// Writes a model, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(path: &Path, card: &Card, values: &[f32]) -> Result<(), ArtefactError> {
        let text =
            serde_json::to_string(card).map_err(|source| ArtefactError::Card { path: path.to_owned(), source })?;
        let metadata = HashMap::from([(KEY.to_owned(), text)]);
        let bytes = weights::to_bytes(&card.recipe.network.spec(), values, metadata)
            .map_err(|source| ArtefactError::Weights { path: path.to_owned(), source })?;
        write_atomically(path, |out| out.write_all(&bytes))
            .map_err(|source| ArtefactError::Io { path: path.to_owned(), source })
    }
}

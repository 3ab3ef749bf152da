//! What a person chose: one complete TOML file, every field present, nothing inherited.

mod check;
pub mod drawing;
mod error;
pub mod inference;
pub mod training;

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use unet::loss::LossSpec;

use crate::prepare::Preparing;
use crate::source::read_text;
use drawing::{Augmenting, Sampling};
pub use error::{Fault, RecipeError};
use inference::Inference;
use training::{Network, SplitRule, Training};

/// The recipe of the shipped model.
pub const DEFAULT: &str = include_str!("../../../../recipes/default.toml");

/// The recipe of the report that the project starts from.
pub const ORIGINAL: &str = include_str!("../../../../recipes/original.toml");

/// A recipe. Parsing validates it, so one that is held can be followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How a study becomes a tensor.
    pub preparing: PreparingChoice,
    /// How cases are divided where no split file is given.
    pub split: SplitRule,
    /// The net.
    pub network: Network,
    /// How long and in which way it is trained.
    pub training: Training,
    /// What training minimises.
    pub loss: LossSpec,
    /// Which patches training sees.
    pub sampling: Sampling,
    /// How they are changed.
    pub augmentation: Augmenting,
    /// How the net is used.
    pub inference: Inference,
}

/// The section `[preparing]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparingChoice {
    /// The way.
    pub method: Preparing,
}

impl Recipe {
    /// Parses and validates; `file` is named in errors.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key, lacks one, or holds a value that cannot work.
    pub fn parse(text: &str, file: &Path) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text).map_err(|source| RecipeError::of(source, text, file))?;
        recipe.check().map_err(|fault| {
            let line = line_of(text, fault.key);
            RecipeError::Invalid { file: file.to_owned(), line, fault }
        })?;
        Ok(recipe)
    }

    /// Reads, parses and validates a file.
    ///
    /// # Errors
    /// As [`Recipe::parse`], and if the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let unread = |source| RecipeError::Unread { path: path.to_owned(), source };
        let text = String::from_utf8(read_text(path).map_err(unread)?)
            .map_err(|_| unread(io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8")))?;
        Self::parse(&text, path)
    }

    /// The recipe as a complete TOML file.
    ///
    /// # Errors
    /// None is known: a recipe holds nothing that TOML cannot write.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// The line of a key such as `training.stage.patch`: each part is looked for after the one before.
fn line_of(text: &str, key: &str) -> usize {
    let mut offset = 0;
    let mut line = 1;
    for part in key.split('.') {
        line = error::line_of_key(text, offset, part);
        offset = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    }
    line
}

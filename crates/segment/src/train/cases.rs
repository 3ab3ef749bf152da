//! The cases of a training: read, prepared and held in memory.

use rayon::prelude::*;

use crate::dataset::FoundCase;
use crate::error::SegmentError;
use crate::labels::LabelScheme;
use crate::phantom::{FULL_SHAPE, phantom};
use crate::prepare::{Preparing, Tensor4, prepare};
use crate::recipe::Recipe;
use crate::sample::Case;
use crate::split::{Side, Split};
use crate::study::{Sequence, Study};
use volume::Limits;

/// Seed of a training's first phantom: far from those that a person tries.
const PHANTOM_SEED: u64 = 0x7068_0000;

/// Why the cases of a training cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The split names cases that the folders do not hold.
    #[error(
        "the split names {}, which the data folders do not hold; give their folder to --data, or correct the split",
        names.join(", ")
    )]
    Missing {
        /// Their names.
        names: Vec<String>,
    },
    /// A case has no reference mask.
    #[error("{name} has no reference mask to train on: leave it out of the split, or add its mask")]
    NoMask {
        /// The case.
        name: String,
    },
    /// A case cannot be read or prepared.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A phantom has no grid.
    #[error("a phantom cannot be made: {0}")]
    Phantom(#[from] volume::VolumeError),
}

/// A case that is judged on, not trained on.
#[derive(Debug)]
pub struct Held {
    /// Prepared.
    pub case: Tensor4,
    /// Its name.
    pub name: String,
    /// Tissue codes `[D][H][W]`.
    pub labels: Vec<u8>,
}

/// What a training works with.
#[derive(Debug)]
pub struct TrainingCases {
    /// Trained on.
    pub train: Vec<Case>,
    /// Judged on.
    pub held: Vec<Held>,
}

impl TrainingCases {
    /// Reads and prepares the training and validation cases of `split` among `found`.
    ///
    /// # Errors
    /// A case of the split that is missing, lacks a mask, or cannot be read.
    pub fn read(
        found: &[FoundCase],
        split: &Split,
        preparing: Preparing,
        scheme: Option<LabelScheme>,
    ) -> Result<Self, CasesError> {
        let wanted = split.train.iter().chain(&split.validation);
        let names: Vec<String> = wanted.filter(|name| !found.iter().any(|c| c.name == **name)).cloned().collect();
        if !names.is_empty() {
            return Err(CasesError::Missing { names });
        }
        let pick = |side: Side| found.iter().filter(move |c| split.side_of(&c.name) == Some(side)).collect::<Vec<_>>();
        let read = |c: &&FoundCase| read_case(c, preparing, scheme);
        let train = pick(Side::Train).par_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let held = pick(Side::Validation).par_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let train = train.into_iter().map(|h| Case {
            name: h.name,
            shape: h.case.shape,
            image: h.case.values,
            labels: h.labels,
        });
        Ok(Self { train: train.collect(), held })
    }
}

fn read_case(found: &FoundCase, preparing: Preparing, scheme: Option<LabelScheme>) -> Result<Held, CasesError> {
    let limits = Limits::default();
    if found.seg.is_none() {
        return Err(CasesError::NoMask { name: found.name.clone() });
    }
    let study = Study::read(found, &limits)?;
    let labels = found.read_labels(scheme, &limits)?;
    let (case, preparation) = prepare(&study, preparing)?;
    Ok(Held { case, name: found.name.clone(), labels: preparation.prepare_labels(&labels)? })
}

/// The phantoms that a recipe asks for, prepared.
pub(super) fn phantoms(recipe: &Recipe) -> Result<Vec<Case>, CasesError> {
    let n = if recipe.sampling.phantom_share > 0.0 { recipe.sampling.phantoms as u64 } else { 0 };
    (0..n).map(|i| phantom_case(PHANTOM_SEED + i, recipe.preparing.method)).collect()
}

fn phantom_case(seed: u64, preparing: Preparing) -> Result<Case, CasesError> {
    let made = phantom(seed, FULL_SHAPE);
    let [t1n, t1c, t2w, t2f] = Sequence::ALL.map(|sequence| made.scan(sequence));
    let study = Study::in_memory(made.name.clone(), [t1n?, t1c?, t2w?, t2f?])?;
    let (tensor, preparation) = prepare(&study, preparing)?;
    let labels = preparation.prepare_labels(&made.label_map()?)?;
    Ok(Case { name: made.name, shape: tensor.shape, image: tensor.values, labels })
}

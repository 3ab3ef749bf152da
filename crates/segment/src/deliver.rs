//! The whole way of a case: four scans in; labels, report and picture out, all of them or none.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Instant;

use kernels::Cpu;
use serde::{Deserialize, Serialize};
use volume::nifti::{self, NiftiError};
use volume::{Limits, write_atomically};

use crate::artefact::Artefact;
use crate::choice::{Choice, Reason};
use crate::dataset::FoundCase;
use crate::error::SegmentError;
use crate::infer::{InferError, infer};
use crate::labels::{LabelMap, LabelScheme, encode_labels};
use crate::memory;
use crate::picture::{self, PictureError, Subject};
use crate::precision::{Precision, Unable};
use crate::prepare::prepare;
use crate::recipe::inference::{Inference, Mode, TensorAxis};
use crate::report::{ModelUsed, Report, Said, Stage, StageTime, Warning};
use crate::staging::{OutputError, Staging};
use crate::study::Study;
use crate::train::Flow;

/// The mask's name in the output folder.
pub const LABELS: &str = "labels.nii.gz";
/// The report's name in the output folder.
pub const REPORT: &str = "report.json";
/// The picture's name in the output folder.
pub const OVERVIEW: &str = "overview.png";

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The model to use.
    pub model: &'a Artefact,
    /// How it is used: the model's own way, or another.
    pub inference: &'a Inference,
    /// In which numbers it computes, and why.
    pub choice: &'a Choice,
    /// What the numbers in the mask shall mean.
    pub scheme: LabelScheme,
    /// The folder for the three files.
    pub out: &'a Path,
}

/// What was delivered, and how it came about; written as `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// Millilitres, parts, hashes, times, warnings.
    #[serde(flatten)]
    pub report: Report,
    /// How the network saw the case.
    pub inference: Pass,
}

/// How the network saw a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// In one pass or in tiles.
    pub mode: Mode,
    /// `[D, H, W]` of a tile, if there were tiles.
    pub tile: Option<[usize; 3]>,
    /// Axes along which mirrored passes were averaged.
    pub mirror: Vec<TensorAxis>,
    /// In which numbers it computed.
    pub precision: Precision,
    /// Why in these.
    pub chosen: Reason,
    /// The instruction set that it computed with; `avx512+amx` if it multiplied tiles.
    pub isa: String,
    /// Why there were tiles where one pass was asked for.
    pub lack_of_memory: Option<LackOfMemory>,
}

/// One pass needs more memory than there is; displayed as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LackOfMemory {
    /// What one pass needs, about.
    pub needed_bytes: u64,
    /// What there is.
    pub available_bytes: u64,
}

impl fmt::Display for LackOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = |bytes: u64| bytes as f64 / (1_u64 << 30) as f64;
        write!(
            f,
            "one pass over the brain needs about {:.1} GiB of memory and {:.1} GiB are free, so the network saw it in \
             tiles, and the labels may differ a little from those of one pass",
            gib(self.needed_bytes),
            gib(self.available_bytes)
        )
    }
}

/// Why nothing was delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// Of the scans.
    #[error(transparent)]
    Scans(#[from] SegmentError),
    /// Of the network.
    #[error(transparent)]
    Network(#[from] unet::UnetError),
    /// Of the precision that was asked for.
    #[error(transparent)]
    Precision(#[from] Unable),
    /// Of the picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Of the output folder.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The caller said stop.
    #[error("stopped on request; nothing was written")]
    Stopped,
}

impl From<InferError> for DeliverError {
    fn from(error: InferError) -> Self {
        match error {
            InferError::Unet(error) => Self::Network(error),
            InferError::Stopped => Self::Stopped,
        }
    }
}

/// Segments a case, files to files. Runs on the current rayon pool.
///
/// Into the folder come `labels.nii.gz` (on the source's grid, with its geometry), `report.json` and `overview.png`; they
/// are moved there as the last act. Files of those names are replaced, others stay. `tell` hears each stage and the
/// share of it that is done, and may stop the work.
///
/// # Errors
/// As [`DeliverError`] says; nothing was written then.
pub fn segment_case(
    cpu: Cpu,
    found: &FoundCase,
    delivery: &Delivery<'_>,
    tell: &mut dyn FnMut(Stage, f64) -> Flow,
) -> Result<Delivered, DeliverError> {
    delivery.choice.precision.check(cpu, &delivery.model.model)?;
    let staging = Staging::begin(delivery.out)?;
    let mut clock = Clock { seconds: Vec::new(), tell };
    let study = clock.time(Stage::Read, |_| Ok(Study::read(found, &Limits::default())?))?;
    let preparing = delivery.model.card.recipe.preparing.method;
    let (tensor, preparation) = clock.time(Stage::Prepare, |_| Ok(prepare(&study, preparing)?))?;
    let (inference, pass) = affordable(cpu, delivery, tensor.shape, memory::available())?;
    let model = (&delivery.model.model, delivery.choice.precision);
    let inferred = clock.time(Stage::Network, |tell| {
        Ok(infer(cpu, model, &inference, &tensor, &mut |share| tell(Stage::Network, share))?)
    })?;
    drop(tensor);
    let labels = clock.time(Stage::Decode, |_| Ok(preparation.restore(&inferred.codes)?))?;
    let mut report = clock.time(Stage::Write, |_| write_labels(&staging, &study, &labels, delivery))?;
    report.seconds = clock.seconds;
    if inferred.lost > 0 {
        report.warnings.push(Said::from(Warning::OutOfRange { numbers: inferred.lost }));
    }
    let delivered = Delivered { report, inference: pass };
    write_report(&staging, &delivered)?;
    staging.commit()?;
    Ok(delivered)
}

/// Times stages, announces them, and stops between them.
struct Clock<'a> {
    seconds: Vec<StageTime>,
    tell: &'a mut dyn FnMut(Stage, f64) -> Flow,
}

impl Clock<'_> {
    fn time<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce(&mut dyn FnMut(Stage, f64) -> Flow) -> Result<T, DeliverError>,
    ) -> Result<T, DeliverError> {
        if (self.tell)(stage, 0.0) == Flow::Stop {
            return Err(DeliverError::Stopped);
        }
        let began = Instant::now();
        let done = work(self.tell)?;
        self.seconds.push(StageTime { stage, seconds: began.elapsed().as_secs_f64() });
        if (self.tell)(stage, 1.0) == Flow::Stop {
            return Err(DeliverError::Stopped);
        }
        Ok(done)
    }
}

/// The way that was asked for, or tiles where one pass needs more memory than is available.
fn affordable(
    cpu: Cpu,
    delivery: &Delivery<'_>,
    shape: [usize; 3],
    available: Option<u64>,
) -> Result<(Inference, Pass), DeliverError> {
    let mut inference = delivery.inference.clone();
    let mut lack_of_memory = None;
    if let (Mode::Whole, Some(available_bytes)) = (inference.mode, available) {
        let spec = delivery.model.model.network.spec();
        let needed_bytes = memory::of_pass(&spec, shape, (cpu, delivery.choice.precision), available_bytes)?;
        if needed_bytes > available_bytes {
            inference.mode = Mode::Tiles;
            lack_of_memory = Some(LackOfMemory { needed_bytes, available_bytes });
        }
    }
    let tile = (inference.mode == Mode::Tiles).then_some(inference.tile);
    let pass = Pass {
        mode: inference.mode,
        tile,
        mirror: inference.mirror.clone(),
        precision: delivery.choice.precision,
        chosen: delivery.choice.chosen.clone(),
        isa: delivery.choice.precision.computed_by(cpu),
        lack_of_memory,
    };
    Ok((inference, pass))
}

/// Writes the mask and the picture, and makes the report, all at a time.
fn write_labels(
    staging: &Staging,
    study: &Study,
    labels: &LabelMap,
    delivery: &Delivery<'_>,
) -> Result<Report, DeliverError> {
    let (folder, scheme) = (staging.folder(), delivery.scheme);
    let mask = || nifti::write_mask(&folder.join(LABELS), &encode_labels(labels, scheme), study.geometry());
    let picture = || -> Result<(), DeliverError> {
        let scans = study.scans().each_ref().map(Some);
        let picture = picture::overview(&Subject { name: study.name(), scans, labels: Some(labels) })?;
        Ok(write_atomically(&folder.join(OVERVIEW), |out| out.write_all(&picture)).map_err(|e| staging.refused(e))?)
    };
    let report = || {
        let model = ModelUsed { name: delivery.model.card.name.clone(), sha256: delivery.model.sha256 };
        Report::new(study, labels, scheme, model, Vec::new())
    };
    let (picture, (mask, report)) = rayon::join(picture, || rayon::join(mask, report));
    mask.map_err(|error| staging.refused(reason(error)))?;
    picture?;
    Ok(report)
}

/// Why a mask was not written, without its path: the hidden folder is nobody's business.
fn reason(error: NiftiError) -> io::Error {
    let fault = if let NiftiError::InFile { fault, .. } = error { *fault } else { error };
    if let NiftiError::Unwritable { cause } = fault { cause } else { io::Error::other(fault) }
}

fn write_report(staging: &Staging, delivered: &Delivered) -> Result<(), DeliverError> {
    let write = || {
        let mut text = serde_json::to_vec_pretty(delivered).map_err(io::Error::other)?;
        text.push(b'\n');
        write_atomically(&staging.folder().join(REPORT), |out| out.write_all(&text))
    };
    Ok(write().map_err(|error| staging.refused(error))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artefact::{Card, Provenance};
    use crate::recipe::{self, Recipe};
    use crate::study::Sequence;

    #[test]
    fn tiles_are_taken_where_one_pass_does_not_fit() {
        let mut recipe = Recipe::parse(recipe::DEFAULT, Path::new("default")).unwrap();
        recipe.network.widths = vec![4, 8];
        recipe.network.deep_supervision = vec![1.0];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.safetensors");
        let weights = unet::weights::initial(&recipe.network.spec(), 1).unwrap();
        let provenance =
            Provenance { steps: 0, trained_on: vec![], phantoms: 0, validated_on: vec![], program: String::new() };
        let card = Card {
            version: 1,
            name: "tiny".to_owned(),
            channels: Sequence::ALL,
            outputs: ["WT", "TC", "ET"].map(str::to_owned).to_vec(),
            label_scheme: LabelScheme::Brats2023,
            recipe,
            provenance,
            scores: vec![],
            calibration: None,
        };
        Artefact::write(&file, &card, &weights).unwrap();
        let model = Artefact::open(&file).unwrap();
        let inference = Inference { mode: Mode::Whole, ..model.card.recipe.inference.clone() };
        let delivery = Delivery {
            model: &model,
            inference: &inference,
            choice: &Choice::named(Precision::F32),
            scheme: LabelScheme::Msd,
            out: folder.path(),
        };
        let passed = |available| affordable(Cpu::detect(), &delivery, [40, 48, 40], available).unwrap();
        assert_eq!(passed(None).1.mode, Mode::Whole, "where nobody says how much there is");
        assert_eq!(passed(Some(8 << 30)).1.mode, Mode::Whole, "enough");
        for available in [1 << 10, 100 << 20] {
            let (inference, pass) = passed(Some(available));
            assert_eq!((inference.mode, pass.mode, pass.tile), (Mode::Tiles, Mode::Tiles, Some(inference.tile)));
            let lack = pass.lack_of_memory.unwrap();
            assert!(lack.needed_bytes > available && lack.available_bytes == available);
            assert!(lack.to_string().contains("tiles"), "{lack}");
        }
    }
}

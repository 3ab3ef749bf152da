//! `glioscope model`: what a model is made of, and what its integers must know.

use std::path::Path;

use anyhow::bail;
use kernels::Cpu;
use segment::artefact::{Artefact, Card, DEFAULT};
use segment::dataset::find;
use segment::precision::{CALIBRATION_CASES, Calibration};
use segment::prepare::prepare;
use segment::study::Study;
use serde_json::json;
use volume::Limits;

use crate::Outcome;
use crate::args;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, number, table};

/// The word for the model inside the program.
const INSIDE: &str = "default";

/// Opens a model file, or the model inside the program.
pub(crate) fn open(path: &Path) -> anyhow::Result<Artefact> {
    if path != Path::new(INSIDE) {
        return Ok(Artefact::open(path)?);
    }
    if DEFAULT.is_empty() {
        bail!(
            "this program was built without a model (models/default.safetensors was empty); \
             give a model file to --model, or train one with `glioscope train`"
        );
    }
    Ok(Artefact::embedded()?)
}

/// Under which terms a model may be used.
fn licence(path: &Path) -> &'static str {
    if path == Path::new(INSIDE) {
        "CC BY 4.0, apart from the program's licence; attribution in models/LICENSE.md"
    } else {
        "not stated in the file; ask who trained it, and mind the terms of the data it was trained on"
    }
}

pub(crate) fn run(cpu: Cpu, args: &args::Model, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    match args {
        args::Model::Info(args) => info(args, show),
        args::Model::Calibrate(args) => calibrate(cpu, args, show, interrupt),
    }
}

/// Calibrates a model on the first cases that it was trained on and that the folders hold.
fn calibrate(cpu: Cpu, args: &args::ModelCalibrate, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let artefact = open(&args.model)?;
    let card = &artefact.card;
    let found = find(&args.data)?;
    let known = card.provenance.trained_on.iter().filter_map(|name| found.iter().find(|case| case.name == *name));
    let known: Vec<_> = known.take(CALIBRATION_CASES).collect();
    if known.is_empty() {
        bail!(
            "{}: the folders hold none of the cases that this model was trained on ({})",
            args.model.display(),
            card.provenance.trained_on.join(", ")
        );
    }
    let method = card.recipe.preparing.method;
    let mut cases = Vec::with_capacity(known.len());
    for found in known.into_iter().take_while(|_| !interrupt.is_asked()) {
        let (tensor, _) = prepare(&Study::read(found, &Limits::default())?, method)?;
        cases.push((found.name.as_str(), tensor));
    }
    let looked_at = cases.iter().map(|(name, tensor)| (*name, tensor.shape, tensor.values.as_slice()));
    let looked_at = looked_at.take_while(|_| !interrupt.is_asked());
    let model = &artefact.model;
    let calibration = Calibration::of(cpu, &model.network, &model.weights, looked_at)?;
    if interrupt.is_asked() {
        show.note("stopped; nothing was written");
        return Ok(Outcome::Stopped);
    }
    let on = calibration.cases.join(", ");
    let card = Card { calibration: Some(calibration), ..card.clone() };
    Artefact::write(&args.out, &card, &model.weights)?;
    show::result(&args.out.display().to_string())?;
    show.note(format_args!("calibrated on {on}"));
    Ok(Outcome::Done)
}

fn info(args: &args::ModelInfo, show: Show) -> anyhow::Result<Outcome> {
    let artefact = open(&args.model)?;
    let licence = licence(&args.model);
    if show.is_json() {
        let card = &artefact.card;
        show::json(&json!({
            "file": args.model.display().to_string(),
            "sha256": artefact.sha256,
            "parameters": artefact.model.weights.len(),
            "licence": licence,
            "notice": segment::report::NOTICE,
            "card": card,
        }))?;
        return Ok(Outcome::Done);
    }
    show::result(&described(&artefact, licence)?)?;
    show::notice()?;
    Ok(Outcome::Done)
}

fn described(artefact: &Artefact, licence: &str) -> anyhow::Result<String> {
    let card = &artefact.card;
    let made = &card.provenance;
    let count = |names: &[String]| {
        if names.is_empty() { "none".to_owned() } else { format!("{}: {}", names.len(), names.join(", ")) }
    };
    let channels: Vec<String> = card.channels.iter().map(ToString::to_string).collect();
    let rows = [
        ("name", card.name.clone()),
        ("sha256", artefact.sha256.to_string()),
        (
            "parameters",
            format!("{} ({:.1} MB)", artefact.model.weights.len(), artefact.model.weights.len() as f64 * 4e-6),
        ),
        ("inputs", channels.join(", ")),
        ("outputs", card.outputs.join(", ")),
        ("widths", format!("{:?}", card.recipe.network.widths)),
        ("labels", card.label_scheme.to_string()),
        ("steps", made.steps.to_string()),
        ("trained on", count(&made.trained_on)),
        ("phantoms", made.phantoms.to_string()),
        ("validated on", count(&made.validated_on)),
        ("made by", made.program.clone()),
        ("calibrated", card.calibration.as_ref().map_or_else(|| "no".to_owned(), |of| count(&of.cases))),
        ("licence", licence.to_owned()),
    ];
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:<13} {value}")).collect();
    let mut text = lines.join("\n");
    text.push('\n');
    if !card.scores.is_empty() {
        let rows = card.scores.iter().map(|score| {
            let mean = number(Some(score.mean), 4);
            vec![score.measure.clone(), score.of.clone(), mean, score.cases.to_string(), score.convention.clone()]
        });
        text.push('\n');
        text.push_str(&table(&["score", "of", "mean", "cases", "convention"], 2, rows.collect()));
        text.push('\n');
    }
    text.push_str("\nRecipe\n\n");
    text.push_str(&card.recipe.to_toml()?);
    Ok(text)
}

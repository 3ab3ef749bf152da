//! `glioscope model`: what a model is made of.

use std::path::Path;

use anyhow::bail;
use segment::artefact::{Artefact, DEFAULT};
use serde_json::json;

use crate::Outcome;
use crate::args;
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

pub(crate) fn run(args: &args::Model, show: Show) -> anyhow::Result<Outcome> {
    let args::Model::Info(args) = args;
    let artefact = open(&args.model)?;
    let licence = licence(&args.model);
    if show.is_json() {
        let card = &artefact.card;
        show::json(&json!({
            "file": args.model,
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

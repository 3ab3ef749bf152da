//! `glioscope segment`: the tumour of a case.

use std::path::Path;

use kernels::Cpu;
use segment::choice::Choice;
use segment::dataset::find_one;
use segment::deliver::{DeliverError, Delivered, Delivery, LABELS, OVERVIEW, REPORT, segment_case};
use segment::infer::Model;
use segment::labels::{LabelScheme, Region};
use segment::precision::Precision;
use segment::recipe::inference::{Inference, Mode, TensorAxis};
use segment::report::Stage;
use server::config;

use crate::Outcome;
use crate::args::{self, PrecisionName};
use crate::commands::model;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, Usage, ml, table};

pub(crate) fn run(cpu: Cpu, args: &args::Segment, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let model = model::open(&args.model)?;
    let found = find_one(&args.case)?;
    let inference = inference(args, &model.card.recipe.inference);
    let choice = choice(cpu, args.precision, &model.model)?;
    let delivery = Delivery {
        model: &model,
        inference: &inference,
        choice: &choice,
        scheme: args.labels.map_or(model.card.label_scheme, LabelScheme::from),
        out: &args.out,
    };
    let bar = show.bar(100, "{spinner} {msg:10} {wide_bar} {percent:>3} %")?;
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let mut at = None;
    let delivered = segment_case(cpu, &found, &delivery, &mut |stage, share| {
        if show == Show::Lines && share <= 0.0 && !at.replace(stage).is_some_and(|before| before == stage) {
            show.note(said(stage));
        }
        bar.set_message(said(stage));
        bar.set_position(percent(stage, share));
        interrupt.flow()
    });
    bar.finish_and_clear();
    let delivered = match delivered {
        Err(DeliverError::Stopped) => {
            show.note("stopped; nothing was written");
            return Ok(Outcome::Stopped);
        }
        delivered => delivered?,
    };
    tell(&delivered, &args.out, show)?;
    Ok(Outcome::Done)
}

/// What was typed, or the fastest.
///
/// # Errors
/// [`Usage`] if machine or model do not allow it.
pub(crate) fn choice(cpu: Cpu, typed: PrecisionName, model: &Model) -> anyhow::Result<Choice> {
    let Some(precision) = typed.named() else {
        let integers = Precision::Int16.check(cpu, model);
        return Ok(Choice::fastest(cpu, integers, config::user_cache().as_deref()));
    };
    precision.check(cpu, model).map_err(|unable| Usage(format!("--precision {precision}: {unable}")))?;
    Ok(Choice::named(precision))
}

/// The model's own way, less what was typed.
fn inference(args: &args::Segment, own: &Inference) -> Inference {
    let mut inference = own.clone();
    if args.tiles {
        inference.mode = Mode::Tiles;
    }
    if args.whole {
        inference.mode = Mode::Whole;
    }
    if args.mirror {
        inference.mirror = vec![TensorAxis::D, TensorAxis::H, TensorAxis::W];
    }
    inference
}

fn said(stage: Stage) -> &'static str {
    match stage {
        Stage::Read => "reading",
        Stage::Prepare => "preparing",
        Stage::Network => "network",
        Stage::Decode => "restoring",
        Stage::Write => "writing",
    }
}

/// Where a stage lies on the bar: the network takes most of the time.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
fn percent(stage: Stage, share: f64) -> u64 {
    let (from, to) = match stage {
        Stage::Read => (0.0, 10.0),
        Stage::Prepare => (10.0, 18.0),
        Stage::Network => (18.0, 90.0),
        Stage::Decode => (90.0, 92.0),
        Stage::Write => (92.0, 100.0),
    };
    (from + (to - from) * share.clamp(0.0, 1.0)) as u64
}

fn tell(delivered: &Delivered, out: &Path, show: Show) -> anyhow::Result<()> {
    let report = &delivered.report;
    for said in &report.warnings {
        show.warn(&said.sentence);
    }
    if let Some(lack) = &delivered.inference.lack_of_memory {
        show.warn(lack);
    }
    if show.is_json() {
        return show::json(delivered);
    }
    let tissues = report.tissues.iter().map(|of| vec![of.tissue.to_string(), ml(of.ml), of.voxels.to_string()]);
    let regions = report.regions.iter().map(|of| {
        let largest = of.components.first();
        let at = largest.map_or("-".to_owned(), |part| part.centroid_mm.map(|mm| format!("{mm:.0}")).join(", "));
        vec![name(of.region).to_owned(), ml(of.ml), of.voxels.to_string(), of.n_components.to_string(), at]
    });
    let total: f64 = report.seconds.iter().map(|stage| stage.seconds).sum();
    show::result(&format!(
        "{}\n\n{}\n\n{}\n\n{}\n{}\n{}\n\nLabels: {}. Model: {}, {:.12}, in {} ({}) on {}. {total:.1} s.",
        report.case,
        table(&["tissue", "ml", "voxels"], 1, tissues.collect()),
        table(&["region", "ml", "voxels", "parts", "middle of the largest (RAS mm)"], 1, regions.collect()),
        out.join(LABELS).display(),
        out.join(REPORT).display(),
        out.join(OVERVIEW).display(),
        report.label_scheme,
        report.model.name,
        report.model.sha256.to_string(),
        delivered.inference.precision,
        delivered.inference.chosen,
        delivered.inference.isa,
    ))?;
    show::notice()
}

fn name(region: Region) -> &'static str {
    match region {
        Region::Wt => "WT whole tumour",
        Region::Tc => "TC tumour core",
        Region::Et => "ET enhancing",
    }
}

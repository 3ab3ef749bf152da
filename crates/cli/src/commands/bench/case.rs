//! A whole case, from its four files to labels, report and picture.

use ::segment::dataset::{FoundCase, find_one};
use ::segment::deliver::{DeliverError, Delivery, Pass, segment_case};
use ::segment::recipe::inference::Mode;
use ::segment::report::{Stage, StageTime};
use kernels::Cpu;
use serde::Serialize;

use super::{Spread, peak_rss_mib, seconds};
use crate::Outcome;
use crate::args::BenchCase;
use crate::commands::{model, segment};
use crate::interrupt::Interrupt;
use crate::show::{self, Show, table};

/// The stages of a case in their order.
const STAGES: [Stage; 5] = [Stage::Read, Stage::Prepare, Stage::Network, Stage::Decode, Stage::Write];

/// What was measured; one object of JSON.
#[derive(Debug, Serialize)]
struct Measured {
    name: &'static str,
    case: String,
    model: String,
    isa: &'static str,
    precision: &'static str,
    threads: usize,
    runs: usize,
    /// From the first byte read to the last file in its place; opening the model does not count.
    seconds: Spread,
    stages: Vec<StageSpread>,
    inference: Option<Pass>,
    peak_rss_mib: Option<f64>,
}

#[derive(Debug, Serialize)]
struct StageSpread {
    stage: Stage,
    seconds: Spread,
}

pub(super) fn run(cpu: Cpu, args: &BenchCase, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let model = model::open(&args.model)?;
    let found = find_one(&args.case)?;
    let out = tempfile::tempdir()?;
    let choice = segment::choice(cpu, args.precision, &model.model)?;
    let delivery = Delivery {
        model: &model,
        inference: &model.card.recipe.inference,
        choice: &choice,
        scheme: model.card.label_scheme,
        out: out.path(),
    };
    let bar = show.bar(u64::from(args.runs) + 1, "{spinner} {pos}/{len} runs {wide_bar}")?;
    let (mut totals, mut stages, mut inference) = (Vec::new(), Vec::new(), None);
    // The first run does not count: files come into the system's memory, pages are touched for the first time.
    for run in 0..=args.runs {
        let Some(once) = once(cpu, &found, &delivery, interrupt)? else { break };
        if run > 0 {
            totals.push(once.seconds);
            stages.push(once.stages);
        }
        inference = Some(once.pass);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let stopped = if interrupt.is_asked() { Outcome::Stopped } else { Outcome::Done };
    let runs = totals.len();
    let Some(seconds) = Spread::of(totals) else { return Ok(stopped) };
    let measured = Measured {
        name: "case",
        case: found.name,
        model: model.card.name.clone(),
        isa: cpu.name().as_str(),
        precision: choice.precision.as_str(),
        threads: rayon::current_num_threads(),
        runs,
        seconds,
        stages: STAGES.iter().filter_map(|&stage| spread(stage, &stages)).collect(),
        inference,
        peak_rss_mib: peak_rss_mib(),
    };
    tell(&measured, show)?;
    Ok(stopped)
}

/// One run.
struct Once {
    seconds: f64,
    stages: Vec<StageTime>,
    pass: Pass,
}

/// The whole way of a case; none if it was stopped.
fn once(cpu: Cpu, found: &FoundCase, delivery: &Delivery<'_>, interrupt: &Interrupt) -> anyhow::Result<Option<Once>> {
    let mut delivered = None;
    let seconds = seconds(|| delivered = Some(segment_case(cpu, found, delivery, &mut |_, _| interrupt.flow())));
    match delivered {
        None | Some(Err(DeliverError::Stopped)) => Ok(None),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(of)) => Ok(Some(Once { seconds, stages: of.report.seconds, pass: of.inference })),
    }
}

/// A stage over the runs; a stage that is timed in parts counts once, as their sum.
fn spread(stage: Stage, runs: &[Vec<StageTime>]) -> Option<StageSpread> {
    let of_run =
        |times: &Vec<StageTime>| times.iter().filter(|time| time.stage == stage).map(|time| time.seconds).sum();
    Some(StageSpread { stage, seconds: Spread::of(runs.iter().map(of_run).collect())? })
}

fn tell(measured: &Measured, show: Show) -> anyhow::Result<()> {
    if show.is_json() {
        return show::result(&serde_json::to_string(measured)?);
    }
    let row = |name: &str, spread: Spread| {
        vec![
            name.to_owned(),
            format!("{:.3}", spread.median),
            format!("{:.3}", spread.min),
            format!("{:.3}", spread.max),
        ]
    };
    let mut rows: Vec<Vec<String>> = measured.stages.iter().map(|of| row(said(of.stage), of.seconds)).collect();
    rows.push(row("all", measured.seconds));
    let pass = match &measured.inference {
        Some(Pass { mode: Mode::Whole, .. }) => "in one pass",
        _ => "in tiles",
    };
    show::result(&format!(
        "{}, {}, {pass}, {}{}, {}, {} threads, {} runs\n\n{}\n\nPeak memory: {:.0} MiB.",
        measured.case,
        measured.model,
        measured.precision,
        measured.inference.as_ref().map(|of| format!(" ({})", of.chosen)).unwrap_or_default(),
        measured.isa,
        measured.threads,
        measured.runs,
        table(&["stage", "seconds", "least", "most"], 1, rows),
        measured.peak_rss_mib.unwrap_or(f64::NAN),
    ))
}

fn said(stage: Stage) -> &'static str {
    match stage {
        Stage::Read => "read",
        Stage::Prepare => "prepare",
        Stage::Network => "network",
        Stage::Decode => "restore",
        Stage::Write => "write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_stage_are_added() {
        let time = |stage, seconds| StageTime { stage, seconds };
        let runs = [vec![time(Stage::Write, 1.0), time(Stage::Read, 5.0), time(Stage::Write, 2.0)]];
        assert!((spread(Stage::Write, &runs).unwrap().seconds.median - 3.0).abs() < 1e-12);
    }
}

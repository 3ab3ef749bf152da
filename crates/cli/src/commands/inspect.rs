//! `glioscope inspect`: what lies in a data set.

use std::path::{Path, PathBuf};

use anyhow::Context;
use segment::dataset::{FoundCase, find};
use segment::error::SegmentError;
use segment::inspect::{CaseSummary, inspect_case};
use segment::labels::LabelScheme;
use segment::picture::{Subject, inspection};
use segment::staging::{OutputError, Staging};
use segment::study::{Sequence, Study, grid_difference, in_order_of};
use volume::{Limits, write_atomically};

use crate::Outcome;
use crate::args;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, Usage, ml, table};

pub(crate) fn run(args: &args::Inspect, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let found = find(&args.paths)?;
    if found.is_empty() {
        return Err(SegmentError::NoCase { path: args.paths[0].clone() }.into());
    }
    if let (Some(_), true) = (&args.picture, found.len() > 1) {
        let usage = format!("--picture draws one case, and there are {}; give a folder to --out", found.len());
        return Err(Usage(usage).into());
    }
    let staging = args.out.as_deref().map(Staging::begin).transpose()?;
    let scheme = args.scheme.map(LabelScheme::from);
    let bar = show.bar(found.len() as u64, "{spinner} {pos}/{len} {msg} {wide_bar} {eta}")?;
    show.note(format_args!("looking at {} cases", found.len()));
    let mut summaries = Vec::new();
    for case in &found {
        if interrupt.is_asked() {
            bar.finish_and_clear();
            show.note("stopped; nothing was written");
            return Ok(Outcome::Stopped);
        }
        bar.set_message(case.name.clone());
        let summary = inspect_case(case, scheme, &Limits::default());
        let drawn = match (&args.picture, &staging) {
            (Some(file), _) => Some(file.clone()),
            (None, Some(staging)) => Some(staging.folder().join(format!("{}.png", case.name))),
            (None, None) => None,
        };
        if let Some(file) = drawn.filter(|_| summary.is_usable) {
            draw(case, &summary, scheme, &file, args.out.as_deref())?;
        }
        summaries.push(summary);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(staging) = staging {
        staging.commit()?;
    }
    tell(&summaries, args, show)?;
    Ok(Outcome::Done)
}

/// Draws a case into a file; faults of the file are told of the folder `out` if the file lies hidden for it.
fn draw(
    case: &FoundCase,
    summary: &CaseSummary,
    scheme: Option<LabelScheme>,
    file: &Path,
    out: Option<&Path>,
) -> anyhow::Result<()> {
    let limits = Limits::default();
    let study = Study::read(case, &limits)?;
    let has_mask = summary.mask.as_ref().is_some_and(|mask| !mask.regions.is_empty());
    let labels = if has_mask { case.read_labels(scheme, &limits).ok() } else { None };
    let labels = labels.map(|labels| in_order_of(labels, study.grid()));
    let labels = labels.filter(|labels| grid_difference(study.grid(), labels.grid()).is_none());
    let scans = study.scans().each_ref().map(Some);
    let picture = inspection(&Subject { name: study.name(), scans, labels: labels.as_ref() })
        .with_context(|| format!("{}: the picture cannot be made", case.name))?;
    let told = out.or(file.parent()).unwrap_or(file);
    write_atomically(file, |to| to.write_all(&picture)).map_err(|error| OutputError::of(told, error))?;
    Ok(())
}

fn tell(summaries: &[CaseSummary], args: &args::Inspect, show: Show) -> anyhow::Result<()> {
    if show.is_json() {
        return show::json(&summaries);
    }
    let head = ["case", "T1n", "T1c", "T2w", "T2f", "voxels", "mm", "stored", "mask", "WT ml", "usable"];
    show::result(&table(&head, head.len(), summaries.iter().map(row).collect()))?;
    for summary in summaries {
        for problem in &summary.problems {
            show::result(&format!("{}: {problem}", summary.name))?;
        }
        for oddity in oddities(summary) {
            show::result(&format!("{}: {oddity}", summary.name))?;
        }
    }
    let usable = summaries.iter().filter(|summary| summary.is_usable).count();
    show::result(&format!("{usable} of {} cases can be segmented.", summaries.len()))?;
    let drawn = |summary: &&CaseSummary| summary.is_usable;
    let picture = |summary: &CaseSummary| -> Option<PathBuf> {
        let folder = args.out.as_ref()?;
        Some(folder.join(format!("{}.png", summary.name)))
    };
    for summary in summaries.iter().filter(drawn) {
        if let Some(file) = args.picture.clone().or_else(|| picture(summary)) {
            show::result(&file.display().to_string())?;
        }
    }
    show::notice()
}

fn oddities(summary: &CaseSummary) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for scan in &summary.scans {
        for oddity in scan.content.iter().flat_map(|content| &content.oddities) {
            said.push(format!("{}: {oddity}", scan.sequence));
        }
    }
    said
}

fn row(summary: &CaseSummary) -> Vec<String> {
    let state = |sequence: Sequence| {
        let scan = summary.scans.iter().find(|scan| scan.sequence == sequence);
        match scan.map(|scan| scan.content.is_some()) {
            Some(true) => "yes",
            Some(false) => "faulty",
            None => "no",
        }
    };
    let mut row = vec![summary.name.clone()];
    row.extend(Sequence::ALL.map(|sequence| state(sequence).to_owned()));
    let content = summary.scans.iter().find_map(|scan| scan.content.as_ref());
    let shape = content.map(|c| c.shape.map(|n| n.to_string()).join(" x "));
    let spacing = content.map(|c| c.spacing_mm.map(|mm| format!("{mm:.2}")).join(" x "));
    let stored = content.map(|c| format!("{} {}", c.orientation, c.datatype));
    let mask = summary.mask.as_ref().map(|m| m.scheme.map_or("unknown scheme".to_owned(), |s| s.to_string()));
    let tumour = summary.mask.as_ref().and_then(|m| m.regions.first()).map(|wt| ml(wt.ml));
    row.extend([shape, spacing, stored, mask, tumour].map(|cell| cell.unwrap_or_else(|| "-".to_owned())));
    row.push(if summary.is_usable { "yes" } else { "no" }.to_owned());
    row
}

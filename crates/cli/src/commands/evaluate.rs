//! `glioscope evaluate`: predicted masks against those of experts.

use std::path::Path;
use std::sync::Once;

use metrics::{Measure, Score};
use segment::evaluate::{CASES, EvaluateError, Evaluation, METRICS, PAGE, Schemes, TABLE, evaluate};
use segment::staging::Staging;

use crate::Outcome;
use crate::args;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, ml, number, table};

/// So many masks without a reference are named one by one.
const NAMED: usize = 5;

pub(crate) fn run(args: &args::Evaluate, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let staging = Staging::begin(&args.out)?;
    let schemes = Schemes { reference: args.scheme.map(Into::into), predicted: args.pred_scheme.map(Into::into) };
    let bar = show.bar(1, "{spinner} {pos}/{len} cases {wide_bar} {eta}")?;
    let first = Once::new();
    let evaluation = evaluate(&args.reference, &args.pred, schemes, &|done, all| {
        first.call_once(|| show.note(format_args!("comparing {all} cases")));
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        interrupt.flow()
    });
    bar.finish_and_clear();
    let evaluation = match evaluation {
        Err(EvaluateError::Stopped) => {
            show.note("stopped; nothing was written");
            return Ok(Outcome::Stopped);
        }
        evaluation => evaluation?,
    };
    evaluation.write(staging)?;
    tell(&evaluation, &args.out, show)?;
    let is_whole = evaluation.faults.is_empty() && evaluation.unread.is_empty();
    Ok(if is_whole { Outcome::Done } else { Outcome::Partly })
}

fn tell(evaluation: &Evaluation, out: &Path, show: Show) -> anyhow::Result<()> {
    for mask in evaluation.unmatched.iter().take(NAMED) {
        show.warn(format_args!("{}: no reference case has this name; it was not used", mask.display()));
    }
    if evaluation.unmatched.len() > NAMED {
        show.warn(format_args!("and {} more masks without a reference", evaluation.unmatched.len() - NAMED));
    }
    if show.is_json() {
        show::json(evaluation)?;
    } else {
        show::result(&described(evaluation))?;
        let files = [METRICS, CASES, TABLE, PAGE].map(|file| out.join(file).display().to_string());
        show::result(&format!("\n{}", files.join("\n")))?;
        show::notice()?;
    }
    // Last, so that they stand at the end of what a person reads; not a warning: they make the exit code 1.
    for fault in &evaluation.faults {
        show::fault(format_args!("{}: {}", fault.case, fault.sentence));
    }
    for unread in &evaluation.unread {
        show::fault(unread);
    }
    Ok(())
}

fn described(evaluation: &Evaluation) -> String {
    let n = evaluation.cases.len();
    format!(
        "{}\n\n{}\n\n{}\n\n{n} of {} cases scored. * A mask was empty: as in BraTS 2020, Dice and sensitivity are 1 where \
         both were and else 0, HD95 is 0 or {:.4} mm. HD95 is that of surface-distance.",
        cases(evaluation),
        means(evaluation),
        report(evaluation),
        n + evaluation.faults.len(),
        evaluation.convention.hd95_penalty(),
    )
}

fn cases(evaluation: &Evaluation) -> String {
    let mut rows = Vec::new();
    for case in &evaluation.cases {
        for of in &case.regions {
            let s = &of.scores;
            let score = |measure, score: Score, decimals| {
                let star = if score.value().is_none() { "*" } else { "" };
                number(Some(evaluation.convention.number(measure, score)), decimals) + star
            };
            rows.push(vec![
                case.case.clone(),
                of.region.to_string(),
                score(Measure::Dice, s.dice, 3),
                score(Measure::Hd95SurfaceDistance, s.hd95, 1),
                score(Measure::Sensitivity, s.sensitivity, 3),
                score(Measure::Specificity, s.specificity, 4),
                ml(s.reference_ml.0),
                ml(s.predicted_ml.0),
                ml(s.volume_error.0),
            ]);
        }
    }
    let head = ["case", "region", "Dice", "HD95 mm", "sensitivity", "specificity", "ml", "found ml", "error ml"];
    table(&head, 2, rows)
}

fn means(evaluation: &Evaluation) -> String {
    let rows = evaluation.means.iter().map(|of| {
        let all = |measure, decimals| number(of.of(measure).and_then(|mean| mean.all), decimals);
        let without = |measure, decimals| {
            let mean = of.of(measure);
            let n = mean.map_or(0, |mean| mean.n_without_empty);
            format!("{} (n {n})", number(mean.and_then(|mean| mean.without_empty), decimals))
        };
        vec![
            of.region.to_string(),
            all(Measure::Dice, 4),
            without(Measure::Dice, 4),
            all(Measure::Hd95SurfaceDistance, 2),
            without(Measure::Hd95SurfaceDistance, 2),
            all(Measure::Sensitivity, 4),
            all(Measure::Specificity, 5),
            number(of.volume_error_ml, 2),
            number(of.absolute_volume_error_ml, 2),
        ]
    });
    let measures = ["Dice", "without *", "HD95 mm", "without *", "sensitivity", "specificity", "error ml", "its size"];
    table(&[&["mean"], measures.as_slice()].concat(), 1, rows.collect())
}

fn report(evaluation: &Evaluation) -> String {
    let rows = evaluation.report_table.iter().map(|row| {
        vec![
            row.measure.to_owned(),
            number(row.mean, 4),
            format!("{} (n {})", number(row.without_empty, 4), row.n_without_empty),
            number(row.pooled, 4),
        ]
    });
    table(&["report's table", "mean", "without *", "all voxels"], 1, rows.collect())
}

//! `glioscope evaluate`: predicted masks against those of experts.

use std::path::Path;

use metrics::{Convention, Measure};
use segment::evaluate::{CASES, EvaluateError, Evaluation, METRICS, Schemes, TABLE, evaluate};
use segment::staging::Staging;

use crate::Outcome;
use crate::args;
use crate::interrupt::Interrupt;
use crate::show::{Show, ml, number, table};

/// So many masks without a reference are named one by one.
const NAMED: usize = 5;

pub(crate) fn run(args: &args::Evaluate, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let staging = Staging::begin(&args.out)?;
    let schemes = Schemes { reference: args.scheme.map(Into::into), predicted: args.pred_scheme.map(Into::into) };
    let bar = show.bar(1, "{spinner} {pos}/{len} cases {wide_bar} {eta}")?;
    let evaluation = evaluate(&args.reference, &args.pred, schemes, &|done, all| {
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
    Ok(if evaluation.faults.is_empty() { Outcome::Done } else { Outcome::Partly })
}

fn tell(evaluation: &Evaluation, out: &Path, show: Show) -> anyhow::Result<()> {
    for mask in evaluation.unmatched.iter().take(NAMED) {
        show.warn(format_args!("{}: no reference case has this name; it was not used", mask.display()));
    }
    if evaluation.unmatched.len() > NAMED {
        show.warn(format_args!("and {} more masks without a reference", evaluation.unmatched.len() - NAMED));
    }
    if show.is_json() {
        show.json(evaluation)?;
    } else {
        show.result(&described(evaluation))?;
        let files = [METRICS, CASES, TABLE].map(|file| out.join(file).display().to_string());
        show.result(&format!("\n{}", files.join("\n")))?;
        show.notice()?;
    }
    // Last, so that they stand at the end of what a person reads; not a warning: they make the exit code 1.
    for fault in &evaluation.faults {
        show.fault(format_args!("{}: {}", fault.case, fault.sentence));
    }
    Ok(())
}

fn described(evaluation: &Evaluation) -> String {
    let convention = Convention::Brats2020;
    let mut rows = Vec::new();
    for case in &evaluation.cases {
        for of in &case.regions {
            let s = &of.scores;
            let score = |measure, score, decimals| number(Some(convention.number(measure, score)), decimals);
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
    let cases = table(&head, 2, rows);
    let means = evaluation.means.iter().map(|of| {
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
    let head = [
        "mean",
        "Dice",
        "without empty",
        "HD95 mm",
        "without empty",
        "sensitivity",
        "specificity",
        "error ml",
        "size of error ml",
    ];
    let means = table(&head, 1, means.collect());
    let report = evaluation.report_table.iter().map(|row| {
        let without = number(row.without_empty, 4);
        vec![
            row.measure.to_owned(),
            number(row.mean, 4),
            without,
            row.n_without_empty.to_string(),
            number(row.pooled, 4),
        ]
    });
    let report = table(&["report's table", "mean", "without empty", "n", "all voxels"], 1, report.collect());
    let n = evaluation.cases.len();
    format!(
        "{cases}\n\n{means}\n\n{report}\n\n{n} of {} cases scored. Empty masks count as in BraTS 2020: Dice 1 or 0, HD95 0 or \
         {:.4} mm. HD95 is that of surface-distance.",
        n + evaluation.faults.len(),
        convention.hd95_penalty(),
    )
}

//! An evaluation as one page of HTML: without scripts, and without anything from elsewhere.

use std::fmt::Write as _;

use metrics::{Measure, Score};

use super::{Evaluation, OfRegion};
use crate::labels::Region;

/// The width of the picture, in its own units.
const WIDTH: f64 = 640.0;
/// Where its scale begins and how long it is.
const SCALE: (f64, f64) = (50.0, 560.0);
/// The height of a region's strip.
const STRIP: f64 = 34.0;

const STYLE: &str = "\
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
th:first-child, td:first-child, td.word { text-align: left; }
.notice { border-left: .25rem solid #c60; padding-left: .7rem; }
svg { max-width: 100%; height: auto; }
svg text { fill: currentColor; font-size: 12px; }
svg circle { fill: #36c; fill-opacity: .55; stroke: #36c; }
svg line { stroke: currentColor; stroke-opacity: .3; }
svg .mean { stroke: #c60; stroke-opacity: 1; stroke-width: 2; }
";

impl Evaluation {
    /// The page. Whatever a case is called, it is text in it.
    pub(super) fn page(&self) -> String {
        let n = self.cases.len();
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Evaluation</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Evaluation</h1>\n\
             <p class=\"notice\">{}</p>\n<p>{n} of {} cases scored.</p>\n",
            escaped(self.notice),
            n + self.faults.len(),
        );
        self.faults_to(&mut page);
        self.means_to(&mut page);
        self.picture_to(&mut page);
        self.cases_to(&mut page);
        self.report_table_to(&mut page);
        let unmatched = self.unmatched.iter().map(|mask| mask.display().to_string()).collect::<Vec<_>>();
        list_to(&mut page, "Masks without a reference", &unmatched);
        list_to(&mut page, "Not read", &self.unread);
        let _ = write!(
            page,
            "<p>* A mask was empty: as in BraTS 2020, Dice and sensitivity are 1 where both were and else 0, HD95 is 0 or {:.4} mm; \
             the means without such cases stand beside those with them. HD95: {}.</p>\n</body>\n</html>\n",
            self.convention.hd95_penalty(),
            escaped(self.hd95),
        );
        page
    }

    fn faults_to(&self, page: &mut String) {
        let faults = self.faults.iter().map(|fault| format!("{}: {}", fault.case, fault.sentence)).collect::<Vec<_>>();
        list_to(page, "Cases without scores", &faults);
    }

    fn means_to(&self, page: &mut String) {
        let head = [
            "",
            "Dice",
            "without *",
            "HD95, mm",
            "without *",
            "sensitivity",
            "specificity",
            "error, ml",
            "its size, ml",
        ];
        let rows = self.means.iter().map(|of| {
            let all = |measure, decimals| number(of.of(measure).and_then(|mean| mean.all), decimals);
            let without = |measure, decimals| {
                let mean = of.of(measure);
                let n = mean.map_or(0, |mean| mean.n_without_empty);
                format!("{} ({n})", number(mean.and_then(|mean| mean.without_empty), decimals))
            };
            vec![
                of.region.to_string(),
                all(Measure::Dice, 3),
                without(Measure::Dice, 3),
                all(Measure::Hd95SurfaceDistance, 1),
                without(Measure::Hd95SurfaceDistance, 1),
                all(Measure::Sensitivity, 3),
                all(Measure::Specificity, 4),
                number(of.volume_error_ml, 2),
                number(of.absolute_volume_error_ml, 2),
            ]
        });
        table_to(page, "Means", &head, rows);
    }

    /// A strip for each region, a point for each case, a line at the mean.
    fn picture_to(&self, page: &mut String) {
        let height = STRIP * Region::ALL.len() as f64 + 24.0;
        let at = |dice: f64| SCALE.0 + SCALE.1 * dice;
        let _ = write!(
            page,
            "<h2>Dice of each case</h2>\n<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
             aria-label=\"Dice of each case by region; the numbers are in the table below\">\n",
        );
        for tenth in 0..=10_u8 {
            let (x, dice) = (at(f64::from(tenth) / 10.0), f64::from(tenth) / 10.0);
            let _ = writeln!(page, "<line x1=\"{x}\" x2=\"{x}\" y1=\"4\" y2=\"{}\"/>", height - 20.0);
            let _ = writeln!(page, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{dice:.1}</text>", height - 4.0);
        }
        for (n, region) in Region::ALL.into_iter().enumerate() {
            let y = STRIP * (n as f64 + 0.5) + 4.0;
            let _ = writeln!(page, "<text x=\"4\" y=\"{}\">{region}</text>", y + 4.0);
            for case in &self.cases {
                for of in case.regions.iter().filter(|of| of.region == region) {
                    let dice = self.convention.number(Measure::Dice, of.scores.dice);
                    let name = escaped(&case.case);
                    let _ = writeln!(
                        page,
                        "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"6\"><title>{name}: {dice:.3}</title></circle>",
                        at(dice)
                    );
                }
            }
            let mean = self.means.iter().find(|of| of.region == region).and_then(|of| of.of(Measure::Dice)?.all);
            if let Some(x) = mean.map(at) {
                let _ = writeln!(
                    page,
                    "<line class=\"mean\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>",
                    y - 12.0,
                    y + 12.0
                );
            }
        }
        page.push_str("</svg>\n");
    }

    fn cases_to(&self, page: &mut String) {
        let head = ["case", "region", "Dice", "HD95, mm", "sensitivity", "specificity", "ml", "found, ml", "error, ml"];
        let rows = self.cases.iter().flat_map(|case| case.regions.iter().map(|of| self.case_row(&case.case, of)));
        table_to(page, "Cases", &head, rows);
    }

    fn case_row(&self, case: &str, of: &OfRegion) -> Vec<String> {
        let s = &of.scores;
        let score = |measure, score: Score, decimals| {
            let star = if score.value().is_none() { "*" } else { "" };
            number(Some(self.convention.number(measure, score)), decimals) + star
        };
        vec![
            case.to_owned(),
            of.region.to_string(),
            score(Measure::Dice, s.dice, 3),
            score(Measure::Hd95SurfaceDistance, s.hd95, 1),
            score(Measure::Sensitivity, s.sensitivity, 3),
            score(Measure::Specificity, s.specificity, 4),
            number(Some(s.reference_ml.0), 2),
            number(Some(s.predicted_ml.0), 2),
            number(Some(s.volume_error.0), 2),
        ]
    }

    fn report_table_to(&self, page: &mut String) {
        let rows = self.report_table.iter().map(|row| {
            let without = format!("{} ({})", number(row.without_empty, 4), row.n_without_empty);
            vec![row.measure.to_owned(), number(row.mean, 4), without, number(row.pooled, 4)]
        });
        table_to(page, "Over four classes", &["", "mean over cases", "without *", "all voxels"], rows);
    }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn table_to(page: &mut String, title: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = write!(page, "<h2>{title}</h2>\n<table>\n<tr>");
    for cell in head {
        let _ = write!(page, "<th>{cell}</th>");
    }
    page.push_str("</tr>\n");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escaped(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

/// Nothing for an empty list.
fn list_to(page: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = write!(page, "<h2>{title}</h2>\n<ul>\n");
    for item in items {
        let _ = writeln!(page, "<li>{}</li>", escaped(item));
    }
    page.push_str("</ul>\n");
}

/// Text, whatever is in it.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_browser_would_run_is_text() {
        assert_eq!(escaped("<script>'\"&</script>"), "&lt;script&gt;&#39;&quot;&amp;&lt;/script&gt;");
        assert_eq!(escaped("뇌 3 mm"), "뇌 3 mm");
    }
}

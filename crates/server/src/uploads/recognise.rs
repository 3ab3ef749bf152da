//! Which sequence a scan is when its name does not say it: a guess from the brightness of its tissues.
//!
//! In T2 water is by far the brightest; contrast medium gives T1 a few very bright voxels; T1 with and without it look
//! alike, FLAIR looks more like T2. Tried on the four real cases of the test set: sixteen of sixteen scans; on phantoms T1
//! and T1ce are mistaken for each other where nothing enhances. A person confirms it all the same.

use segment::study::Sequence;

use super::look::Look;

/// The sequences of scans without one, in the order of `unknown`. `known` are the others of the same study.
///
/// Nothing is guessed unless exactly as many are unknown as are missing.
pub(crate) fn guess(known: &[(Sequence, &Look)], unknown: &[&Look]) -> Vec<Option<Sequence>> {
    let mut missing: Vec<Sequence> =
        Sequence::ALL.into_iter().filter(|sequence| known.iter().all(|(other, _)| other != sequence)).collect();
    let mut guesses = vec![None; unknown.len()];
    if unknown.len() != missing.len() {
        return guesses;
    }
    let mut placed: Vec<(Sequence, &Look)> = known.to_vec();
    for sequence in [Sequence::T2w, Sequence::T2f, Sequence::T1c, Sequence::T1n] {
        if !missing.contains(&sequence) {
            continue;
        }
        let open: Vec<usize> = (0..unknown.len()).filter(|&n| guesses[n].is_none()).collect();
        let likeness = |n: usize| {
            let rest: Vec<&Look> = open.iter().filter(|&&other| other != n).map(|&other| unknown[other]).collect();
            likeness(sequence, unknown[n], &placed, &rest)
        };
        let scores: Vec<(usize, f64)> = open.iter().map(|&n| (n, likeness(n))).collect();
        let Some(&(best, _)) = scores.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        guesses[best] = Some(sequence);
        placed.push((sequence, unknown[best]));
        missing.retain(|&other| other != sequence);
    }
    guesses
}

/// How much a scan is like a sequence; `placed` are the other scans of the study that are known, `rest` those that are not.
fn likeness(sequence: Sequence, look: &Look, placed: &[(Sequence, &Look)], rest: &[&Look]) -> f64 {
    let [median, bright, brightest] = look.levels.map(|level| f64::from(level).max(f64::MIN_POSITIVE));
    let known = |wanted: Sequence| placed.iter().find(|(placed, _)| *placed == wanted).map(|(_, look)| *look);
    match sequence {
        Sequence::T2w => bright / median,
        Sequence::T2f => {
            // The best FLAIR is the one that leaves two T1 that look alike, and looks like T2 itself.
            let mut t1: Vec<&Look> = [Sequence::T1n, Sequence::T1c].into_iter().filter_map(known).collect();
            t1.extend(rest);
            let pair = if let [a, b] = t1[..] { correlation(a, b) } else { 0.0 };
            pair + known(Sequence::T2w).map_or(0.0, |t2| correlation(look, t2))
        }
        Sequence::T1c => brightest / bright,
        Sequence::T1n => bright / brightest,
    }
}

/// Pearson's correlation of two sketches where both show something.
fn correlation(a: &Look, b: &Look) -> f64 {
    let pairs: Vec<(f64, f64)> = a.blocks().into_iter().zip(b.blocks()).filter(|&(a, b)| a > 0.0 && b > 0.0).collect();
    let n = pairs.len().max(1) as f64;
    let (mean_a, mean_b) = pairs.iter().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / n, y + b / n));
    let (mut cross, mut var_a, mut var_b) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        cross += (a - mean_a) * (b - mean_b);
        var_a += (a - mean_a).powi(2);
        var_b += (b - mean_b).powi(2);
    }
    if var_a * var_b > 0.0 { cross / (var_a * var_b).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::look::look;
    use super::*;
    use segment::phantom::phantom;
    use std::path::Path;
    use volume::Limits;
    use volume::nifti::{Geometry, write_scan};

    fn check(case: &str, looks: &[Look]) {
        let looks: Vec<&Look> = looks.iter().collect();
        let expected: Vec<Option<Sequence>> = Sequence::ALL.into_iter().map(Some).collect();
        assert_eq!(guess(&[], &looks), expected, "{case}");
        let known: Vec<(Sequence, &Look)> = Sequence::ALL.into_iter().zip(looks.iter().copied()).take(2).collect();
        assert_eq!(guess(&known, &looks[2..]), expected[2..], "{case}: two are known");
        assert_eq!(guess(&known, &looks[2..3]), [None], "{case}: one of two, nobody can know");
    }

    #[test]
    fn phantoms_are_recognised() {
        let mut whole = 0;
        for seed in 0..6 {
            let head = phantom(seed, [64, 64, 48]);
            let folder = tempfile::tempdir().unwrap();
            let looks: Vec<Look> = Sequence::ALL
                .into_iter()
                .map(|sequence| {
                    let path = folder.path().join("scan.nii.gz");
                    let scan = head.scan(sequence).unwrap();
                    write_scan(&path, &scan, &Geometry::from_grid(scan.grid())).unwrap();
                    look("scan", &std::fs::read(&path).unwrap(), &Limits::default()).unwrap()
                })
                .collect();
            let found = guess(&[], &looks.iter().collect::<Vec<_>>());
            let expected = Sequence::ALL.map(Some);
            assert_eq!(found[2..], expected[2..], "{}: T2 and FLAIR", head.name);
            whole += usize::from(found == expected);
        }
        assert!(whole >= 4, "{whole} of 6");
    }

    #[test]
    fn real_scans_are_recognised() {
        let real = std::env::var_os("GLIOSCOPE_REAL")
            .map_or_else(|| Path::new("../../../shared/data").into(), std::path::PathBuf::from);
        let Ok(cases) = segment::dataset::find(&[real.join("brats")]) else {
            println!("SKIPPED: real_scans_are_recognised: no real cases at {}", real.display());
            return;
        };
        for case in cases {
            let looks: Vec<Look> = Sequence::ALL
                .into_iter()
                .map(|sequence| std::fs::read(&case.scan(sequence).unwrap().path).unwrap())
                .map(|bytes| look("scan", &bytes, &Limits::default()).unwrap())
                .collect();
            check(&case.name, &looks);
        }
    }
}

//! Which cases are trained on, which are judged on; never one patient on both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::SegmentError;
use crate::source::read_text;

/// A side of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Trained on.
    Train,
    /// Watched while training.
    Validation,
    /// Looked at once, at the end.
    Test,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// Why a split cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitFault {
    /// A case is named twice.
    #[error("case {case} is named twice, in {first} and in {second}; name it once")]
    NamedTwice {
        /// The case.
        case: String,
        /// Where first.
        first: Side,
        /// Where again.
        second: Side,
    },
    /// One patient on two sides.
    #[error("{first} ({first_side}) and {second} ({second_side}) are of one patient; put both on one side")]
    PatientOnTwoSides {
        /// A case.
        first: String,
        /// Its side.
        first_side: Side,
        /// Another case of the same patient.
        second: String,
        /// Its side.
        second_side: Side,
    },
    /// Too few patients for the wanted parts.
    #[error("{patients} patients cannot be split into {parts} parts; add cases or ask for fewer parts")]
    TooFewPatients {
        /// Patients there are.
        patients: usize,
        /// Parts wanted.
        parts: usize,
    },
    /// A fold that does not exist.
    #[error("fold {fold} of {folds} does not exist; folds are counted from 0, so name a smaller one in the recipe")]
    NoSuchFold {
        /// The fold that was asked for.
        fold: usize,
        /// How many there are.
        folds: usize,
    },
    /// A side that needs cases has none.
    #[error("{0} names no case; name one or more")]
    Empty(Side),
}

/// What a split file is.
const WANTED: &str = "a split such as {\"train\": [\"case1\"], \"validation\": [\"case2\"]}";

/// The cases of each side, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Trained on.
    pub train: Vec<String>,
    /// Watched while training.
    pub validation: Vec<String>,
    /// Looked at once, at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Cases of one patient that their names do not show to be so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_patient: Vec<Vec<String>>,
}

/// The patient in a case's name: BraTS 2023 and later end it with the time point (`BraTS-GLI-00001-000`).
pub fn patient_of(case: &str) -> &str {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match case.rsplit_once('-') {
        Some((patient, time))
            if is_number(time)
                && case.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("brats-"))
                && patient.rsplit_once('-').is_some_and(|(_, number)| is_number(number)) =>
        {
            patient
        }
        _ => case,
    }
}

impl Split {
    /// Reads and checks a split file.
    ///
    /// # Errors
    /// It cannot be read, is not such JSON, or [`Split::check`] refuses it.
    pub fn read(path: &Path) -> Result<Self, SegmentError> {
        let text = read_text(path).map_err(|source| SegmentError::Io { path: path.into(), source })?;
        let split: Self = serde_json::from_slice(&text).map_err(|source| SegmentError::Json {
            path: path.into(),
            wanted: WANTED,
            source,
        })?;
        split.check()?;
        Ok(split)
    }

    /// Refuses a split that would judge on what it trained on.
    ///
    /// # Errors
    /// [`SplitFault::Empty`] without training cases, [`SplitFault::NamedTwice`],
    /// [`SplitFault::PatientOnTwoSides`] (by `same_patient`, or by the time point in the names).
    pub fn check(&self) -> Result<(), SplitFault> {
        if self.train.is_empty() {
            return Err(SplitFault::Empty(Side::Train));
        }
        let mut side_of: BTreeMap<&str, Side> = BTreeMap::new();
        for (side, case) in self.named() {
            if let Some(&first) = side_of.get(case) {
                return Err(SplitFault::NamedTwice { case: case.to_owned(), first, second: side });
            }
            side_of.insert(case, side);
        }
        for patient in patients(side_of.keys().copied(), &self.same_patient) {
            let first = patient[0];
            if let Some(second) = patient.iter().find(|&&case| side_of[case] != side_of[first]) {
                return Err(SplitFault::PatientOnTwoSides {
                    first: first.to_owned(),
                    first_side: side_of[first],
                    second: (*second).to_owned(),
                    second_side: side_of[*second],
                });
            }
        }
        Ok(())
    }

    /// The report's rule: a fifth for validation, then 15 % of the rest for the test; the shares are rounded up.
    ///
    /// 369 cases of 369 patients give 250, 74 and 45. Patients are drawn whole, so that a side may exceed its share
    /// by a patient's other cases.
    ///
    /// # Errors
    /// [`SplitFault::TooFewPatients`] below three.
    pub fn by_report(cases: &[String], same_patient: &[Vec<String>], seed: u64) -> Result<Self, SplitFault> {
        let drawn = shuffled(cases, same_patient, seed);
        if drawn.len() < 3 {
            return Err(SplitFault::TooFewPatients { patients: drawn.len(), parts: 3 });
        }
        let n_cases: usize = drawn.iter().map(Vec::len).sum();
        let n_validation = n_cases.div_ceil(5);
        let mut split = Self { same_patient: same_patient.to_vec(), ..Self::default() };
        let mut drawn = drawn.into_iter().peekable();
        while let Some(patient) = drawn.next_if(|_| split.validation.len() < n_validation) {
            split.validation.extend(patient);
        }
        let n_test = ((n_cases - split.validation.len()) * 15).div_ceil(100);
        while let Some(patient) = drawn.next_if(|_| split.test.len() < n_test) {
            split.test.extend(patient);
        }
        split.train.extend(drawn.flatten());
        split.sorted()
    }

    /// Fold `fold` of `folds`: every `folds`-th patient of a seeded order is validated on, the others trained on.
    ///
    /// # Errors
    /// [`SplitFault::NoSuchFold`], or [`SplitFault::TooFewPatients`] with fewer patients than folds or one fold.
    pub fn fold(
        cases: &[String],
        same_patient: &[Vec<String>],
        seed: u64,
        (fold, folds): (usize, usize),
    ) -> Result<Self, SplitFault> {
        if fold >= folds {
            return Err(SplitFault::NoSuchFold { fold, folds });
        }
        let drawn = shuffled(cases, same_patient, seed);
        if folds < 2 || drawn.len() < folds {
            return Err(SplitFault::TooFewPatients { patients: drawn.len(), parts: folds });
        }
        let mut split = Self { same_patient: same_patient.to_vec(), ..Self::default() };
        for (at, patient) in drawn.into_iter().enumerate() {
            let side = if at % folds == fold { &mut split.validation } else { &mut split.train };
            side.extend(patient);
        }
        split.sorted()
    }

    /// The side of a case.
    pub fn side_of(&self, case: &str) -> Option<Side> {
        self.named().find(|&(_, name)| name == case).map(|(side, _)| side)
    }

    fn named(&self) -> impl Iterator<Item = (Side, &str)> {
        let side = |side: Side, cases| <[String]>::iter(cases).map(move |case| (side, case.as_str()));
        side(Side::Train, &self.train)
            .chain(side(Side::Validation, &self.validation))
            .chain(side(Side::Test, &self.test))
    }

    fn sorted(mut self) -> Result<Self, SplitFault> {
        self.train.sort();
        self.validation.sort();
        self.test.sort();
        self.check()?;
        Ok(self)
    }
}

/// Cases by patient: those whose names share the patient, and those that `same_patient` joins; both sorted.
fn patients<'a>(cases: impl Iterator<Item = &'a str>, same_patient: &'a [Vec<String>]) -> Vec<Vec<&'a str>> {
    let cases: BTreeSet<&str> = cases.collect();
    let by_name = cases.iter().fold(BTreeMap::<&str, BTreeSet<&str>>::new(), |mut sets, case| {
        sets.entry(patient_of(case)).or_default().insert(case);
        sets
    });
    let mut sets: Vec<BTreeSet<&str>> = by_name.into_values().collect();
    for joined in same_patient {
        let joined: BTreeSet<&str> = joined.iter().map(String::as_str).filter(|case| cases.contains(case)).collect();
        let (touched, mut others): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| !set.is_disjoint(&joined));
        let one: BTreeSet<&str> = touched.into_iter().flatten().collect();
        if !one.is_empty() {
            others.push(one);
        }
        sets = others;
    }
    sets.sort();
    sets.into_iter().map(|set| set.into_iter().collect()).collect()
}

/// Patients in a seeded order (Fisher and Yates), which depends on the set of names only and not on their order.
fn shuffled(cases: &[String], same_patient: &[Vec<String>], seed: u64) -> Vec<Vec<String>> {
    let mut drawn = patients(cases.iter().map(String::as_str), same_patient);
    let mut state = seed;
    for last in (1..drawn.len()).rev() {
        let among = last as u64 + 1;
        let pick = usize::try_from(next(&mut state) % among).unwrap_or(last); // bias below 2^-40 for any real set
        drawn.swap(last, pick);
    }
    drawn.into_iter().map(|patient| patient.into_iter().map(str::to_owned).collect()).collect()
}

/// `SplitMix64` (Steele, Lea, Flood 2014): splits must stay the same for ever, so they do not share a generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|i| format!("BraTS20_Training_{i:03}")).collect()
    }

    #[test]
    fn a_time_point_is_not_a_patient() {
        assert_eq!(patient_of("BraTS-GLI-00001-001"), "BraTS-GLI-00001");
        assert_eq!(patient_of("BraTS2021_00002"), "BraTS2021_00002");
        assert_eq!(patient_of("Brats18_2013_21_1"), "Brats18_2013_21_1");
        assert_eq!(patient_of("BraTS-MEN-1"), "BraTS-MEN-1");
        assert_eq!(patient_of("site-7-3"), "site-7-3");
    }

    #[test]
    fn the_report_rule_gives_its_numbers() {
        let split = Split::by_report(&names(1..370), &[], 7).unwrap();
        assert_eq!([split.train.len(), split.validation.len(), split.test.len()], [250, 74, 45]);
        let mut mixed = names(1..370);
        mixed.reverse();
        assert_eq!(Split::by_report(&mixed, &[], 7).unwrap(), split, "the order of the names does not matter");
        assert_ne!(Split::by_report(&mixed, &[], 8).unwrap(), split, "the seed does");
        assert!(Split::by_report(&names(0..2), &[], 7).is_err());
    }

    #[test]
    fn folds_cover_every_case_once() {
        let cases: Vec<String> =
            (0..20).flat_map(|p| (0..2).map(move |t| format!("BraTS-GLI-{p:05}-{t:03}"))).collect();
        let joined = vec![vec!["BraTS-GLI-00003-000".to_owned(), "BraTS-GLI-00011-001".to_owned()]];
        let mut seen = Vec::new();
        for fold in 0..5 {
            let split = Split::fold(&cases, &joined, 1, (fold, 5)).unwrap();
            assert_eq!(split.train.len() + split.validation.len(), cases.len());
            assert_eq!(split.side_of("BraTS-GLI-00003-001"), split.side_of("BraTS-GLI-00011-000"));
            seen.extend(split.validation);
        }
        seen.sort();
        assert_eq!(seen, cases);
        assert!(Split::fold(&cases, &joined, 1, (5, 5)).is_err());
        assert!(Split::fold(&cases, &joined, 1, (0, 21)).is_err());
    }

    #[test]
    fn one_patient_on_two_sides_is_refused() {
        let split = |train: &[&str], validation: &[&str], pairs: &[[&str; 2]]| Split {
            train: train.iter().map(ToString::to_string).collect(),
            validation: validation.iter().map(ToString::to_string).collect(),
            same_patient: pairs.iter().map(|pair| pair.iter().map(ToString::to_string).collect()).collect(),
            test: vec![],
        };
        assert_eq!(split(&["a", "b"], &["c"], &[["a", "b"]]).check(), Ok(()));
        assert!(matches!(split(&["a"], &["b"], &[["a", "b"]]).check(), Err(SplitFault::PatientOnTwoSides { .. })));
        assert!(matches!(split(&["a"], &["a"], &[]).check(), Err(SplitFault::NamedTwice { .. })));
        let times = split(&["BraTS-GLI-00001-000"], &["BraTS-GLI-00001-001"], &[]);
        assert!(matches!(times.check(), Err(SplitFault::PatientOnTwoSides { .. })));
        assert_eq!(split(&[], &["a"], &[]).check(), Err(SplitFault::Empty(Side::Train)));
    }
}

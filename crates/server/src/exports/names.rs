//! Names of exported files, as BIDS derivatives have them (bids-specification 1.10, "Derivatives"): no name of a person.

use crate::entity::series::Sequence;
use crate::entity::study;

/// What the files of a study are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// Such as `P0001`: BIDS allows letters and digits only.
    subject: String,
    /// Such as `20260131`, else the age of the study in this database.
    session: String,
}

impl Names {
    /// Of a study of a patient. Studies without a date are told apart by their ids.
    pub(crate) fn of(pseudonym: &str, study: &study::Model) -> Self {
        let kept = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let id = kept(&study.id.to_string());
        let session = study.date.as_deref().map_or_else(|| id[id.len().saturating_sub(8)..].to_owned(), kept);
        Self { subject: kept(pseudonym), session }
    }

    /// What all names begin with.
    fn stem(&self) -> String {
        format!("sub-{}_ses-{}", self.subject, self.session)
    }

    /// The folder of the images.
    pub(crate) fn folder(&self) -> String {
        format!("sub-{}/ses-{}/anat", self.subject, self.session)
    }

    /// A scan.
    pub(crate) fn scan(&self, sequence: Sequence) -> String {
        let suffix = match sequence {
            Sequence::T1n => "T1w",
            Sequence::T1c => "ce-gadolinium_T1w",
            Sequence::T2w => "T2w",
            Sequence::T2f => "FLAIR",
        };
        format!("{}_{suffix}.nii.gz", self.stem())
    }

    /// A mask.
    pub(crate) fn mask(&self) -> String {
        format!("{}_desc-tumour_dseg.nii.gz", self.stem())
    }

    /// What belongs to a mask: an ending such as `dseg.tsv`, `measurements.json`.
    pub(crate) fn of_mask(&self, ending: &str) -> String {
        format!("{}_desc-tumour_{ending}", self.stem())
    }

    /// The archive.
    pub(crate) fn archive(&self) -> String {
        format!("{}.zip", self.stem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{PatientId, StudyId};

    #[test]
    fn names_hold_letters_digits_and_nothing_of_a_person() {
        let mut study = study::Model {
            id: StudyId::fresh(),
            patient_id: PatientId::fresh(),
            date: Some("2026-01-31".to_owned()),
            notes: "Kim".to_owned(),
            state: study::State::Ready,
            created_at: 0,
            created_by: None,
            removed_at: None,
            shape: None,
            spacing: None,
            last_number: 0,
        };
        let names = Names::of("P-0001", &study);
        assert_eq!(names.scan(Sequence::T1c), "sub-P0001_ses-20260131_ce-gadolinium_T1w.nii.gz");
        assert_eq!(names.folder(), "sub-P0001/ses-20260131/anat");
        assert_eq!(names.mask(), "sub-P0001_ses-20260131_desc-tumour_dseg.nii.gz");
        study.date = None;
        assert!(Names::of("P-0001", &study).archive().len() == "sub-P0001_ses-12345678.zip".len());
    }
}

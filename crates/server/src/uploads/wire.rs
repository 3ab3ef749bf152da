//! Uploads as the page sees them.

use segment::labels::LabelScheme;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fault::Flaw;
use crate::entity::series::Sequence;
use crate::entity::upload_file::{Content, State};
use crate::fields::Fields;
use crate::ids::{JobId, PatientId, StudyId, UploadFileId, UploadId};

/// The label schemes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// BraTS up to 2022: 1 necrotic core, 2 oedema, 4 enhancing tumour.
    Brats2020,
    /// BraTS 2023 and later: 1 necrotic core, 2 oedema, 3 enhancing tumour.
    Brats2023,
    /// Medical Segmentation Decathlon: 1 oedema, 2 core, 3 enhancing tumour.
    Msd,
}

impl From<Scheme> for LabelScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Brats2020 => Self::Brats2020,
            Scheme::Brats2023 => Self::Brats2023,
            Scheme::Msd => Self::Msd,
        }
    }
}

impl From<LabelScheme> for Scheme {
    fn from(scheme: LabelScheme) -> Self {
        match scheme {
            LabelScheme::Brats2020 => Self::Brats2020,
            LabelScheme::Brats2023 => Self::Brats2023,
            LabelScheme::Msd => Self::Msd,
        }
    }
}

/// Files on their way to becoming studies.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// The studies that its files will become.
    pub groups: Vec<UploadGroup>,
}

/// Files that will become one study.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UploadGroup {
    /// Names the group in this upload.
    pub key: String,
    /// What the files' names call it; may be empty.
    pub title: String,
    /// Its files.
    pub files: Vec<UploadFile>,
    /// Sequences without a file. A study may lack some and be completed later.
    pub missing: Vec<Sequence>,
    /// Everything that keeps it from becoming a study.
    pub problems: Vec<UploadProblem>,
    /// Whether it can become a study as it is.
    pub ready: bool,
}

/// A file that was sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UploadFile {
    /// Its id.
    pub id: UploadFileId,
    /// What its sender called it, with folders; forgotten when the upload becomes studies.
    pub name: String,
    /// How large it is.
    pub bytes: i64,
    /// How far it is.
    pub state: State,
    /// What it shows.
    #[schema(required)]
    pub sequence: Option<Content>,
    /// Whether that is a guess from its content: a person should look.
    pub guessed: bool,
    /// What the numbers of a mask mean.
    #[schema(required)]
    pub scheme: Option<Scheme>,
    /// Voxels along x, y, z as stored.
    #[schema(value_type = Option<(usize, usize, usize)>, required)]
    pub shape: Option<[usize; 3]>,
    /// Millimetres along x, y, z as stored.
    #[schema(value_type = Option<(f64, f64, f64)>, required)]
    pub spacing: Option<[f64; 3]>,
    /// Where the stored axes point, such as `LPS`.
    #[schema(required)]
    pub orientation: Option<String>,
    /// What is wrong with it.
    #[schema(required)]
    pub problem: Option<UploadProblem>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UploadProblem {
    /// With which file; none: with the group.
    #[schema(required)]
    pub file_id: Option<UploadFileId>,
    /// A stable name.
    pub code: Flaw,
    /// A sentence that names the file, the fault and the next step.
    pub detail: String,
}

/// The files that a request brought: one, or those of a ZIP; none if the name is one of those that are ignored.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Received {
    /// The files.
    pub files: Vec<UploadFile>,
}

/// A new upload.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Opened {
    /// Its id.
    pub id: UploadId,
}

/// What a person says of a file.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileChange {
    /// What it shows.
    pub sequence: Option<Content>,
    /// What the numbers of a mask mean.
    pub scheme: Option<Scheme>,
    /// The group that it belongs to; a new name makes a new group.
    pub group: Option<String>,
}

/// Which groups become studies, and whose.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The groups; others stay in the upload.
    #[schema(value_type = Vec<CommitGroup>)]
    pub groups: Vec<Fields<CommitGroup>>,
}

/// A group that becomes a study, or completes one.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitGroup {
    /// The group.
    pub key: String,
    /// The patient; none: a new one.
    pub patient_id: Option<PatientId>,
    /// The incomplete study that the files complete; none: a new one.
    pub study_id: Option<StudyId>,
    /// `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Of a new patient; kept apart from the images.
    pub name: Option<String>,
    /// Of a new patient; kept apart from the images.
    pub birth_year: Option<i32>,
    /// Whether it is segmented at once, if nothing is missing.
    pub segment: bool,
}

/// The studies that an upload became.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Committed {
    /// In the order of the groups.
    pub studies: Vec<CommittedStudy>,
}

/// A study that a group became.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CommittedStudy {
    /// The group.
    pub group: String,
    /// The study.
    pub study_id: StudyId,
    /// Its segmentation, if one was asked for and nothing is missing.
    #[schema(required)]
    pub job_id: Option<JobId>,
}

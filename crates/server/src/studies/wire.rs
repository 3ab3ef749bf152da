//! Studies as the page sees them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::entity::series::Sequence;
use crate::entity::study::State;
use crate::ids::{PatientId, SeriesId, StudyId};
use crate::jobs::JobRow;
use crate::segmentations::wire::SegmentationRow;

/// A study in the worklist.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StudyRow {
    /// Its id.
    pub id: StudyId,
    /// Whose.
    pub patient: PatientOfStudy,
    /// `YYYY-MM-DD`, if somebody wrote one.
    #[schema(required)]
    pub date: Option<String>,
    /// Whether it can be segmented.
    pub state: State,
    /// The sequences that are there.
    pub sequences: Vec<Sequence>,
    /// The sequences that are not.
    pub missing: Vec<Sequence>,
    /// The newest mask that nobody rejected; a reference only if there is no other.
    #[schema(required)]
    pub segmentation: Option<SegmentationRow>,
    /// How many warnings that mask carries.
    pub warnings: i32,
    /// The youngest job.
    #[schema(required)]
    pub job: Option<JobRow>,
    /// The address of a small picture.
    #[schema(required)]
    pub thumbnail: Option<String>,
    /// When it came.
    pub created_at: String,
    /// Since when it lies in the bin.
    #[schema(required)]
    pub removed_at: Option<String>,
}

/// A patient in the worklist.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PatientOfStudy {
    /// The id.
    pub id: PatientId,
    /// The made name.
    pub pseudonym: String,
    /// A name, if somebody wrote one.
    #[schema(required)]
    pub name: Option<String>,
}

/// A study with all that belongs to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Study {
    /// What the worklist shows.
    #[serde(flatten)]
    pub row: StudyRow,
    /// What somebody wrote.
    pub notes: String,
    /// Voxels to the Right, to the front, upwards (the scans in RAS order, whatever the files store).
    #[schema(value_type = Option<(usize, usize, usize)>, required)]
    pub shape: Option<[usize; 3]>,
    /// Millimetres between voxel centres in the same order.
    #[schema(value_type = Option<(f64, f64, f64)>, required)]
    pub spacing: Option<[f64; 3]>,
    /// The scans, T1, T1ce, T2, FLAIR.
    pub series: Vec<Series>,
    /// The masks, newest first.
    pub segmentations: Vec<SegmentationRow>,
    /// First and last voxel of the brain, in RAS order: what fills the panes.
    #[schema(value_type = Option<((usize, usize, usize), (usize, usize, usize))>, required)]
    pub brain: Option<[[usize; 3]; 2]>,
    /// The voxel to begin at, in RAS order: the middle of the tumour's largest axial slice, else of the brain.
    #[schema(value_type = Option<(usize, usize, usize)>, required)]
    pub centre: Option<[usize; 3]>,
}

/// A scan of a study.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Series {
    /// Its id.
    pub id: SeriesId,
    /// What it shows.
    pub sequence: Sequence,
    /// The volume with a clean header, .nii.gz; never changes.
    pub url: String,
    /// What is drawn black and white: the 0.5th and 99.5th percentile inside the brain.
    #[schema(value_type = (f32, f32))]
    pub window: [f32; 2],
    /// Whether nobody confirmed the sequence.
    pub guessed: bool,
}

/// What changes of a study; what is left out stays, an empty date is removed.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StudyChange {
    /// `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Any text.
    pub notes: Option<String>,
}

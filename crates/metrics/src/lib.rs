//! Mask against mask: overlap and surface distances in mm.
//!
//! Masks are `&[bool]` and class maps `&[u8]`, x fastest, both sides on one grid.
//! A measure that an empty mask leaves without meaning is a [`Score::Empty`], never a silent number;
//! a named [`Convention`] turns it into a number at the end.
//! All counts are integers until the last line, so that no result depends on the order of a sum over voxels.
//! Deliberately absent: files, label schemes and regions; the caller hands over masks.

pub mod overlap;
pub mod region;
pub mod report_table;
pub mod score;
pub mod surface;
pub mod surfel_area;

pub use overlap::Counts;
pub use region::{RegionScores, region_scores};
pub use report_table::{Confusion, ReportTable, report_table};
pub use score::{Convention, Mean, Measure, Score, Side};
pub use surface::{SurfaceDistances, hd95};

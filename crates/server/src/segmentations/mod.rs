//! Segmentations: masks of a study by a model, a person or a reference, their versions and comparison, and drafts.

pub mod compare;
pub mod drafts;
pub mod list;
pub(crate) mod mask;
pub mod regions;
pub mod routes;
pub(crate) mod rows;
pub mod wire;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The most bytes of a mask that a person sends: 9 M voxels of noise are less.
const MASK_BYTES: u64 = 64 << 20;

/// `/segmentations`, what is under it, and a study's versions and draft.
pub fn routes() -> OpenApiRouter<App> {
    routes::routes().merge(list::routes()).merge(compare::routes()).merge(drafts::routes()).merge(regions::routes())
}

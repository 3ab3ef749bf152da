//! Which blobs something refers to.

use sea_orm::sea_query::{Condition, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use crate::entity::{draft, file, model, segmentation, series, upload_file};

/// The hashes in one column.
fn hashes<E: EntityTrait>(column: E::Column) -> SelectStatement {
    // A null in the list would make every comparison with it unknown.
    E::find().select_only().column(column).filter(column.is_not_null()).into_query()
}

/// Files to which nothing refers: they are in none of the `*_sha` columns.
pub(super) fn by_nothing() -> Condition {
    let referring = [
        hashes::<series::Entity>(series::Column::SourceSha),
        hashes::<series::Entity>(series::Column::VolumeSha),
        hashes::<segmentation::Entity>(segmentation::Column::LabelsSha),
        hashes::<segmentation::Entity>(segmentation::Column::PictureSha),
        hashes::<draft::Entity>(draft::Column::LabelsSha),
        hashes::<upload_file::Entity>(upload_file::Column::Sha),
        hashes::<model::Entity>(model::Column::Sha),
    ];
    referring.into_iter().fold(Condition::all(), |all, hashes| all.add(file::Column::Sha.not_in_subquery(hashes)))
}

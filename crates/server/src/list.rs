//! The form of every list: some items, where to go on, how many there are.

use serde::Serialize;
use utoipa::ToSchema;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The items of this part.
    pub items: Vec<T>,
    /// Where the next part begins, for `?cursor=`; null at the end.
    #[schema(required)]
    pub next: Option<String>,
    /// How many items there are in all parts.
    pub total: u64,
}

impl<T> List<T> {
    /// A list that has but one part.
    pub fn whole(items: Vec<T>) -> Self {
        let total = items.len() as u64;
        Self { items, next: None, total }
    }
}

//! The form of every list: some items, where to go on, how many there are.

use sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, Order, QueryFilter, QueryOrder};
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

/// Whether the smallest or the largest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl From<Direction> for Order {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Asc,
            Direction::Down => Self::Desc,
        }
    }
}

/// Orders rows by keys, none of which is ever null and the last of which is no other row's; and goes on after `last`, the
/// values of the last row of the page before.
pub(crate) fn ordered<Q: QueryFilter + QueryOrder>(
    rows: Q,
    keys: Vec<SimpleExpr>,
    direction: Direction,
    last: Option<Vec<SimpleExpr>>,
) -> Q {
    let mut rows = rows;
    if let Some(last) = last {
        let is_beyond = |(key, value): (SimpleExpr, SimpleExpr)| match direction {
            Direction::Up => key.gt(value),
            Direction::Down => key.lt(value),
        };
        // Beyond in the first key, or the same there and beyond in the rest.
        let pairs = keys.iter().cloned().zip(last).rev();
        let beyond = pairs.fold(None, |rest: Option<SimpleExpr>, (key, value)| {
            let same = |rest: SimpleExpr| key.clone().eq(value.clone()).and(rest);
            let tie = rest.map(same);
            let beyond = is_beyond((key, value));
            Some(tie.map_or(beyond.clone(), |tie| beyond.or(tie)))
        });
        rows = beyond.into_iter().fold(rows, QueryFilter::filter);
    }
    keys.into_iter().fold(rows, |rows, key| rows.order_by(key, direction.into()))
}

/// What is asked before, and that a column is no less and no more than this, where there is a bound.
pub(crate) fn between(
    asked: Condition,
    column: impl ColumnTrait,
    (least, most): (Option<f64>, Option<f64>),
) -> Condition {
    asked.add_option(least.map(|least| column.gte(least))).add_option(most.map(|most| column.lte(most)))
}

/// Sorts made names by their number: the longer one is the larger.
pub(crate) fn by_number(name: SimpleExpr) -> Vec<SimpleExpr> {
    vec![Func::char_length(name.clone()).into(), name]
}

/// The value of a made name, as [`by_number`] compares it.
pub(crate) fn number_value(name: &str) -> Vec<SimpleExpr> {
    let length = i32::try_from(name.chars().count()).unwrap_or(i32::MAX);
    vec![Expr::value(length), Expr::value(name.to_owned())]
}

//! Which patients, in which order.

use sea_orm::sea_query::{Expr, SimpleExpr};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::entity::patient::{self, Column};
use crate::error::Problem;
use crate::ids::PatientId;
use crate::list::{Direction, by_number, number_value};

/// Which patients.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct PatientQuery {
    /// Part of the made name or of the name.
    pub search: Option<String>,
    /// By what; `-` before it: the largest first.
    #[param(inline)]
    pub sort: Option<PatientSort>,
    /// At most so many; less than 1 is 1, more than 200 is 200.
    pub limit: Option<i64>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// By what patients are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub enum PatientSort {
    /// The youngest first.
    #[default]
    #[serde(rename = "-created_at")]
    Youngest,
    /// The oldest first.
    #[serde(rename = "created_at")]
    Oldest,
    /// By the number in the made name.
    #[serde(rename = "pseudonym")]
    Pseudonym,
    /// By the number in the made name, the largest first.
    #[serde(rename = "-pseudonym")]
    PseudonymDown,
    /// By studies, the fewest first.
    #[serde(rename = "studies")]
    Studies,
    /// By studies, the most first.
    #[serde(rename = "-studies")]
    StudiesDown,
}

/// Studies that do not lie in the bin.
const N_STUDIES: &str = "(SELECT COUNT(*) FROM study WHERE study.patient_id = patient.id AND study.removed_at IS NULL)";

impl PatientQuery {
    /// How many at most.
    pub(super) fn limit(&self) -> u64 {
        self.limit.unwrap_or(50).clamp(1, 200).unsigned_abs()
    }

    /// What is searched for.
    pub(super) fn search(&self) -> Option<&str> {
        self.search.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// What is sorted by, and how; an id sorts by age.
    pub(super) fn keys(&self) -> (Vec<SimpleExpr>, Direction) {
        use PatientSort as S;
        let column = |column: Column| Expr::col((patient::Entity, column));
        let sort = self.sort.unwrap_or_default();
        let mut keys = match sort {
            S::Youngest | S::Oldest => vec![],
            S::Pseudonym | S::PseudonymDown => by_number(column(Column::Pseudonym)),
            S::Studies | S::StudiesDown => vec![Expr::cust(N_STUDIES)],
        };
        keys.push(column(Column::Id));
        let is_down = matches!(sort, S::Youngest | S::PseudonymDown | S::StudiesDown);
        (keys, if is_down { Direction::Down } else { Direction::Up })
    }

    /// The values of those keys in the last row of the page before.
    ///
    /// # Errors
    /// If the cursor is not one of ours.
    pub(super) fn last(&self) -> Result<Option<Vec<SimpleExpr>>, Problem> {
        use PatientSort as S;
        let Some(cursor) = self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
        let wrong = || Problem::field("cursor", "It is not one that this list gave for this order.");
        let (value, id) = cursor.rsplit_once('~').filter(|(value, _)| !value.contains('\0')).ok_or_else(wrong)?;
        let id: PatientId = id.parse().map_err(|_| wrong())?;
        let mut values = match self.sort.unwrap_or_default() {
            S::Youngest | S::Oldest => vec![],
            S::Pseudonym | S::PseudonymDown => number_value(value),
            S::Studies | S::StudiesDown => vec![Expr::value(value.parse::<i64>().map_err(|_| wrong())?)],
        };
        values.push(Expr::value(id.to_string()));
        Ok(Some(values))
    }

    /// The cursor after a row.
    pub(super) fn cursor_of(&self, row: &patient::Model, n_studies: i64) -> String {
        use PatientSort as S;
        match self.sort.unwrap_or_default() {
            S::Youngest | S::Oldest => format!("~{}", row.id),
            S::Pseudonym | S::PseudonymDown => format!("{}~{}", row.pseudonym, row.id),
            S::Studies | S::StudiesDown => format!("{n_studies}~{}", row.id),
        }
    }
}

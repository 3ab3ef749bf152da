//! `GET /audit`.

use axum::Json;
use axum::extract::{Query, State};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Action, Kind, Object, record, verify};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::entity::audit;
use crate::error::{Code, Problem};
use crate::list::List;
use crate::text::rfc3339;

/// The routes of the audit log.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(check))
}

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct View {
    /// 1, 2, 3 ...
    id: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who: the id of an account, `local`, `command-line` or `unknown`.
    user_key: String,
    /// What.
    action: String,
    /// To what kind of thing.
    object_kind: String,
    /// To which; empty for many.
    object_id: String,
    /// What else.
    detail: Value,
    /// The entry's own hash, over all of it and the hash before.
    hash: String,
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Of one person.
    user_key: Option<String>,
    /// Of one action.
    action: Option<String>,
    /// About one kind of thing.
    object_kind: Option<String>,
    /// About one thing.
    object_id: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// Older than this entry.
    cursor: Option<i64>,
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Which), responses((status = OK, body = List<View>)))]
async fn list(State(app): State<App>, person: Person, Query(which): Query<Which>) -> Result<Json<List<View>>, Problem> {
    person.must(Role::Admin)?;
    let limit = which.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::field("limit", "From 1 to 1000."));
    }
    let mut found = audit::Entity::find();
    let wanted = [
        (audit::Column::UserKey, which.user_key),
        (audit::Column::Action, which.action),
        (audit::Column::ObjectKind, which.object_kind),
        (audit::Column::ObjectId, which.object_id),
    ];
    for (column, value) in wanted {
        if let Some(value) = value {
            if value.contains('\0') {
                return Err(Problem::new(Code::BadRequest, "No text holds the character of number zero.")); // PostgreSQL
            }
            found = found.filter(column.eq(value));
        }
    }
    record(&app, &person, Action::List, Object::all(Kind::Audit)).await?;
    let total = found.clone().count(&app.db).await?;
    if let Some(cursor) = which.cursor {
        found = found.filter(audit::Column::Id.lt(cursor));
    }
    let mut rows = found.order_by_desc(audit::Column::Id).limit(limit + 1).all(&app.db).await?;
    let more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(List { items: rows.into_iter().map(View::from).collect(), next, total }))
}

/// Whether the log is as it was written.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerdict)]
pub(super) struct Checked {
    /// Entries that were read.
    entries: u64,
    /// Whether each fits to the one before.
    whole: bool,
    /// Where it does not.
    #[schema(required)]
    broken: Option<String>,
    /// The hash of the last entry.
    last: String,
}

/// Reads the whole log and verifies its chain of hashes.
#[utoipa::path(get, path = "/audit/check", tag = "audit", responses((status = OK, body = Checked)))]
async fn check(State(app): State<App>, person: Person) -> Result<Json<Checked>, Problem> {
    person.must(Role::Admin)?;
    record(&app, &person, Action::Read, Object::all(Kind::Audit).with(json!({"check": true}))).await?;
    let verdict = verify(&app.db).await?;
    let broken = verdict.broken.map(|broken| broken.to_string());
    Ok(Json(Checked { entries: verdict.entries, whole: broken.is_none(), broken, last: verdict.last }))
}

impl From<audit::Model> for View {
    fn from(row: audit::Model) -> Self {
        Self {
            id: row.id,
            at: rfc3339(row.at),
            user_key: row.user_key,
            action: row.action,
            object_kind: row.object_kind,
            object_id: row.object_id,
            detail: row.detail.0,
            hash: row.hash,
        }
    }
}

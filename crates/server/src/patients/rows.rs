//! Rows of patients.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, JoinType,
    PaginatorTrait, QueryFilter, QuerySelect, RelationTrait, Set,
};

use super::query::PatientQuery;
use crate::db::{Db, Write, now};
use crate::entity::{patient, patient_person, setting, study};
use crate::error::Problem;
use crate::ids::PatientId;
use crate::list::ordered;

/// The setting that counts patients, so that no made name is given twice, even if the first patient is gone.
const COUNTER: &str = "last_patient";

/// What somebody wrote of a patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    /// A name.
    pub(crate) name: Option<String>,
    /// A year.
    pub(crate) birth_year: Option<i32>,
}

/// Makes a patient with the next made name.
pub(crate) async fn create(write: &Write, who: Who) -> Result<patient::Model, Problem> {
    let number = next_number(write).await?;
    let row = patient::Model {
        id: PatientId::fresh(),
        pseudonym: format!("P-{number:04}"),
        created_at: now(),
        removed_at: None,
    };
    patient::Entity::insert(row.clone().into_active_model()).exec_without_returning(write).await?;
    if who != Who::default() {
        tell(write, row.id, who).await?;
    }
    Ok(row)
}

/// Counts one on. The upsert holds the row until the transaction ends, so that two never get the same.
async fn next_number(write: &Write) -> Result<u64, Problem> {
    let first = setting::ActiveModel { name: Set(COUNTER.to_owned()), value: Set("0".to_owned()) };
    let known = OnConflict::column(setting::Column::Name).update_column(setting::Column::Name).to_owned();
    setting::Entity::insert(first).on_conflict(known).exec_without_returning(write).await?;
    let row = setting::Entity::find_by_id(COUNTER).one(write).await?;
    let last: u64 = row.map_or(Ok(0), |row| row.value.parse()).map_err(Problem::internal)?;
    setting::Entity::update_many()
        .col_expr(setting::Column::Value, Expr::value((last + 1).to_string()))
        .filter(setting::Column::Name.eq(COUNTER))
        .exec(write)
        .await?;
    Ok(last + 1)
}

/// Writes who a patient is.
pub(crate) async fn tell(write: &Write, id: PatientId, who: Who) -> Result<(), DbErr> {
    let row = patient_person::ActiveModel { patient_id: Set(id), name: Set(who.name), birth_year: Set(who.birth_year) };
    let known = OnConflict::column(patient_person::Column::PatientId)
        .update_columns([patient_person::Column::Name, patient_person::Column::BirthYear])
        .to_owned();
    patient_person::Entity::insert(row).on_conflict(known).exec_without_returning(write).await?;
    Ok(())
}

/// A patient who does not lie in the bin.
pub(crate) async fn present(on: &impl ConnectionTrait, id: PatientId) -> Result<patient::Model, Problem> {
    let row = patient::Entity::find_by_id(id).filter(patient::Column::RemovedAt.is_null()).one(on).await?;
    row.ok_or_else(|| Problem::not_found("patient"))
}

/// Who a patient is, if somebody wrote it.
pub(crate) async fn who(on: &impl ConnectionTrait, id: PatientId) -> Result<Who, DbErr> {
    let row = patient_person::Entity::find_by_id(id).one(on).await?;
    Ok(row.map_or_else(Who::default, |row| Who { name: row.name, birth_year: row.birth_year }))
}

/// Patients with who they are, and how many there are in all. At most one more than the limit comes, which says that there
/// is another page.
pub(super) async fn page(
    db: &Db,
    wanted: &PatientQuery,
) -> Result<(Vec<(patient::Model, Option<patient_person::Model>)>, u64), Problem> {
    let mut query = patient::Entity::find()
        .join(JoinType::LeftJoin, patient::Relation::Person.def())
        .filter(patient::Column::RemovedAt.is_null());
    if let Some(search) = wanted.search() {
        let any = Condition::any()
            .add(contains(Expr::col((patient::Entity, patient::Column::Pseudonym)), search))
            .add(contains(Expr::col((patient_person::Entity, patient_person::Column::Name)), search));
        query = query.filter(any);
    }
    let total = query.clone().count(db).await?;
    let (keys, direction) = wanted.keys();
    let patients = ordered(query, keys, direction, wanted.last()?).limit(wanted.limit() + 1).all(db).await?;
    let ids: Vec<PatientId> = patients.iter().map(|row| row.id).collect();
    let people = patient_person::Entity::find().filter(patient_person::Column::PatientId.is_in(ids)).all(db).await?;
    let mut people: BTreeMap<PatientId, patient_person::Model> =
        people.into_iter().map(|row| (row.patient_id, row)).collect();
    let paired = patients.into_iter().map(|row| (people.remove(&row.id), row)).map(|(who, row)| (row, who));
    Ok((paired.collect(), total))
}

/// Text that holds another, whatever the case of its letters. `%` and `_` are letters as any other.
pub(crate) fn contains(column: Expr, text: &str) -> Expr {
    let like = |text: &str| {
        // PostgreSQL refuses text with a zero, which is in no name.
        let escaped = text.replace('\0', "\u{fffd}").replace('!', "!!").replace('%', "!%").replace('_', "!_");
        LikeExpr::new(format!("%{escaped}%")).escape('!')
    };
    // SQLite knows the case of ASCII letters only: what is typed as it stands there is found all the same.
    let lower = Expr::expr(Func::lower(column.clone())).like(like(&text.to_lowercase()));
    lower.or(column.like(like(text)))
}

/// Studies of each patient that do not lie in the bin.
pub(super) async fn study_counts(
    on: &impl ConnectionTrait,
    ids: Vec<PatientId>,
) -> Result<BTreeMap<PatientId, i64>, DbErr> {
    let counts: Vec<(PatientId, i64)> = study::Entity::find()
        .select_only()
        .column(study::Column::PatientId)
        .column_as(study::Column::Id.count(), "n")
        .filter(study::Column::PatientId.is_in(ids))
        .filter(study::Column::RemovedAt.is_null())
        .group_by(study::Column::PatientId)
        .into_tuple()
        .all(on)
        .await?;
    Ok(counts.into_iter().collect())
}

/// Puts a patient and the studies into the bin.
pub(super) async fn remove(write: &Write, id: PatientId) -> Result<(), DbErr> {
    let at = now();
    let mut row = patient::ActiveModel { id: Set(id), ..Default::default() };
    row.removed_at = Set(Some(at));
    row.update(write).await?;
    study::Entity::update_many()
        .col_expr(study::Column::RemovedAt, Expr::value(Some(at)))
        .filter(study::Column::PatientId.eq(id))
        .filter(study::Column::RemovedAt.is_null())
        .exec(write)
        .await?;
    Ok(())
}

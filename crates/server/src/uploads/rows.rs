//! Rows of uploads and their files. Every query names whose upload it is: they are personal.

use std::collections::BTreeMap;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationTrait,
};

use super::fault::Fault;
use super::look::Look;
use crate::db::{Db, Write, now};
use crate::entity::Json;
use crate::entity::upload::{self, State};
use crate::entity::upload_file::{self, Column};
use crate::error::{Code, Problem};
use crate::ids::{Sha, UploadFileId, UploadId};

/// The most uploads that a person has open.
const MOST_OPEN: usize = 50;
/// An upload without files of this age was left by its page.
const ABANDONED_MS: i64 = 60 * 60 * 1000;

/// Makes an upload; empty ones that were left are removed. Their ids come second.
pub(crate) async fn open(write: &Write, user_key: &str) -> Result<(UploadId, Vec<UploadId>), Problem> {
    let at = now();
    let (abandoned, kept): (Vec<_>, Vec<_>) = all_open(write, user_key)
        .await?
        .into_iter()
        .partition(|(row, files)| files.is_empty() && row.updated_at < at - ABANDONED_MS);
    if kept.len() >= MOST_OPEN {
        let detail = format!("You have {MOST_OPEN} open uploads. Finish or remove some of them first.");
        return Err(Problem::new(Code::TooManyUploads, detail));
    }
    let abandoned: Vec<UploadId> = abandoned.into_iter().map(|(row, _)| row.id).collect();
    if !abandoned.is_empty() {
        let gone = upload::Column::Id.is_in(abandoned.iter().copied());
        upload::Entity::delete_many().filter(gone).exec(write).await?;
    }
    let id = UploadId::fresh();
    let row = upload::Model { id, user_key: user_key.to_owned(), created_at: at, updated_at: at, state: State::Open };
    upload::Entity::insert(row.into_active_model()).exec_without_returning(write).await?;
    Ok((id, abandoned))
}

/// A person's open uploads with their files, youngest first.
pub(super) async fn all_open(
    on: &impl ConnectionTrait,
    user_key: &str,
) -> Result<Vec<(upload::Model, Vec<upload_file::Model>)>, DbErr> {
    upload::Entity::find()
        .filter(upload::Column::UserKey.eq(user_key))
        .filter(upload::Column::State.eq(State::Open))
        .order_by_desc(upload::Column::Id)
        .find_with_related(upload_file::Entity)
        .order_by_asc(Column::Id)
        .all(on)
        .await
}

/// The person's upload, open or not. Another person's does not exist for them.
pub(super) async fn own(on: &impl ConnectionTrait, id: UploadId, user_key: &str) -> Result<upload::Model, Problem> {
    let row = upload::Entity::find_by_id(id).filter(upload::Column::UserKey.eq(user_key)).one(on).await?;
    row.ok_or_else(|| Problem::not_found("upload"))
}

/// As [`own`], and more may come.
pub(super) async fn own_open(
    on: &impl ConnectionTrait,
    id: UploadId,
    user_key: &str,
) -> Result<upload::Model, Problem> {
    let row = own(on, id, user_key).await?;
    if row.state == State::Open { Ok(row) } else { Err(Problem::of(Code::UploadClosed)) }
}

/// The files of an upload, in the order in which they came.
pub(super) async fn files(on: &impl ConnectionTrait, id: UploadId) -> Result<Vec<upload_file::Model>, DbErr> {
    upload_file::Entity::find().filter(Column::UploadId.eq(id)).order_by_asc(Column::Id).all(on).await
}

/// One file of an upload.
pub(super) async fn file(
    on: &impl ConnectionTrait,
    upload: UploadId,
    id: UploadFileId,
) -> Result<upload_file::Model, Problem> {
    let row = upload_file::Entity::find_by_id(id).filter(Column::UploadId.eq(upload)).one(on).await?;
    row.ok_or_else(|| Problem::not_found("file in this upload"))
}

/// Bytes that wait in a person's open uploads.
pub(super) async fn waiting_bytes(db: &Db, user_key: &str) -> Result<u64, DbErr> {
    let sizes: Vec<i64> = upload_file::Entity::find()
        .join(JoinType::InnerJoin, upload_file::Relation::Upload.def())
        .filter(upload::Column::UserKey.eq(user_key))
        .filter(upload::Column::State.eq(State::Open))
        .select_only()
        .column(Column::Bytes)
        .into_tuple()
        .all(db)
        .await?;
    Ok(sizes.into_iter().map(i64::unsigned_abs).sum())
}

/// Begins a file; one of the same name that came before is replaced.
pub(super) async fn begin(write: &Write, upload: UploadId, name: &str) -> Result<upload_file::Model, Problem> {
    hold_open(write, upload).await?;
    for old in files(write, upload).await?.into_iter().filter(|old| old.name == name) {
        upload_file::Entity::delete_by_id(old.id).exec(write).await?;
    }
    let row = receiving(upload, name);
    row.clone().into_active_model().insert(write).await?;
    Ok(row)
}

/// Holds the upload's row until the transaction ends. One that became studies takes no more: nobody would see it.
async fn hold_open(write: &Write, upload: UploadId) -> Result<(), Problem> {
    touch(write, upload).await?;
    match upload::Entity::find_by_id(upload).one(write).await? {
        Some(of) if of.state == State::Open => Ok(()),
        Some(_) => Err(Problem::of(Code::UploadClosed)),
        None => Err(Problem::not_found("upload")),
    }
}

/// The row of a file that begins to arrive.
fn receiving(upload: UploadId, name: &str) -> upload_file::Model {
    let (sequence, scheme) = super::group::from_name(name);
    upload_file::Model {
        id: UploadFileId::fresh(),
        upload_id: upload,
        name: name.to_owned(),
        bytes: 0,
        sha: None,
        state: upload_file::State::Receiving,
        group_key: String::new(),
        sequence,
        scheme: scheme.map(|scheme| scheme.name().to_owned()),
        guessed: false,
        grid: None,
        problem: None,
    }
}

/// A file that came out of a ZIP.
pub(super) struct Unpacked {
    /// How many bytes.
    pub(super) bytes: u64,
    /// What became of it.
    pub(super) outcome: Outcome,
}

/// Puts the files of a ZIP in its place, by name, all at once; nothing if its row was replaced or removed meanwhile.
pub(super) async fn put_in_place(
    write: &Write,
    zip: &upload_file::Model,
    unpacked: BTreeMap<String, Unpacked>,
) -> Result<Vec<upload_file::Model>, Problem> {
    hold_open(write, zip.upload_id).await?;
    let there = files(write, zip.upload_id).await?;
    if !there.iter().any(|row| row.id == zip.id) {
        return Ok(vec![]);
    }
    let replaced = there.iter().filter(|row| row.id == zip.id || unpacked.contains_key(&row.name));
    remove(write, &replaced.map(|row| row.id).collect::<Vec<_>>()).await?;
    let new = unpacked.into_iter().map(|(name, of)| receiving(zip.upload_id, &name).after(of.bytes, of.outcome));
    let new: Vec<upload_file::Model> = new.collect();
    for some in new.chunks(ROWS_TOGETHER) {
        let some = some.iter().cloned().map(IntoActiveModel::into_active_model);
        upload_file::Entity::insert_many(some).exec_without_returning(write).await?;
    }
    Ok(new)
}

/// Rows of one `INSERT`: databases count its values.
const ROWS_TOGETHER: usize = 200;

/// What became of a file that was sent.
pub(super) enum Outcome {
    /// It is there.
    Stored(Sha, Box<Look>),
    /// It cannot be used.
    Refused(Fault),
    /// It did not arrive in full.
    Interrupted(Fault),
}

/// Ends a file; nothing if it was replaced or removed meanwhile.
pub(super) async fn end(
    db: &Db,
    id: UploadFileId,
    bytes: u64,
    outcome: Outcome,
) -> Result<Option<upload_file::Model>, DbErr> {
    let Some(row) = upload_file::Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    let row = row.after(bytes, outcome);
    upload_file::Entity::update_many()
        .col_expr(Column::Bytes, Expr::value(row.bytes))
        .col_expr(Column::State, Expr::value(row.state))
        .col_expr(Column::Sha, Expr::value(row.sha))
        .col_expr(Column::Grid, Expr::value(row.grid))
        .col_expr(Column::Problem, Expr::value(row.problem))
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    upload_file::Entity::find_by_id(id).one(db).await
}

impl upload_file::Model {
    /// The row with what became of its file.
    fn after(self, bytes: u64, outcome: Outcome) -> Self {
        use upload_file::State;
        let (state, sha, grid, problem) = match outcome {
            Outcome::Stored(sha, look) => (State::Stored, Some(sha), Some(Json::of(&*look)), None),
            Outcome::Refused(fault) => (State::Refused, None, None, Some(Json::of(&fault))),
            Outcome::Interrupted(fault) => (State::Receiving, None, None, Some(Json::of(&fault))),
        };
        Self { bytes: i64::try_from(bytes).unwrap_or(i64::MAX), state, sha, grid, problem, ..self }
    }
}

/// What was on its way when the last server ended will not come any more, and says so.
pub(crate) async fn cut_off(db: &Db) -> Result<(), DbErr> {
    let arriving = upload_file::Entity::find()
        .filter(Column::State.eq(upload_file::State::Receiving))
        .filter(Column::Problem.is_null())
        .all(db)
        .await?;
    for row in arriving {
        end(db, row.id, 0, Outcome::Interrupted(Fault::interrupted(&row.name))).await?;
    }
    Ok(())
}

/// Removes files.
pub(super) async fn remove(on: &impl ConnectionTrait, ids: &[UploadFileId]) -> Result<u64, DbErr> {
    let removed = upload_file::Entity::delete_many().filter(Column::Id.is_in(ids.iter().copied())).exec(on).await?;
    Ok(removed.rows_affected)
}

/// Removes an upload and its files.
pub(super) async fn remove_upload(write: &Write, id: UploadId) -> Result<(), DbErr> {
    upload_file::Entity::delete_many().filter(Column::UploadId.eq(id)).exec(write).await?;
    upload::Entity::delete_by_id(id).exec(write).await?;
    Ok(())
}

/// Something happened to an upload.
pub(super) async fn touch(on: &impl ConnectionTrait, id: UploadId) -> Result<(), DbErr> {
    let update = upload::Entity::update_many().col_expr(upload::Column::UpdatedAt, Expr::value(now()));
    update.filter(upload::Column::Id.eq(id)).exec(on).await?;
    Ok(())
}

/// The key of the only group of an upload.
pub(crate) async fn only_group(db: &Db, id: UploadId) -> Result<String, Problem> {
    let groups = super::group::groups(files(db, id).await?);
    match &groups[..] {
        [group] => Ok(group.key.clone()),
        _ => Err(Problem::internal(format!("an upload of {} groups", groups.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Location;

    #[tokio::test]
    async fn an_upload_that_became_studies_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::connect(&Location::of(None, folder.path())).await.unwrap();
        db.migrate().await.unwrap();
        let write = db.write().await.unwrap();
        let (id, _) = open(&write, "local").await.unwrap();
        begin(&write, id, "a_t1.nii").await.unwrap();
        write.commit_unrecorded().await.unwrap();
        let closed = upload::Entity::update_many().col_expr(upload::Column::State, Expr::value(State::Committed));
        closed.exec(&db).await.unwrap();
        let write = db.write().await.unwrap();
        assert_eq!(begin(&write, id, "b_t1.nii").await.unwrap_err().code(), Code::UploadClosed);
        assert_eq!(begin(&write, UploadId::fresh(), "a_t1.nii").await.unwrap_err().code(), Code::NotFound);
        assert_eq!(files(&write, id).await.unwrap().len(), 1);
        // A ZIP that was still unpacking when its upload became studies gives nothing.
        let zip = files(&write, id).await.unwrap().pop().unwrap();
        assert_eq!(put_in_place(&write, &zip, BTreeMap::new()).await.unwrap_err().code(), Code::UploadClosed);
    }

    #[tokio::test]
    async fn a_zip_becomes_its_files_at_once_and_what_was_cut_off_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::connect(&Location::of(None, folder.path())).await.unwrap();
        db.migrate().await.unwrap();
        let write = db.write().await.unwrap();
        let (id, _) = open(&write, "local").await.unwrap();
        let zip = begin(&write, id, "a.zip").await.unwrap();
        for name in ["a/t1.nii", "b/t1.nii"] {
            begin(&write, id, name).await.unwrap();
        }
        let fault = || Outcome::Refused(Fault::interrupted("x"));
        let inside = ["a/t1.nii", "a/t2.nii"].map(|name| (name.to_owned(), Unpacked { bytes: 7, outcome: fault() }));
        let taken = put_in_place(&write, &zip, BTreeMap::from(inside)).await.unwrap();
        assert_eq!(taken.len(), 2);
        assert!(put_in_place(&write, &zip, BTreeMap::new()).await.unwrap().is_empty(), "it is not there any more");
        write.commit_unrecorded().await.unwrap();
        cut_off(&db).await.unwrap();
        let seen = |row: upload_file::Model| (row.name, row.bytes, row.problem.is_some());
        let mut seen: Vec<_> = files(&db, id).await.unwrap().into_iter().map(seen).collect();
        seen.sort();
        let expected = [("a/t1.nii", 7), ("a/t2.nii", 7), ("b/t1.nii", 0)];
        assert_eq!(seen, expected.map(|(name, bytes)| (name.to_owned(), bytes, true)));
    }

    #[tokio::test]
    async fn a_person_has_so_many_open_uploads_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::connect(&Location::of(None, folder.path())).await.unwrap();
        db.migrate().await.unwrap();
        let write = db.write().await.unwrap();
        for _ in 0..MOST_OPEN {
            open(&write, "local").await.unwrap();
        }
        assert_eq!(open(&write, "local").await.unwrap_err().code(), Code::TooManyUploads);
        open(&write, "another").await.unwrap();
        let old = upload::Entity::update_many().col_expr(upload::Column::UpdatedAt, Expr::value(0_i64));
        old.exec(&write).await.unwrap();
        let (id, left) = open(&write, "local").await.unwrap();
        assert_eq!(left.len(), MOST_OPEN, "empty and old: left by their pages");
        let open = all_open(&write, "local").await.unwrap();
        assert!(matches!(&open[..], [(row, files)] if row.id == id && files.is_empty()), "{open:?}");
    }
}

//! Rows of uploads and their files. Every query names whose upload it is: they are personal.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::fault::Fault;
use super::look::Look;
use crate::db::{Db, now};
use crate::entity::Json;
use crate::entity::upload::{self, State};
use crate::entity::upload_file::{self, Column};
use crate::error::{Code, Problem};
use crate::ids::{Sha, UploadFileId, UploadId};

/// Makes an upload.
pub(crate) async fn open(db: &Db, user_key: &str) -> Result<UploadId, DbErr> {
    let id = UploadId::fresh();
    let at = now();
    let row = upload::Model { id, user_key: user_key.to_owned(), created_at: at, updated_at: at, state: State::Open };
    upload::Entity::insert(row.into_active_model()).exec_without_returning(db).await?;
    Ok(id)
}

/// A person's open uploads, youngest first.
pub(super) async fn all_open(db: &Db, user_key: &str) -> Result<Vec<upload::Model>, DbErr> {
    upload::Entity::find()
        .filter(upload::Column::UserKey.eq(user_key))
        .filter(upload::Column::State.eq(State::Open))
        .order_by_desc(upload::Column::Id)
        .all(db)
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
    let open: Vec<UploadId> = all_open(db, user_key).await?.into_iter().map(|row| row.id).collect();
    let sizes: Vec<i64> = upload_file::Entity::find()
        .filter(Column::UploadId.is_in(open))
        .select_only()
        .column(Column::Bytes)
        .into_tuple()
        .all(db)
        .await?;
    Ok(sizes.into_iter().map(i64::unsigned_abs).sum())
}

/// Begins a file; one of the same name that came before is replaced. An upload that became studies takes no more:
/// nobody would see the file again.
pub(super) async fn begin(db: &Db, upload: UploadId, name: &str) -> Result<upload_file::Model, Problem> {
    let (sequence, scheme) = super::group::from_name(name);
    let row = upload_file::Model {
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
    };
    let write = db.write().await?;
    touch(&write, upload).await?; // which holds the row until the end
    match upload::Entity::find_by_id(upload).one(&write).await? {
        Some(of) if of.state == State::Open => {}
        Some(_) => return Err(Problem::of(Code::UploadClosed)),
        None => return Err(Problem::not_found("upload")),
    }
    for old in files(&write, upload).await?.into_iter().filter(|old| old.name == name) {
        upload_file::Entity::delete_by_id(old.id).exec(&write).await?;
    }
    row.clone().into_active_model().insert(&write).await?;
    write.commit().await?;
    Ok(row)
}

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
    use upload_file::State;
    let (state, sha, grid, problem) = match outcome {
        Outcome::Stored(sha, look) => (State::Stored, Some(sha), Some(Json::of(&*look)), None),
        Outcome::Refused(fault) => (State::Refused, None, None, Some(Json::of(&fault))),
        Outcome::Interrupted(fault) => (State::Receiving, None, None, Some(Json::of(&fault))),
    };
    upload_file::Entity::update_many()
        .col_expr(Column::Bytes, Expr::value(i64::try_from(bytes).unwrap_or(i64::MAX)))
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Sha, Expr::value(sha))
        .col_expr(Column::Grid, Expr::value(grid))
        .col_expr(Column::Problem, Expr::value(problem))
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    upload_file::Entity::find_by_id(id).one(db).await
}

/// Removes files.
pub(super) async fn remove(on: &impl ConnectionTrait, ids: &[UploadFileId]) -> Result<u64, DbErr> {
    let removed = upload_file::Entity::delete_many().filter(Column::Id.is_in(ids.iter().copied())).exec(on).await?;
    Ok(removed.rows_affected)
}

/// Removes an upload and its files.
pub(super) async fn remove_upload(db: &Db, id: UploadId) -> Result<(), DbErr> {
    let write = db.write().await?;
    upload_file::Entity::delete_many().filter(Column::UploadId.eq(id)).exec(&write).await?;
    upload::Entity::delete_by_id(id).exec(&write).await?;
    write.commit().await
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
        let id = open(&db, "local").await.unwrap();
        begin(&db, id, "a_t1.nii").await.unwrap();
        let closed = upload::Entity::update_many().col_expr(upload::Column::State, Expr::value(State::Committed));
        closed.exec(&db).await.unwrap();
        assert_eq!(begin(&db, id, "b_t1.nii").await.unwrap_err().code(), Code::UploadClosed);
        assert_eq!(begin(&db, UploadId::fresh(), "a_t1.nii").await.unwrap_err().code(), Code::NotFound);
        assert_eq!(files(&db, id).await.unwrap().len(), 1);
    }
}

//! `/uploads`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sea_orm::{ActiveModelTrait, Set};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::commit::commit as make_studies;
use super::group::{Group, groups};
use super::naming::LONGEST_KEY;
use super::receive::receive;
use super::rows;
use super::wire::{Commit, Committed, FileChange, Opened, Received, Upload, UploadFile};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Entry, Kind, Object};
use crate::entity::upload_file::{self, Content};
use crate::error::Problem;
use crate::events::{Event, EventKind};
use crate::fields::Fields;
use crate::ids::{UploadFileId, UploadId};
use crate::studies::scans::picture_of;
use crate::text::line;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(open, list))
        .routes(routes!(one, remove))
        .routes(routes!(put))
        .routes(routes!(change, remove_file))
        .routes(routes!(thumbnail))
        .routes(routes!(commit))
}

/// Begins an upload. A person has at most 50 that are open (`too_many_uploads`); those in which nothing ever came are
/// removed after an hour, when the next one begins.
#[utoipa::path(post, path = "/uploads", tag = "uploads", responses((status = CREATED, body = Opened)))]
async fn open(State(app): State<App>, person: Person) -> Result<(StatusCode, Json<Opened>), Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    let (id, abandoned) = rows::open(&write, person.key()).await?;
    let purged = abandoned.into_iter().map(|id| (Action::Purge, id));
    let entries = purged.chain([(Action::Create, id)]);
    let entries = entries.map(|(action, id)| Entry::of(&person, action, Object::one(Kind::Upload, id)));
    audit::commit_all(write, &entries.collect::<Vec<_>>()).await?;
    Ok((StatusCode::CREATED, Json(Opened { id })))
}

/// One's own unfinished uploads, youngest first.
#[utoipa::path(get, path = "/uploads", tag = "uploads", responses((status = OK, body = Vec<Upload>)))]
async fn list(State(app): State<App>, person: Person) -> Result<Json<Vec<Upload>>, Problem> {
    audit::record(&app, &person, Action::List, Object::all(Kind::Upload)).await?;
    let open = rows::all_open(&app.db, person.key()).await?;
    Ok(Json(open.into_iter().map(|(row, files)| of_files(row.id, files)).collect()))
}

/// An upload as the studies that it will become.
#[utoipa::path(get, path = "/uploads/{id}", tag = "uploads", params(("id" = UploadId, Path)), responses((status = OK, body = Upload)))]
async fn one(State(app): State<App>, person: Person, Path(id): Path<UploadId>) -> Result<Json<Upload>, Problem> {
    rows::own(&app.db, id, person.key()).await?;
    audit::record(&app, &person, Action::Read, Object::one(Kind::Upload, id)).await?;
    Ok(Json(shown(&app, id).await?))
}

/// Throws an upload away.
#[utoipa::path(delete, path = "/uploads/{id}", tag = "uploads", params(("id" = UploadId, Path)), responses((status = NO_CONTENT)))]
async fn remove(State(app): State<App>, person: Person, Path(id): Path<UploadId>) -> Result<StatusCode, Problem> {
    let write = app.db.write().await?;
    rows::own(&write, id, person.key()).await?;
    rows::remove_upload(&write, id).await?;
    audit::commit(write, &person, Action::Remove, Object::one(Kind::Upload, id)).await?;
    tell(&app, &person, id);
    Ok(StatusCode::NO_CONTENT)
}

/// Sends one file: its bytes are the body. The name may hold folders (percent-encoded). A ZIP becomes its files, all of
/// them at once or none. The same name again replaces what came before; a file that cannot be used is there with its problem.
#[utoipa::path(put, path = "/uploads/{id}/files/{file}", tag = "uploads",
    params(("id" = UploadId, Path), ("file" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = OK, body = Received)))]
async fn put(
    State(app): State<App>,
    person: Person,
    Path((id, name)): Path<(UploadId, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Received>, Problem> {
    person.must(Role::Editor)?;
    rows::own_open(&app.db, id, person.key()).await?;
    let taken = receive(&app, &person, id, &name, (&headers, body)).await;
    tell(&app, &person, id);
    let ids: Vec<UploadFileId> = taken?.iter().map(|row| row.id).collect();
    Ok(Json(Received { files: files(&app, id, &ids).await? }))
}

/// Says what a file shows, what its numbers mean, or where it belongs.
#[utoipa::path(patch, path = "/uploads/{id}/files/{file}", tag = "uploads",
    params(("id" = UploadId, Path), ("file" = UploadFileId, Path)), request_body = FileChange,
    responses((status = OK, body = Upload)))]
async fn change(
    State(app): State<App>,
    person: Person,
    Path((id, file)): Path<(UploadId, UploadFileId)>,
    Json(Fields(change)): Json<Fields<FileChange>>,
) -> Result<Json<Upload>, Problem> {
    person.must(Role::Editor)?;
    let write = app.db.write().await?;
    rows::own_open(&write, id, person.key()).await?;
    rows::file(&write, id, file).await?;
    let mut row = upload_file::ActiveModel { id: Set(file), ..Default::default() };
    if let Some(sequence) = change.sequence {
        row.sequence = Set(Some(sequence));
        row.guessed = Set(false);
        if sequence != Content::Mask {
            row.scheme = Set(None);
        }
    }
    if let Some(scheme) = change.scheme {
        row.scheme = Set(Some(segment::labels::LabelScheme::from(scheme).name().to_owned()));
    }
    if let Some(group) = &change.group {
        row.group_key = Set(line("group", group, LONGEST_KEY)?);
    }
    if row.is_changed() {
        row.update(&write).await?;
        let object = Object::one(Kind::Upload, id).with(json!({"file": file}));
        audit::commit(write, &person, Action::Change, object).await?;
    }
    tell(&app, &person, id);
    Ok(Json(shown(&app, id).await?))
}

/// Removes a file.
#[utoipa::path(delete, path = "/uploads/{id}/files/{file}", tag = "uploads",
    params(("id" = UploadId, Path), ("file" = UploadFileId, Path)), responses((status = NO_CONTENT)))]
async fn remove_file(
    State(app): State<App>,
    person: Person,
    Path((id, file)): Path<(UploadId, UploadFileId)>,
) -> Result<StatusCode, Problem> {
    let write = app.db.write().await?;
    rows::own_open(&write, id, person.key()).await?;
    rows::file(&write, id, file).await?;
    rows::remove(&write, &[file]).await?;
    let object = Object::one(Kind::Upload, id).with(json!({"file": file, "removed": true}));
    audit::commit(write, &person, Action::Change, object).await?;
    tell(&app, &person, id);
    Ok(StatusCode::NO_CONTENT)
}

/// A small picture of a file, so that a swapped sequence is seen before anything runs.
#[utoipa::path(get, path = "/uploads/{id}/files/{file}/thumbnail.png", tag = "uploads",
    params(("id" = UploadId, Path), ("file" = UploadFileId, Path)),
    responses((status = OK, content_type = "image/png", body = Vec<u8>)))]
async fn thumbnail(
    State(app): State<App>,
    person: Person,
    Path((id, file)): Path<(UploadId, UploadFileId)>,
) -> Result<Response, Problem> {
    rows::own(&app.db, id, person.key()).await?;
    let row = rows::file(&app.db, id, file).await?;
    let sha = row.sha.ok_or_else(|| Problem::not_found("picture of this file"))?;
    let object = Object::one(Kind::Upload, id).with(json!({"picture": file}));
    audit::record(&app, &person, Action::Read, object).await?;
    Ok(picture_of(app.pictures.small(&app, sha, None).await?.to_vec()))
}

/// Makes studies of groups: all that are named, or none. Names of files are forgotten then.
#[utoipa::path(post, path = "/uploads/{id}/commit", tag = "uploads", params(("id" = UploadId, Path)), request_body = Commit,
    responses((status = CREATED, body = Committed)))]
async fn commit(
    State(app): State<App>,
    person: Person,
    Path(id): Path<UploadId>,
    Json(Fields(wanted)): Json<Fields<Commit>>,
) -> Result<(StatusCode, Json<Committed>), Problem> {
    person.must(Role::Editor)?;
    let made = make_studies(&app, &person, id, wanted).await?;
    tell(&app, &person, id);
    Ok((StatusCode::CREATED, Json(made)))
}

/// Uploads are personal, and so is what happens to them.
fn tell(app: &App, person: &Person, id: UploadId) {
    let only_for = Some(person.key().to_owned());
    app.events.tell(Event { only_for, ..Event::new(EventKind::Upload, id.to_string()) });
}

async fn shown(app: &App, id: UploadId) -> Result<Upload, Problem> {
    Ok(of_files(id, rows::files(&app.db, id).await?))
}

fn of_files(id: UploadId, files: Vec<upload_file::Model>) -> Upload {
    Upload { id, groups: groups(files).iter().map(Group::shown).collect() }
}

/// Some files of an upload, with the problems that they have in their groups.
async fn files(app: &App, id: UploadId, wanted: &[UploadFileId]) -> Result<Vec<UploadFile>, Problem> {
    let upload = shown(app, id).await?;
    let all = upload.groups.into_iter().flat_map(|group| group.files);
    Ok(all.filter(|file| wanted.contains(&file.id)).collect())
}

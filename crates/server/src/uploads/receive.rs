//! A file arrives: streamed, hashed on the way, looked at once, kept if it can be part of a study.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::json;
use tokio::sync::mpsc;
use volume::Limits;

use super::archive::{ArchiveError, Caps, unpack};
use super::fault::{Fault, Flaw};
use super::look::{Look, look};
use super::naming::{cleaned, is_noise, last};
use super::room::Room;
use super::rows::{self, Outcome, Unpacked};
use crate::accounts::Person;
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::upload_file;
use crate::error::{Code, Fault as Wrong, Problem};
use crate::files::{FilesError, Staged};
use crate::ids::UploadId;

/// What may be read before memory is taken for it, by the configuration.
pub(crate) fn limits(app: &App) -> Limits {
    let volume = app.config.limits.volume_mib << 20;
    // Voxels are four bytes in memory, whatever they were in the file.
    Limits { max_voxels: volume / 4, max_file_bytes: volume, max_volumes: 4096 }
}

/// Takes the body of a request as a file of an upload; a ZIP as several.
///
/// # Errors
/// A [`Problem`] if nothing can be said of the file: bad name, wrong content type, no room, broken connection. A file
/// that arrived and cannot be used is no error of the request: it is there with its problem.
pub(super) async fn receive(
    app: &App,
    person: &Person,
    upload: UploadId,
    name: &str,
    (headers, body): (&HeaderMap, Body),
) -> Result<Vec<upload_file::Model>, Problem> {
    let name = cleaned(name).map_err(|fault| refused(name, &fault))?;
    if is_noise(&name) {
        return Ok(vec![]);
    }
    check_type(headers)?;
    let (mut room, limit) = room(app, person, headers).await?;
    let row = begin(app, person, upload, &name).await?;
    let staged = match app.files.stage(body.into_data_stream(), limit).await {
        Ok(staged) => staged,
        Err(FilesError::TooLarge { .. }) if limit < app.config.limits.file_mib << 20 => {
            rows::end(&app.db, row.id, 0, Outcome::Interrupted(Fault::interrupted(&row.name))).await?;
            return Err(full());
        }
        Err(error) => return Err(broken(app, &row, error).await?),
    };
    room.settle(staged.bytes());
    let taken = match is_zip(&staged) {
        Ok(true) => take_zip(app, person, &row, (staged, &mut room)).await,
        Ok(false) => take(app, &row, staged).await.map(|row| row.into_iter().collect()),
        Err(error) => Err(error.into()),
    };
    if taken.is_err() {
        rows::end(&app.db, row.id, 0, Outcome::Interrupted(Fault::interrupted(&row.name))).await?;
    }
    taken
}

/// Puts bytes into an upload as if they had been sent.
pub(crate) async fn receive_bytes(
    app: &App,
    person: &Person,
    upload: UploadId,
    (name, bytes): (&str, Vec<u8>),
) -> Result<(), Problem> {
    let row = begin(app, person, upload, name).await?;
    let files = app.files.clone();
    let staged = crate::files::blocking(move || files.stage_bytes(&bytes)).await?;
    take(app, &row, staged).await?;
    Ok(())
}

/// Begins a file and records who sends it: what arrives then is this file, whatever becomes of it.
async fn begin(app: &App, person: &Person, upload: UploadId, name: &str) -> Result<upload_file::Model, Problem> {
    let write = app.db.write().await?;
    rows::own_open(&write, upload, person.key()).await?;
    let row = rows::begin(&write, upload, name).await?;
    let object = Object::one(Kind::Upload, upload).with(json!({"file": row.id}));
    audit::commit(write, person, Action::Change, object).await?;
    Ok(row)
}

/// Refuses what a form or a page would send.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("?").to_ascii_lowercase();
    let kind = text.split(';').next().unwrap_or_default().trim();
    let is_file = !kind.starts_with("multipart/")
        && !kind.starts_with("text/")
        && !matches!(kind, "application/json" | "application/x-www-form-urlencoded" | "?");
    if is_file {
        return Ok(());
    }
    let detail =
        "Send the bytes of the file as they are, with the content type application/octet-stream, one request a file.";
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

/// Holds room for what is declared, or as much as there is for one file; and how many bytes may come.
async fn room(app: &App, person: &Person, headers: &HeaderMap) -> Result<(Room, u64), Problem> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let (file, all) = (app.config.limits.file_mib << 20, app.config.limits.uploads_mib << 20);
    if declared.is_some_and(|bytes| bytes > file) {
        return Err(FilesError::TooLarge { limit: file }.into());
    }
    let mut room = app.rooms.hold(person.key(), declared.unwrap_or(0));
    let held = room.held();
    let waiting = rows::waiting_bytes(&app.db, person.key()).await?;
    if held.saturating_add(waiting) > all {
        return Err(full());
    }
    if declared.is_some() {
        return Ok((room, file));
    }
    match room.grow(file, |held| all.saturating_sub(held.saturating_add(waiting))) {
        0 => Err(full()),
        limit => Ok((room, limit)),
    }
}

fn full() -> Problem {
    let detail = "Your unfinished uploads hold too much. Finish or remove some of them, then send this file again.";
    Problem::new(Code::UploadFull, detail)
}

/// What becomes of a row whose file did not arrive.
async fn broken(app: &App, row: &upload_file::Model, error: FilesError) -> Result<Problem, Problem> {
    let name = last(&row.name);
    let (fault, outcome): (Fault, fn(Fault) -> Outcome) = if let FilesError::TooLarge { limit } = &error {
        let mib = limit >> 20;
        let detail = format!(
            "{name}: it is larger than {mib} MiB, which is the limit of this server. Send a compressed file (.nii.gz)."
        );
        (Flaw::TooLarge.says(detail), Outcome::Refused)
    } else {
        (Fault::interrupted(&row.name), Outcome::Interrupted)
    };
    let outcome = outcome(fault.clone());
    rows::end(&app.db, row.id, 0, outcome).await?;
    Ok(Problem::from(error).with(vec![wrong(&row.name, &fault)]))
}

fn wrong(name: &str, fault: &Fault) -> Wrong {
    Wrong { file: Some(name.to_owned()), field: None, code: fault.code.as_str(), detail: fault.detail.clone() }
}

fn refused(name: &str, fault: &Fault) -> Problem {
    Problem::new(Code::FileRefused, fault.detail.clone()).with(vec![wrong(name, fault)])
}

fn is_zip(staged: &Staged) -> io::Result<bool> {
    use std::io::Read;
    let mut magic = [0; 4];
    let n = staged.reopen()?.read(&mut magic)?;
    Ok(n == 4 && matches!(&magic, b"PK\x03\x04" | b"PK\x05\x06"))
}

/// Looks at a file that arrived, and keeps it if it can be used; nothing if its row is gone.
async fn take(app: &App, row: &upload_file::Model, staged: Staged) -> Result<Option<upload_file::Model>, Problem> {
    let Unpacked { bytes, outcome } = kept(app, &row.name, staged).await?;
    Ok(rows::end(&app.db, row.id, bytes, outcome).await?)
}

/// Looks at a file and keeps it if it can be used.
async fn kept(app: &App, name: &str, staged: Staged) -> Result<Unpacked, Problem> {
    let bytes = staged.bytes();
    let (staged, seen) = inspect(app, last(name).to_owned(), staged).await?;
    let outcome = match seen {
        Ok(look) => Outcome::Stored(app.files.keep(&app.db, staged).await?, Box::new(look)),
        Err(fault) => Outcome::Refused(fault),
    };
    Ok(Unpacked { bytes, outcome })
}

/// Reads a staged file, a few at a time: each takes memory for all of its voxels.
async fn inspect(app: &App, name: String, staged: Staged) -> Result<(Staged, Result<Look, Fault>), Problem> {
    use std::io::Read;
    let permit = app.pictures.permit().await?;
    let limits = limits(app);
    let read = move || {
        let _permit = permit;
        let mut bytes = Vec::new();
        staged.reopen()?.read_to_end(&mut bytes)?;
        let seen = look(&name, &bytes, &limits);
        Ok::<_, Problem>((staged, seen))
    };
    tokio::task::spawn_blocking(read).await?
}

/// Takes the files of a ZIP; all of them or none, in one transaction: whoever is killed before leaves none. Its own row
/// stays until they are there, so that an upload whose other files become a study is not closed meanwhile.
async fn take_zip(
    app: &App,
    person: &Person,
    row: &upload_file::Model,
    (staged, room): (Staged, &mut Room),
) -> Result<Vec<upload_file::Model>, Problem> {
    let zip_bytes = staged.bytes();
    let limits = &app.config.limits;
    let (waiting, all) = (rows::waiting_bytes(&app.db, person.key()).await?, limits.uploads_mib << 20);
    let total = room.grow(limits.zip_mib << 20, |held| all.saturating_sub(held.saturating_add(waiting)));
    if total == 0 {
        return Err(full());
    }
    let caps = Caps { entries: limits.zip_entries, total, each: limits.file_mib << 20 };
    let (sender, mut receiver) = mpsc::channel::<(String, Staged)>(1);
    let (files, archive) = (app.files.clone(), Arc::<str>::from(row.name.as_str()));
    let unpacking = tokio::task::spawn_blocking(move || {
        let file = staged.reopen().map_err(|error| ArchiveError::Files(error.into()))?;
        // Nobody listens any more: the request was dropped.
        unpack((&archive, file), &files, &caps, &mut |name, staged| drop(sender.blocking_send((name, staged))))
    });
    let mut inside = BTreeMap::new();
    while let Some((name, staged)) = receiver.recv().await {
        let file = kept(app, &name, staged).await?;
        inside.insert(name, file);
    }
    let fault = match unpacking.await? {
        Ok(()) => {
            let write = app.db.write().await?;
            let taken = rows::put_in_place(&write, row, inside).await?;
            let object = Object::one(Kind::Upload, row.upload_id).with(json!({"zip": row.id, "files": taken.len()}));
            audit::commit(write, person, Action::Change, object).await?;
            return Ok(taken);
        }
        Err(ArchiveError::Fault(fault)) => fault,
        Err(ArchiveError::Files(error)) => {
            Flaw::Interrupted.says(format!("{}: {}", row.name, Problem::from(error).detail()))
        }
    };
    Ok(rows::end(&app.db, row.id, zip_bytes, Outcome::Refused(fault)).await?.into_iter().collect())
}

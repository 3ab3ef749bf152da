//! The first start: a phantom patient with a study, put in as a person would, and on its way to be segmented.

use std::io;

use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, PaginatorTrait, Set};
use segment::phantom::{FULL_SHAPE, Phantom, phantom};

use crate::accounts::Person;
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::config::Demo;
use crate::entity::{patient, setting};
use crate::error::Problem;
use crate::uploads::commit::commit;
use crate::uploads::receive::receive_bytes;
use crate::uploads::rows;
use crate::uploads::wire::{Commit, CommitGroup};

/// The setting that says that the demo was made, so that one that was deleted does not come back.
const MADE: &str = "demo";

/// The head of the demo.
const SEED: u64 = 1;

/// Makes the demo if the configuration wants one and nothing was ever in the database; whether it was made.
///
/// # Errors
/// If it cannot be written.
pub async fn first_start(app: &App) -> Result<bool, Problem> {
    let is_wanted = app.config.demo == Demo::Phantom
        && setting::Entity::find_by_id(MADE).one(&app.db).await?.is_none()
        && patient::Entity::find().count(&app.db).await? == 0;
    if !is_wanted {
        return Ok(false);
    }
    make(app, FULL_SHAPE).await?;
    let made = setting::ActiveModel { name: Set(MADE.to_owned()), value: Set("made".to_owned()) };
    let known = OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned();
    setting::Entity::insert(made).on_conflict(known).exec_without_returning(&app.db).await?;
    Ok(true)
}

/// Draws the phantom and sends it through the door that all files come through.
pub(crate) async fn make(app: &App, shape: [usize; 3]) -> Result<(), Problem> {
    let files = tokio::task::spawn_blocking(move || files(&phantom(SEED, shape))).await??;
    let person = Person::command_line();
    let write = app.db.write().await?;
    let (upload, _) = rows::open(&write, person.key()).await?;
    audit::commit(write, &person, Action::Create, Object::one(Kind::Upload, upload)).await?;
    for (name, bytes) in files {
        receive_bytes(app, &person, upload, (&name, bytes)).await?;
    }
    let key = rows::only_group(&app.db, upload).await?;
    let group = CommitGroup {
        key,
        patient_id: None,
        study_id: None,
        date: None,
        name: Some("Phantom".to_owned()),
        birth_year: None,
        segment: true,
    };
    commit(app, &person, upload, Commit { groups: vec![group] }).await?;
    Ok(())
}

/// The files of a phantom's scans. Not the mask: the model is to find the tumour.
fn files(head: &Phantom) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = tempfile::tempdir()?;
    let case = head.write(folder.path()).map_err(io::Error::other)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(case)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.contains("_seg.") {
            files.push((name, std::fs::read(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::entity::{job, study};

    #[tokio::test]
    async fn the_demo_goes_in_as_an_upload_does_and_waits_to_be_segmented() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::open(Config::plain(folder.path().join("data"))).await.unwrap();
        crate::models::register_embedded(&app.db).await.unwrap();
        make(&app, [40, 48, 32]).await.unwrap();
        let made = study::Entity::find().all(&app.db).await.unwrap();
        assert!(matches!(&made[..], [one] if one.state == study::State::Ready), "{made:?}");
        assert_eq!(job::Entity::find().count(&app.db).await.unwrap(), 1);
        assert!(!first_start(&app).await.unwrap(), "somebody is there already");
    }
}

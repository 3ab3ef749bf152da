//! The demo: a phantom patient with a study, put in as a person would, and on its way to be segmented. Made at the first
//! start, and again when somebody asks for it.

use std::io;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set};
use segment::phantom::{FULL_SHAPE, Phantom, phantom};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Entry, Kind, Object};
use crate::config::Demo;
use crate::entity::{patient, segmentation, setting, study};
use crate::error::Problem;
use crate::events::{Event, EventKind};
use crate::fields::Fields;
use crate::ids::{JobId, StudyId};
use crate::jobs::{LeaseQueue, Order, Queue as _};
use crate::studies;
use crate::uploads::commit::commit;
use crate::uploads::receive::receive_bytes;
use crate::uploads::rows;
use crate::uploads::wire::{Commit, CommitGroup};

/// The setting that says which study is the demo, so that a start does not bring back one that was deleted.
const MADE: &str = "demo";

/// The head of the demo.
const SEED: u64 = 1;

/// The study of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DemoStudy {
    /// The study.
    pub study_id: StudyId,
    /// The job that segments it; null where it is segmented already.
    #[schema(required)]
    pub job_id: Option<JobId>,
}

/// Whether the demo had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Now,
    Before,
}

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make_again))
}

/// Makes the demo: a phantom patient with one study, which is then segmented. If it is there, nothing is made twice: one
/// that lies in the bin is taken out, one that has no mask is segmented.
#[utoipa::path(post, path = "/demo", tag = "studies",
    responses((status = CREATED, body = DemoStudy), (status = OK, description = "It was there already", body = DemoStudy)))]
async fn make_again(State(app): State<App>, person: Person) -> Result<(StatusCode, Json<DemoStudy>), Problem> {
    person.must(Role::Editor)?;
    let (made, demo) = make(&app, &person, FULL_SHAPE).await?;
    let status = match made {
        Made::Now => StatusCode::CREATED,
        Made::Before => StatusCode::OK,
    };
    Ok((status, Json(demo)))
}

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
    Ok(make(app, &Person::command_line(), FULL_SHAPE).await?.0 == Made::Now)
}

/// Makes the demo unless it is there, and remembers which study it is.
pub(crate) async fn make(app: &App, person: &Person, shape: [usize; 3]) -> Result<(Made, DemoStudy), Problem> {
    let _turn = app.demo.lock().await; // who asks twice gets one
    if let Some(there) = find(app, person).await? {
        return Ok((Made::Before, there));
    }
    let made = draw(app, person, shape).await?;
    let known = setting::ActiveModel { name: Set(MADE.to_owned()), value: Set(made.study_id.to_string()) };
    let again = OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned();
    setting::Entity::insert(known).on_conflict(again).exec_without_returning(&app.db).await?;
    Ok((Made::Now, made))
}

/// The demo that was made before, out of the bin and segmented or about to be; nothing if it is gone for good.
async fn find(app: &App, person: &Person) -> Result<Option<DemoStudy>, Problem> {
    let Some(known) = setting::Entity::find_by_id(MADE).one(&app.db).await? else { return Ok(None) };
    let Ok(id) = known.value.parse::<StudyId>() else { return Ok(None) };
    let write = app.db.write().await?;
    if study::Entity::find_by_id(id).one(&write).await?.is_none() {
        return Ok(None);
    }
    let mut entries = Vec::new();
    if studies::rows::restore(&write, id).await? {
        entries.push(Entry::of(person, Action::Restore, Object::one(Kind::Study, id)));
    }
    let masks = segmentation::Entity::find().filter(segmentation::Column::StudyId.eq(id)).count(&write).await?;
    let mut job_id = None;
    if masks == 0 {
        let order = Order { study: id, model: None, by: person.user };
        let job = LeaseQueue::new(app.db.clone()).enqueue(&write, order).await?;
        entries.push(Entry::of(person, Action::Create, Object::one(Kind::Job, job.id).with(json!({"study": id}))));
        job_id = Some(job.id);
    }
    audit::commit_all(write, &entries).await?;
    app.events.tell(Event::new(EventKind::Study, id.to_string()));
    Ok(Some(DemoStudy { study_id: id, job_id }))
}

/// Draws the phantom and sends it through the door that all files come through.
async fn draw(app: &App, person: &Person, shape: [usize; 3]) -> Result<DemoStudy, Problem> {
    let files = tokio::task::spawn_blocking(move || files(&phantom(SEED, shape))).await??;
    let write = app.db.write().await?;
    let (upload, _) = rows::open(&write, person.key()).await?;
    audit::commit(write, person, Action::Create, Object::one(Kind::Upload, upload)).await?;
    for (name, bytes) in files {
        receive_bytes(app, person, upload, (&name, bytes)).await?;
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
    let made = commit(app, person, upload, Commit { groups: vec![Fields(group)] }).await?;
    let study = made.studies.first().ok_or_else(|| Problem::internal("a group became no study"))?;
    Ok(DemoStudy { study_id: study.study_id, job_id: study.job_id })
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
    use crate::entity::{audit, job};

    const SHAPE: [usize; 3] = [40, 48, 32];

    async fn site() -> (tempfile::TempDir, App) {
        let folder = tempfile::tempdir().unwrap();
        let app = App::open(Config::plain(folder.path().join("data"))).await.unwrap();
        crate::models::register_embedded(&app.db).await.unwrap();
        (folder, app)
    }

    #[tokio::test]
    async fn the_demo_goes_in_as_an_upload_does_and_waits_to_be_segmented() {
        let (_folder, app) = site().await;
        let (how, demo) = make(&app, &Person::command_line(), SHAPE).await.unwrap();
        let made = study::Entity::find().all(&app.db).await.unwrap();
        assert!(matches!(&made[..], [one] if one.state == study::State::Ready && one.id == demo.study_id), "{made:?}");
        let jobs = job::Entity::find().all(&app.db).await.unwrap();
        assert_eq!((how, demo.job_id), (Made::Now, Some(jobs[0].id)), "{jobs:?}");
        assert!(!first_start(&app).await.unwrap(), "somebody is there already");
    }

    #[tokio::test]
    async fn who_asks_again_gets_the_same_study_out_of_the_bin_too_and_a_new_one_where_it_is_gone() {
        let (_folder, app) = site().await;
        let person = Person::local();
        let (twice, once) = tokio::join!(make(&app, &person, SHAPE), make(&app, &person, SHAPE));
        let (first, second) = (once.unwrap(), twice.unwrap());
        assert_eq!(first.1, second.1, "two wishes at once are one");
        assert!(first.0 != second.0, "{first:?} {second:?}");
        let id = first.1.study_id;
        let write = app.db.write().await.unwrap();
        assert!(studies::rows::set_removed(&write, id, studies::rows::Place::Bin).await.unwrap());
        write.commit_unrecorded().await.unwrap();
        assert_eq!(make(&app, &person, SHAPE).await.unwrap(), (Made::Before, first.1), "its job still waits");
        assert!(studies::rows::present(&app.db, id).await.is_ok(), "out of the bin");
        let restored = audit::Entity::find()
            .filter(audit::Column::Action.eq("restore"))
            .filter(audit::Column::ObjectId.eq(id.to_string()));
        assert_eq!(restored.count(&app.db).await.unwrap(), 1);
        setting::Entity::update_many()
            .col_expr(setting::Column::Value, sea_orm::sea_query::Expr::value(StudyId::fresh().to_string()))
            .filter(setting::Column::Name.eq(MADE))
            .exec(&app.db)
            .await
            .unwrap();
        let (how, anew) = make(&app, &person, SHAPE).await.unwrap();
        assert!(how == Made::Now && anew.study_id != id, "the one that was known was purged");
    }
}

//! A store with patients, studies and models, made of small rows.

use std::time::Duration;

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use server::db::{Db, now};
use server::entity::{Json, file, job, measurement, model, patient, series, study};
use server::files::Files;
use server::ids::{JobId, ModelId, PatientId, SegmentationId, SeriesId, Sha, StudyId};
use server::jobs::queue::{Claim, Made};
use server::jobs::{LeaseQueue, Order, Queue, QueueError};
use tempfile::TempDir;

use crate::store::servers::Place;

/// A lease that no test outlives.
pub(crate) const LONG: Duration = Duration::from_mins(10);

/// Database and files of one part.
pub(crate) struct Store {
    pub(crate) db: Db,
    pub(crate) files: Files,
    pub(crate) queue: LeaseQueue,
    pub(crate) folder: TempDir,
}

impl Store {
    pub(crate) async fn on(place: Place) -> Self {
        let store = Self::without_tables(place).await;
        store.db.migrate().await.unwrap();
        store
    }

    pub(crate) async fn without_tables(place: Place) -> Self {
        let db = Db::connect(&place.location).await.unwrap();
        let files = Files::open(&place.folder.path().join("files")).unwrap();
        Self { queue: LeaseQueue::new(db.clone()), db, files, folder: place.folder }
    }

    pub(crate) async fn blob(&self, text: &str) -> Sha {
        let staged = self.files.stage_bytes(text.as_bytes()).unwrap();
        self.files.keep(&self.db, staged).await.unwrap()
    }

    /// Inserts a row.
    pub(crate) async fn add<M, A>(&self, row: M)
    where
        M: IntoActiveModel<A>,
        A: ActiveModelTrait + Send,
    {
        A::Entity::insert(row.into_active_model()).exec_without_returning(&self.db).await.unwrap();
    }

    pub(crate) async fn patient(&self, pseudonym: &str) -> PatientId {
        let id = PatientId::fresh();
        self.add(patient::Model { id, pseudonym: pseudonym.to_owned(), created_at: now(), removed_at: None }).await;
        id
    }

    /// A study with four series of different blobs.
    pub(crate) async fn study(&self, name: &str) -> StudyId {
        let patient = self.patient(name).await;
        let id = StudyId::fresh();
        self.add(bare_study(id, patient)).await;
        for sequence in segment::study::Sequence::ALL {
            let sha = self.blob(&format!("{name} {sequence}")).await;
            let row = series::Model {
                id: SeriesId::fresh(),
                study_id: id,
                sequence: sequence.into(),
                source_sha: sha,
                volume_sha: sha,
                bytes: 1,
                grid: Json::of(&[1, 2, 3]),
                guessed: false,
                created_at: now(),
            };
            self.add(row).await;
        }
        id
    }

    pub(crate) async fn model(&self, name: &str) -> ModelId {
        let id = ModelId::fresh();
        let sha = self.blob(name).await;
        let card = Json::of(&serde_json::json!({"name": name}));
        let row =
            model::Model { id, name: name.to_owned(), sha, card, active: true, embedded: false, created_at: now() };
        self.add(row).await;
        id
    }

    /// A study that waits for the active model.
    pub(crate) async fn queued(&self, name: &str) -> JobId {
        let study = self.study(name).await;
        self.wish(study).await
    }

    pub(crate) async fn wish(&self, study: StudyId) -> JobId {
        let within = self.db.write().await.unwrap();
        let row = self.queue.enqueue(&within, Order { study, model: None, by: None }).await.unwrap();
        within.commit_unrecorded().await.unwrap();
        row.id
    }

    pub(crate) async fn retry(&self, id: JobId) -> Result<job::Model, QueueError> {
        let within = self.db.write().await.unwrap();
        let row = self.queue.retry(&within, id).await?;
        within.commit_unrecorded().await.unwrap();
        Ok(row)
    }

    pub(crate) async fn cancel(&self, id: JobId) -> Result<job::Model, QueueError> {
        let within = self.db.write().await.unwrap();
        let row = self.queue.cancel(&within, id).await?;
        within.commit_unrecorded().await.unwrap();
        Ok(row)
    }

    pub(crate) async fn claim(&self, worker: &str) -> Claim {
        self.queue.claim(worker, LONG).await.unwrap().unwrap()
    }

    /// What a worker would have made.
    pub(crate) async fn made(&self, text: &str) -> Made {
        let labels = self.blob(text).await;
        Made { labels, picture: None, parameters: Json::of(&text), measured: measured() }
    }

    pub(crate) async fn bytes_of(&self, sha: Sha) -> Option<i64> {
        file::Entity::find_by_id(sha).one(&self.db).await.unwrap().map(|row| row.bytes)
    }
}

pub(crate) fn bare_study(id: StudyId, patient_id: PatientId) -> study::Model {
    study::Model {
        id,
        patient_id,
        date: None,
        notes: String::new(),
        state: study::State::Ready,
        created_at: now(),
        created_by: None,
        removed_at: None,
        shape: Some(Json::of(&[24, 24, 24])),
        spacing: None,
        last_number: 0,
    }
}

pub(crate) fn measured() -> measurement::Model {
    measurement::Model {
        segmentation_id: SegmentationId::fresh(),
        ml_ncr: 0.1,
        ml_ed: 1.0 / 3.0,
        ml_et: 2e-9,
        ml_wt: 12_345.678_9,
        ml_tc: 0.0,
        n_wt: 1,
        n_tc: 0,
        n_et: 0,
        diameter_wt_mm: Some(31.4),
        diameter_tc_mm: None,
        diameter_et_mm: None,
        n_warnings: 0,
        report: Json::of(&"a report"),
        confidence: None,
    }
}

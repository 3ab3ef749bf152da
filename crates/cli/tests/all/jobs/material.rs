//! A store on disk with small heads and a tiny model, and the processes that work on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use segment::artefact::{Artefact, Card, Provenance};
use segment::labels::LabelScheme;
use segment::phantom::phantom;
use segment::recipe::inference::{Mode, TensorAxis};
use segment::recipe::{DEFAULT, Recipe};
use server::db::{Db, Location, now};
use server::entity::{Json, job, model, patient, series, study};
use server::files::Files;
use server::ids::{JobId, ModelId, PatientId, SeriesId, StudyId};
use server::jobs::{LeaseQueue, Order, Queue};
use tempfile::TempDir;
use unet::weights;
use volume::nifti::{self, Geometry};

/// Voxels of the heads.
const SHAPE: [usize; 3] = [24, 28, 24];

/// A folder as `--data` names it.
pub(crate) struct Store {
    pub(crate) data: PathBuf,
    pub(crate) db: Db,
    pub(crate) files: Files,
    pub(crate) queue: LeaseQueue,
    pub(crate) model: ModelId,
    pub(crate) folder: TempDir,
}

impl Store {
    /// One with tables and a tiny model.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("data");
        fs::create_dir(&place).unwrap();
        let db = Db::connect(&Location::of(None, &place)).await.unwrap();
        db.migrate().await.unwrap();
        let files = Files::open(&place.join("files")).unwrap();
        let (id, queue) = (ModelId::fresh(), LeaseQueue::new(db.clone()));
        let store = Self { data: place, db, files, queue, model: id, folder };
        let path = write_model(store.folder.path());
        let card = Json::of(&Artefact::open(&path).unwrap().card);
        let staged = store.files.stage_bytes(&fs::read(path).unwrap()).unwrap();
        let sha = store.files.keep(&store.db, staged).await.unwrap();
        let row = model::Model { id, name: "tiny".into(), sha, card, active: true, embedded: false, created_at: now() };
        model::Entity::insert(row.into_active_model()).exec_without_returning(&store.db).await.unwrap();
        store
    }

    /// A study with a small head.
    pub(crate) async fn study(&self, seed: u64) -> StudyId {
        let (patient_id, id) = (PatientId::fresh(), StudyId::fresh());
        let pseudonym = format!("P-{seed:04}");
        let row = patient::Model { id: patient_id, pseudonym, created_at: now(), removed_at: None };
        patient::Entity::insert(row.into_active_model()).exec_without_returning(&self.db).await.unwrap();
        let row = study::Model {
            id,
            patient_id,
            date: None,
            notes: String::new(),
            state: study::State::Ready,
            created_at: now(),
            created_by: None,
            removed_at: None,
            shape: Some(Json::of(&SHAPE)),
            spacing: Some(Json::of(&[1.0; 3])),
            last_number: 0,
        };
        study::Entity::insert(row.into_active_model()).exec_without_returning(&self.db).await.unwrap();
        let head = phantom(seed, SHAPE);
        let geometry = Geometry::from_grid(&head.grid().unwrap());
        for sequence in segment::study::Sequence::ALL {
            let path = self.folder.path().join("scan.nii.gz");
            nifti::write_scan(&path, &head.scan(sequence).unwrap(), &geometry).unwrap();
            let staged = self.files.stage_bytes(&fs::read(path).unwrap()).unwrap();
            let bytes = i64::try_from(staged.bytes()).unwrap();
            let sha = self.files.keep(&self.db, staged).await.unwrap();
            let row = series::Model {
                id: SeriesId::fresh(),
                study_id: id,
                sequence: sequence.into(),
                source_sha: sha,
                volume_sha: sha,
                bytes,
                grid: Json::of(&SHAPE),
                guessed: false,
                created_at: now(),
            };
            series::Entity::insert(row.into_active_model()).exec_without_returning(&self.db).await.unwrap();
        }
        id
    }

    /// Asks for a segmentation with the tiny model.
    pub(crate) async fn wish(&self, study: StudyId) -> JobId {
        let within = self.db.write().await.unwrap();
        let row = self.queue.enqueue(&within, Order { study, model: Some(self.model), by: None }).await.unwrap();
        within.commit_unrecorded().await.unwrap();
        row.id
    }

    pub(crate) async fn job(&self, id: JobId) -> job::Model {
        job::Entity::find_by_id(id).one(&self.db).await.unwrap().unwrap()
    }

    /// The jobs that workers have now.
    pub(crate) async fn running(&self) -> Vec<job::Model> {
        job::Entity::find().filter(job::Column::State.eq(job::State::Running)).all(&self.db).await.unwrap()
    }

    /// Waits until a job is as it should be. Another process writes the row, which cannot wake us.
    pub(crate) async fn until(&self, id: JobId, is: impl Fn(&job::Model) -> bool) -> job::Model {
        let began = Instant::now();
        loop {
            let row = self.job(id).await;
            if is(&row) {
                return row;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "it did not happen: {row:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The program on this store.
    pub(crate) fn glioscope(&self, command: &str) -> Command {
        glioscope(&self.data, command)
    }
}

/// The program on the store in a folder, on one thread.
fn glioscope(place: &Path, command: &str) -> Command {
    let mut program = Command::new(assert_cmd::cargo::cargo_bin!("glioscope"));
    program.arg(command).args(["--threads", "1", "--data"]).arg(place);
    program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program
}

/// Runs a command to its end.
pub(crate) fn run(place: &Path, command: &str, arguments: &[&str]) -> Output {
    glioscope(place, command).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

/// A process of the test, which ends with it.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and whether it ended well.
    pub(crate) fn end(&mut self) -> bool {
        signal("-TERM", self.id());
        self.0.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(name: &str, process: u32) {
    Command::new("kill").args([name, &process.to_string()]).stderr(Stdio::null()).status().unwrap();
}

/// The processes that a process started and that still run.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let path = Path::new("/proc").join(process.to_string()).join("task");
    let tasks = fs::read_dir(path).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}

/// A model with two narrow levels and random weights, made slower by mirroring.
fn write_model(folder: &Path) -> PathBuf {
    let mut recipe = Recipe::parse(DEFAULT, Path::new("default")).unwrap();
    recipe.network.widths = vec![4, 8];
    recipe.network.deep_supervision = vec![1.0];
    recipe.inference.mode = Mode::Whole;
    recipe.inference.tile = [16, 16, 16];
    recipe.inference.mirror = vec![TensorAxis::D, TensorAxis::H, TensorAxis::W];
    recipe.sampling.phantom_share = 0.0;
    let values = weights::initial(&recipe.network.spec(), 7).unwrap();
    let provenance =
        Provenance { steps: 12, trained_on: vec![], phantoms: 3, validated_on: vec![], program: "a test".to_owned() };
    let card = Card {
        version: 1,
        name: "tiny".to_owned(),
        channels: segment::study::Sequence::ALL,
        outputs: ["WT", "TC", "ET"].map(str::to_owned).to_vec(),
        label_scheme: LabelScheme::Brats2023,
        recipe,
        provenance,
        scores: vec![],
        calibration: None,
    };
    let file = folder.join("model.safetensors");
    Artefact::write(&file, &card, &values).unwrap();
    file
}

/// Runs what waits.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

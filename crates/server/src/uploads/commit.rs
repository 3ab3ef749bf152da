//! Confirmed groups become studies: all of those that are asked for, or none.

use std::sync::Arc;

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, Set};
use segment::labels::LabelScheme;
use segment::study::{Sequence, grid_difference};
use serde_json::json;
use volume::nifti;

use super::fault::of_grids;
use super::group::{Group, Member, groups};
use super::rows;
use super::wire::{Commit, CommitGroup, Committed, CommittedStudy};
use crate::accounts::Person;
use crate::app::App;
use crate::audit::{self, Action, Entry, Kind, Object};
use crate::db::{Write, now};
use crate::entity::segmentation::Source;
use crate::entity::{Json, measurement, series, study, upload};
use crate::error::{Code, Fault as Wrong, Problem};
use crate::events::{Event, EventKind};
use crate::fields::Fields;
use crate::files::Staged;
use crate::ids::{JobId, PatientId, SegmentationId, SeriesId, Sha, StudyId, UploadFileId, UploadId};
use crate::jobs::{LeaseQueue, Order, Queue};
use crate::patients;
use crate::patients::routes::{checked_name, checked_year};
use crate::patients::rows::Who;
use crate::segmentations::mask;
use crate::segmentations::rows::NewMask;
use crate::studies;
use crate::studies::facts::Facts;
use crate::studies::query::checked_date;

/// A group that was checked, with where it goes.
struct Plan {
    wanted: CommitGroup,
    group: Group,
    goal: Goal,
    date: Option<String>,
    who: Who,
}

/// Where a group goes.
enum Goal {
    /// A new study of a new patient.
    NewPatient,
    /// A new study of a patient.
    NewStudy(PatientId),
    /// A study that lacked something.
    Complete(Box<study::Model>, Vec<series::Model>),
}

/// A group whose blobs are kept; rows are all that is missing.
struct Ready {
    plan: Plan,
    study: StudyId,
    scans: Vec<series::Model>,
    reference: Option<(Sha, measurement::Model)>,
}

/// Makes studies of groups.
///
/// # Errors
/// A [`Problem`] that says what is wrong with which group or file; nothing was made then.
pub(crate) async fn commit(app: &App, person: &Person, id: UploadId, wanted: Commit) -> Result<Committed, Problem> {
    rows::own_open(&app.db, id, person.key()).await?;
    let all = groups(rows::files(&app.db, id).await?);
    if wanted.groups.is_empty() {
        return Err(Problem::field("groups", "Name at least one group."));
    }
    let mut plans: Vec<Plan> = Vec::new();
    for Fields(wanted) in wanted.groups {
        if plans.iter().any(|plan| plan.wanted.key == wanted.key) {
            return Err(Problem::field("groups", "A group is named twice."));
        }
        let group = all.iter().find(|group| group.key == wanted.key).cloned();
        plans.push(plan(app, wanted, group).await?);
    }
    let mut ready = Vec::new();
    for plan in plans {
        ready.push(prepare(app, plan).await?);
    }
    let write = app.db.write().await?;
    rows::touch(&write, id).await?; // first, as a file that begins does
    rows::own_open(&write, id, person.key()).await?;
    let mut studies = Vec::new();
    for group in ready {
        studies.push(store(app, &write, person, group).await?);
    }
    forget_if_empty(&write, id).await?;
    let entries: Vec<Entry> = studies.iter().flat_map(|made| entries(person, id, made)).collect();
    audit::commit_all(write, &entries).await?;
    for made in &studies {
        app.events.tell(Event::new(EventKind::Study, made.study_id.to_string()));
    }
    Ok(Committed { studies })
}

/// What is recorded of a study that an upload became.
fn entries(person: &Person, upload: UploadId, made: &CommittedStudy) -> impl Iterator<Item = Entry> {
    let study = Object::one(Kind::Study, made.study_id).with(json!({"upload": upload}));
    let job = made.job_id.map(|job| Object::one(Kind::Job, job).with(json!({"study": made.study_id})));
    [study].into_iter().chain(job).map(|object| Entry::of(person, Action::Create, object))
}

/// Checks what is asked for a group.
async fn plan(app: &App, wanted: CommitGroup, group: Option<Group>) -> Result<Plan, Problem> {
    let group = group.ok_or_else(|| Problem::field("key", "The upload has no such group; it may have changed."))?;
    if !group.is_ready() {
        let wrong = |(n, fault): &(Option<usize>, super::fault::Fault)| Wrong {
            file: n.map(|n| group.members[n].row.id.to_string()),
            field: None,
            code: fault.code.as_str(),
            detail: fault.detail.clone(),
        };
        let detail =
            group.faults.first().map_or("A file is still on its way; please wait.", |(_, fault)| &fault.detail);
        let errors = group.faults.iter().map(wrong).collect();
        return Err(Problem::new(Code::UploadNotReady, detail).with(errors));
    }
    let date = match wanted.date.as_deref().filter(|date| !date.is_empty()) {
        Some(date) => Some(checked_date("date", date)?),
        None => None,
    };
    let who = Who {
        name: checked_name(wanted.name.as_deref())?.over(None),
        birth_year: checked_year(wanted.birth_year)?.over(None),
    };
    let goal = match (wanted.study_id, wanted.patient_id) {
        (Some(study), _) => completed(app, study, &group).await?,
        (None, Some(patient)) => Goal::NewStudy(patients::rows::present(&app.db, patient).await?.id),
        (None, None) => Goal::NewPatient,
    };
    Ok(Plan { wanted, group, goal, date, who })
}

/// The study that a group completes, if it fits.
async fn completed(app: &App, id: StudyId, group: &Group) -> Result<Goal, Problem> {
    let row = studies::rows::present(&app.db, id).await?;
    let there = studies::rows::series(&app.db, id).await?;
    for scan in &there {
        let sequence = Sequence::from(scan.sequence);
        if group.members.iter().any(|member| member.sequence() == Some(sequence)) {
            let detail =
                format!("The study has {sequence} already. Remove the file, or make a new study of the group.");
            return Err(Problem::new(Code::StudyMismatch, detail));
        }
    }
    let reference = there.first().map(studies::rows::facts).transpose()?.and_then(|facts| facts.grid());
    for member in &group.members {
        let grid = member.look.as_ref().and_then(|look| look.facts.grid());
        if let (Some(reference), Some(grid)) = (reference, grid)
            && let Some(difference) = grid_difference(&reference, &grid)
        {
            let fault = of_grids(member.name(), "the study", difference);
            let wrong = Wrong {
                file: Some(member.row.id.to_string()),
                field: None,
                code: fault.code.as_str(),
                detail: fault.detail.clone(),
            };
            return Err(Problem::new(Code::StudyMismatch, fault.detail).with(vec![wrong]));
        }
    }
    Ok(Goal::Complete(Box::new(row), there))
}

/// Makes the clean copies, and measures the reference.
async fn prepare(app: &App, plan: Plan) -> Result<Ready, Problem> {
    let study = match &plan.goal {
        Goal::Complete(row, _) => row.id,
        Goal::NewPatient | Goal::NewStudy(_) => StudyId::fresh(),
    };
    let mut scans = Vec::new();
    for member in plan.group.members.iter().filter(|member| member.sequence().is_some()) {
        scans.extend(scan(app, study, member).await?);
    }
    scans.sort_by_key(|scan| scan.sequence);
    let there = match &plan.goal {
        Goal::Complete(_, there) => there.as_slice(),
        Goal::NewPatient | Goal::NewStudy(_) => &[],
    };
    let all: Vec<series::Model> = there.iter().chain(&scans).cloned().collect();
    let reference = match plan.group.members.iter().find(|member| member.sequence().is_none()) {
        Some(member) => Some(reference(app, member, &all).await?),
        None => None,
    };
    Ok(Ready { plan, study, scans, reference })
}

/// The row of a scan, its clean copy kept.
async fn scan(app: &App, study: StudyId, member: &Member) -> Result<Option<series::Model>, Problem> {
    let (Some(sequence), Some(source), Some(look)) = (member.sequence(), member.row.sha, &member.look) else {
        return Ok(None);
    };
    let permit = app.pictures.permit().await?; // before the file is in memory
    let bytes = app.files.read(&app.db, source).await?;
    let (files, limits) = (app.files.clone(), super::limits(app));
    let clean = move || {
        let _permit = permit;
        let clean = nifti::cleaned(&bytes, &limits).map_err(Problem::internal)?;
        Ok::<Staged, Problem>(files.stage_bytes(&clean)?)
    };
    let clean = tokio::task::spawn_blocking(clean).await??;
    let bytes = i64::try_from(clean.bytes()).unwrap_or(i64::MAX);
    Ok(Some(series::Model {
        id: SeriesId::fresh(),
        study_id: study,
        sequence: sequence.into(),
        source_sha: source,
        volume_sha: app.files.keep(&app.db, clean).await?,
        bytes,
        grid: look.facts.to_json(),
        guessed: member.guessed,
        created_at: now(),
    }))
}

/// The mask of an expert, written on the study's grid and measured.
async fn reference(app: &App, member: &Member, scans: &[series::Model]) -> Result<(Sha, measurement::Model), Problem> {
    let (Some(source), Some(first)) = (member.row.sha, scans.first()) else {
        return Err(Problem::new(Code::StudyIncomplete, "A mask needs at least one scan that it belongs to."));
    };
    // An empty mask means the same in every scheme.
    let scheme = member.scheme.unwrap_or(LabelScheme::Brats2023);
    let permit = app.pictures.permit().await?;
    let bytes = app.files.read(&app.db, source).await?;
    let scan = app.files.read(&app.db, first.volume_sha).await?;
    let (files, limits, scans) = (app.files.clone(), super::limits(app), Arc::<[series::Model]>::from(scans));
    let work = move || {
        let _permit = permit;
        let geometry = nifti::geometry(&scan, &limits).map_err(Problem::internal)?;
        let labels = mask::read(&bytes, scheme, &geometry, &limits)?;
        let measured = mask::measured(SegmentationId::fresh(), &labels, "reference", &scans);
        let clean = files.stage_bytes(&mask::file(&labels, &geometry, mask::SCHEME)?)?;
        Ok::<_, Problem>((clean, measured))
    };
    let (clean, measured) = tokio::task::spawn_blocking(work).await??;
    Ok((app.files.keep(&app.db, clean).await?, measured))
}

/// Writes the rows of a group and forgets its files.
async fn store(app: &App, write: &Write, person: &Person, ready: Ready) -> Result<CommittedStudy, Problem> {
    let Ready { plan, study: id, scans, reference } = ready;
    let patient = match &plan.goal {
        Goal::NewPatient => patients::rows::create(write, plan.who.clone()).await?.id,
        Goal::NewStudy(patient) => patients::rows::present(write, *patient).await?.id,
        Goal::Complete(row, _) => row.patient_id,
    };
    // Held from here on: else two that each bring one scan would both count too few.
    studies::rows::hold(write, id).await?;
    let is_whole = studies::rows::series(write, id).await?.len() + scans.len() == Sequence::ALL.len();
    let state = if is_whole { study::State::Ready } else { study::State::Incomplete };
    if let Goal::Complete(..) = plan.goal {
        studies::rows::present(write, id).await?;
        let mut row = study::ActiveModel { id: Set(id), state: Set(state), ..Default::default() };
        if plan.date.is_some() {
            row.date = Set(plan.date.clone());
        }
        row.update(write).await?;
    } else {
        let facts: Option<Facts> = scans.first().map(studies::rows::facts).transpose()?;
        let row = study::Model {
            id,
            patient_id: patient,
            date: plan.date.clone(),
            notes: String::new(),
            state,
            created_at: now(),
            created_by: person.user,
            removed_at: None,
            shape: facts.as_ref().map(|facts| Json::of(&facts.upright_shape())),
            spacing: facts.as_ref().map(|facts| Json::of(&facts.upright_spacing())),
            last_number: 0,
        };
        study::Entity::insert(row.into_active_model()).exec_without_returning(write).await?;
    }
    for scan in scans {
        series::Entity::insert(scan.into_active_model()).exec_without_returning(write).await?;
    }
    if let Some((labels, measured)) = reference {
        let new = NewMask {
            id: measured.segmentation_id,
            study: id,
            source: Source::Reference,
            parent: None,
            labels,
            by: person.user,
            note: String::new(),
        };
        crate::segmentations::rows::insert(write, new, measured).await?;
    }
    let files: Vec<UploadFileId> = plan.group.members.iter().map(|member| member.row.id).collect();
    if rows::remove(write, &files).await? != files.len() as u64 {
        return Err(Problem::new(Code::Conflict, "The upload changed meanwhile. Please look at it again."));
    }
    let job_id = if plan.wanted.segment && is_whole { Some(enqueue(app, write, id, person).await?) } else { None };
    Ok(CommittedStudy { group: plan.wanted.key, study_id: id, job_id })
}

async fn enqueue(app: &App, write: &Write, study: StudyId, person: &Person) -> Result<JobId, Problem> {
    let order = Order { study, model: None, by: person.user };
    Ok(LeaseQueue::new(app.db.clone()).enqueue(write, order).await?.id)
}

/// An upload without files has become studies.
async fn forget_if_empty(write: &Write, id: UploadId) -> Result<(), Problem> {
    if rows::files(write, id).await?.is_empty() {
        let row = upload::ActiveModel { id: Set(id), state: Set(upload::State::Committed), ..Default::default() };
        row.update(write).await?;
    }
    Ok(())
}

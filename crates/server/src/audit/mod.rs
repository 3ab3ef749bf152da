//! Who did what, and when: append-only, each entry bound to the one before it by a hash.
//!
//! A changed, removed or inserted entry breaks the chain, and `glioscope check` says where.
//!
//! A change and its entry are one transaction ([`commit`]): a change that is not recorded is not there, and an entry
//! of a change that failed neither. Entries of reads ([`record`]) are written by one task that takes all that wait
//! into one transaction: a thousand reads a second must not cost a thousand commits. A request goes on when its entry
//! is in the database, not before.

mod chain;
mod routes;

use sea_orm::DbErr;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::accounts::Person;
use crate::app::App;
use crate::db::{Db, Write};
use crate::error::{Code, Problem};

pub use chain::{Broken, Verdict, verify};
pub use routes::routes;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Looked at one.
    Read,
    /// Looked at many.
    List,
    /// Made one.
    Create,
    /// Changed one.
    Change,
    /// Put one into the bin, or away.
    Remove,
    /// Took one out of the bin.
    Restore,
    /// Deleted one for ever.
    Purge,
    /// Took a copy out of the system.
    Export,
    /// Came in.
    LogIn,
    /// Tried to come in with a wrong password.
    LogInFailed,
    /// Went out.
    LogOut,
}

impl Action {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::Change => "change",
            Self::Remove => "remove",
            Self::Restore => "restore",
            Self::Purge => "purge",
            Self::Export => "export",
            Self::LogIn => "log_in",
            Self::LogInFailed => "log_in_failed",
            Self::LogOut => "log_out",
        }
    }
}

/// What it was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A patient.
    Patient,
    /// A study.
    Study,
    /// A series of a study.
    Series,
    /// A segmentation.
    Segmentation,
    /// A personal draft of a segmentation.
    Draft,
    /// An upload.
    Upload,
    /// A job.
    Job,
    /// Studies of many patients at once.
    Cohort,
    /// A model.
    Model,
    /// An account.
    User,
    /// An API token.
    Token,
    /// A session.
    Session,
    /// This log.
    Audit,
}

impl Kind {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Study => "study",
            Self::Series => "series",
            Self::Segmentation => "segmentation",
            Self::Draft => "draft",
            Self::Upload => "upload",
            Self::Job => "job",
            Self::Cohort => "cohort",
            Self::Model => "model",
            Self::User => "user",
            Self::Token => "token",
            Self::Session => "session",
            Self::Audit => "audit",
        }
    }
}

/// One object of the log, with what else should be remembered. Never names of patients, passwords or tokens.
#[derive(Clone, Debug)]
pub struct Object {
    kind: Kind,
    id: Option<String>,
    detail: Value,
}

impl Object {
    /// One of a kind.
    #[expect(clippy::needless_pass_by_value, reason = "ids are copied")]
    pub fn one(kind: Kind, id: impl ToString) -> Self {
        Self { kind, id: Some(id.to_string()), detail: Value::Null }
    }

    /// All, or many, of a kind.
    pub fn all(kind: Kind) -> Self {
        Self { kind, id: None, detail: Value::Null }
    }

    /// The same with what else should be remembered.
    #[must_use]
    pub fn with(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

/// An entry on its way into the log.
#[derive(Clone, Debug)]
pub struct Entry {
    user_key: String,
    action: Action,
    object: Object,
}

impl Entry {
    /// Who did what to what.
    pub fn of(person: &Person, action: Action, object: Object) -> Self {
        Self { user_key: person.key().to_owned(), action, object }
    }
}

type Waiting = (Entry, oneshot::Sender<Result<(), DbErr>>);

/// The way into the log.
#[derive(Clone, Debug)]
pub struct Audit(mpsc::Sender<Waiting>);

/// Entries that wait for their transaction, and entries of one transaction.
const WAITING: usize = 1024;
const TOGETHER: usize = 256;

impl Audit {
    /// Starts the one task that writes.
    pub fn open(db: Db) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Waiting>(WAITING);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(TOGETHER);
            while receiver.recv_many(&mut waiting, TOGETHER).await > 0 {
                let (entries, told): (Vec<Entry>, Vec<_>) = waiting.drain(..).unzip();
                let outcome = chain::append(&db, &entries).await;
                for tell in told {
                    tell.send(outcome.clone()).ok(); // whoever asked has gone
                }
            }
        });
        Self(sender)
    }

    /// Writes an entry; back when it is in the database.
    ///
    /// # Errors
    /// [`Code::Unavailable`]: what cannot be recorded must not be done.
    pub async fn record(&self, person: &Person, action: Action, object: Object) -> Result<(), Problem> {
        let (tell, told) = oneshot::channel();
        let sent = self.0.send((Entry::of(person, action, object), tell)).await;
        sent.map_err(|_| unwritten("its task has ended"))?;
        told.await.map_err(|_| unwritten("its task has ended"))?.map_err(unwritten)
    }
}

fn unwritten(cause: impl ToString) -> Problem {
    Problem::new(Code::Unavailable, "The audit log cannot be written, so nothing was done.").caused_by(cause)
}

/// Makes a change so, with the entry that says who made it: both are there afterwards, or neither.
///
/// # Errors
/// [`Code::Unavailable`]: what cannot be recorded is not done.
pub async fn commit(write: Write, person: &Person, action: Action, object: Object) -> Result<(), Problem> {
    commit_all(write, &[Entry::of(person, action, object)]).await
}

/// As [`commit`], for several changes at once.
///
/// # Errors
/// As [`commit`].
pub async fn commit_all(write: Write, entries: &[Entry]) -> Result<(), Problem> {
    if !entries.is_empty() {
        chain::put(&write, entries).await.map_err(unwritten)?;
    }
    Ok(write.commit_unrecorded().await?)
}

/// Writes the entry of a read; back when it is in the database. Call it before the answer's first byte. Changes are
/// recorded by [`commit`].
///
/// # Errors
/// [`Code::Unavailable`]: what cannot be recorded must not be done.
pub async fn record(app: &App, person: &Person, action: Action, object: Object) -> Result<(), Problem> {
    app.audit.record(person, action, object).await
}

//! What happens in the server, told to the pages that listen.

use serde_json::Value;
use tokio::sync::broadcast;

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A job moved.
    Job,
    /// A study, its segmentations or its draft changed.
    Study,
    /// An upload changed.
    Upload,
}

impl EventKind {
    /// Its name in the stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Study => "study",
            Self::Upload => "upload",
        }
    }
}

/// Something happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it is about.
    pub kind: EventKind,
    /// Which one.
    pub id: String,
    /// Whose alone it is, by [`crate::accounts::Person::key`]; `None`: everybody's.
    pub only_for: Option<String>,
    /// What the stream carries; `Null`: `{"id": ...}`.
    pub row: Value,
}

impl Event {
    /// An event for everybody that carries no more than its id.
    pub fn new(kind: EventKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), only_for: None, row: Value::Null }
    }
}

/// The channel that events go through.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Event>);

/// A page that does not read so many events while they come asks for everything anew.
const KEPT: usize = 1024;

impl Events {
    /// A channel that nobody listens to yet.
    pub fn open() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }

    /// Tells whoever listens.
    pub fn tell(&self, event: Event) {
        self.0.send(event).ok(); // nobody listens: nothing to do
    }

    /// Listens from here on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

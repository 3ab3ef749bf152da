//! What happens in the server, told to the pages that listen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// The channel that events go through, and how many streams each person has open.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<Event>,
    open: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// Streams of one person at once: each holds a connection for minutes, and those are few.
const STREAMS: usize = 32;

/// One stream of one person; counted until it is dropped.
#[derive(Debug)]
pub struct Listening {
    /// What is told from here on.
    pub told: broadcast::Receiver<Event>,
    /// Whose stream it is, by [`crate::accounts::Person::key`].
    pub key: String,
    open: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = open.get_mut(&self.key) {
            *n -= 1;
            if *n == 0 {
                open.remove(&self.key);
            }
        }
    }
}

/// A page that does not read so many events while they come asks for everything anew.
const KEPT: usize = 1024;

impl Events {
    /// A channel that nobody listens to yet.
    pub fn open() -> Self {
        Self { sender: broadcast::Sender::new(KEPT), open: Arc::default() }
    }

    /// Tells whoever listens.
    pub fn tell(&self, event: Event) {
        self.sender.send(event).ok(); // nobody listens: nothing to do
    }

    /// Listens from here on; nothing if the person has too many streams open.
    pub fn listen(&self, key: &str) -> Option<Listening> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let n = open.entry(key.to_owned()).or_default();
        if *n >= STREAMS {
            return None;
        }
        *n += 1;
        Some(Listening { told: self.sender.subscribe(), key: key.to_owned(), open: Arc::clone(&self.open) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_so_many_streams_and_no_more() {
        let events = Events::open();
        let mut streams: Vec<_> = (0..STREAMS).map(|_| events.listen("kim").unwrap()).collect();
        assert!(events.listen("kim").is_none());
        assert!(events.listen("lee").is_some(), "another person's are counted apart");
        streams.pop();
        assert!(events.listen("kim").is_some());
    }
}

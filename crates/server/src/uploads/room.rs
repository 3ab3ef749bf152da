//! How much the unfinished uploads of a person may hold, with what is still on its way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are on their way, by person.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Arc<Mutex<BTreeMap<String, u64>>>);

/// Room that one request holds for its files; given back when it is dropped, which is after their rows say so.
#[derive(Debug)]
pub(super) struct Room {
    all: Rooms,
    key: String,
    bytes: u64,
}

impl Rooms {
    /// Holds room for bytes that are about to come, whether or not there is any: see [`Room::held`].
    pub(super) fn hold(&self, key: &str, bytes: u64) -> Room {
        *self.lock().entry(key.to_owned()).or_default() += bytes;
        Room { all: self.clone(), key: key.to_owned(), bytes }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Bytes that all requests of the person hold. Asked before the rows are: a file that ends in between is counted twice
    /// then, and not never.
    pub(super) fn held(&self) -> u64 {
        self.all.lock().get(&self.key).copied().unwrap_or(0)
    }

    /// Holds more, as much as there is of what is wanted; how much. `free` is what nobody holds or has filled.
    pub(super) fn grow(&mut self, wanted: u64, free: impl FnOnce(u64) -> u64) -> u64 {
        let mut all = self.all.lock();
        let held = all.entry(self.key.clone()).or_default();
        let more = wanted.min(free(*held));
        *held += more;
        self.bytes += more;
        more
    }
}

impl Room {
    /// Holds what came, where nobody had said how much would.
    pub(super) fn settle(&mut self, bytes: u64) {
        let mut all = self.all.lock();
        if let Some(held) = all.get_mut(&self.key) {
            *held = held.saturating_sub(self.bytes).saturating_add(bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(held) = all.get_mut(&self.key) {
            *held = held.saturating_sub(self.bytes);
            if *held == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_held_by_person_and_given_back() {
        let rooms = Rooms::default();
        let mut first = rooms.hold("kim", 40);
        let second = rooms.hold("kim", 30);
        assert_eq!((second.held(), rooms.hold("lee", 5).held()), (70, 5));
        assert_eq!(first.grow(100, |held| 90 - held), 20, "as much as there is");
        assert_eq!(second.held(), 90);
        drop(first);
        assert_eq!(second.held(), 30);
        drop(second);
        assert!(rooms.lock().is_empty());
    }
}

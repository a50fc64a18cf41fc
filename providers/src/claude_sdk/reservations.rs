//! Names of sessions that a request is being given to, so that another request for the same one is told to wait.

use std::collections::HashSet;

use ccproxy_core::Result;
use parking_lot::Mutex;

use super::failure;
use super::resumable::Key;

/// All of them.
#[derive(Default)]
pub(super) struct Reservations(Mutex<HashSet<Key>>);

/// One of them, until it is dropped.
pub(super) struct Reservation<'r> {
    all: &'r Reservations,
    key: Key,
}

impl Reservations {
    /// An error for the client when another request has it.
    pub(super) fn take(&self, key: Key) -> Result<Reservation<'_>> {
        match self.0.lock().insert(key.clone()) {
            true => Ok(Reservation { all: self, key }),
            false => Err(failure::busy(&key.1)),
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.key);
    }
}

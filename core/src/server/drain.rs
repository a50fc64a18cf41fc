//! The end of the server: stop accepting, let exchanges finish, then leave.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A handle on the end of the server: says that it has come, and counts who is still there.
#[derive(Clone, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    next: AtomicU64,
    live: Mutex<HashMap<u64, Option<Waker>>>,
    changed: Notify,
}

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Accepting.
    Running = 0,
    /// No new connections; exchanges in flight finish.
    Draining = 1,
    /// Connections are dropped where they stand.
    Now = 2,
}

impl Drain {
    /// Stops accepting; exchanges in flight may finish within the drain timeout.
    pub fn begin(&self) {
        self.enter(Phase::Draining);
    }

    /// Ends every connection where it stands.
    pub fn now(&self) {
        self.enter(Phase::Now);
    }

    /// How far the end is.
    #[inline]
    pub fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Now,
        }
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.0.live.lock().len()
    }

    fn enter(&self, phase: Phase) {
        self.0.phase.fetch_max(phase as u8, Ordering::AcqRel);
        for waker in self.0.live.lock().values().flatten() {
            waker.wake_by_ref();
        }
        self.0.changed.notify_waiters();
    }

    /// Waits until the end is at least at `phase`.
    pub async fn reached(&self, phase: Phase) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            if self.phase() >= phase {
                return;
            }
            changed.await;
        }
    }

    /// Waits until no connection is open.
    pub async fn empty(&self) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.connections() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Counts a connection in. It is woken when the phase changes.
    pub(super) fn admit(&self) -> Seat {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.live.lock().insert(id, None);
        Seat { drain: self.clone(), id, known: false }
    }
}

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Drain({:?}, {} connections)", self.phase(), self.connections())
    }
}

/// A connection's place in the count. Dropping it counts the connection out.
pub(crate) struct Seat {
    drain: Drain,
    id: u64,
    known: bool,
}

impl Seat {
    /// Called by the connection's task in each poll; leaves the task's waker at the first one. The
    /// waker of a spawned task never changes, so this costs a look at an atomic afterwards.
    #[inline]
    pub(super) fn phase(&mut self, waker: &Waker) -> Phase {
        if !self.known {
            self.drain.0.live.lock().insert(self.id, Some(waker.clone()));
            self.known = true;
        }
        self.drain.phase()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let waker = self.drain.0.live.lock().remove(&self.id);
        drop(waker);
        if self.drain.phase() > Phase::Running {
            self.drain.0.changed.notify_waiters();
        }
    }
}

//! The clock that budgets are measured with: a counter of ticks that one thread advances.
//!
//! A running script only compares two integers at each safepoint. The thread ticks while scripts run,
//! goes on for a while after the last of them, and then sleeps until the next: a request wakes nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;

/// The length of a tick, and so the precision of every CPU budget.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Ticks without a script running before the thread sleeps: five seconds.
const IDLE_TICKS: u32 = 1_000;

/// The clock. Dropping the last handle ends the thread.
pub(crate) struct Clock {
    face: Arc<Face>,
    thread: Mutex<Option<Thread>>,
}

/// What the thread and the scripts share.
pub(crate) struct Face {
    ticks: AtomicU64,
    /// A script ran since the last tick.
    active: AtomicBool,
    /// The thread sleeps.
    parked: AtomicBool,
    /// The clock is gone.
    ended: AtomicBool,
}

impl Clock {
    /// A clock at rest; its thread starts with the first script.
    pub(crate) fn new() -> Self {
        let face = Face {
            ticks: AtomicU64::new(1),
            active: AtomicBool::new(false),
            parked: AtomicBool::new(true),
            ended: AtomicBool::new(false),
        };
        Clock { face: Arc::new(face), thread: Mutex::new(None) }
    }

    /// What a VM reads.
    pub(crate) fn face(&self) -> Arc<Face> {
        self.face.clone()
    }

    /// A script is about to run: from now on the clock ticks.
    #[inline]
    pub(crate) fn start(&self) {
        if !self.face.active.load(Ordering::Relaxed) {
            self.face.active.store(true, Ordering::SeqCst);
        }
        if self.face.parked.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let mut thread = self.thread.lock();
        if !self.face.parked.swap(false, Ordering::SeqCst) {
            return;
        }
        match &*thread {
            Some(thread) => thread.unpark(),
            None => {
                let face = self.face.clone();
                let spawned = thread::Builder::new().name("lua-clock".to_owned()).spawn(move || face.run());
                match spawned {
                    Ok(handle) => *thread = Some(handle.thread().clone()),
                    Err(error) => {
                        // Without ticks there are no deadlines: the next call tries again.
                        self.face.parked.store(true, Ordering::SeqCst);
                        tracing::error!(%error, "the clock of the script budgets cannot start");
                    }
                }
            }
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.face.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}

impl Face {
    /// The tick it is.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    fn run(&self) {
        let mut idle = 0;
        while !self.ended.load(Ordering::SeqCst) {
            #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
            thread::sleep(TICK);
            self.ticks.fetch_add(1, Ordering::Relaxed);
            idle = if self.active.swap(false, Ordering::SeqCst) { 0 } else { idle + 1 };
            if idle >= IDLE_TICKS {
                self.park();
                idle = 0;
            }
        }
    }

    fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        // A script that started just now has either seen `parked`, or is seen here.
        if self.active.load(Ordering::SeqCst) {
            self.parked.store(false, Ordering::SeqCst);
            return;
        }
        while self.parked.load(Ordering::SeqCst) && !self.ended.load(Ordering::SeqCst) {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ticks_once_a_script_has_started() {
        let clock = Clock::new();
        let face = clock.face();
        let before = face.now();
        clock.start();
        while face.now() < before + 2 {
            thread::yield_now();
        }
        assert!(!face.parked.load(Ordering::SeqCst));
    }
}

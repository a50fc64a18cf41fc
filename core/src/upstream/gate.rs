//! A waker between a task and the connection it drives itself.
//!
//! hyper's client hands each chunk from the connection's future to the body's through a channel, and
//! wakes the other side. When both are polled by the same task that wake would only make it run once
//! more for nothing; the gate keeps it, and lets through those that come from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// The gate; its wakers stay valid for the life of the connection, whichever task holds it.
#[derive(Default)]
pub(super) struct Gate {
    task: AtomicWaker,
    inside: AtomicBool,
    woken: AtomicBool,
}

impl Gate {
    /// Between rounds: whether no wake has come since the last one. The next goes to this task.
    pub(super) fn is_quiet(&self, task: &Waker) -> bool {
        // Registered first: a wake that the look misses finds the task.
        self.task.register(task);
        !self.woken.load(SeqCst)
    }

    /// Before a round of polls: wakes are kept from now on.
    pub(super) fn enter(&self, task: &Waker) {
        self.task.register(task);
        self.woken.store(false, SeqCst);
        self.inside.store(true, SeqCst);
    }

    /// After a round of polls: whether a wake came in it, so that another round is due.
    pub(super) fn leave(&self) -> bool {
        // This order and the one in `wake_by_ref` make sure that a wake is seen by at least one side.
        self.inside.store(false, SeqCst);
        self.woken.swap(false, SeqCst)
    }
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, SeqCst);
        if !self.inside.load(SeqCst) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn wakes_inside_are_kept_and_told() {
        let count = Arc::new(Count::default());
        let task = Waker::from(count.clone());
        let gate = Arc::new(Gate::default());
        let waker = Waker::from(gate.clone());

        gate.enter(&task);
        waker.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 0);
        assert!(gate.leave());

        gate.enter(&task);
        assert!(!gate.leave());
        assert!(gate.is_quiet(&task));
        waker.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 1);
        assert!(!gate.is_quiet(&task));
    }
}

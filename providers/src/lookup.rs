//! Something that takes a while to find out: asked for in the background, once at a time, and remembered. Whoever
//! wants to know waits for a moment only, and then gets what was known last.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long one who asks waits for an answer. Health is given two seconds by the core.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The last answer, and the task that asks for the next one.
pub(crate) struct Lookup<T> {
    fresh: Duration,
    last: Arc<watch::Sender<Option<(Instant, T)>>>,
    task: Mutex<Option<AbortHandle>>,
}

impl<T: Clone + Send + Sync + 'static> Lookup<T> {
    /// Whose answers are good for this long.
    pub(crate) fn new(fresh: Duration) -> Self {
        Lookup { fresh, last: Arc::new(watch::Sender::new(None)), task: Mutex::default() }
    }

    /// From memory when that is fresh; otherwise `ask` is run, unless it runs already, and waited for as long as
    /// [`PATIENCE`]. It goes on when nobody waits any more, so it must have a limit of its own. What it has not
    /// found out by then is what was known before; `None` when that is nothing.
    pub(crate) async fn get<F>(&self, ask: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut told = self.last.subscribe();
        let known = told.borrow().clone();
        if let Some((_, answer)) = known.filter(|(when, _)| when.elapsed() < self.fresh) {
            return Some(answer);
        }
        {
            let mut task = self.task.lock();
            if task.as_ref().is_none_or(AbortHandle::is_finished) {
                let (asking, last) = (ask(), self.last.clone());
                let asked = async move { last.send_replace(Some((Instant::now(), asking.await))) };
                *task = Some(tokio::spawn(asked).abort_handle());
            }
        }
        // Anything that was told since `subscribe` counts: nothing is missed in between.
        let _ = tokio::time::timeout(PATIENCE, told.changed()).await;
        let known = told.borrow().clone();
        known.map(|(_, answer)| answer)
    }
}

impl<T> Drop for Lookup<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_long_is_asked_once_and_remembered() {
        let lookup = Lookup::new(Duration::from_secs(30));
        let asked = Arc::new(AtomicUsize::new(0));
        let slow = || {
            let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                tokio::time::sleep(Duration::from_secs(4)).await;
                number
            }
        };
        let begun = Instant::now();
        assert_eq!(lookup.get(slow).await, None);
        assert_eq!(lookup.get(slow).await, None);
        assert_eq!(begun.elapsed(), 2 * PATIENCE);
        // The third one is there when the answer comes.
        assert_eq!(lookup.get(slow).await, Some(1));
        assert_eq!((begun.elapsed(), asked.load(Ordering::Relaxed)), (Duration::from_secs(4), 1));
        assert_eq!(lookup.get(slow).await, Some(1));
        // What is no longer fresh is better than nothing.
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(lookup.get(slow).await, Some(1));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(lookup.get(slow).await, Some(2));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn its_end_is_the_end_of_asking() {
        let (alive, mut gone) = tokio::sync::oneshot::channel::<()>();
        let lookup = Lookup::new(Duration::from_secs(30));
        let never = || async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        };
        assert_eq!(lookup.get(never).await, None);
        assert!(
            gone.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty)
        );
        drop(lookup);
        assert!(gone.await.is_err());
    }
}

//! Plugin instances that a newer generation does not have: each is shut down once the last exchange that
//! began with it is over, in whichever generation that was.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::plugin::PluginRuntime;

/// How often it is looked whether an instance is still in use.
const LOOK: Duration = Duration::from_millis(200);

/// The instances that wait for their last exchange. There are at most as many as exchanges in flight, times
/// the plugins that changed under them.
#[derive(Default)]
pub(crate) struct Retired(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    instances: Vec<Arc<dyn PluginRuntime>>,
    /// A task looks after them.
    watched: bool,
}

impl Retired {
    /// Takes instances over, dependants last. Must run inside a tokio runtime.
    pub(crate) fn add(self: &Arc<Self>, gone: Vec<Arc<dyn PluginRuntime>>) {
        let mut waiting = self.0.lock();
        // Dependants end first, as they do at the end of the process.
        waiting.instances.extend(gone.into_iter().rev());
        if !waiting.watched && !waiting.instances.is_empty() {
            waiting.watched = true;
            tokio::spawn(self.clone().watch());
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().instances.len()
    }

    /// The process ends, and with it the exchanges: shuts down all that still wait.
    pub(crate) async fn finish(&self) {
        let all = std::mem::take(&mut self.0.lock().instances);
        for runtime in all {
            runtime.shutdown().await;
        }
    }

    async fn watch(self: Arc<Self>) {
        while let Some(free) = self.take_free() {
            for runtime in free {
                runtime.shutdown().await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Those that no generation holds any more; `None` when none wait.
    fn take_free(&self) -> Option<Vec<Arc<dyn PluginRuntime>>> {
        let mut waiting = self.0.lock();
        if waiting.instances.is_empty() {
            waiting.watched = false;
            return None;
        }
        // Exchanges hold their generation, and that holds its instances.
        Some(waiting.instances.extract_if(.., |runtime| Arc::strong_count(runtime) == 1).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::plugin::Health;
    use crate::step::BoxFuture;

    struct Ends(Arc<AtomicUsize>);

    impl PluginRuntime for Ends {
        fn health(&self) -> BoxFuture<'_, Health> {
            Box::pin(async { Health::pass() })
        }
        fn shutdown(&self) -> BoxFuture<'_, ()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {})
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_ends_when_nobody_holds_it_and_not_before() {
        let (ended, retired) = (Arc::new(AtomicUsize::new(0)), Arc::new(Retired::default()));
        let instance = || -> Arc<dyn PluginRuntime> { Arc::new(Ends(ended.clone())) };
        let (free, held) = (instance(), instance());
        retired.add(vec![free, held.clone()]);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!((ended.load(Ordering::SeqCst), retired.count()), (1, 1));
        drop(held);
        tokio::time::sleep(LOOK * 2).await;
        assert_eq!((ended.load(Ordering::SeqCst), retired.count()), (2, 0));
        // The watch has ended, and begins again.
        let (third, last) = (instance(), instance());
        retired.add(vec![third.clone()]);
        drop(third);
        tokio::time::sleep(LOOK * 2).await;
        assert_eq!((ended.load(Ordering::SeqCst), retired.count()), (3, 0));
        retired.add(vec![last.clone()]);
        retired.finish().await;
        assert_eq!((ended.load(Ordering::SeqCst), retired.count()), (4, 0));
    }
}

//! Who hears which event in one generation.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, mpsc, oneshot};

use super::{Event, Hook, Kind};
use crate::error::Result;
use crate::exchange::Exchange;
use crate::plugin::PluginRuntime;

/// Events a plugin may be behind before further ones are dropped and counted.
const QUEUE: usize = 1024;

/// One declared hook with the plugin it belongs to.
#[derive(Clone)]
pub struct Listener {
    /// The plugin.
    pub plugin: Arc<str>,
    /// Which event.
    pub kind: Kind,
    /// The full name; matters for `custom.*`.
    pub name: Arc<str>,
    /// Lower hears first.
    pub priority: i32,
    /// Who hears it.
    pub hook: Arc<dyn Hook>,
    /// Its instance, which does not end before it has heard what is queued for it.
    pub runtime: Option<Arc<dyn PluginRuntime>>,
}

/// The listeners of one generation, one queue and one consumer a plugin.
#[derive(Default)]
pub struct Listeners {
    wanted: u32,
    prepared: Vec<Listener>,
    queues: Vec<Queue>,
}

struct Queue {
    wanted: u32,
    ears: Arc<Ears>,
    sender: mpsc::Sender<Message>,
    dropped: AtomicU64,
}

/// The listeners of one plugin, and what they have not begun to hear.
struct Ears {
    plugin: Arc<str>,
    listeners: Vec<Listener>,
    backlog: Mutex<VecDeque<Arc<Event>>>,
    /// Held from taking an event until its first listener has begun.
    turn: Turn<()>,
}

enum Message {
    /// One more in the backlog.
    Event,
    /// Answered when everything before it has been heard.
    Flush(oneshot::Sender<()>),
}

impl Listeners {
    /// Starts a consumer for each plugin that listens. Must run inside a tokio runtime.
    pub fn new(mut listeners: Vec<Listener>) -> Self {
        listeners.sort_by(|a, b| (a.priority, &a.plugin).cmp(&(b.priority, &b.plugin)));
        let (prepared, observers): (Vec<_>, Vec<_>) =
            listeners.into_iter().partition(|listener| listener.kind == Kind::ProviderRequestPrepared);
        let mut by_plugin: Vec<(Arc<str>, Vec<Listener>)> = Vec::new();
        for listener in observers {
            match by_plugin.iter_mut().find(|(plugin, _)| *plugin == listener.plugin) {
                Some((_, list)) => list.push(listener),
                None => by_plugin.push((listener.plugin.clone(), vec![listener])),
            }
        }
        let queues: Vec<Queue> =
            by_plugin.into_iter().map(|(plugin, list)| Queue::start(plugin, list)).collect();
        let wanted = queues.iter().fold(0, |all, queue| all | queue.wanted)
            | if prepared.is_empty() { 0 } else { bit(Kind::ProviderRequestPrepared) };
        Listeners { wanted, prepared, queues }
    }

    /// Whether anyone listens: ask before building an event.
    #[inline]
    pub fn wants(&self, kind: Kind) -> bool {
        self.wanted & bit(kind) != 0
    }

    /// Queues an event for every plugin that listens; never waits.
    pub fn emit(&self, event: Event) {
        let kind = bit(event.kind);
        let event = Arc::new(event);
        for queue in self.queues.iter().filter(|queue| queue.wanted & kind != 0) {
            queue.push(&event);
        }
    }

    /// `provider.request.prepared`, one listener after the other, each seeing the edits before it. A plugin
    /// has begun to hear the earlier events of this exchange by then.
    pub async fn prepared(&self, exchange: &Arc<Exchange>) -> Result<()> {
        for listener in &self.prepared {
            if let Some(queue) = self.queues.iter().find(|queue| queue.ears.plugin == listener.plugin) {
                queue.ears.catch_up(exchange).await;
            }
            listener.hook.prepared(exchange).get().await?;
        }
        Ok(())
    }

    /// Events dropped because the plugin was behind.
    pub fn dropped(&self, plugin: &str) -> u64 {
        self.queues
            .iter()
            .find(|queue| &*queue.ears.plugin == plugin)
            .map_or(0, |queue| queue.dropped.load(Ordering::Relaxed))
    }

    /// Waits until what is queued by now has been heard, at most `limit`.
    pub async fn flush(&self, limit: Duration) {
        let all = async {
            for queue in &self.queues {
                let (done, heard) = oneshot::channel();
                if queue.sender.send(Message::Flush(done)).await.is_ok() {
                    let _ = heard.await;
                }
            }
        };
        let _ = tokio::time::timeout(limit, all).await;
    }
}

impl Queue {
    fn start(plugin: Arc<str>, listeners: Vec<Listener>) -> Self {
        let wanted = listeners.iter().fold(0, |all, listener| all | bit(listener.kind));
        let (sender, mut receiver) = mpsc::channel::<Message>(QUEUE);
        let ears =
            Arc::new(Ears { plugin, listeners, backlog: Mutex::new(VecDeque::new()), turn: Turn::new(()) });
        let hearing = ears.clone();
        // Ends by itself once the queue is gone and what was in it has been heard.
        tokio::spawn(async move {
            while let Some(message) = receiver.recv().await {
                match message {
                    Message::Event => hearing.next().await,
                    Message::Flush(done) => {
                        let _ = done.send(());
                    }
                }
            }
        });
        Queue { wanted, ears, sender, dropped: AtomicU64::new(0) }
    }

    fn push(&self, event: &Arc<Event>) {
        let mut backlog = self.ears.backlog.lock();
        if let Ok(place) = self.sender.try_reserve() {
            backlog.push_back(event.clone());
            place.send(Message::Event);
            return;
        }
        drop(backlog);
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if dropped.is_power_of_two() {
            tracing::warn!(plugin = %self.ears.plugin, event = %event.name, dropped, "a plugin is behind with its events; this one was dropped");
        }
    }
}

impl Ears {
    /// Hears the oldest event, unless it was heard out of turn.
    async fn next(self: &Arc<Self>) {
        let turn = self.turn.lock().await;
        let Some(event) = self.backlog.lock().pop_front() else { return };
        let mut hearing = Box::pin(self.clone().hear(event));
        let begun = poll_fn(|cx| Poll::Ready(hearing.as_mut().poll(cx))).await;
        drop(turn);
        if begun.is_pending() {
            hearing.await;
        }
    }

    /// Begins to hear the queued events of this exchange, before those of others; what has to wait for
    /// something goes on by itself, so that no exchange waits for an observer.
    async fn catch_up(self: &Arc<Self>, exchange: &Exchange) {
        let _turn = self.turn.lock().await;
        let id = exchange.id.to_string();
        let own = |event: &Event| event.data.get("id").and_then(|value| value.as_str()) == Some(&id);
        let mut early = Vec::new();
        self.backlog.lock().retain(|event| {
            let own = own(event);
            early.extend(own.then(|| event.clone()));
            !own
        });
        for event in early {
            let mut hearing = Box::pin(self.clone().hear(event));
            if poll_fn(|cx| Poll::Ready(hearing.as_mut().poll(cx))).await.is_pending() {
                tokio::spawn(hearing);
            }
        }
    }

    async fn hear(self: Arc<Self>, event: Arc<Event>) {
        for listener in self.listeners.iter().filter(|listener| listener.hears(&event)) {
            if let Err(error) = listener.hook.observe(event.clone()).await {
                tracing::warn!(plugin = %self.plugin, event = %event.name, "{error}");
            }
        }
    }
}

impl Listener {
    fn hears(&self, event: &Event) -> bool {
        self.kind == event.kind
            && (self.kind != Kind::Custom || self.name == event.name || &*self.name == "custom")
    }
}

fn bit(kind: Kind) -> u32 {
    1 << kind as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::BoxFuture;
    use parking_lot::Mutex;
    use serde_json::Map;

    struct Recorder(Mutex<Vec<String>>);

    impl Hook for Recorder {
        fn observe<'a>(&'a self, event: Arc<Event>) -> BoxFuture<'a, Result<()>> {
            self.0.lock().push(event.name.to_string());
            Box::pin(async { Ok(()) })
        }
    }

    fn listener(hook: &Arc<Recorder>, kind: Kind, name: &str) -> Listener {
        Listener {
            plugin: "p".into(),
            kind,
            name: name.into(),
            priority: 500,
            hook: hook.clone(),
            runtime: None,
        }
    }

    #[tokio::test]
    async fn events_are_heard_in_order_and_only_by_those_who_asked() {
        let hook = Arc::new(Recorder(Mutex::new(Vec::new())));
        let listeners = Listeners::new(vec![
            listener(&hook, Kind::RequestStarted, "request.started"),
            listener(&hook, Kind::RequestCompleted, "request.completed"),
            listener(&hook, Kind::Custom, "custom.mine"),
        ]);
        assert!(listeners.wants(Kind::RequestStarted));
        assert!(!listeners.wants(Kind::AppReady));
        for kind in [Kind::RequestStarted, Kind::AppReady, Kind::RequestCompleted] {
            listeners.emit(Event::new(kind, Map::new()));
        }
        listeners.emit(Event::named(Kind::Custom, "custom.other", Map::new()));
        listeners.emit(Event::named(Kind::Custom, "custom.mine", Map::new()));
        listeners.flush(Duration::from_secs(5)).await;
        assert_eq!(*hook.0.lock(), ["request.started", "request.completed", "custom.mine"]);
    }

    #[tokio::test]
    async fn a_full_queue_counts_what_it_drops() {
        let hook = Arc::new(Recorder(Mutex::new(Vec::new())));
        let listeners = Listeners::new(vec![listener(&hook, Kind::RequestStarted, "request.started")]);
        // The consumer cannot run before this task waits, so exactly the overflow is dropped.
        for _ in 0..QUEUE + 7 {
            listeners.emit(Event::new(Kind::RequestStarted, Map::new()));
        }
        assert_eq!(listeners.dropped("p"), 7);
        listeners.flush(Duration::from_secs(5)).await;
        assert_eq!(hook.0.lock().len(), QUEUE);
    }
}

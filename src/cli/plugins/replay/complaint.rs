//! What a plugin fails with during a replay: heard from the log, the first of each kind.

use std::fmt::{Debug, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Kinds that are told.
const MOST: usize = 20;
/// What a message says after its failure: what became of the exchange.
const AFTER: [&str; 3] =
    ["; the exchange goes on without it", "; the event passes as it came", "; the bytes pass as they came"];

/// Failures of one kind: of one handler, at one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The first one: `` `request` at plugin.lua:3: attempt to index nil ``.
    pub(super) message: String,
    pub(super) times: u64,
}

impl Complaint {
    /// For people.
    pub(super) fn line(&self) -> String {
        format!("failed {}: {}", times(self.times), self.message)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({ "message": self.message, "times": self.times })
    }
}

/// How often, in words.
pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// Hears what is logged on this thread as long as its guard lives.
#[derive(Clone)]
pub(super) struct Complaints {
    /// How messages about the plugin begin.
    of: Arc<str>,
    list: Arc<Mutex<Vec<Complaint>>>,
}

impl Complaints {
    /// Of this plugin.
    pub(super) fn hear(plugin: &str) -> (Self, DefaultGuard) {
        let complaints = Complaints { of: format!("plugin `{plugin}`, ").into(), list: Arc::default() };
        let subscriber = tracing_subscriber::registry().with(complaints.clone());
        (complaints, tracing::subscriber::set_default(subscriber))
    }

    pub(super) fn list(&self) -> Vec<Complaint> {
        self.list.lock().clone()
    }

    fn take(&self, message: &str) {
        let Some(at) = message.find(&*self.of) else { return };
        let message = &message[at + self.of.len()..];
        let message = AFTER.iter().find_map(|after| message.strip_suffix(after)).unwrap_or(message);
        let mut list = self.list.lock();
        if let Some(known) = list.iter_mut().find(|known| kind(&known.message) == kind(message)) {
            known.times += 1;
        } else if list.len() < MOST {
            list.push(Complaint { message: message.to_owned(), times: 1 });
        }
    }
}

/// The handler and the line of a message; the rest may name what differs each time.
fn kind(message: &str) -> &str {
    message.split_once(": ").map_or(message, |(place, _)| place)
}

impl<S: Subscriber> Layer<S> for Complaints {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // What a plugin logs itself is no failure of it.
        if *event.metadata().level() <= Level::WARN && event.metadata().target() != "plugin" {
            let mut message = Message::default();
            event.record(&mut message);
            self.take(&message.0);
        }
    }
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_is_kept_and_counted() {
        let (complaints, _guard) = Complaints::hear("x");
        for number in 1..=3 {
            tracing::warn!(
                "plugin `x`, `request` at plugin.lua:3: no {number}; the exchange goes on without it"
            );
        }
        tracing::error!(last = "plugin `x`, `request` at plugin.lua:3: no 3", "its breaker is open");
        tracing::warn!("a request failed: plugin `x`, `event` at plugin.lua:9: odd; indeed");
        tracing::warn!("plugin `y`, `request`: not ours");
        tracing::warn!(target: "plugin", "plugin `x`, `request`: said by itself");
        let lines: Vec<String> = complaints.list().iter().map(Complaint::line).collect();
        assert_eq!(
            lines,
            [
                "failed 3 times: `request` at plugin.lua:3: no 1",
                "failed once: `event` at plugin.lua:9: odd; indeed"
            ]
        );
    }
}

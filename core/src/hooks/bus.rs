//! Where plugins emit their own events: always the listeners that are live now.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Event, Kind, Listeners};

/// Follows the live generation. One for the process; plugins keep it across reloads.
#[derive(Default)]
pub struct Bus(ArcSwap<Listeners>);

impl Bus {
    /// The listeners that are live now.
    pub fn live(&self) -> Arc<Listeners> {
        self.0.load_full()
    }

    /// A new generation is live.
    pub(crate) fn follow(&self, listeners: Arc<Listeners>) {
        self.0.store(listeners);
    }

    /// Whether anyone listens now.
    pub fn wants(&self, kind: Kind) -> bool {
        self.0.load().wants(kind)
    }

    /// Queues an event for every plugin that listens now; never waits.
    pub fn emit(&self, event: Event) {
        self.0.load().emit(event);
    }
}

//! Events of the proxy's life, and who hears them.
//!
//! Observers never delay an exchange: each plugin has a bounded queue of its own, in order, whose
//! overflow is counted. Only `provider.request.prepared` is awaited, because it may edit.

mod bus;
mod event;
mod listeners;

use std::sync::Arc;

pub use bus::Bus;
pub use event::{Event, Kind};
pub use listeners::{Listener, Listeners};

use crate::error::Result;
use crate::exchange::Exchange;
use crate::step::{BoxFuture, Step};

/// One listener of a plugin.
pub trait Hook: Send + Sync + 'static {
    /// Hears an event. Failures are counted against the plugin and go nowhere else.
    fn observe<'a>(&'a self, event: Arc<Event>) -> BoxFuture<'a, Result<()>>;

    /// `provider.request.prepared`: may edit `exchange.outbound`. A failure fails the exchange.
    fn prepared<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<()>> {
        let _ = exchange;
        Step::Ready(Ok(()))
    }
}

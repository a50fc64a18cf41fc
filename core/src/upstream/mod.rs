//! Requests to providers: pooled connections, four clocks, bytes pulled by the client.

use std::sync::Arc;

use crate::body::Answer;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::provider::Outbound;
use crate::settings::UpstreamSettings;

/// The client side of the proxy. One for the process.
pub struct Upstream {
    settings: UpstreamSettings,
}

impl Upstream {
    /// Reads CA files and proxy settings; connects to nothing.
    pub fn new(settings: UpstreamSettings) -> Result<Self> {
        Ok(Upstream { settings })
    }

    /// Sends a request (step 8). Returns when the head is there: hop-by-hop fields are gone from it, and
    /// its body is still arriving under the clocks. Dropping the future or the body cancels upstream.
    pub async fn send(&self, exchange: &Arc<Exchange>, outbound: Outbound) -> Result<Answer> {
        let _ = (exchange, outbound, &self.settings);
        Err(Error::internal("no upstream yet"))
    }
}

//! Step 3: what every request must satisfy before anything looks at it.

use std::net::SocketAddr;

use http::request::Parts;

use super::RequestBody;
use crate::error::Result;
use crate::exchange::Client;
use crate::settings::ServerSettings;

/// The rules, compiled from the settings.
pub struct Guard {
    settings: ServerSettings,
}

impl Guard {
    /// Compiles the rules; `addresses` are those listened on.
    pub fn new(settings: &ServerSettings, addresses: &[SocketAddr]) -> Self {
        let _ = addresses;
        Guard { settings: settings.clone() }
    }

    /// Host, Origin, framing, sizes, content type: what does not depend on the route.
    pub fn check(&self, parts: &Parts, body: &RequestBody) -> Result<()> {
        let _ = (parts, &self.settings);
        body.check_length()
    }

    /// The client key, for routes that ask for one. Takes the key out of the headers when it was the
    /// proxy's own, so that it never travels upstream.
    pub fn authenticate(&self, parts: &mut Parts) -> Result<Client> {
        let _ = parts;
        Ok(Client::anonymous())
    }
}

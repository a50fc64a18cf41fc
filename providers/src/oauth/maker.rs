//! Makes the clients of identity providers: of those in the settings, and of those that plugins declare.

use std::sync::Arc;

use ccproxy_core::oauth::{Dialect, Endpoints, Failure, Maker, OAuthProvider, Reason};
use ccproxy_core::plugin::OAuthProviderSpec;

use super::server::Server;
use super::{Client, Network, settings};
use crate::vault::{Shelf, Vault};

/// What every client needs.
pub(super) struct Workshop {
    network: Arc<Network>,
    vault: Arc<Vault>,
}

impl Workshop {
    pub(super) fn new(network: Arc<Network>, vault: Arc<Vault>) -> Self {
        Workshop { network, vault }
    }

    pub(super) fn client(&self, server: Server) -> Arc<dyn OAuthProvider> {
        let storage = Shelf::new(self.vault.clone(), &server.name);
        Arc::new(Client::new(server, self.network.clone(), storage))
    }
}

impl Maker for Workshop {
    fn make(
        &self,
        spec: &OAuthProviderSpec,
        endpoints: &Endpoints,
        dialect: Option<Arc<dyn Dialect>>,
    ) -> Result<Arc<dyn OAuthProvider>, Failure> {
        let server = settings::declared(spec, endpoints)
            .map_err(|why| Failure::new(Reason::Unsupported, format!("`oauth_provider`: {why}")))?;
        let storage = Shelf::new(self.vault.clone(), &server.name);
        Ok(Arc::new(Client::new(server, self.network.clone(), storage).with_dialect(dialect)))
    }
}

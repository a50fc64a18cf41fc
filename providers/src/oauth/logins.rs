//! The identity providers and the keeper of their logins, as the rest of the house uses them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccproxy_core::oauth::{Failure, OAuthProvider, Reason};
use ccproxy_core::secret::Secret;
use ring::rand::{SecureRandom, SystemRandom};

use super::{Client, Network, settings::Servers};
use crate::keeper::{Keeper, Login};
use crate::vault::{Shelf, Vault};

/// Every identity provider, with its logins.
pub struct Logins {
    keeper: Arc<Keeper>,
    providers: BTreeMap<String, Arc<dyn OAuthProvider>>,
}

impl Logins {
    /// Of these identity providers, in this vault. Reads and connects nothing.
    pub fn new(servers: Servers, vault: &Arc<Vault>, network: Network) -> Arc<Self> {
        let network = Arc::new(network);
        let client = |server: super::server::Server| {
            let name = server.name.clone();
            let storage = Shelf::new(vault.clone(), &name);
            (name, Arc::new(Client::new(server, network.clone(), storage)) as Arc<dyn OAuthProvider>)
        };
        let providers = servers.0.into_iter().map(client).collect();
        Arc::new(Logins { keeper: Keeper::new(vault.clone()), providers })
    }

    /// The keeper.
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// An identity provider.
    pub fn provider(&self, name: &str) -> Option<&Arc<dyn OAuthProvider>> {
        self.providers.get(name)
    }

    /// All of them, by name.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<dyn OAuthProvider>> {
        self.providers.values()
    }

    /// The login of an account.
    pub fn login(&self, provider: &str, account: &str) -> Result<Arc<Login>, Failure> {
        let found = self.provider(provider).ok_or_else(|| {
            let known: Vec<String> = self.providers.keys().map(|name| format!("`{name}`")).collect();
            let shown: String = provider.chars().filter(|c| !c.is_control()).take(60).collect();
            Failure::new(
                Reason::Unsupported,
                format!("there is no OAuth provider `{shown}`; there are {}", known.join(", ")),
            )
        })?;
        self.keeper.login(found, account)
    }
}

/// 32 random bytes as text, for a state or a PKCE verifier: 43 characters, as RFC 7636 wants at least.
pub fn random() -> Result<Secret, Failure> {
    use base64::Engine;
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map_err(|_| Failure::storage("the system has no random numbers"))?;
    Ok(Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*bytes)))
}

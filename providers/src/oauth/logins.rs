//! The identity providers and the keeper of their logins, as the rest of the house uses them.

use std::sync::Arc;

use ccproxy_core::oauth::{Failure, OAuthProvider, Reason, Registry};
use ccproxy_core::secret::Secret;
use ring::rand::{SecureRandom, SystemRandom};

use super::absent::Absent;
use super::maker::Workshop;
use super::{Network, settings::Servers};
use crate::keeper::{Keeper, Login};
use crate::vault::Vault;

/// Every identity provider, with its logins.
pub struct Logins {
    keeper: Arc<Keeper>,
    registry: Arc<Registry>,
}

impl Logins {
    /// Of these identity providers, in this vault. Reads and connects nothing.
    pub fn new(servers: Servers, vault: &Arc<Vault>, network: Network) -> Arc<Self> {
        let workshop = Arc::new(Workshop::new(Arc::new(network), vault.clone()));
        let registry = Arc::new(Registry::with_maker(workshop.clone()));
        for server in servers.0 {
            registry.register(workshop.client(server));
        }
        Arc::new(Logins { keeper: Keeper::of(vault.clone(), registry.clone()), registry })
    }

    /// The keeper.
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// The identity providers: those of the settings, and those of running plugins.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// An identity provider.
    pub fn provider(&self, name: &str) -> Option<Arc<dyn OAuthProvider>> {
        self.registry.get(name)
    }

    /// All of them, by name.
    pub fn providers(&self) -> Vec<Arc<dyn OAuthProvider>> {
        self.registry.list()
    }

    /// The login of an account.
    pub fn login(&self, provider: &str, account: &str) -> Result<Arc<Login>, Failure> {
        if self.provider(provider).is_none() {
            let known = self.providers();
            let known: Vec<String> =
                known.iter().map(|known| format!("`{}`", known.provider_name())).collect();
            let shown: String = provider.chars().filter(|c| !c.is_control()).take(60).collect();
            let told = format!("there is no OAuth provider `{shown}`; there are {}", known.join(", "));
            return Err(Failure::new(Reason::Unsupported, told));
        }
        self.login_once_there(provider, account)
    }

    /// The login of an account whose identity provider a plugin may bring later; until then using it says so.
    pub fn login_once_there(&self, provider: &str, account: &str) -> Result<Arc<Login>, Failure> {
        let absent: Arc<dyn OAuthProvider> = Arc::new(Absent::new(provider, self.keeper.vault().clone()));
        self.keeper.login(&absent, account)
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

//! Keeps tokens fresh: one refresh at a time for each account, in this process and among all of them.
//!
//! A server that rotates refresh tokens takes each of them once, and may end the whole login when one comes twice.
//! So the turn of an account is held over reading, deciding, asking and writing; whoever waited adopts what came;
//! and a request that is on its way is never broken off. Nothing that a server says deletes a token.

mod announce;
mod decide;
mod login;
mod renew;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ccproxy_core::hooks::Bus;
use ccproxy_core::oauth::{Failure, OAuthProvider, Registry};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::vault::{Id, Vault};

pub use login::{Held, Login};

/// The logins of this process.
pub struct Keeper {
    house: Arc<House>,
    logins: Mutex<BTreeMap<Id, Arc<Login>>>,
}

/// What every login needs.
struct House {
    vault: Arc<Vault>,
    /// Who speaks to identity providers now: plugins come and go.
    registry: Arc<Registry>,
    /// Where events go, once there is a proxy.
    bus: OnceLock<Arc<Bus>>,
    /// How many answers are awaited or not yet on disk.
    under_way: watch::Sender<usize>,
}

impl Keeper {
    /// Of the logins in this vault.
    pub fn new(vault: Arc<Vault>) -> Arc<Self> {
        Self::of(vault, Arc::default())
    }

    /// The same; what the registry has under a provider's name counts before what a login was asked for with.
    pub fn of(vault: Arc<Vault>, registry: Arc<Registry>) -> Arc<Self> {
        let house = House { vault, registry, bus: OnceLock::new(), under_way: watch::Sender::new(0) };
        Arc::new(Keeper { house: Arc::new(house), logins: Mutex::default() })
    }

    /// The vault.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.house.vault
    }

    /// From now on `oauth.*` events are emitted there. The first bus stays.
    pub fn announce_on(&self, bus: &Arc<Bus>) {
        let _ = self.house.bus.set(bus.clone());
    }

    /// The login of an account; the same one for all who ask. Nothing is read yet.
    pub fn login(&self, provider: &Arc<dyn OAuthProvider>, account: &str) -> Result<Arc<Login>, Failure> {
        let id = Id::new(provider.provider_name(), account)?;
        let mut logins = self.logins.lock();
        let new = || Arc::new(Login::new(self.house.clone(), id.clone(), provider.clone()));
        let login = logins.entry(id.clone()).or_insert_with(new).clone();
        // After a reload the provider may have other settings.
        login.served_by(provider);
        Ok(login)
    }

    /// Whether an answer is awaited or not yet on disk.
    pub fn is_busy(&self) -> bool {
        *self.house.under_way.borrow() > 0
    }

    /// Counts until it is dropped as an answer that is awaited: of a login that asks for tokens and will store them.
    pub fn begin(&self) -> UnderWay {
        UnderWay::begin(&self.house)
    }

    /// Waits until no answer is awaited and all are on disk, for `limit` at most; says whether it came to that.
    pub async fn settle(&self, limit: Duration) -> bool {
        let mut under_way = self.house.under_way.subscribe();
        let settled = tokio::time::timeout(limit, under_way.wait_for(|count| *count == 0)).await.is_ok();
        if !settled {
            tracing::warn!("a refresh of a token was still under way at the end");
        }
        settled
    }
}

/// Counts while it lives: the end of the process waits for it.
pub struct UnderWay(Arc<House>);

impl UnderWay {
    fn begin(house: &Arc<House>) -> Self {
        house.under_way.send_modify(|count| *count += 1);
        UnderWay(house.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

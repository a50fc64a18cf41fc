//! Several credentials of one provider that take turns: who is asked next, who rests and how long, and which of them a
//! conversation belongs to. What a plugin or a status is told of them are names, never secrets.

mod affinity;
mod conversation;
mod facts;
mod items;
mod ledger;
mod pool;
mod pooled;
mod settings;
mod standing;
mod state;
mod strategy;
#[cfg(test)]
mod tests;
mod verdict;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ccproxy_core::config::Problem;
use ccproxy_core::hooks::Bus;
use parking_lot::Mutex;

use crate::vault::Vault;
use ledger::Ledger;

pub(crate) use pool::Pool;
pub(crate) use pooled::{Account, Pooled};
pub(crate) use settings::{MemberSettings, Source};
pub use settings::{Pools, read, schema};

/// The pools of this process, which outlive reloads.
pub struct Balancer {
    settings: Pools,
    pools: BTreeMap<String, Arc<Pool>>,
    /// The providers that can have a pool: those that looked for one.
    able: Mutex<BTreeSet<String>>,
    ledger: Option<Arc<Ledger>>,
    bus: Arc<OnceLock<Arc<Bus>>>,
}

impl Balancer {
    /// Of these pools. What they rest from is read when there are any.
    pub fn new(settings: Pools, vault: &Arc<Vault>) -> Arc<Self> {
        let bus = Arc::<OnceLock<Arc<Bus>>>::default();
        let ledger = (!settings.0.is_empty()).then(|| Ledger::open(vault));
        let mut pools = BTreeMap::new();
        if let Some(ledger) = &ledger {
            for (provider, settings) in &settings.0 {
                pools.insert(provider.clone(), Pool::new(provider, settings.clone(), ledger, &bus));
            }
            ledger.retain(|name| {
                let known =
                    name.split_once('/').and_then(|(provider, name)| pools.get(provider)?.place(name));
                known.is_some()
            });
        }
        Arc::new(Balancer { settings, pools, able: Mutex::default(), ledger, bus })
    }

    /// The pool of a provider.
    pub(crate) fn pool(&self, provider: &str) -> Option<&Arc<Pool>> {
        self.able.lock().insert(provider.to_owned());
        self.pools.get(provider)
    }

    /// Pools of providers that are not there, once all plugins were found.
    pub fn strangers(&self) -> Vec<Problem> {
        let able = self.able.lock();
        self.settings.strangers(&able.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// From now on `credential.*` events are emitted there. The first bus stays.
    pub fn announce_on(&self, bus: &Arc<Bus>) {
        let _ = self.bus.set(bus.clone());
    }

    /// Writes what is not on disk yet. Blocks.
    pub fn settle(&self) {
        for pool in self.pools.values() {
            pool.close();
        }
        if let Some(ledger) = &self.ledger {
            ledger.write();
        }
    }
}

//! Keys, values and counters of plugins: in memory, bounded, outliving reloads.
//!
//! Each plugin has a [`Space`] of its own; none can name a key of another. The embedded store answers at
//! once; its answers are [`Step`](crate::step::Step)s because a store shared by several processes will not.

mod clock;
mod shard;
mod signals;
mod space;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

pub use clock::Clock;
pub use signals::{Full, Signals};
pub use space::{Quota, Refused, Space, Stored};

/// The embedded store. One for the process; a reload keeps it.
#[derive(Default)]
pub struct Store {
    clock: Arc<Clock>,
    quota: Quota,
    spaces: RwLock<BTreeMap<String, Arc<Space>>>,
}

impl Store {
    /// A store whose spaces may each hold `quota`, on a clock that tests can move.
    pub fn new(quota: Quota, clock: Arc<Clock>) -> Self {
        Store { clock, quota, spaces: RwLock::default() }
    }

    /// The clock by which its keys expire.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// The space of a plugin, made when it is first asked for. Keep it: every access after this one
    /// touches only the plugin's own locks.
    pub fn space(&self, plugin: &str) -> Arc<Space> {
        if let Some(space) = self.spaces.read().get(plugin) {
            return space.clone();
        }
        let mut spaces = self.spaces.write();
        let fresh = || Arc::new(Space::new(self.quota, self.clock.clone()));
        spaces.entry(plugin.to_owned()).or_insert_with(fresh).clone()
    }

    /// Drops what has expired everywhere and says how many keys that were. Writes do this by the way for
    /// the shard they touch; calling it now and then frees the memory of plugins that went quiet.
    pub fn sweep(&self) -> usize {
        let spaces: Vec<Arc<Space>> = self.spaces.read().values().cloned().collect();
        spaces.iter().map(|space| space.sweep()).sum()
    }

    /// Keys and bytes in use, by plugin, for status pages.
    pub fn usage(&self) -> BTreeMap<String, (usize, usize)> {
        self.spaces.read().iter().map(|(name, space)| (name.clone(), space.usage())).collect()
    }
}

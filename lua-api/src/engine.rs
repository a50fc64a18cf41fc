//! What every script of the process shares: the clock of the budgets, the limits, the breaker's settings.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;

use crate::breaker::BreakerSettings;
use crate::clock::Clock;
use crate::host::Limits;
use crate::manifest::Declaration;

/// One for the process. Factories keep it alive; its thread sleeps while no script runs.
pub struct Engine {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) breaker: BreakerSettings,
    /// VMs that are alive.
    pub(crate) vms: AtomicUsize,
    /// What each plugin declared last, with the number of its sources.
    declared: Mutex<HashMap<String, (u64, Arc<Declaration>)>>,
}

impl Engine {
    /// An engine with the most that any script may use, and when its breaker opens.
    pub fn new(limits: Limits, breaker: BreakerSettings) -> Arc<Self> {
        let (vms, declared) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Engine { clock: Clock::new(), limits, breaker, vms, declared })
    }

    /// The declaration that these sources had before: at a reload most plugins have not changed.
    pub(crate) fn declared(&self, name: &str, fingerprint: u64) -> Option<Arc<Declaration>> {
        let declared = self.declared.lock();
        let (known, declaration) = declared.get(name)?;
        (*known == fingerprint).then(|| declaration.clone())
    }

    /// Keeps a declaration for the next look.
    pub(crate) fn keep(&self, name: &str, fingerprint: u64, declaration: &Arc<Declaration>) {
        self.declared.lock().insert(name.to_owned(), (fingerprint, declaration.clone()));
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

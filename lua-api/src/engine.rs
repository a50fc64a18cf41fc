//! What every script of the process shares: the clock of the budgets, the limits, the breaker's settings.

use std::sync::Arc;

use crate::breaker::BreakerSettings;
use crate::clock::Clock;
use crate::host::Limits;

/// One for the process. Factories keep it alive; its thread sleeps while no script runs.
pub struct Engine {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) breaker: BreakerSettings,
}

impl Engine {
    /// An engine with the most that any script may use, and when its breaker opens.
    pub fn new(limits: Limits, breaker: BreakerSettings) -> Arc<Self> {
        Arc::new(Engine { clock: Clock::new(), limits, breaker })
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

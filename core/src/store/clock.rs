//! The time by which keys expire. Tests move it by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A monotonic clock with an adjustable lead.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    lead_millis: AtomicU64,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { start: Instant::now(), lead_millis: AtomicU64::new(0) }
    }
}

impl Clock {
    /// Time since the clock was made.
    pub fn now(&self) -> Duration {
        self.start.elapsed() + Duration::from_millis(self.lead_millis.load(Ordering::Relaxed))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.lead_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

//! The time by which keys expire, and the date that plugins read. Tests move it by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A monotonic clock with an adjustable lead. It follows tokio's, which stands still where that is paused.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    lead_millis: AtomicU64,
    /// The date at `start`, where it is not the machine's.
    date: Option<SystemTime>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { start: Instant::now(), lead_millis: AtomicU64::new(0), date: None }
    }
}

impl Clock {
    /// A clock whose date begins here and goes on as this clock does, for tests: the same run reads the same dates.
    pub fn beginning_at(date: SystemTime) -> Self {
        Clock { date: Some(date), ..Clock::default() }
    }

    /// Time since the clock was made.
    pub fn now(&self) -> Duration {
        self.start.elapsed() + Duration::from_millis(self.lead_millis.load(Ordering::Relaxed))
    }

    /// The date: the machine's, unless it was made with one of its own.
    pub fn date(&self) -> SystemTime {
        match self.date {
            Some(date) => date.checked_add(self.now()).unwrap_or(date),
            None => SystemTime::now(),
        }
    }

    /// Whether it has a date of its own.
    pub fn is_set(&self) -> bool {
        self.date.is_some()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.lead_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

//! Turns a plugin off that keeps failing, and lets it try again now and then.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// When the breaker opens.
#[derive(Clone, Debug)]
pub struct BreakerSettings {
    /// So many failed calls...
    pub failures: usize,
    /// ...in so much time open it.
    pub window: Duration,
    /// So often a call is let through while it is open; one that goes well closes it.
    pub probe: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        BreakerSettings { failures: 20, window: Duration::from_secs(30), probe: Duration::from_secs(10) }
    }
}

/// The breaker of one plugin.
pub(crate) struct Breaker {
    settings: BreakerSettings,
    began: Instant,
    /// Milliseconds since `began` from which on the next probe may go; 0 while closed.
    open_until: AtomicU64,
    failures: Mutex<VecDeque<Instant>>,
}

/// What a failure or success changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    pub(crate) fn new(settings: &BreakerSettings) -> Self {
        Breaker {
            settings: settings.clone(),
            began: Instant::now(),
            open_until: AtomicU64::new(0),
            failures: Mutex::new(VecDeque::new()),
        }
    }

    /// Whether a call may be made: always while closed, one every probe interval while open.
    #[inline]
    pub(crate) fn admits(&self) -> bool {
        let until = self.open_until.load(Ordering::Acquire);
        until == 0 || self.probe(until)
    }

    /// Whether a call made now would be refused. Takes no probe.
    #[inline]
    pub(crate) fn blocks(&self) -> bool {
        let until = self.open_until.load(Ordering::Acquire);
        until != 0 && self.millis() < until
    }

    #[cold]
    fn probe(&self, until: u64) -> bool {
        let now = self.millis();
        now >= until
            && self
                .open_until
                .compare_exchange(until, now + self.probe_millis(), Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    /// Whether it is open.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.open_until.load(Ordering::Acquire) != 0
    }

    /// A call went well.
    #[inline]
    pub(crate) fn succeeded(&self) -> Option<Change> {
        if !self.is_open() {
            return None;
        }
        self.failures.lock().clear();
        (self.open_until.swap(0, Ordering::AcqRel) != 0).then_some(Change::Closed)
    }

    /// A call failed.
    pub(crate) fn failed(&self) -> Option<Change> {
        let now = Instant::now();
        let mut failures = self.failures.lock();
        while failures.front().is_some_and(|first| now.duration_since(*first) > self.settings.window) {
            failures.pop_front();
        }
        failures.push_back(now);
        if failures.len() < self.settings.failures {
            return None;
        }
        failures.truncate(self.settings.failures);
        let until = self.millis() + self.probe_millis();
        self.open_until
            .compare_exchange(0, until, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then_some(Change::Opened)
    }

    fn millis(&self) -> u64 {
        // Never 0: that means closed.
        self.began.elapsed().as_millis() as u64 + 1
    }

    fn probe_millis(&self) -> u64 {
        self.settings.probe.as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_so_many_failures_and_closes_after_a_good_probe() {
        let settings =
            BreakerSettings { failures: 3, window: Duration::from_secs(60), probe: Duration::ZERO };
        let breaker = Breaker::new(&settings);
        assert_eq!(breaker.failed(), None);
        assert_eq!(breaker.succeeded(), None);
        assert_eq!(breaker.failed(), None);
        assert_eq!(breaker.failed(), Some(Change::Opened));
        assert!(breaker.is_open());
        assert_eq!(breaker.failed(), None, "told once");
        assert!(breaker.admits(), "the probe interval is over");
        assert_eq!(breaker.succeeded(), Some(Change::Closed));
        assert!(breaker.admits() && !breaker.is_open());
    }

    #[test]
    fn while_open_nothing_passes_before_the_probe() {
        let settings =
            BreakerSettings { failures: 1, window: Duration::from_secs(60), probe: Duration::from_secs(600) };
        let breaker = Breaker::new(&settings);
        assert_eq!(breaker.failed(), Some(Change::Opened));
        assert!(breaker.blocks() && !breaker.admits());
    }
}

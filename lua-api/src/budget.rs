//! CPU budgets: a handler call has so many ticks of running Lua; waiting does not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::{Face, TICK};

/// What the interrupt of one VM looks at. One slice runs at a time, so there is one deadline.
pub(crate) struct Deadline {
    face: Arc<Face>,
    /// The tick from which on the running slice is late.
    at: AtomicU64,
    /// The interrupt has fired in this slice: even when the script swallowed the error.
    fired: AtomicBool,
}

impl Deadline {
    /// No slice yet.
    pub(crate) fn new(face: Arc<Face>) -> Arc<Self> {
        Arc::new(Deadline { face, at: AtomicU64::new(u64::MAX), fired: AtomicBool::new(false) })
    }

    /// A slice begins that may take `allowance`.
    #[inline]
    pub(crate) fn arm(&self, allowance: Duration) {
        let ticks = (allowance.as_micros() / TICK.as_micros()) as u64 + 1;
        self.fired.store(false, Ordering::Relaxed);
        self.at.store(self.face.now().saturating_add(ticks), Ordering::Relaxed);
    }

    /// The slice is over; whether it was late.
    #[inline]
    pub(crate) fn disarm(&self) -> bool {
        self.at.store(u64::MAX, Ordering::Relaxed);
        self.fired.load(Ordering::Relaxed)
    }

    /// Asked at every safepoint: from the deadline on always true, so that no `pcall` outlives it.
    #[inline]
    pub(crate) fn late(&self) -> bool {
        if self.face.now() < self.at.load(Ordering::Relaxed) {
            return false;
        }
        self.fired.store(true, Ordering::Relaxed);
        true
    }
}

/// What one handler call, and the exchange it belongs to, have used.
pub(crate) struct Budget {
    limit: Duration,
    /// The longest slice: how long a worker may be held.
    slice: Duration,
    used: Duration,
    exchange: Option<Arc<ExchangeBudget>>,
}

/// CPU that all handlers of one plugin used for one exchange.
#[derive(Default)]
pub(crate) struct ExchangeBudget(AtomicU64);

/// CPU one plugin may use for one exchange, however many events it has.
pub(crate) const EXCHANGE_CPU: Duration = Duration::from_secs(2);

impl Budget {
    /// A fresh call.
    pub(crate) fn new(limit: Duration, slice: Duration, exchange: Option<Arc<ExchangeBudget>>) -> Self {
        Budget { limit, slice, used: Duration::ZERO, exchange }
    }

    /// What the next slice may take; `None` when nothing is left.
    #[inline]
    pub(crate) fn allowance(&self) -> Option<Duration> {
        let mut left = self.limit.checked_sub(self.used).filter(|left| !left.is_zero())?.min(self.slice);
        if let Some(exchange) = &self.exchange {
            left = left.min(exchange.left()?);
        }
        Some(left)
    }

    /// A slice that began at `began` is over.
    #[inline]
    pub(crate) fn spend(&mut self, began: Instant) {
        let spent = began.elapsed();
        self.used += spent;
        if let Some(exchange) = &self.exchange {
            exchange.0.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// Lua time used so far.
    pub(crate) fn used(&self) -> Duration {
        self.used
    }
}

impl ExchangeBudget {
    fn left(&self) -> Option<Duration> {
        let used = Duration::from_nanos(self.0.load(Ordering::Relaxed));
        EXCHANGE_CPU.checked_sub(used).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_deadline_stays_passed_until_it_is_armed_again() {
        let clock = Clock::new();
        let deadline = Deadline::new(clock.face());
        assert!(!deadline.late());
        clock.start();
        deadline.arm(Duration::from_millis(1));
        while !deadline.late() {
            std::thread::yield_now();
        }
        assert!(deadline.late());
        assert!(deadline.disarm());
        deadline.arm(Duration::from_secs(60));
        assert!(!deadline.late());
        assert!(!deadline.disarm());
    }

    #[test]
    fn an_exchange_has_a_budget_of_its_own() {
        let exchange = Arc::new(ExchangeBudget::default());
        let mut budget =
            Budget::new(Duration::from_secs(60), Duration::from_secs(60), Some(exchange.clone()));
        assert_eq!(budget.allowance(), Some(EXCHANGE_CPU));
        budget.spend(Instant::now() - Duration::from_secs(3));
        assert_eq!(budget.allowance(), None);
        assert!(
            Budget::new(Duration::from_secs(1), Duration::from_secs(1), Some(exchange)).allowance().is_none()
        );
    }
}

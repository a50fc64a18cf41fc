//! CPU budgets: a handler call has so many ticks of running Lua; waiting does not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::{Face, TICK};
use crate::cpu;

/// What the interrupt of one VM looks at. One slice runs at a time, so there is one deadline.
///
/// The ticks of the clock only say when to look; what counts is the time the thread has really run.
pub(crate) struct Deadline {
    face: Arc<Face>,
    /// The tick from which on the running slice may be late.
    at: AtomicU64,
    /// What the thread had run when the slice began, and what the slice may run, in nanoseconds.
    base: AtomicU64,
    allowance: AtomicU64,
    /// The interrupt has fired in this slice: even when the script swallowed the error.
    fired: AtomicBool,
}

impl Deadline {
    /// No slice yet.
    pub(crate) fn new(face: Arc<Face>) -> Arc<Self> {
        Arc::new(Deadline {
            face,
            at: AtomicU64::new(u64::MAX),
            base: AtomicU64::new(0),
            allowance: AtomicU64::new(0),
            fired: AtomicBool::new(false),
        })
    }

    /// A slice begins `now` that may take `allowance`.
    #[inline]
    pub(crate) fn arm(&self, allowance: Duration, now: Instant) {
        self.fired.store(false, Ordering::Relaxed);
        self.base.store(cpu::lately(now), Ordering::Relaxed);
        self.allowance.store(allowance.as_nanos() as u64, Ordering::Relaxed);
        self.look_after(allowance);
    }

    /// The slice is over; whether it was late.
    #[inline]
    pub(crate) fn disarm(&self) -> bool {
        self.at.store(u64::MAX, Ordering::Relaxed);
        self.fired.load(Ordering::Relaxed)
    }

    /// Asked at every safepoint: once late always true, so that no `pcall` outlives it.
    #[inline]
    pub(crate) fn late(&self) -> bool {
        self.face.now() >= self.at.load(Ordering::Relaxed) && self.has_run_too_long()
    }

    /// What the slice that `began` then has used: of a long one, only what its thread has really run.
    #[inline]
    pub(crate) fn spent(&self, began: Instant) -> Duration {
        let passed = began.elapsed();
        if passed <= cpu::FRESH { passed } else { passed.min(Duration::from_nanos(self.run())) }
    }

    #[cold]
    fn has_run_too_long(&self) -> bool {
        if self.fired.load(Ordering::Relaxed) {
            return true;
        }
        let left = self.allowance.load(Ordering::Relaxed).saturating_sub(self.run());
        if left > 0 {
            // It was preempted, and gets what it has missed.
            self.look_after(Duration::from_nanos(left));
            return false;
        }
        self.fired.store(true, Ordering::Relaxed);
        true
    }

    fn run(&self) -> u64 {
        cpu::nanos().saturating_sub(self.base.load(Ordering::Relaxed))
    }

    fn look_after(&self, time: Duration) {
        let ticks = (time.as_micros() / TICK.as_micros()) as u64 + 1;
        self.at.store(self.face.now().saturating_add(ticks), Ordering::Relaxed);
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

/// CPU that all handlers of one plugin used for one exchange, beyond what is [`FREE`].
#[derive(Default)]
pub(crate) struct ExchangeBudget {
    nanos: AtomicU64,
    told: AtomicBool,
}

/// CPU one plugin may use for one exchange, however many events it has.
pub(crate) const EXCHANGE_CPU: Duration = Duration::from_secs(2);

/// What every slice may use without being counted for its exchange: a long stream of small honest
/// calls is no misbehaviour.
const FREE: Duration = Duration::from_micros(100);

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

    /// A slice has used so much.
    #[inline]
    pub(crate) fn spend(&mut self, spent: Duration) {
        self.used += spent;
        if let Some(exchange) = &self.exchange {
            exchange.nanos.fetch_add(spent.saturating_sub(FREE).as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// Whether it is the exchange's budget that is used up, and not the call's own.
    pub(crate) fn exchange_is_spent(&self) -> bool {
        self.used < self.limit && self.exchange.as_ref().is_some_and(|exchange| exchange.is_spent())
    }

    /// Lua time used so far.
    pub(crate) fn used(&self) -> Duration {
        self.used
    }
}

impl ExchangeBudget {
    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.left().is_none()
    }

    /// True for the first who asks.
    pub(crate) fn tell(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    fn left(&self) -> Option<Duration> {
        let used = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
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
        deadline.arm(Duration::from_millis(1), Instant::now());
        while !deadline.late() {
            std::hint::spin_loop();
        }
        assert!(deadline.late());
        assert!(deadline.disarm());
        deadline.arm(Duration::from_secs(60), Instant::now());
        assert!(!deadline.late());
        assert!(!deadline.disarm());
    }

    #[test]
    #[cfg(unix)]
    #[expect(clippy::disallowed_methods, reason = "a thread that does not run is what this is about")]
    fn a_thread_that_does_not_run_is_not_late() {
        let clock = Clock::new();
        let deadline = Deadline::new(clock.face());
        clock.start();
        let began = Instant::now();
        deadline.arm(Duration::from_millis(20), began);
        let tick = deadline.face.now();
        while deadline.face.now() < tick + 8 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!deadline.late(), "twice its time has passed, but it has not run");
        assert!(deadline.spent(began) < Duration::from_millis(20));
        while !deadline.late() {
            std::hint::spin_loop();
        }
        assert!(deadline.spent(began) >= Duration::from_millis(20));
        assert!(deadline.late() && deadline.disarm());
    }

    #[test]
    fn an_exchange_has_a_budget_of_its_own() {
        let exchange = Arc::new(ExchangeBudget::default());
        let mut budget =
            Budget::new(Duration::from_secs(60), Duration::from_secs(60), Some(exchange.clone()));
        assert_eq!(budget.allowance(), Some(EXCHANGE_CPU));
        for _ in 0..100_000 {
            budget.spend(FREE);
        }
        assert_eq!(budget.allowance(), Some(EXCHANGE_CPU), "small calls are free");
        budget.spend(Duration::from_secs(3));
        assert_eq!(budget.allowance(), None);
        assert!(budget.exchange_is_spent());
        assert!(
            Budget::new(Duration::from_secs(1), Duration::from_secs(1), Some(exchange)).allowance().is_none()
        );
    }
}

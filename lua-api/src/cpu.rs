//! The time a thread has really run. Under load a script is preempted, and must not pay for that.
//!
//! Asking the system costs a fraction of a microsecond, which a short handler would feel. So a slice
//! begins with a reading that may be a millisecond old, and the system is asked again only when
//! the wall clock says that the slice was long.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How old the reading may be that a slice begins with. A slice is charged at most this much too much.
pub(crate) const FRESH: Duration = Duration::from_millis(1);

thread_local! {
    static LAST: Cell<Option<(Instant, u64)>> = const { Cell::new(None) };
}

/// Nanoseconds that this thread had run a moment before `now`, at most [`FRESH`] ago.
#[inline]
pub(crate) fn lately(now: Instant) -> u64 {
    match LAST.get() {
        Some((at, nanos)) if now.saturating_duration_since(at) < FRESH => nanos,
        _ => refresh(now),
    }
}

#[cold]
fn refresh(now: Instant) -> u64 {
    let nanos = nanos();
    LAST.set(Some((now, nanos)));
    nanos
}

/// Nanoseconds that this thread has run.
#[cfg(unix)]
pub(crate) fn nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Where threads have no clock of their own: nanoseconds on the wall.
#[cfg(not(unix))]
pub(crate) fn nanos() -> u64 {
    static BEGAN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    BEGAN.elapsed().as_nanos() as u64
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a thread that rests is what this is about")]
    fn rest_is_not_counted_and_work_is() {
        let before = nanos();
        std::thread::sleep(Duration::from_millis(50));
        assert!(nanos() - before < 25_000_000, "a sleeping thread does not run");
        let work = nanos();
        while nanos() - work < 2_000_000 {
            std::hint::spin_loop();
        }
        assert!(lately(Instant::now()) >= work + 1_000_000);
    }
}

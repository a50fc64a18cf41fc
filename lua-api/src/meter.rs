//! How often something may happen: so many times a second, with a second's worth at once.

use std::time::Instant;

use parking_lot::Mutex;

/// A token bucket that counts what it turns away.
pub(crate) struct Meter {
    rate: f64,
    state: Mutex<State>,
}

struct State {
    tokens: f64,
    filled: Instant,
    dropped: u64,
}

impl Meter {
    /// At most `rate` a second.
    pub(crate) fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Meter { rate, state: Mutex::new(State { tokens: rate, filled: Instant::now(), dropped: 0 }) }
    }

    /// `Some(n)`: go on, and `n` were turned away since the last one that was not. `None`: turned away.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        let passed = now.saturating_duration_since(state.filled).as_secs_f64();
        state.tokens = (state.tokens + passed * self.rate).min(self.rate);
        state.filled = now;
        if state.tokens < 1.0 {
            state.dropped += 1;
            return None;
        }
        state.tokens -= 1.0;
        Some(std::mem::take(&mut state.dropped))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let meter = Meter::new(10);
        let start = Instant::now();
        let passed = (0..100).filter(|_| meter.pass(start).is_some()).count();
        assert_eq!(passed, 10);
        assert_eq!(meter.pass(start + Duration::from_millis(150)), Some(90));
        assert_eq!(meter.pass(start + Duration::from_millis(150)), None);
        assert_eq!(meter.pass(start + Duration::from_millis(400)), Some(1));
    }
}

//! When a token is fresh, when it is time for another one, and when it is over.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::oauth::Tokens;
use tokio::time::Instant;

use crate::vault::{Record, Stamp};

/// Longest time before its end at which another token is asked for, and the part of its life.
const EARLY: (Duration, f64) = (Duration::from_secs(5 * 60), 0.2);
/// The part of that time which is left to chance, so that not all processes come at once.
const JITTER: f64 = 0.3;
/// A token is not sent any more so long before its end: a request takes its time.
const OVER: (Duration, f64) = (Duration::from_secs(30), 0.05);

/// What was read of a login.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) record: Arc<Record>,
    /// What stood on the disk then.
    pub(super) stamp: Option<Stamp>,
    /// The end by a clock that nobody sets.
    end: Option<Instant>,
    /// From 0 to 1: which part of the jitter falls to this token here.
    chance: f64,
}

/// What to do with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send it.
    Good,
    /// Send it, and ask for another one.
    Soon,
    /// Ask for another one first.
    Over,
}

impl Seen {
    pub(super) fn new(record: Record, stamp: Option<Stamp>, chance: f64) -> Self {
        let end = left(&record.tokens).and_then(|left| Instant::now().checked_add(left));
        Seen { record: Arc::new(record), stamp, end, chance }
    }

    /// How long it is good for; none when nobody said.
    pub(super) fn left(&self) -> Option<Duration> {
        // A clock that nobody sets stands still while a machine sleeps, so the other one is asked too.
        let counted = self.end?.saturating_duration_since(Instant::now());
        Some(left(&self.record.tokens).unwrap_or_default().min(counted))
    }

    pub(super) fn verdict(&self) -> Verdict {
        verdict(self.left(), self.record.tokens.lifetime(), self.chance)
    }
}

/// By the wall clock. One that was set back does not make a token live longer than it ever did.
fn left(tokens: &Tokens) -> Option<Duration> {
    Some(tokens.left()?.min(tokens.lifetime()?))
}

fn verdict(left: Option<Duration>, lifetime: Option<Duration>, chance: f64) -> Verdict {
    let (Some(left), Some(lifetime)) = (left, lifetime) else { return Verdict::Good };
    let before = |(most, part): (Duration, f64)| most.min(lifetime.mul_f64(part));
    if left <= before(OVER) {
        Verdict::Over
    } else if left <= before(EARLY).mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0)) {
        Verdict::Soon
    } else {
        Verdict::Good
    }
}

#[cfg(test)]
mod tests {
    use ccproxy_core::secret::Secret;

    use super::*;

    #[test]
    fn a_token_is_renewed_early_and_not_by_all_at_once() {
        let at = |left: u64, life: u64, chance: f64| {
            verdict(Some(Duration::from_secs(left)), Some(Duration::from_secs(life)), chance)
        };
        assert_eq!(at(301, 28_800, 0.0), Verdict::Good);
        assert_eq!((at(300, 28_800, 0.0), at(300, 28_800, 1.0)), (Verdict::Soon, Verdict::Good));
        assert_eq!(at(210, 28_800, 1.0), Verdict::Soon);
        assert_eq!(at(30, 28_800, 0.5), Verdict::Over);
        // Short lives have short margins.
        assert_eq!(
            (at(13, 60, 0.0), at(12, 60, 0.0), at(3, 60, 0.0)),
            (Verdict::Good, Verdict::Soon, Verdict::Over)
        );
        assert_eq!(at(0, 0, 0.0), Verdict::Over);
        assert_eq!(verdict(None, None, 0.0), Verdict::Good, "nobody said when it ends");
    }

    #[test]
    fn clocks_that_are_wrong_harm_nobody() {
        let mut tokens = Tokens::new(Secret::new("a")).living(Duration::from_secs(3600));
        let seen = |tokens: &Tokens| Seen::new(Record::new(tokens.clone()), None, 0.0);
        let full = seen(&tokens).left().expect("an end");
        assert!(full > Duration::from_secs(3590) && full <= Duration::from_secs(3600));
        // The clock was set back by a day since the token came.
        tokens.obtained_at += 86_400;
        tokens.expires_at = tokens.expires_at.map(|end| end + 86_400);
        assert!(seen(&tokens).left().expect("an end") <= Duration::from_secs(3600));
        // It was set forward: over too early, which costs one refresh.
        tokens.obtained_at -= 2 * 86_400;
        tokens.expires_at = tokens.expires_at.map(|end| end - 2 * 86_400);
        assert_eq!(seen(&tokens).verdict(), Verdict::Over);
    }
}

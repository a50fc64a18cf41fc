//! How one credential stands: what it rests from, and what became of it so far. Pure: told the time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::verdict::{Verdict, Why};

/// Most models of one credential that are known to rest; one more, and the whole credential does.
const MOST_MODELS: usize = 32;
/// After so many failures in a row the rest grows no more.
const MOST_STRIKES: u32 = 20;

/// Both clocks: the one that nobody sets, which may stand still while a machine sleeps, and the one of the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) steady: Instant,
    pub(super) wall: SystemTime,
}

/// A time in which a credential is left alone, for one model or for all. It is kept after its end until something
/// goes well, so that the next one is longer.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) model: Option<Arc<str>>,
    pub(super) why: Why,
    /// The provider said how long.
    pub(super) firm: bool,
    pub(super) strikes: u32,
    pub(super) since: Now,
    pub(super) until: Now,
}

/// How long rests are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) cooldown: Duration,
    pub(super) longest: Duration,
}

/// How one credential stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) rests: Vec<Rest>,
    pub(super) in_flight: u32,
    pub(super) uses: u64,
    pub(super) errors: u64,
    pub(super) last_used: Option<SystemTime>,
    /// Why its login is of no use, in words.
    pub(super) told: Option<String>,
}

impl Now {
    pub(super) fn take() -> Self {
        Now { steady: Instant::now(), wall: SystemTime::now() }
    }

    pub(super) fn after(self, length: Duration) -> Self {
        Now {
            steady: self.steady.checked_add(length).unwrap_or(self.steady),
            wall: self.wall.checked_add(length).unwrap_or(self.wall),
        }
    }

    /// How long until then: as soon as one of the clocks says that it is over, it is.
    pub(super) fn until(self, end: Now) -> Duration {
        let wall = end.wall.duration_since(self.wall).unwrap_or_default();
        end.steady.saturating_duration_since(self.steady).min(wall)
    }
}

impl Rest {
    /// How long it still lasts.
    pub(super) fn left(&self, now: Now) -> Duration {
        now.until(self.until)
    }
}

impl Standing {
    /// The rest that keeps it from being used for this model, the longest of them.
    pub(super) fn resting(&self, model: Option<&str>, now: Now) -> Option<&Rest> {
        let about = |rest: &&Rest| match (&rest.model, model) {
            (None, _) => true,
            (Some(rests), Some(model)) => **rests == *model,
            (Some(_), None) => false,
        };
        let rests = self.rests.iter().filter(about).filter(|rest| !rest.left(now).is_zero());
        // What the provider said counts before what was guessed.
        rests.max_by_key(|rest| (rest.firm, rest.left(now)))
    }

    /// A request with it failed because of it. The length of its rest; zero when it rests as long already.
    pub(super) fn failed(
        &mut self,
        verdict: &Verdict,
        model: Option<&str>,
        now: Now,
        limits: Limits,
    ) -> Duration {
        let mut model = model.filter(|_| !verdict.whole).map(Arc::<str>::from);
        if model.is_some() && !self.rests.iter().any(|rest| rest.model == model) {
            self.rests.retain(|rest| rest.model.is_none() || !rest.left(now).is_zero());
            if self.rests.iter().filter(|rest| rest.model.is_some()).count() >= MOST_MODELS {
                model = None;
            }
        }
        let known = self.rests.iter().position(|rest| rest.model == model);
        let before = known.map(|at| &self.rests[at]);
        // Those that were on their way together count once.
        let strikes = before.map_or(1, |rest| match rest.left(now).is_zero() {
            true => (rest.strikes + 1).min(MOST_STRIKES),
            false => rest.strikes,
        });
        let guess = limits.cooldown.saturating_mul(1 << (strikes - 1).min(30));
        let length = verdict.wait.unwrap_or(guess).min(limits.longest);
        if before.is_some_and(|rest| rest.left(now) >= length && (rest.firm || !verdict.firm)) {
            return Duration::ZERO;
        }
        let (why, firm) = (verdict.why, verdict.firm);
        let rest = Rest { model, why, firm, strikes, since: now, until: now.after(length) };
        match known {
            Some(at) => self.rests[at] = rest,
            None => self.rests.push(rest),
        }
        length
    }

    /// A request that began then went well: what it rested from before is over. Whether there was anything.
    pub(super) fn succeeded(&mut self, model: Option<&str>, began: Instant) -> bool {
        self.told = None;
        let before = self.rests.len();
        self.rests.retain(|rest| {
            let about = rest.model.is_none() || rest.model.as_deref() == model;
            !(about && rest.since.steady <= began)
        });
        self.rests.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { cooldown: Duration::from_secs(30), longest: Duration::from_secs(600) };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn guess(why: Why) -> Verdict {
        Verdict { why, wait: None, firm: false, whole: true }
    }

    fn told(wait: u64) -> Verdict {
        Verdict { why: Why::RateLimited, wait: Some(seconds(wait)), firm: true, whole: false }
    }

    #[test]
    fn guesses_double_up_to_the_cap_and_success_ends_them() {
        let (mut now, mut standing) = (Now::take(), Standing::default());
        for expected in [30, 60, 120, 240, 480, 600, 600] {
            assert_eq!(standing.failed(&guess(Why::Forbidden), None, now, LIMITS), seconds(expected));
            assert_eq!(
                standing.failed(&guess(Why::Forbidden), None, now, LIMITS),
                Duration::ZERO,
                "counted once"
            );
            assert!(standing.resting(Some("m"), now).is_some());
            now = now.after(seconds(expected));
            assert!(standing.resting(Some("m"), now).is_none(), "it always ends");
        }
        assert!(standing.succeeded(None, now.steady));
        assert_eq!(standing.failed(&guess(Why::Forbidden), None, now, LIMITS), seconds(30));
    }

    #[test]
    fn a_limit_is_about_its_model_and_no_longer_than_the_cap() {
        let (now, mut standing) = (Now::take(), Standing::default());
        assert_eq!(standing.failed(&told(7), Some("a"), now, LIMITS), seconds(7));
        assert!(standing.resting(Some("a"), now).is_some_and(|rest| rest.firm));
        assert!(standing.resting(Some("b"), now).is_none() && standing.resting(None, now).is_none());
        assert_eq!(standing.failed(&told(100_000), Some("a"), now, LIMITS), seconds(600));
        assert_eq!(
            standing.failed(&told(5), Some("a"), now, LIMITS),
            Duration::ZERO,
            "it rests longer already"
        );
        let early = now.steady.checked_sub(seconds(1)).unwrap_or(now.steady);
        assert!(!standing.succeeded(Some("a"), early), "what began before the limit says nothing");
        assert!(standing.succeeded(Some("a"), now.steady));
        let zero = standing.failed(&told(0), Some("a"), now, LIMITS);
        assert!(zero.is_zero() && standing.resting(Some("a"), now).is_none());
    }

    #[test]
    fn clocks_that_jump_never_lengthen_a_rest() {
        let (now, mut standing) = (Now::take(), Standing::default());
        standing.failed(&told(100), Some("a"), now, LIMITS);
        let set_back = Now { steady: now.steady + seconds(100), wall: now.wall - seconds(86_400) };
        assert!(standing.resting(Some("a"), set_back).is_none());
        let slept = Now { steady: now.steady, wall: now.wall + seconds(100) };
        assert!(standing.resting(Some("a"), slept).is_none());
    }

    #[test]
    fn models_that_clients_make_up_do_not_fill_the_memory() {
        let (now, mut standing) = (Now::take(), Standing::default());
        for number in 0..1000 {
            standing.failed(&told(60), Some(&number.to_string()), now, LIMITS);
        }
        assert_eq!(standing.rests.len(), MOST_MODELS + 1);
        assert!(standing.resting(Some("another"), now).is_some());
    }
}

//! What is remembered of one candidate that failed: how often in a row, and until when it is left alone. Told
//! the time, so that tests need no waiting.

use std::time::{Duration, Instant};

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// From opening to the one request that tries whether it is well again.
    pub cooldown: Duration,
    /// The longest rest that a provider may ask for with `retry-after`.
    pub longest_rest: Duration,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        CircuitSettings {
            failures: 5,
            cooldown: Duration::from_secs(30),
            longest_rest: Duration::from_secs(300),
        }
    }
}

/// One candidate.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    rest: Option<Rest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// It asked to be left alone.
    Asked(Instant),
    /// It failed too often. From then on one request at a time may try.
    Open { until: Instant, probing: bool },
}

/// Whether a request may go to a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// As any other.
    Pass,
    /// As the one that tries whether it is well again.
    Probe,
    /// Not before that moment.
    Rests(Instant),
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody must know.
    None,
    /// It opened.
    Opened,
    /// It rests because it asked to.
    Rests(Duration),
    /// It closed.
    Closed,
}

impl Circuit {
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match &mut self.rest {
            None => Admission::Pass,
            Some(Rest::Asked(until)) if *until > now => Admission::Rests(*until),
            Some(Rest::Asked(_)) => {
                self.rest = None;
                Admission::Pass
            }
            Some(Rest::Open { until, .. }) if *until > now => Admission::Rests(*until),
            // One is on its way: whoever comes meanwhile is told to look again at once.
            Some(Rest::Open { probing: true, .. }) => Admission::Rests(now),
            Some(Rest::Open { probing, .. }) => {
                *probing = true;
                Admission::Probe
            }
        }
    }

    /// A request was answered: whatever there was is over.
    pub(super) fn succeeded(&mut self) -> Change {
        let open = matches!(self.rest, Some(Rest::Open { .. }));
        *self = Circuit::default();
        if open { Change::Closed } else { Change::None }
    }

    /// A request failed; `asked` is the rest that the provider asked for.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        asked: Option<Duration>,
        settings: &CircuitSettings,
    ) -> Change {
        if let Some(asked) = asked {
            let rest = asked.min(settings.longest_rest);
            let longer = match self.rest {
                Some(Rest::Asked(until) | Rest::Open { until, .. }) => until <= now,
                None => true,
            };
            // A provider that says when it is back is well enough to be asked then.
            self.rest = Some(Rest::Asked(now + rest));
            self.failures = 0;
            return if longer && !rest.is_zero() { Change::Rests(rest) } else { Change::None };
        }
        self.failures = self.failures.saturating_add(1);
        let was_open = matches!(self.rest, Some(Rest::Open { .. }));
        if self.failures < settings.failures && !was_open {
            return Change::None;
        }
        self.rest = Some(Rest::Open { until: now + settings.cooldown, probing: false });
        if was_open { Change::None } else { Change::Opened }
    }

    /// The one that was to try ended without an outcome: the next one may.
    pub(super) fn released(&mut self) {
        if let Some(Rest::Open { probing, .. }) = &mut self.rest {
            *probing = false;
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn forgotten(&self, now: Instant) -> bool {
        self.failures == 0
            && match self.rest {
                None => true,
                Some(Rest::Asked(until)) => until <= now,
                Some(Rest::Open { .. }) => false,
            }
    }

    /// One word, and how long it still rests.
    pub(super) fn state(&self, now: Instant) -> (&'static str, Duration) {
        match self.rest {
            None => ("closed", Duration::ZERO),
            Some(Rest::Asked(until)) if until <= now => ("closed", Duration::ZERO),
            Some(Rest::Asked(until)) => ("resting", until - now),
            Some(Rest::Open { until, .. }) if until > now => ("open", until - now),
            Some(Rest::Open { .. }) => ("half_open", Duration::ZERO),
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: CircuitSettings = CircuitSettings {
        failures: 3,
        cooldown: Duration::from_secs(30),
        longest_rest: Duration::from_secs(60),
    };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn opens_after_failures_in_a_row_and_closes_after_one_that_tries() {
        let (start, mut circuit) = (Instant::now(), Circuit::default());
        for _ in 0..2 {
            assert_eq!(circuit.failed(start, None, &SETTINGS), Change::None);
            assert_eq!(circuit.admit(start), Admission::Pass);
        }
        assert_eq!(circuit.succeeded(), Change::None);
        for _ in 0..2 {
            assert_eq!(circuit.failed(start, None, &SETTINGS), Change::None, "in a row");
        }
        assert_eq!(circuit.failed(start, None, &SETTINGS), Change::Opened);
        assert_eq!(circuit.state(start), ("open", seconds(30)));
        assert_eq!(circuit.admit(start + seconds(29)), Admission::Rests(start + seconds(30)));

        let later = start + seconds(30);
        assert_eq!(circuit.state(later), ("half_open", Duration::ZERO));
        assert_eq!(circuit.admit(later), Admission::Probe);
        assert_eq!(circuit.admit(later), Admission::Rests(later), "exactly one");
        assert_eq!(circuit.failed(later, None, &SETTINGS), Change::None, "it is open already");
        assert_eq!(circuit.admit(later + seconds(1)), Admission::Rests(later + seconds(30)));

        let later = later + seconds(30);
        assert_eq!(circuit.admit(later), Admission::Probe);
        circuit.released();
        assert_eq!(circuit.admit(later), Admission::Probe, "the first one went away");
        assert_eq!(circuit.succeeded(), Change::Closed);
        assert_eq!(circuit.admit(later), Admission::Pass);
        assert!(circuit.forgotten(later));
    }

    #[test]
    fn rests_as_long_as_it_is_asked_to_within_bounds() {
        let (start, mut circuit) = (Instant::now(), Circuit::default());
        assert_eq!(circuit.failed(start, Some(seconds(7)), &SETTINGS), Change::Rests(seconds(7)));
        assert_eq!(circuit.failed(start, Some(seconds(7)), &SETTINGS), Change::None, "it rests already");
        assert_eq!(circuit.admit(start + seconds(6)), Admission::Rests(start + seconds(7)));
        assert_eq!(circuit.state(start + seconds(6)), ("resting", seconds(1)));
        assert_eq!(circuit.admit(start + seconds(7)), Admission::Pass);
        let change = circuit.failed(start, Some(seconds(100_000)), &SETTINGS);
        assert_eq!(change, Change::Rests(seconds(60)));
        assert_eq!(circuit.state(start), ("resting", seconds(60)));
        assert!(!circuit.forgotten(start) && circuit.forgotten(start + seconds(60)));
        assert_eq!(circuit.failed(start, Some(Duration::ZERO), &SETTINGS), Change::None);
    }

    #[test]
    fn a_limit_without_a_time_counts_as_a_failure() {
        let (now, mut circuit) = (Instant::now(), Circuit::default());
        for _ in 0..3 {
            circuit.failed(now, None, &SETTINGS);
        }
        assert_eq!(circuit.state(now).0, "open");
        // Told a time, it is no longer open but rests.
        circuit.failed(now, Some(seconds(2)), &SETTINGS);
        assert_eq!(circuit.state(now), ("resting", seconds(2)));
    }
}

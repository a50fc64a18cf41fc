//! The circuits of all candidates that failed lately.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::circuit::{Admission, Change, Circuit};
use super::{Candidate, CircuitSettings};

/// Most candidates that are remembered. Models come from clients; those that never failed take no place.
const MOST: usize = 4096;

/// Remembers who failed. One for the process, across reloads.
#[derive(Debug, Default)]
pub struct Breaker {
    settings: CircuitSettings,
    circuits: Mutex<HashMap<Lane, Circuit>>,
}

/// A candidate at one of its operations: limits on messages say nothing about counting tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    /// Provider and model.
    pub(crate) candidate: Candidate,
    /// What the provider is asked to do.
    pub(crate) operation: &'static str,
}

/// Leave to ask a candidate. What became of it is told with [`Permit::succeeded`] or [`Permit::failed`];
/// dropped without either (the client left), nothing is learned.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Arc<Breaker>,
    lane: Lane,
    probe: bool,
}

impl Breaker {
    /// Nobody has failed yet.
    pub fn new(settings: CircuitSettings) -> Self {
        Breaker { settings, circuits: Mutex::default() }
    }

    /// Leave to ask a candidate, or how long it rests.
    pub(crate) fn admit(self: &Arc<Self>, lane: Lane, now: Instant) -> Result<Permit, Duration> {
        let admission = match self.circuits.lock().get_mut(&lane) {
            Some(circuit) => circuit.admit(now),
            None => Admission::Pass,
        };
        match admission {
            Admission::Pass => Ok(self.permit(lane, false)),
            Admission::Probe => {
                tracing::debug!(candidate = %lane.candidate, "one request tries whether it is well again");
                Ok(self.permit(lane, true))
            }
            Admission::Rests(until) => Err(until.saturating_duration_since(now)),
        }
    }

    /// Leave to ask a candidate even if it rests, because there is no other.
    pub(crate) fn force(self: &Arc<Self>, lane: Lane) -> Permit {
        self.permit(lane, false)
    }

    /// One word about a candidate, and how long it still rests.
    pub(crate) fn state(&self, lane: &Lane, now: Instant) -> (&'static str, Duration) {
        let circuits = self.circuits.lock();
        circuits.get(lane).map_or(("closed", Duration::ZERO), |circuit| circuit.state(now))
    }

    /// Every candidate that failed lately, by name.
    pub(crate) fn status(&self, now: Instant) -> Vec<Value> {
        let circuits = self.circuits.lock();
        let mut remembered: Vec<_> = circuits.iter().filter(|(_, circuit)| !circuit.forgotten(now)).collect();
        remembered.sort_by_key(|(lane, _)| (lane.candidate.to_string(), lane.operation));
        let describe = |(lane, circuit): (&Lane, &Circuit)| {
            let (state, rests) = circuit.state(now);
            json!({
                "provider": lane.candidate.provider,
                "model": lane.candidate.model,
                "operation": lane.operation,
                "state": state,
                "failures": circuit.failures(),
                "rests_seconds": rests.as_secs_f64(),
            })
        };
        remembered.into_iter().map(describe).collect()
    }

    fn permit(self: &Arc<Self>, lane: Lane, probe: bool) -> Permit {
        Permit { breaker: self.clone(), lane, probe }
    }

    fn succeeded(&self, lane: &Lane) {
        let change = self.circuits.lock().remove(lane).map(|mut circuit| circuit.succeeded());
        if change == Some(Change::Closed) {
            tracing::info!(candidate = %lane.candidate, "the circuit is closed: it answers again");
        }
    }

    fn failed(&self, lane: &Lane, now: Instant, asked: Option<Duration>) {
        let Some((change, failures)) = self.count(lane, now, asked) else { return };
        let candidate = &lane.candidate;
        match change {
            Change::Opened => {
                let seconds = self.settings.cooldown.as_secs_f64();
                tracing::warn!(%candidate, failures, "the circuit is open: other candidates go first for {seconds} s");
            }
            Change::Rests(rest) => {
                let seconds = rest.as_secs_f64();
                tracing::info!(%candidate, "it asked to be left alone: other candidates go first for {seconds} s");
            }
            Change::None | Change::Closed => {}
        }
    }

    /// Counts a failure; `None` when there is no room to remember one more.
    fn count(&self, lane: &Lane, now: Instant, asked: Option<Duration>) -> Option<(Change, u32)> {
        let mut circuits = self.circuits.lock();
        if circuits.len() >= MOST && !circuits.contains_key(lane) {
            circuits.retain(|_, circuit| !circuit.forgotten(now));
            if circuits.len() >= MOST {
                return None;
            }
        }
        let circuit = circuits.entry(lane.clone()).or_default();
        Some((circuit.failed(now, asked, &self.settings), circuit.failures()))
    }
}

impl Permit {
    /// The candidate answered.
    pub(crate) fn succeeded(mut self) {
        self.probe = false;
        self.breaker.succeeded(&self.lane);
    }

    /// The candidate failed; `asked` is the rest that it asked for.
    pub(crate) fn failed(mut self, now: Instant, asked: Option<Duration>) {
        self.probe = false;
        self.breaker.failed(&self.lane, now, asked);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe
            && let Some(circuit) = self.breaker.circuits.lock().get_mut(&self.lane)
        {
            circuit.released();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn breaker() -> Arc<Breaker> {
        Arc::new(Breaker::new(CircuitSettings { failures: 2, ..CircuitSettings::default() }))
    }

    fn lane(model: &str) -> Lane {
        Lane { candidate: Candidate { provider: "one".into(), model: model.into() }, operation: "messages" }
    }

    #[test]
    fn each_candidate_has_its_own_circuit() {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..2 {
            breaker.admit(lane("a"), now).unwrap().failed(now, None);
        }
        assert_eq!(breaker.admit(lane("a"), now).unwrap_err(), Duration::from_secs(30));
        breaker.admit(lane("b"), now).unwrap().succeeded();
        let counting = Lane { operation: "count_tokens", ..lane("a") };
        breaker.admit(counting, now).unwrap().succeeded();
        assert_eq!(breaker.status(now).len(), 1);
        assert_eq!(breaker.status(now)[0]["state"], "open");
        breaker.force(lane("a")).succeeded();
        assert_eq!(breaker.status(now), Vec::<Value>::new());
    }

    #[test]
    fn one_that_tries_and_goes_away_lets_the_next_one_try() {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..2 {
            breaker.force(lane("a")).failed(now, None);
        }
        let later = now + Duration::from_secs(30);
        let probe = breaker.admit(lane("a"), later).unwrap();
        assert!(breaker.admit(lane("a"), later).is_err());
        drop(probe);
        let probe = breaker.admit(lane("a"), later).unwrap();
        probe.failed(later, None);
        assert!(breaker.admit(lane("a"), later).is_err());
    }

    #[test]
    fn models_that_clients_make_up_do_not_fill_the_memory() {
        let (breaker, now) = (breaker(), Instant::now());
        for number in 0..MOST + 10 {
            breaker.force(lane(&number.to_string())).failed(now, None);
        }
        assert_eq!(breaker.circuits.lock().len(), MOST);
        // Those that rested long enough make room.
        let (breaker, later) = (self::breaker(), now + Duration::from_secs(2));
        for number in 0..MOST {
            breaker.force(lane(&number.to_string())).failed(now, Some(Duration::from_secs(1)));
        }
        breaker.force(lane("new")).failed(later, None);
        assert_eq!(breaker.circuits.lock().len(), 1);
    }
}

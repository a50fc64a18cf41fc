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
    circuits: Mutex<HashMap<Candidate, Circuit>>,
}

/// Leave to ask a candidate. What became of it is told with [`Permit::succeeded`] or [`Permit::failed`];
/// dropped without either (the client left), nothing is learned.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Arc<Breaker>,
    candidate: Candidate,
    probe: bool,
}

impl Breaker {
    /// Nobody has failed yet.
    pub fn new(settings: CircuitSettings) -> Self {
        Breaker { settings, circuits: Mutex::default() }
    }

    /// Leave to ask a candidate, or how long it rests.
    pub(crate) fn admit(self: &Arc<Self>, candidate: &Candidate, now: Instant) -> Result<Permit, Duration> {
        let admission = match self.circuits.lock().get_mut(candidate) {
            Some(circuit) => circuit.admit(now),
            None => Admission::Pass,
        };
        match admission {
            Admission::Pass => Ok(self.permit(candidate, false)),
            Admission::Probe => {
                tracing::debug!(%candidate, "one request tries whether it is well again");
                Ok(self.permit(candidate, true))
            }
            Admission::Rests(until) => Err(until.saturating_duration_since(now)),
        }
    }

    /// Leave to ask a candidate that rests, because there is no other.
    pub(crate) fn force(self: &Arc<Self>, candidate: &Candidate) -> Permit {
        self.permit(candidate, false)
    }

    /// One word about a candidate, and how long it still rests.
    pub(crate) fn state(&self, candidate: &Candidate, now: Instant) -> (&'static str, Duration) {
        let circuits = self.circuits.lock();
        circuits.get(candidate).map_or(("closed", Duration::ZERO), |circuit| circuit.state(now))
    }

    /// Every candidate that failed lately, by name.
    pub(crate) fn status(&self, now: Instant) -> Vec<Value> {
        let circuits = self.circuits.lock();
        let remembered = circuits.iter().filter(|(_, circuit)| !circuit.forgotten(now));
        let mut list: Vec<_> = remembered
            .map(|(candidate, circuit)| {
                let (state, rests) = circuit.state(now);
                (
                    candidate.to_string(),
                    json!({
                        "provider": candidate.provider,
                        "model": candidate.model,
                        "state": state,
                        "failures": circuit.failures(),
                        "rests_seconds": rests.as_secs_f64(),
                    }),
                )
            })
            .collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list.into_iter().map(|(_, value)| value).collect()
    }

    fn permit(self: &Arc<Self>, candidate: &Candidate, probe: bool) -> Permit {
        Permit { breaker: self.clone(), candidate: candidate.clone(), probe }
    }

    fn succeeded(&self, candidate: &Candidate) {
        let change = self.circuits.lock().remove(candidate).map(|mut circuit| circuit.succeeded());
        if change == Some(Change::Closed) {
            tracing::info!(%candidate, "the circuit is closed: it answers again");
        }
    }

    fn failed(&self, candidate: &Candidate, now: Instant, asked: Option<Duration>) {
        let change = {
            let mut circuits = self.circuits.lock();
            if circuits.len() >= MOST && !circuits.contains_key(candidate) {
                circuits.retain(|_, circuit| !circuit.forgotten(now));
                if circuits.len() >= MOST {
                    return;
                }
            }
            let circuit = circuits.entry(candidate.clone()).or_default();
            (circuit.failed(now, asked, &self.settings), circuit.failures())
        };
        match change {
            (Change::Opened, failures) => {
                let seconds = self.settings.cooldown.as_secs_f64();
                tracing::warn!(%candidate, failures, "the circuit is open: other candidates go first for {seconds} s");
            }
            (Change::Rests(rest), _) => {
                let seconds = rest.as_secs_f64();
                tracing::info!(%candidate, "it asked to be left alone: other candidates go first for {seconds} s");
            }
            (Change::None | Change::Closed, _) => {}
        }
    }
}

impl Permit {
    /// The candidate answered.
    pub(crate) fn succeeded(mut self) {
        self.probe = false;
        self.breaker.succeeded(&self.candidate);
    }

    /// The candidate failed; `asked` is the rest that it asked for.
    pub(crate) fn failed(mut self, now: Instant, asked: Option<Duration>) {
        self.probe = false;
        self.breaker.failed(&self.candidate, now, asked);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe
            && let Some(circuit) = self.breaker.circuits.lock().get_mut(&self.candidate)
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

    fn candidate(model: &str) -> Candidate {
        Candidate { provider: "one".into(), model: model.into() }
    }

    #[test]
    fn each_candidate_has_its_own_circuit() {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..2 {
            breaker.admit(&candidate("a"), now).unwrap().failed(now, None);
        }
        assert_eq!(breaker.admit(&candidate("a"), now).unwrap_err(), Duration::from_secs(30));
        breaker.admit(&candidate("b"), now).unwrap().succeeded();
        assert_eq!(breaker.status(now).len(), 1);
        assert_eq!(breaker.status(now)[0]["state"], "open");
        breaker.force(&candidate("a")).succeeded();
        assert_eq!(breaker.status(now), Vec::<Value>::new());
    }

    #[test]
    fn one_that_tries_and_goes_away_lets_the_next_one_try() {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..2 {
            breaker.force(&candidate("a")).failed(now, None);
        }
        let later = now + Duration::from_secs(30);
        let probe = breaker.admit(&candidate("a"), later).unwrap();
        assert!(breaker.admit(&candidate("a"), later).is_err());
        drop(probe);
        let probe = breaker.admit(&candidate("a"), later).unwrap();
        probe.failed(later, None);
        assert!(breaker.admit(&candidate("a"), later).is_err());
    }

    #[test]
    fn models_that_clients_make_up_do_not_fill_the_memory() {
        let (breaker, now) = (breaker(), Instant::now());
        for number in 0..MOST + 10 {
            breaker.force(&candidate(&number.to_string())).failed(now, None);
        }
        assert_eq!(breaker.circuits.lock().len(), MOST);
        // Those that rested long enough make room.
        let (breaker, later) = (self::breaker(), now + Duration::from_secs(2));
        for number in 0..MOST {
            breaker.force(&candidate(&number.to_string())).failed(now, Some(Duration::from_secs(1)));
        }
        breaker.force(&candidate("new")).failed(later, None);
        assert_eq!(breaker.circuits.lock().len(), 1);
    }
}

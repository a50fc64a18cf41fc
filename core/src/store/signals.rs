//! Signals between the handlers of a plugin: one waits for a key with a deadline, another notifies it.
//!
//! A notification that finds nobody waiting is kept for a while, so that it does not matter which of the
//! two comes first.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::clock::Clock;

/// Most waits at once, and most notifications kept at once, of a plugin.
const MOST: usize = 1024;
/// Largest value of a notification in bytes.
const LARGEST: usize = 256 << 10;

/// The signals of one plugin. They outlive a reload: an old instance may be waiting for the new one.
pub struct Signals {
    clock: Arc<Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    waiting: HashMap<Box<str>, Vec<(u64, oneshot::Sender<Bytes>)>>,
    waiters: usize,
    kept: HashMap<Box<str>, (Bytes, Duration)>,
}

/// Too many waits, or too many notifications nobody took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// As many handlers wait as may.
    Waiters,
    /// As many notifications are kept as may.
    Kept,
    /// The value is too large.
    Value,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Full::Waiters => write!(f, "{MOST} handlers are waiting already"),
            Full::Kept => write!(f, "{MOST} notifications are waiting to be taken already"),
            Full::Value => write!(f, "the value is larger than {LARGEST} bytes"),
        }
    }
}

impl std::error::Error for Full {}

/// A place in the line. Leaving it, also by being cancelled, gives the place back.
struct Place<'a> {
    signals: &'a Signals,
    key: &'a str,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.signals.leave(self.key, self.number);
    }
}

impl Signals {
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        Signals { clock, state: Mutex::default() }
    }

    /// Waits for a notification of `key`; `None` when `timeout` is over first.
    pub async fn wait(&self, key: &str, timeout: Duration) -> Result<Option<Bytes>, Full> {
        let (number, mut receiver) = {
            let mut state = self.state.lock();
            if let Some((value, until)) = state.kept.remove(key)
                && self.clock.now() < until
            {
                return Ok(Some(value));
            }
            if state.waiters == MOST {
                return Err(Full::Waiters);
            }
            state.join(key)
        };
        let place = Place { signals: self, key, number };
        let heard = tokio::time::timeout(timeout, &mut receiver).await;
        drop(place);
        Ok(match heard {
            Ok(value) => value.ok(),
            // It may have come between the end of the time and leaving the line.
            Err(_) => receiver.try_recv().ok(),
        })
    }

    /// Wakes every handler that waits for `key` and says how many. When there is none, the value is kept
    /// for the next one, for the time `keep`; a later notification of the key takes its place.
    pub fn notify(&self, key: &str, value: &Bytes, keep: Duration) -> Result<usize, Full> {
        if value.len() > LARGEST {
            return Err(Full::Value);
        }
        let mut state = self.state.lock();
        let line = state.waiting.remove(key).unwrap_or_default();
        state.waiters -= line.len();
        let woken = line.into_iter().filter_map(|(_, sender)| sender.send(value.clone()).ok()).count();
        if woken > 0 || keep.is_zero() {
            return Ok(woken);
        }
        let now = self.clock.now();
        if state.kept.len() >= MOST && !state.kept.contains_key(key) {
            state.kept.retain(|_, (_, until)| now < *until);
            if state.kept.len() >= MOST {
                return Err(Full::Kept);
            }
        }
        state.kept.insert(key.into(), (value.clone(), now + keep));
        Ok(0)
    }

    fn leave(&self, key: &str, number: u64) {
        let mut state = self.state.lock();
        let State { waiting, waiters, .. } = &mut *state;
        let Some(line) = waiting.get_mut(key) else { return };
        let before = line.len();
        line.retain(|(other, _)| *other != number);
        *waiters -= before - line.len();
        if line.is_empty() {
            waiting.remove(key);
        }
    }
}

impl State {
    fn join(&mut self, key: &str) -> (u64, oneshot::Receiver<Bytes>) {
        let (sender, receiver) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        self.waiters += 1;
        match self.waiting.get_mut(key) {
            Some(line) => line.push((number, sender)),
            None => {
                self.waiting.insert(key.into(), vec![(number, sender)]);
            }
        }
        (number, receiver)
    }
}

//! What goes through the providers' routes: counts that are always kept, and the exchanges in flight by name
//! while someone looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::format::Usage;

/// Most exchanges that are listed.
const LISTED: usize = 200;

/// Counts since the start, and who is in flight.
pub struct Traffic {
    began: Instant,
    started: AtomicU64,
    finished: AtomicU64,
    failed: AtomicU64,
    /// By the first digit of the status; 0 is none.
    classes: [AtomicU64; 6],
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    /// Milliseconds after `began` until which someone looks.
    watched: AtomicU64,
    /// Those that began while someone looked. Weak: to be listed keeps no exchange alive.
    open: Mutex<BTreeMap<usize, Weak<Exchange>>>,
}

impl Default for Traffic {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Traffic {
            began: Instant::now(),
            started: zero(),
            finished: zero(),
            failed: zero(),
            classes: std::array::from_fn(|_| zero()),
            request_bytes: zero(),
            response_bytes: zero(),
            input_tokens: zero(),
            output_tokens: zero(),
            cached_tokens: zero(),
            watched: zero(),
            open: Mutex::default(),
        }
    }
}

impl Traffic {
    /// Someone looks, and will look again within `time`: until then exchanges are listed, and whole answers are
    /// read for their tokens, which costs a little.
    pub fn watch(&self, time: Duration) {
        let until = (self.began.elapsed() + time).as_millis() as u64;
        self.watched.fetch_max(until, Ordering::Relaxed);
    }

    /// Whether someone looks.
    #[inline]
    pub fn is_watched(&self) -> bool {
        let until = self.watched.load(Ordering::Relaxed);
        // The clock is asked only when somebody ever looked.
        until > 0 && until > self.began.elapsed().as_millis() as u64
    }

    /// An exchange of a provider's route has begun.
    pub(crate) fn begin(&self, exchange: &Arc<Exchange>) {
        self.started.fetch_add(1, Ordering::Relaxed);
        if self.is_watched() {
            let mut open = self.open.lock();
            if open.len() < LISTED {
                open.insert(key(exchange), Arc::downgrade(exchange));
            }
        }
    }

    /// It is over.
    pub(crate) fn end(&self, exchange: &Arc<Exchange>) {
        let tally = &exchange.tally;
        self.finished.fetch_add(1, Ordering::Relaxed);
        if tally.failure.lock().is_some() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        let class = (tally.status.load(Ordering::Relaxed) / 100) as usize;
        self.classes[class.min(5)].fetch_add(1, Ordering::Relaxed);
        self.request_bytes.fetch_add(tally.request_bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        self.response_bytes.fetch_add(tally.response_bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        if let Some(Usage { input_tokens, output_tokens, cache_read_tokens, .. }) = &*tally.usage.lock() {
            let add = |sum: &AtomicU64, tokens: &Option<u64>| {
                sum.fetch_add(tokens.unwrap_or(0), Ordering::Relaxed);
            };
            add(&self.input_tokens, input_tokens);
            add(&self.output_tokens, output_tokens);
            add(&self.cached_tokens, cache_read_tokens);
        }
        if self.watched.load(Ordering::Relaxed) > 0 {
            self.open.lock().remove(&key(exchange));
        }
    }

    /// Seconds since the proxy started.
    pub(crate) fn uptime(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Every count by name, with its labels as Prometheus writes them.
    pub(crate) fn counts(&self) -> Vec<(&'static str, String, u64)> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut counts = vec![
            ("exchanges_started", String::new(), read(&self.started)),
            ("exchanges_failed", String::new(), read(&self.failed)),
        ];
        for (class, count) in self.classes.iter().enumerate().filter(|(_, count)| read(count) > 0) {
            let status = if class == 0 { "none".to_owned() } else { format!("{class}xx") };
            counts.push(("exchanges", format!("status=\"{status}\""), read(count)));
        }
        for (direction, count) in [("request", &self.request_bytes), ("response", &self.response_bytes)] {
            counts.push(("body_bytes", format!("direction=\"{direction}\""), read(count)));
        }
        for (kind, count) in
            [("input", &self.input_tokens), ("output", &self.output_tokens), ("cached", &self.cached_tokens)]
        {
            counts.push(("tokens", format!("kind=\"{kind}\""), read(count)));
        }
        counts
    }

    /// Exchanges that have begun and are not over.
    pub(crate) fn in_flight(&self) -> u64 {
        // Read in this order, or one that ends in between would count as less than none.
        let finished = self.finished.load(Ordering::Relaxed);
        self.started.load(Ordering::Relaxed).saturating_sub(finished)
    }

    /// All of it, with the exchanges in flight that are known.
    pub(crate) fn status(&self) -> Value {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut open: Vec<Arc<Exchange>> = self.open.lock().values().filter_map(Weak::upgrade).collect();
        open.sort_by_key(|exchange| std::cmp::Reverse(exchange.elapsed()));
        let open: Vec<Value> = open.iter().map(|exchange| row(exchange)).collect();
        json!({
            "uptime_seconds": self.uptime(),
            "in_flight": self.in_flight(),
            "started": read(&self.started),
            "failed": read(&self.failed),
            "statuses": {
                "none": read(&self.classes[0]),
                "2xx": read(&self.classes[2]),
                "3xx": read(&self.classes[3]),
                "4xx": read(&self.classes[4]),
                "5xx": read(&self.classes[5]),
            },
            "bytes": { "request": read(&self.request_bytes), "response": read(&self.response_bytes) },
            "tokens": {
                "input": read(&self.input_tokens),
                "output": read(&self.output_tokens),
                "cached": read(&self.cached_tokens),
            },
            "exchanges": open,
        })
    }
}

/// Unique while the exchange lives, which it does until it is removed.
fn key(exchange: &Arc<Exchange>) -> usize {
    Arc::as_ptr(exchange) as usize
}

fn row(exchange: &Exchange) -> Value {
    let request = exchange.request.lock();
    let tally = &exchange.tally;
    json!({
        "id": exchange.id.to_string(),
        "client": &*exchange.client.id,
        "path": request.uri.path(),
        "provider": request.provider.as_deref(),
        "model": request.model.as_deref(),
        "stream": request.stream,
        "status": tally.status.load(Ordering::Relaxed),
        "attempts": tally.attempts.load(Ordering::Relaxed),
        "response_bytes": tally.response_bytes.load(Ordering::Relaxed),
        "seconds": exchange.elapsed().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_watched_only_for_as_long_as_was_said() {
        let traffic = Traffic::default();
        assert!(!traffic.is_watched());
        traffic.watch(Duration::from_secs(3600));
        assert!(traffic.is_watched());
        let over = Traffic::default();
        over.watch(Duration::ZERO);
        assert!(!over.is_watched());
    }
}

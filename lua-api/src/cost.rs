//! What the handlers of a plugin cost: calls, failures, and how long they take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

/// One handler: what it is called in messages and in the status, and what it has cost.
pub(crate) struct Handler {
    /// In messages: `` `request` ``.
    pub(crate) label: String,
    /// In the status: `security.request`.
    name: String,
    cost: Cost,
}

/// The handlers that were asked for so far, by name. They outlive the adapters that call them: when another
/// plugin is reloaded, adapters are made anew.
#[derive(Default)]
pub(crate) struct Handlers(Mutex<Vec<Arc<Handler>>>);

/// Parts of an octave. A time is known to an eighth of itself.
const PARTS: usize = 4;
/// Everything shorter is one.
const SHORTEST: u64 = 256;
/// From 256 ns to four seconds.
const OCTAVES: usize = 24;

/// Counts, and a histogram of times whose buckets grow with the time.
struct Cost {
    calls: AtomicU64,
    errors: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
    times: [AtomicU32; OCTAVES * PARTS],
}

impl Handlers {
    /// The handler of this name.
    pub(crate) fn get(&self, name: &str, label: &str) -> Arc<Handler> {
        let mut list = self.0.lock();
        if let Some(known) = list.iter().find(|known| known.name == name) {
            return known.clone();
        }
        let handler =
            Arc::new(Handler { label: label.to_owned(), name: name.to_owned(), cost: Cost::default() });
        list.push(handler.clone());
        handler
    }

    /// For `/plugins/status`: those that were called, in the order in which they were declared.
    pub(crate) fn stats(&self) -> Value {
        let list = self.0.lock();
        let called = list.iter().filter(|handler| handler.cost.calls.load(Ordering::Relaxed) > 0);
        called.map(|handler| Value::Object(handler.stats())).collect()
    }
}

impl Handler {
    /// A call has ended that held its VM for so long.
    #[inline]
    pub(crate) fn took(&self, time: Duration) {
        let nanos = time.as_nanos() as u64;
        let cost = &self.cost;
        cost.calls.fetch_add(1, Ordering::Relaxed);
        cost.nanos.fetch_add(nanos, Ordering::Relaxed);
        if nanos > cost.longest.load(Ordering::Relaxed) {
            cost.longest.fetch_max(nanos, Ordering::Relaxed);
        }
        cost.times[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
    }

    /// A call has failed.
    pub(crate) fn failed(&self) {
        self.cost.errors.fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> Map<String, Value> {
        let cost = &self.cost;
        let nanos = cost.nanos.load(Ordering::Relaxed);
        let mut stats = Map::new();
        stats.insert("handler".to_owned(), self.name.as_str().into());
        stats.insert("calls".to_owned(), cost.calls.load(Ordering::Relaxed).into());
        stats.insert("errors".to_owned(), cost.errors.load(Ordering::Relaxed).into());
        stats.insert("total_ms".to_owned(), json!(nanos as f64 / 1e6));
        stats.insert("p50_us".to_owned(), json!(cost.quantile(0.50)));
        stats.insert("p99_us".to_owned(), json!(cost.quantile(0.99)));
        stats.insert("max_us".to_owned(), json!(micros(cost.longest.load(Ordering::Relaxed))));
        stats
    }
}

impl Default for Cost {
    fn default() -> Self {
        Cost {
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            times: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

impl Cost {
    /// The time in microseconds that this part of the calls did not exceed; the middle of its bucket.
    fn quantile(&self, part: f64) -> f64 {
        let counts: Vec<u64> =
            self.times.iter().map(|count| u64::from(count.load(Ordering::Relaxed))).collect();
        let wanted = (counts.iter().sum::<u64>() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        // A bucket may end above the longest time there was.
        found.map_or(0.0, |bucket| micros(middle(bucket).min(self.longest.load(Ordering::Relaxed))))
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < SHORTEST {
        return 0;
    }
    let octave = nanos.ilog2() - SHORTEST.ilog2();
    let part = (nanos >> (nanos.ilog2() - 2)) & (PARTS as u64 - 1);
    (octave as usize * PARTS + part as usize).min(OCTAVES * PARTS - 1)
}

fn middle(bucket: usize) -> u64 {
    let base = SHORTEST << (bucket / PARTS);
    let part = base / PARTS as u64;
    base + part * (bucket % PARTS) as u64 + part / 2
}

/// With a tenth of a microsecond.
fn micros(nanos: u64) -> f64 {
    (nanos as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_middle_and_times_lie_near_it() {
        for at in 0..OCTAVES * PARTS {
            assert_eq!(bucket(middle(at)), at);
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, OCTAVES * PARTS - 1));
        for nanos in [256_u64, 300, 1_000, 5_500, 77_777, 1_000_000, 3_000_000_000] {
            let near = middle(bucket(nanos)) as f64 / nanos as f64;
            assert!((0.87..1.13).contains(&near), "{nanos}: {near}");
        }
    }

    #[test]
    fn quantiles_are_told_from_the_counts() {
        let handlers = Handlers::default();
        let handler = handlers.get("a.request", "`request`");
        assert_eq!(handlers.stats(), json!([]), "what was never called is not shown");
        for _ in 0..98 {
            handler.took(Duration::from_micros(4));
        }
        handler.took(Duration::from_micros(900));
        handler.took(Duration::from_millis(9));
        handlers.get("a.request", "`request`").failed();
        let stats = &handlers.stats()[0];
        assert_eq!((&stats["calls"], &stats["errors"]), (&json!(100), &json!(1)));
        assert!((3.5..4.5).contains(&stats["p50_us"].as_f64().unwrap_or(0.0)), "{stats}");
        assert!((800.0..1000.0).contains(&stats["p99_us"].as_f64().unwrap_or(0.0)), "{stats}");
        assert_eq!(stats["max_us"], json!(9000.0));
    }
}

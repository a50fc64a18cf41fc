//! What the proxy said, and what happened between two looks.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

/// One look.
pub(super) struct Sample {
    at: Instant,
    traffic: Value,
    status: Value,
}

impl Sample {
    /// What `/traffic` and `/plugins/status` said just now.
    pub(super) fn new(traffic: Value, status: Value) -> Self {
        Sample { at: Instant::now(), traffic, status }
    }
}

/// The last two looks, and what a person has chosen.
pub(super) struct Board {
    url: String,
    now: Option<Sample>,
    before: Option<Sample>,
    /// The row of the plugin whose handlers are shown.
    pub(super) chosen: usize,
    /// Why the last look failed.
    pub(super) trouble: Option<String>,
}

/// A plugin with what it did between two looks.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) calls_a_second: f64,
    /// Of the time between the looks, the part in which it ran, in percent of one core.
    pub(super) busy: f64,
    pub(super) memory: u64,
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) strikes: u64,
    pub(super) dropped: u64,
    pub(super) breaker: String,
    pub(super) handlers: Vec<Handler>,
}

/// A handler since its plugin was loaded.
pub(super) struct Handler {
    pub(super) name: String,
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// What goes on a second.
#[derive(Default)]
pub(super) struct Rates {
    pub(super) exchanges: f64,
    pub(super) input_tokens: f64,
    pub(super) output_tokens: f64,
    pub(super) bytes: f64,
    pub(super) failed: f64,
}

impl Board {
    /// Nothing was seen yet.
    pub(super) fn new(url: &str) -> Self {
        Board { url: url.to_owned(), now: None, before: None, chosen: 0, trouble: None }
    }

    /// Takes a look.
    pub(super) fn take(&mut self, sample: Sample) {
        self.before = self.now.replace(sample);
        self.trouble = None;
        self.chosen = self.chosen.min(self.rows().len().saturating_sub(1));
    }

    /// The next or the one before.
    pub(super) fn choose(&mut self, down: bool) {
        let last = self.rows().len().saturating_sub(1);
        self.chosen = if down { (self.chosen + 1).min(last) } else { self.chosen.saturating_sub(1) };
    }

    fn traffic(&self) -> &Value {
        self.now.as_ref().map_or(&Value::Null, |now| &now.traffic)
    }

    fn status(&self) -> &Value {
        self.now.as_ref().map_or(&Value::Null, |now| &now.status)
    }

    fn seconds(&self) -> f64 {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => now.at.duration_since(before.at).as_secs_f64().max(0.001),
            _ => f64::INFINITY,
        }
    }

    /// How much a count at a place of `/traffic` has grown a second. A restart counts from zero.
    fn rate(&self, pointer: &str) -> f64 {
        let count = |sample: &Option<Sample>| {
            sample.as_ref().and_then(|sample| sample.traffic.pointer(pointer)?.as_f64()).unwrap_or(0.0)
        };
        grown(count(&self.before), count(&self.now)) / self.seconds()
    }

    /// What goes on a second.
    pub(super) fn rates(&self) -> Rates {
        Rates {
            exchanges: self.rate("/started"),
            input_tokens: self.rate("/tokens/input"),
            output_tokens: self.rate("/tokens/output"),
            bytes: self.rate("/bytes/request") + self.rate("/bytes/response"),
            failed: self.rate("/failed"),
        }
    }

    /// The plugins: those that cost most first, then those that do not run, then the rest.
    pub(super) fn rows(&self) -> Vec<Row> {
        let before: BTreeMap<&str, &Value> = self
            .before
            .iter()
            .flat_map(|sample| plugins(&sample.status))
            .map(|plugin| (plugin["name"].as_str().unwrap_or_default(), plugin))
            .collect();
        let mut rows: Vec<Row> = plugins(self.status())
            .map(|plugin| {
                let earlier = before.get(plugin["name"].as_str().unwrap_or_default()).copied();
                row(plugin, earlier.unwrap_or(&Value::Null), self.seconds())
            })
            // What is switched off has nothing to show.
            .filter(|row| row.state != "disabled")
            .collect();
        rows.sort_by(|a, b| {
            let ill = |row: &Row| row.state != "active";
            b.busy
                .total_cmp(&a.busy)
                .then(ill(b).cmp(&ill(a)))
                .then(b.calls.cmp(&a.calls))
                .then(a.name.cmp(&b.name))
        });
        rows
    }

    /// One line about the whole.
    pub(super) fn head(&self) -> String {
        let up = self.traffic()["uptime_seconds"].as_f64().unwrap_or(0.0);
        format!(
            "{}  version {}  generation {}  up {}",
            self.url,
            self.status()["version"].as_str().unwrap_or("?"),
            self.status()["generation"],
            span(up)
        )
    }

    /// Exchanges, tokens, bytes.
    pub(super) fn flow(&self) -> String {
        let rates = self.rates();
        let traffic = self.traffic();
        let count = |pointer: &str| traffic.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        format!(
            "in flight {}   exchanges {:.1}/s   tokens {:.0} in {:.0} out /s   {}/s   failed {:.1}/s   since start: {} exchanges, {} failed, {} tokens in, {} out",
            count("/in_flight"),
            rates.exchanges,
            rates.input_tokens,
            rates.output_tokens,
            size(rates.bytes),
            rates.failed,
            count("/started"),
            count("/failed"),
            count("/tokens/input"),
            count("/tokens/output"),
        )
    }

    /// The exchanges in flight: age, provider and model, path, bytes.
    pub(super) fn exchanges(&self) -> Vec<[String; 6]> {
        let list = self.traffic()["exchanges"].as_array().into_iter().flatten();
        list.map(|one| {
            let word = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
            [
                format!("{:.1} s", one["seconds"].as_f64().unwrap_or(0.0)),
                word("provider"),
                word("model"),
                word("path"),
                size(one["response_bytes"].as_f64().unwrap_or(0.0)),
                word("client"),
            ]
        })
        .collect()
    }

    /// How the last reload went, and the warnings.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let reload = &self.status()["reload"];
        if let Some(generation) = reload["generation"].as_u64() {
            let names = |key: &str| {
                let list = reload[key].as_array().into_iter().flatten().filter_map(Value::as_str);
                list.collect::<Vec<_>>().join(", ")
            };
            let took = reload["took_ms"].as_f64().unwrap_or(0.0);
            notes.push(format!("last load: generation {generation}, {took:.0} ms, new: {}", names("loaded")));
            for failed in reload["failed"].as_array().into_iter().flatten() {
                let word = |key: &str| failed[key].as_str().unwrap_or_default();
                let reason = word("reason").replace('\n', "; ");
                notes.push(format!("{} {}: {reason}", word("plugin"), word("state")));
            }
        }
        let retiring = self.status()["retiring"].as_u64().unwrap_or(0);
        if retiring > 0 {
            notes.push(format!("{retiring} replaced plugins still have exchanges"));
        }
        let warnings = self.status()["warnings"].as_array().into_iter().flatten();
        notes.extend(warnings.filter_map(Value::as_str).map(|warning| format!("warning: {warning}")));
        notes
    }

    /// All of it for scripts.
    pub(super) fn json(&self) -> Value {
        let rates = self.rates();
        let plugins: Vec<Value> = self
            .rows()
            .iter()
            .map(|row| {
                let handlers = row.handlers.iter().map(|one| {
                    json!({ "handler": one.name, "calls": one.calls, "errors": one.errors, "p50_us": one.p50, "p99_us": one.p99, "max_us": one.max })
                });
                json!({
                    "name": row.name,
                    "state": row.state,
                    "calls_per_second": row.calls_a_second,
                    "busy_percent": row.busy,
                    "memory_bytes": row.memory,
                    "calls": row.calls,
                    "errors": row.errors,
                    "strikes": row.strikes,
                    "dropped_events": row.dropped,
                    "handlers": handlers.collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "traffic": self.traffic(),
            "per_second": {
                "exchanges": rates.exchanges,
                "failed": rates.failed,
                "input_tokens": rates.input_tokens,
                "output_tokens": rates.output_tokens,
                "bytes": rates.bytes,
            },
            "reload": self.status()["reload"],
            "plugins": plugins,
        })
    }
}

fn plugins(status: &Value) -> impl Iterator<Item = &Value> {
    status["plugins"].as_array().into_iter().flatten()
}

/// A count that shrank began anew.
fn grown(before: f64, now: f64) -> f64 {
    if now < before { now } else { now - before }
}

fn row(plugin: &Value, before: &Value, seconds: f64) -> Row {
    let word = |key: &str| plugin[key].as_str().unwrap_or_default().to_owned();
    let stats = &plugin["stats"];
    let number = |key: &str| stats[key].as_f64().unwrap_or(0.0);
    let growth = |key: &str| grown(before["stats"][key].as_f64().unwrap_or(0.0), number(key)) / seconds;
    let handlers = stats["handlers"].as_array().into_iter().flatten();
    let mut handlers: Vec<Handler> = handlers
        .map(|one| Handler {
            name: one["handler"].as_str().unwrap_or_default().to_owned(),
            calls: one["calls"].as_u64().unwrap_or(0),
            errors: one["errors"].as_u64().unwrap_or(0),
            p50: one["p50_us"].as_f64().unwrap_or(0.0),
            p99: one["p99_us"].as_f64().unwrap_or(0.0),
            max: one["max_us"].as_f64().unwrap_or(0.0),
        })
        .collect();
    handlers.sort_by_key(|one| std::cmp::Reverse(one.calls));
    Row {
        name: word("name"),
        state: word("state"),
        reason: word("reason").replace('\n', "; "),
        calls_a_second: growth("calls"),
        busy: growth("lua_ms") / 10.0,
        memory: number("memory_bytes") as u64,
        calls: number("calls") as u64,
        errors: number("errors") as u64,
        strikes: number("strikes") as u64,
        dropped: plugin["dropped_events"].as_u64().unwrap_or(0),
        breaker: stats["breaker"].as_str().unwrap_or_default().to_owned(),
        handlers,
    }
}

/// `3.4 MiB`
pub(super) fn size(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB"];
    let (mut left, mut unit) = (bytes, 0);
    while left >= 1024.0 && unit + 1 < units.len() {
        (left, unit) = (left / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{left:.0} B") } else { format!("{left:.1} {}", units[unit]) }
}

/// `2 h 5 min`
fn span(seconds: f64) -> String {
    let whole = seconds as u64;
    match (whole / 86400, whole / 3600 % 24, whole / 60 % 60, whole % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

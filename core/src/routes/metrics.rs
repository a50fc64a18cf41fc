//! `GET /traffic` for people who watch, `GET /metrics` for Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::body::Answer;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::pool::Pool;
use crate::proxy::Proxy;

/// Until when after a look exchanges are listed and whole answers read for their tokens.
const LOOKING: Duration = Duration::from_secs(15);
/// The same after a scrape; scrapers come once a minute or oftener.
const SCRAPED: Duration = Duration::from_secs(150);

/// `GET /traffic`.
pub(super) async fn traffic(exchange: Arc<Exchange>) -> Result<Answer> {
    let traffic = &exchange.generation.traffic;
    traffic.watch(LOOKING);
    Ok(Answer::json(StatusCode::OK, &traffic.status()))
}

/// `GET /metrics`, in Prometheus' text format.
pub(super) async fn metrics(proxy: Arc<Proxy>, exchange: Arc<Exchange>) -> Result<Answer> {
    let generation = &exchange.generation;
    let traffic = &generation.traffic;
    traffic.watch(SCRAPED);
    let mut out = Page::default();
    out.gauge("uptime_seconds", "Seconds since the proxy started.", "", traffic.uptime());
    out.gauge("exchanges_in_flight", "Exchanges of providers' routes.", "", traffic.in_flight() as f64);
    for (name, labels, count) in traffic.counts() {
        out.count(name, about(name), &labels, count as f64);
    }
    out.gauge("generation", "Counts reloads of plugins.", "", generation.number as f64);
    out.gauge("instances_retiring", "Replaced plugins with exchanges left.", "", proxy.retiring() as f64);
    for entry in &generation.entries {
        let plugin = format!("plugin=\"{}\"", entry.manifest.name);
        let runs = f64::from(u8::from(entry.state.runs()));
        out.gauge("plugin_up", "Whether a plugin runs.", &plugin, runs);
        let dropped = generation.listeners.dropped(&entry.manifest.name);
        out.count("plugin_dropped_events", "Events its queue had no room for.", &plugin, dropped as f64);
        let Some(runtime) = &entry.runtime else { continue };
        plugin_stats(&mut out, &plugin, &runtime.stats());
        if let Some(pool) = runtime.provider().and_then(|provider| provider.pool()) {
            pool_stats(&mut out, &entry.manifest.name, &pool);
        }
    }
    let mut answer = Answer::bytes(StatusCode::OK, "text/plain; version=0.0.4", out.finish().into());
    answer.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn about(name: &str) -> &'static str {
    match name {
        "exchanges_started" => "Exchanges that began.",
        "exchanges_failed" => "Exchanges that were refused or not delivered whole.",
        "exchanges" => "Exchanges that are over, by status.",
        "body_bytes" => "Bytes of bodies, as clients sent and got them.",
        _ => "Tokens that answers told; of whole answers only while someone listens or looks.",
    }
}

/// Calls and times by handler, and every number that a plugin counts itself.
fn plugin_stats(out: &mut Page, plugin: &str, stats: &Map<String, Value>) {
    for handler in stats.get("handlers").and_then(Value::as_array).into_iter().flatten() {
        let name = handler["handler"].as_str().unwrap_or_default().escape_default();
        let labels = format!("{plugin},handler=\"{name}\"");
        let number = |key: &str| handler[key].as_f64().unwrap_or(0.0);
        out.count("handler_calls", "Calls of a handler.", &labels, number("calls"));
        out.count("handler_errors", "Calls that failed.", &labels, number("errors"));
        out.count("handler_seconds", "Seconds that a handler ran.", &labels, number("total_ms") / 1000.0);
        for (quantile, key) in [("0.5", "p50_us"), ("0.99", "p99_us"), ("1", "max_us")] {
            let labels = format!("{labels},quantile=\"{quantile}\"");
            out.gauge("handler_microseconds", "How long its calls take.", &labels, number(key));
        }
    }
    for (name, value) in stats {
        if let Some(number) = value.as_f64() {
            let labels = format!("{plugin},stat=\"{}\"", name.escape_default());
            out.gauge("plugin_stat", "What a plugin counts.", &labels, number);
        }
    }
}

/// How the credentials of a provider are, by their names.
fn pool_stats(out: &mut Page, provider: &str, pool: &Pool) {
    for member in &pool.members {
        let labels = format!("provider=\"{provider}\",credential=\"{}\"", member.name.escape_default());
        let ready = f64::from(u8::from(matches!(member.state, "in_use" | "standby")));
        out.gauge("credential_ready", "Whether a credential of a pool may be used.", &labels, ready);
        for rest in &member.rests {
            let model = rest.model.as_deref().unwrap_or("*").escape_default();
            let labels = format!("{labels},model=\"{model}\",why=\"{}\"", rest.why);
            out.gauge("credential_rest_seconds", "How long it is still left alone.", &labels, rest.ends_in);
        }
        let in_flight = f64::from(member.in_flight);
        out.gauge("credential_in_flight", "Requests on their way with it.", &labels, in_flight);
        out.count("credential_uses", "Requests that were sent with it.", &labels, member.uses as f64);
        let errors = member.errors as f64;
        out.count("credential_errors", "Those of them that failed because of it.", &labels, errors);
    }
}

/// Families in the order in which they were first met; the format wants the lines of one together.
#[derive(Default)]
struct Page {
    families: Vec<(String, String)>,
}

impl Page {
    fn count(&mut self, name: &str, about: &str, labels: &str, value: f64) {
        self.line(&format!("ccproxy_{name}_total"), "counter", about, labels, value);
    }

    fn gauge(&mut self, name: &str, about: &str, labels: &str, value: f64) {
        self.line(&format!("ccproxy_{name}"), "gauge", about, labels, value);
    }

    fn line(&mut self, name: &str, kind: &str, about: &str, labels: &str, value: f64) {
        let at = self.families.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.families.push((name.to_owned(), format!("# HELP {name} {about}\n# TYPE {name} {kind}\n")));
            self.families.len() - 1
        });
        let text = &mut self.families[at].1;
        let _ = match labels {
            "" => writeln!(text, "{name} {value}"),
            labels => writeln!(text, "{name}{{{labels}}} {value}"),
        };
    }

    fn finish(self) -> String {
        self.families.into_iter().map(|(_, text)| text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_family_stand_together() {
        let mut page = Page::default();
        page.count("calls", "Calls.", "plugin=\"a\"", 1.0);
        page.gauge("up", "Up.", "", 1.0);
        page.count("calls", "Calls.", "plugin=\"b\"", 2.5);
        let expected = "# HELP ccproxy_calls_total Calls.\n# TYPE ccproxy_calls_total counter\n\
            ccproxy_calls_total{plugin=\"a\"} 1\nccproxy_calls_total{plugin=\"b\"} 2.5\n\
            # HELP ccproxy_up Up.\n# TYPE ccproxy_up gauge\nccproxy_up 1\n";
        assert_eq!(page.finish(), expected);
    }
}

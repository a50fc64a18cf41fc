//! What differs between an exchange with the plugin and without: what left for providers, and what came back.

use std::collections::BTreeSet;

use bytes::Bytes;
use ccproxy_core::body::is_event_stream;
use ccproxy_core::sse::Decoder;
use http::HeaderMap;
use serde_json::{Value, json};

use super::house::{Came, Sent};

/// Bytes of bodies that are shown on each side of a difference.
const SHOWN: usize = 80;
/// Events that are shown.
const EVENTS: usize = 20;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// `provider` or `client`: where it shows; `plugin`: what it asks the network itself.
    pub(super) side: &'static str,
    /// `line`, `status`, `header`, `body`, `event`, `requests`; of plugins `fetch`.
    pub(super) what: &'static str,
    /// The header's name, the event's number.
    pub(super) name: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Of bodies and events: the first byte that differs.
    pub(super) from: Option<usize>,
}

/// Everything that differs. `twice` is the exchange without the plugin once more: what differs there varies by itself.
pub(super) fn changes(without: &Came, twice: &Came, with: &Came) -> Vec<Change> {
    let mut found = Vec::new();
    if without.sent.len() != with.sent.len() {
        let count = |came: &Came| Some(came.sent.len().to_string());
        found.push(change("provider", "requests", "", count(without), count(with)));
    }
    for (number, sent) in with.sent.iter().enumerate() {
        if let Some(before) = without.sent.get(number) {
            requests(before, twice.sent.get(number).unwrap_or(before), sent, &mut found);
        }
    }
    if without.status != with.status {
        let status = |came: &Came| Some(came.status.as_u16().to_string());
        found.push(change("client", "status", "", status(without), status(with)));
    }
    headers("client", [&without.headers, &twice.headers, &with.headers], &mut found);
    if without.body == twice.body {
        let streams = is_event_stream(&without.headers) && is_event_stream(&with.headers);
        match streams.then(|| (events(&without.body), events(&with.body))) {
            Some((Some(before), Some(after))) => streamed(&before, &after, &mut found),
            _ => bytes("client", "body", "", &without.body, &with.body, &mut found),
        }
    }
    let fetched = with.fetched.iter().map(|line| change("plugin", "fetch", "", None, Some(line.clone())));
    found.extend(fetched);
    found
}

fn requests(before: &Sent, twice: &Sent, after: &Sent, found: &mut Vec<Change>) {
    if before.line != after.line {
        found.push(change("provider", "line", "", Some(before.line.clone()), Some(after.line.clone())));
    }
    headers("provider", [&before.headers, &twice.headers, &after.headers], found);
    if before.body == twice.body {
        bytes("provider", "body", "", &before.body, &after.body, found);
    }
}

fn headers(side: &'static str, [before, twice, after]: [&HeaderMap; 3], found: &mut Vec<Change>) {
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).map(|name| name.as_str()).collect();
    let all = |map: &HeaderMap, name: &str| {
        let values =
            map.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Some(values.collect::<Vec<_>>().join(", ")).filter(|_| map.contains_key(name))
    };
    for name in names {
        let (was, is) = (all(before, name), all(after, name));
        let varies = was != all(twice, name) && is.is_some();
        // The length follows from the body, which is compared itself.
        if was != is && !varies && name != "content-length" {
            found.push(change(side, "header", name, was, is));
        }
    }
}

fn events(body: &Bytes) -> Option<Vec<Bytes>> {
    let (mut decoder, mut events) = (Decoder::new(), Vec::new());
    decoder.feed(body.clone());
    while let Some(event) = decoder.pull().ok()? {
        events.push(event.raw.clone());
    }
    decoder.at_boundary().then_some(events)
}

/// Events that differ, after as many as are the same at both ends.
fn streamed(before: &[Bytes], after: &[Bytes], found: &mut Vec<Change>) {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[head..], &after[head..]);
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[..before.len() - tail], &after[..after.len() - tail]);
    for number in 0..before.len().max(after.len()) {
        if number >= EVENTS {
            let count = |events: &[Bytes]| Some((events.len() - number.min(events.len())).to_string());
            found.push(change("client", "event", "and more", count(before), count(after)));
            return;
        }
        let name = (head + number + 1).to_string();
        match (before.get(number), after.get(number)) {
            (Some(was), Some(is)) => bytes("client", "event", &name, was, is, found),
            (was, is) => found.push(change(
                "client",
                "event",
                &name,
                was.map(|bytes| piece(bytes, 0)),
                is.map(|bytes| piece(bytes, 0)),
            )),
        }
    }
}

fn bytes(
    side: &'static str,
    what: &'static str,
    name: &str,
    before: &[u8],
    after: &[u8],
    found: &mut Vec<Change>,
) {
    if before == after {
        return;
    }
    let from = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let change = change(side, what, name, Some(piece(before, from)), Some(piece(after, from)));
    found.push(Change { from: Some(from), ..change });
}

/// A piece around a byte, as text as far as it is some.
fn piece(bytes: &[u8], from: usize) -> String {
    let start = from.saturating_sub(SHOWN / 4);
    let end = bytes.len().min(from + SHOWN);
    let text = String::from_utf8_lossy(&bytes[start.min(end)..end]).into_owned();
    let (before, after) = (if start > 0 { "..." } else { "" }, if end < bytes.len() { "..." } else { "" });
    format!("{before}{}{after}", text.escape_debug().to_string().replace("\\\"", "\""))
}

fn change(
    side: &'static str,
    what: &'static str,
    name: &str,
    before: Option<String>,
    after: Option<String>,
) -> Change {
    Change { side, what, name: name.to_owned(), before, after, from: None }
}

impl Change {
    /// Lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let place = match self.side {
            "provider" => "to the provider",
            "plugin" => "by the plugin itself",
            _ => "to the client",
        };
        let name = if self.name.is_empty() { String::new() } else { format!(" {}", self.name) };
        let from = self.from.map(|from| format!(", from byte {from}")).unwrap_or_default();
        let mut lines = vec![format!("  {place}: {}{name}{from}", self.what)];
        lines.extend(self.before.iter().map(|text| format!("    - {text}")));
        lines.extend(self.after.iter().map(|text| format!("    + {text}")));
        lines
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "side": self.side,
            "what": self.what,
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "from_byte": self.from,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn came(body: &'static str, headers: &[(&'static str, &'static str)]) -> Came {
        let pairs = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        Came { body: Bytes::from_static(body.as_bytes()), headers: pairs.collect(), ..Came::default() }
    }

    fn told(without: &Came, twice: &Came, with: &Came) -> String {
        let lines: Vec<String> = changes(without, twice, with).iter().flat_map(Change::lines).collect();
        lines.join("\n")
    }

    #[test]
    fn what_varies_by_itself_is_no_change() {
        let one = came("a", &[("x-id", "1"), ("x-same", "s")]);
        let two = came("a", &[("x-id", "2"), ("x-same", "s")]);
        assert_eq!(told(&one, &two, &came("a", &[("x-id", "3"), ("x-same", "s")])), "");
        let told = told(&one, &two, &came("ab", &[("x-same", "t"), ("x-new", "n")]));
        for part in [
            "header x-id\n    - 1",
            "header x-same\n    - s\n    + t",
            "header x-new\n    + n",
            "body, from byte 1\n    - a\n    + ab",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn events_are_compared_one_by_one() {
        let stream = |body| came(body, &[("content-type", "text/event-stream")]);
        let before = stream("data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n");
        let after = stream("data: 1\n\ndata: 20\n\ndata: 4\n\n");
        let told = told(&before, &before, &after);
        assert_eq!(
            told,
            "  to the client: event 2, from byte 7\n    - data: 2\\n\\n\n    + data: 20\\n\\n\n  to the client: event 3\n    - data: 3\\n\\n"
        );
    }
}

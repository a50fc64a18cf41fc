//! Reading event streams in tests.

use serde_json::Value;

/// The events of a stream: name and data, in order. Comments are left out.
pub fn events(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(bytes.to_vec()).expect("a stream is UTF-8");
    let mut events = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let field = |name: &str| {
            let values: Vec<&str> = block
                .lines()
                .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.strip_prefix(' ').unwrap_or(value))
                .collect();
            values.join("\n")
        };
        let (name, data) = (field("event"), field("data"));
        if !name.is_empty() || !data.is_empty() {
            events.push((name, data));
        }
    }
    events
}

/// The names of the events.
pub fn names(bytes: &[u8]) -> Vec<String> {
    events(bytes).into_iter().map(|(name, _)| name).collect()
}

/// The data of the events as JSON; `[DONE]` and the like are left out.
pub fn data(bytes: &[u8]) -> Vec<Value> {
    events(bytes).iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect()
}

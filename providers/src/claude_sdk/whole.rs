//! The events of an answer, gathered into the message that they tell.

use serde_json::{Value, json};

use super::protocol::take;

/// Most bytes of one message.
const LARGEST: usize = 64 << 20;

/// Gathers the events of an answer into the message that they tell.
#[derive(Default)]
pub(super) struct Whole {
    message: Value,
    /// Arguments of the open call.
    arguments: String,
    size: usize,
}

impl Whole {
    /// The next event; false when the message has grown too large.
    pub(super) fn take(&mut self, event: Value) -> bool {
        self.add(event);
        self.size <= LARGEST
    }

    fn add(&mut self, mut event: Value) {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.message = take(&mut event, "message"),
            "content_block_start" => {
                self.arguments.clear();
                if let Some(content) = self.message.get_mut("content").and_then(Value::as_array_mut) {
                    content.push(take(&mut event, "content_block"));
                }
            }
            "content_block_delta" => self.delta(&event["delta"]),
            "content_block_stop" if !self.arguments.is_empty() => {
                let input = serde_json::from_str(&self.arguments).unwrap_or_else(|_| json!({}));
                self.arguments.clear();
                if let Some(block) = self.last() {
                    block["input"] = input;
                }
            }
            "message_delta" => {
                let mut delta = take(&mut event, "delta");
                for key in ["stop_reason", "stop_sequence"] {
                    if let Some(message) = self.message.as_object_mut() {
                        message.insert(key.into(), take(&mut delta, key));
                    }
                }
                if let (Some(usage), Some(more)) = (
                    self.message.get_mut("usage").and_then(Value::as_object_mut),
                    event["usage"].as_object().cloned(),
                ) {
                    usage.extend(more);
                }
            }
            _ => {}
        }
    }

    /// The message.
    pub(super) fn message(self) -> Value {
        self.message
    }

    fn last(&mut self) -> Option<&mut Value> {
        self.message.get_mut("content")?.as_array_mut()?.last_mut()
    }

    fn delta(&mut self, delta: &Value) {
        if let Some(part) = delta["partial_json"].as_str() {
            self.size += part.len();
            self.arguments.push_str(part);
            return;
        }
        let parts = ["text", "thinking", "signature"].iter().filter_map(|key| delta[key].as_str());
        self.size += parts.map(str::len).sum::<usize>();
        let Some(block) = self.last() else { return };
        for key in ["text", "thinking", "signature"] {
            if let Some(part) = delta[key].as_str() {
                match block.get_mut(key) {
                    Some(Value::String(so_far)) => so_far.push_str(part),
                    _ => block[key] = part.into(),
                }
            }
        }
        if !delta["citation"].is_null() {
            match block["citations"].as_array_mut() {
                Some(citations) => citations.push(delta["citation"].clone()),
                None => block["citations"] = json!([delta["citation"]]),
            }
        }
    }
}

//! Conversations, known again: clients say the whole of one each time, and a process knows its beginning.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::history::Turn;

impl Turn {
    /// The same number whenever a client says this again.
    pub(super) fn digest(&self) -> u64 {
        if self.assistant {
            let mut told = Told::default();
            for block in &self.content {
                match block["type"].as_str() {
                    Some("text") => told.text(block["text"].as_str().unwrap_or_default()),
                    Some("tool_use") => told.call(block["id"].as_str().unwrap_or_default()),
                    _ => {}
                }
            }
            return told.digest();
        }
        let mut text = String::new();
        for block in &self.content {
            match block["text"].as_str() {
                Some(words) => text.push_str(words),
                None => text.push_str(&block.to_string()),
            }
        }
        digest(&text)
    }
}

/// What the model has told the client: the part of it that a client says again.
#[derive(Debug, Default)]
pub(super) struct Told {
    text: String,
    calls: Vec<String>,
}

impl Told {
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn call(&mut self, id: &str) {
        self.calls.push(id.to_owned());
    }

    pub(super) fn digest(&self) -> u64 {
        // Clients trim.
        digest(&(self.text.trim(), &self.calls))
    }
}

pub(super) fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::history::Conversation;
    use super::*;

    fn read(messages: Value) -> Result<Conversation, String> {
        Conversation::read("/v1/messages", json!({"model": "m", "messages": messages}).to_string().as_bytes())
    }

    #[test]
    fn what_a_client_says_again_is_known_again() {
        let told = || {
            let mut told = Told::default();
            told.text("It ");
            told.text("rains\n");
            told.call("t");
            told
        };
        let again = read(json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "It rains"},
                {"type": "tool_use", "id": "t", "name": "x", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
        ]))
        .expect("a conversation");
        assert_eq!(again.digests()[1], told().digest());
        assert_eq!(again.results().map(<[Value]>::len), Some(1));
        let blocks =
            read(json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])).expect("one");
        assert_eq!(blocks.digests()[0], again.digests()[0]);
    }
}

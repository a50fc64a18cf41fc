//! The legal order of a chat stream: chunks, each choice finished once, then `[DONE]`.

use std::collections::BTreeMap;

use ccproxy_core::document::{Json, Kind};
use ccproxy_core::format::Grammar;
use ccproxy_core::sse::Event;

use super::wire;

/// Most choices that are followed; a request asks for one, rarely for a few.
const MAX_CHOICES: usize = 128;

/// Where a stream is.
#[derive(Default)]
pub(super) struct ChatGrammar {
    choices: BTreeMap<u64, Choice>,
    complete: bool,
}

#[derive(Default)]
struct Choice {
    finished: bool,
    /// Tool calls begun so far.
    tools: u64,
}

impl Grammar for ChatGrammar {
    fn accept(&mut self, event: &Event) -> Result<(), String> {
        if event.is_comment() {
            return Ok(());
        }
        let data = event.data.trim_ascii();
        if self.complete {
            return Err("an event after the end of the stream".into());
        }
        if data == wire::DONE {
            if let Some((index, _)) = self.choices.iter().find(|(_, choice)| !choice.finished) {
                return Err(format!("`[DONE]` before choice {index} has a finish reason"));
            }
            self.complete = true;
            return Ok(());
        }
        let chunk = Json::whole(data).ok_or("the data of a chunk must be one JSON value or `[DONE]`")?;
        if chunk.kind() != Kind::Object {
            return Err(format!("a chunk must be an object, not {}", chunk.kind().name()));
        }
        if chunk.key("error").is_some_and(|error| error.kind() != Kind::Null) {
            self.complete = true;
            return Ok(());
        }
        let choices = chunk.key("choices").filter(|choices| choices.kind() == Kind::Array);
        let mut choices = choices.and_then(|choices| choices.children()).ok_or("a chunk needs `choices`")?;
        choices.try_for_each(|(_, choice)| self.choice(&choice))
    }

    fn complete(&self) -> bool {
        self.complete
    }
}

impl ChatGrammar {
    fn choice(&mut self, json: &Json<'_>) -> Result<(), String> {
        let index = json.key("index").and_then(|index| index.as_u64()).ok_or("a choice needs an `index`")?;
        if self.choices.len() >= MAX_CHOICES && !self.choices.contains_key(&index) {
            return Err(format!("more than {MAX_CHOICES} choices"));
        }
        let choice = self.choices.entry(index).or_default();
        if let Some(delta) = json.key("delta") {
            if choice.finished && has_content(&delta) {
                return Err(format!("content for choice {index} after its finish reason"));
            }
            for (_, call) in delta.key("tool_calls").and_then(|calls| calls.children()).into_iter().flatten()
            {
                choice.tool_call(&call)?;
            }
        }
        choice.finished |= json.key("finish_reason").is_some_and(|reason| reason.kind() == Kind::String);
        Ok(())
    }
}

impl Choice {
    /// A call begins with its id and name; later pieces carry arguments.
    fn tool_call(&mut self, call: &Json<'_>) -> Result<(), String> {
        let index = call.key("index").and_then(|index| index.as_u64()).unwrap_or(0);
        if index < self.tools {
            return Ok(());
        }
        if index > self.tools {
            return Err(format!("tool call {index} where {} is next", self.tools));
        }
        let inner = call.key("function").or_else(|| call.key("custom"));
        let name = inner.and_then(|inner| inner.key("name")?.as_str());
        if call.key("id").and_then(|id| id.as_str()).is_none() || name.is_none() {
            return Err(format!("tool call {index} must begin with its `id` and `function.name`"));
        }
        self.tools += 1;
        Ok(())
    }
}

/// Vendors do send one more empty delta after the finish reason.
fn has_content(delta: &Json<'_>) -> bool {
    let empty = |value: &Json<'_>| matches!(value.raw(), b"null" | b"\"\"" | b"[]");
    ["content", "tool_calls", "refusal"].iter().any(|key| delta.key(key).is_some_and(|value| !empty(&value)))
}

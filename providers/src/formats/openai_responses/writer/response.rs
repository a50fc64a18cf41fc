//! The response object: what the request asked, what came of it.

use ccproxy_core::document::{Json, Kind};

use super::Writer;
use crate::formats::json::{self, Object, fields};

/// Fields of the request that the answer repeats, and what they are when the request does not say.
const ECHOED: [(&str, &str); 16] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", "{\"effort\":null,\"summary\":null}"),
    ("safety_identifier", "null"),
    ("service_tier", "\"default\""),
    ("temperature", "null"),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_p", "null"),
];

/// Those fields, as entries of an object.
pub(in crate::formats) fn echo(body: &Json<'_>) -> String {
    let asked = fields(body);
    let mut entries = String::new();
    for (key, default) in ECHOED {
        let told = asked.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let told =
            told.filter(|value| value.kind() != Kind::Null).map(|value| String::from_utf8_lossy(value.raw()));
        entries.push_str(",\"");
        entries.push_str(key);
        entries.push_str("\":");
        // An event's data is one line.
        let told = told.as_deref().unwrap_or(default);
        entries.extend(told.chars().filter(|letter| !matches!(letter, '\n' | '\r')));
    }
    entries
}

impl Writer {
    /// The object as it stands.
    pub(super) fn response(&self, status: &str, incomplete: Option<&str>) -> String {
        let mut text = json::object_text(|response| {
            response.text("id", &self.id);
            response.text("object", "response");
            response.number("created_at", self.created);
            response.text("status", status);
            response.null("error");
            match incomplete {
                Some(reason) => {
                    response.object("incomplete_details", |details| details.text("reason", reason))
                }
                None => response.null("incomplete_details"),
            }
            response.text("model", &self.brief.model);
            response.array("output", |output| self.items.iter().for_each(|item| output.raw(item)));
            match status {
                "in_progress" => response.null("usage"),
                _ => response.object("usage", |usage| self.counts(usage)),
            }
            // Nothing is kept here, whatever was asked.
            response.boolean("store", false);
            response.text("truncation", "disabled");
        });
        // The entries come ready-made.
        text.pop();
        text.push_str(&self.brief.echo);
        text.push('}');
        text
    }

    fn counts(&self, usage: &mut Object<'_>) {
        let tokens = &self.tokens;
        let (input, output) = (tokens.total_input(), tokens.output.unwrap_or(0));
        usage.number("input_tokens", input);
        usage.object("input_tokens_details", |details| {
            details.number("cached_tokens", tokens.cache_read.unwrap_or(0));
            details.number("cache_write_tokens", tokens.cache_write.unwrap_or(0));
        });
        usage.number("output_tokens", output);
        usage.object("output_tokens_details", |details| {
            details.number("reasoning_tokens", tokens.reasoning.unwrap_or(0));
        });
        usage.number("total_tokens", input.saturating_add(output));
    }
}

//! What stream and whole answer write alike.

use ccproxy_core::document::{Json, Kind};

use crate::formats::hub::{Stop, Tokens};
use crate::formats::json::{self, Object};

pub(super) fn head(message: &mut Object<'_>, id: &str, model: &str) {
    message.text("id", id);
    message.text("type", "message");
    message.text("role", "assistant");
    message.text("model", model);
}

pub(super) fn counts(usage: &mut Object<'_>, tokens: &Tokens) {
    usage.number("input_tokens", tokens.input.unwrap_or(0));
    usage.number("cache_creation_input_tokens", tokens.cache_write.unwrap_or(0));
    usage.number("cache_read_input_tokens", tokens.cache_read.unwrap_or(0));
    usage.number("output_tokens", tokens.output.unwrap_or(0));
    if let Some(reasoning) = tokens.reasoning {
        usage.object("output_tokens_details", |details| details.number("thinking_tokens", reasoning));
    }
}

pub(super) fn write_stop(object: &mut Object<'_>, stop: &Stop<'_>) {
    let (reason, sequence) = match stop {
        Stop::Turn => ("end_turn", None),
        Stop::MaxTokens => ("max_tokens", None),
        Stop::Sequence(sequence) => ("stop_sequence", sequence.as_deref()),
        Stop::Tools => ("tool_use", None),
        Stop::Refusal => ("refusal", None),
        Stop::Pause => ("pause_turn", None),
        Stop::ContextFull => ("model_context_window_exceeded", None),
    };
    object.text("stop_reason", reason);
    object.text_or_null("stop_sequence", sequence);
}

/// Arguments as the object that `input` must be.
pub(super) fn input(arguments: &str) -> String {
    match Json::whole(arguments.as_bytes()) {
        Some(json) if json.kind() == Kind::Object => arguments.to_owned(),
        None if arguments.trim().is_empty() => "{}".to_owned(),
        _ => json::object_text(|object| object.text("INVALID_JSON", arguments)),
    }
}

//! Responses request -> [`Call`].

use ccproxy_core::document::Json;

use super::input::read_input;
use super::tools::{read_choice, read_tools};
use crate::formats::hub::{Call, Content, Dialect, Effort, Losses, Message, OutputFormat, Raw, Role, Text};
use crate::formats::json::{fields, text_at};

/// Reads a request; the error is for the client.
pub(in crate::formats) fn read<'a>(body: &Json<'a>, losses: &mut Losses) -> Result<Call<'a>, String> {
    let mut call = Call { from: Dialect::Responses, ..Call::default() };
    let mut instructions = None;
    for (key, value) in fields(body) {
        match &*key {
            "model" => call.model = value.as_str().ok_or("`model` must be a string")?,
            "stream" => call.stream = value.as_bool().unwrap_or(false),
            "instructions" => instructions = value.as_str(),
            "input" => read_input(&value, &mut call, losses)?,
            "tools" => read_tools(&value, None, &mut call.tools, losses),
            "tool_choice" => read_choice(&value, &mut call),
            "parallel_tool_calls" => call.parallel_tools = value.as_bool(),
            "max_output_tokens" => call.limits.max_tokens = value.as_number().map(Into::into),
            "temperature" => call.limits.temperature = value.as_number().map(Into::into),
            "top_p" => call.limits.top_p = value.as_number().map(Into::into),
            "top_logprobs" => call.limits.top_logprobs = value.as_number().map(Into::into),
            "reasoning" => {
                call.reasoning.effort = text_at(&value, "effort").and_then(|word| Effort::read(&word));
                let old = || text_at(&value, "generate_summary");
                call.reasoning.summary = text_at(&value, "summary").or_else(old);
            }
            "text" => read_text(&value, &mut call, losses),
            "prompt_cache_key" => call.cache_key = value.as_str(),
            "prompt_cache_retention" => call.cache_retention = value.as_str(),
            "user" => call.user = value.as_str(),
            "safety_identifier" => call.safety_identifier = value.as_str(),
            "metadata" => call.metadata = Some(Raw::of(&value)),
            "service_tier" => call.service_tier = value.as_str(),
            "store" => call.store = value.as_bool(),
            _ => call.extra.push((key, Raw::of(&value))),
        }
    }
    if let Some(text) = instructions.filter(|text: &Text<'_>| !text.is_empty()) {
        let parts = vec![Content::Text(text).into()];
        call.messages.insert(0, Message { role: Role::System, name: None, parts });
    }
    Ok(call)
}

fn read_text<'a>(value: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) {
    call.verbosity = text_at(value, "verbosity");
    let Some(format) = value.key("format") else { return };
    call.output = match (text_at(&format, "type").as_deref(), format.key("schema")) {
        (Some("json_schema"), Some(schema)) => OutputFormat::Schema {
            name: text_at(&format, "name"),
            description: text_at(&format, "description"),
            schema: Raw::of(&schema),
            strict: format.key("strict").and_then(|strict| strict.as_bool()),
        },
        (Some("json_object" | "json_schema"), _) => OutputFormat::JsonObject,
        (Some("text") | None, _) => OutputFormat::Text,
        (Some(_), _) => {
            losses.no_home("text.format");
            OutputFormat::Text
        }
    };
}

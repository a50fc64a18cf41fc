//! Responses request -> [`Call`].

use ccproxy_core::document::Json;

use super::input::read_input;
use super::tools::{read_choice, read_tools};
use crate::formats::hub::{Call, Content, Dialect, Effort, Losses, Message, OutputFormat, Raw, Role, Text};
use crate::formats::json::{fields, items, note, text_at};

/// What a client includes to be told how likely the words were.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

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
            "reasoning" => read_reasoning(&value, &mut call, losses),
            "text" => read_text(&value, &mut call, losses),
            "prompt_cache_key" => call.cache_key = value.as_str(),
            "prompt_cache_retention" => call.cache_retention = value.as_str(),
            "user" => call.user = value.as_str(),
            "safety_identifier" => call.safety_identifier = value.as_str(),
            "metadata" => call.metadata = Some(Raw::of(&value)),
            "service_tier" => call.service_tier = value.as_str(),
            "store" => call.store = value.as_bool(),
            "stream_options" => {
                let told = value.key("include_obfuscation");
                call.obfuscation = told.and_then(|told| told.as_bool());
                note(&value, &["include_obfuscation"], "stream_options", losses);
            }
            _ => {
                let asks = |item: Json<'_>| item.as_str().is_some_and(|word| word == LOGPROBS);
                if key == "include" && items(&value).any(asks) {
                    call.limits.logprobs = Some(true);
                }
                call.extra.push((key, Raw::of(&value)));
            }
        }
    }
    if let Some(text) = instructions.filter(|text: &Text<'_>| !text.is_empty()) {
        let parts = vec![Content::Text(text).into()];
        call.messages.insert(0, Message { role: Role::System, name: None, parts });
    }
    Ok(call)
}

fn read_reasoning<'a>(value: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) {
    for (key, value) in fields(value) {
        match &*key {
            "effort" => {
                call.reasoning.effort = value.as_str().and_then(|word| Effort::read(&word));
                if call.reasoning.effort.is_none() {
                    losses.add("reasoning.effort", "not an effort that is known");
                }
            }
            "summary" => call.reasoning.summary = value.as_str(),
            "generate_summary" => {
                call.reasoning.summary = call.reasoning.summary.take().or(value.as_str());
            }
            _ => call.reasoning.extra.push((key, Raw::of(&value))),
        }
    }
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

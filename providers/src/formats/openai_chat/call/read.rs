//! Chat request -> [`Call`].

use ccproxy_core::document::{Json, Kind};

use super::messages::read_messages;
use super::tools::{read_choice, read_function, read_tool};
use crate::formats::hub::{
    Call, Dialect, Effort, Losses, OutputFormat, Raw, Text, Thinking, Tool, ToolChoice, ToolKind,
};
use crate::formats::json::{fields, items, note, text_at};

/// Reads a request; the error is for the client.
pub(in crate::formats) fn read<'a>(body: &Json<'a>, losses: &mut Losses) -> Result<Call<'a>, String> {
    let mut call = Call { from: Dialect::Chat, ..Call::default() };
    for (key, value) in fields(body) {
        match &*key {
            "model" => call.model = value.as_str().ok_or("`model` must be a string")?,
            "stream" => call.stream = value.as_bool().unwrap_or(false),
            "stream_options" => {
                let told = |key: &str| value.key(key).and_then(|value| value.as_bool());
                call.include_usage = told("include_usage") == Some(true);
                call.obfuscation = told("include_obfuscation");
                note(&value, &["include_usage", "include_obfuscation"], "stream_options", losses);
            }
            "messages" => read_messages(&value, &mut call, losses)?,
            "tools" => call.tools.extend(items(&value).filter_map(|tool| read_tool(&tool, losses))),
            // The older spelling of tools.
            "functions" => {
                let functions = items(&value).filter_map(|function| read_function(&function, losses));
                call.tools.extend(functions);
            }
            "tool_choice" => read_choice(&value, &mut call),
            "function_call" => {
                call.tool_choice = match value.as_str().as_deref() {
                    Some("none") => Some(ToolChoice::None),
                    Some(_) => Some(ToolChoice::Auto),
                    None => text_at(&value, "name").map(|name| ToolChoice::Named { name, custom: false }),
                };
            }
            "web_search_options" => call.tools.push(web_search(&value, losses)),
            "max_completion_tokens" => call.limits.max_tokens = value.as_number().map(Into::into),
            "max_tokens" => {
                let told = value.as_number().map(Into::into);
                call.limits.max_tokens = call.limits.max_tokens.take().or(told);
            }
            _ => read_rest(key, &value, &mut call, losses),
        }
    }
    Ok(call)
}

fn read_rest<'a>(key: Text<'a>, value: &Json<'a>, call: &mut Call<'a>, losses: &mut Losses) {
    match &*key {
        "parallel_tool_calls" => call.parallel_tools = value.as_bool(),
        "temperature" => call.limits.temperature = value.as_number().map(Into::into),
        "top_p" => call.limits.top_p = value.as_number().map(Into::into),
        "top_k" => call.limits.top_k = value.as_number().map(Into::into),
        "stop" => {
            call.limits.stop = match value.as_str() {
                Some(stop) => vec![stop],
                None => items(value).filter_map(|stop| stop.as_str()).collect(),
            };
        }
        "logprobs" => call.limits.logprobs = value.as_bool(),
        "top_logprobs" => call.limits.top_logprobs = value.as_number().map(Into::into),
        "reasoning_effort" => {
            call.reasoning.effort = value.as_str().and_then(|word| Effort::read(&word));
            if call.reasoning.effort.is_none() {
                losses.add("reasoning_effort", "not an effort that is known");
            }
        }
        // The spellings of OpenRouter and LiteLLM.
        "reasoning" => {
            let effort = text_at(value, "effort").and_then(|word| Effort::read(&word));
            call.reasoning.effort = effort.or(call.reasoning.effort);
            let budget = value.key("max_tokens").and_then(|value| value.as_u64());
            let told = |key: &str| value.key(key).and_then(|value| value.as_bool());
            let wished = match told("enabled") {
                Some(true) => Some(Thinking::Adaptive),
                Some(false) => Some(Thinking::Disabled),
                None => None,
            };
            call.reasoning.thinking = budget.map(Thinking::Budget).or(wished).or(call.reasoning.thinking);
            if told("exclude") == Some(true) {
                call.reasoning.summary = Some("omitted".into());
            }
            note(value, &["effort", "max_tokens", "enabled", "exclude", "summary"], "reasoning", losses);
        }
        "thinking" if value.kind() == Kind::Object => {
            call.reasoning.thinking = match text_at(value, "type").as_deref() {
                Some("disabled") => Some(Thinking::Disabled),
                _ => match value.key("budget_tokens").and_then(|value| value.as_u64()) {
                    Some(tokens) => Some(Thinking::Budget(tokens)),
                    None => Some(Thinking::Adaptive),
                },
            };
        }
        "response_format" => call.output = read_format(value, losses),
        "verbosity" => call.verbosity = value.as_str(),
        "prompt_cache_key" => call.cache_key = value.as_str(),
        "prompt_cache_retention" => call.cache_retention = value.as_str(),
        "cache_control" => call.cache_all = Some(Raw::of(value)),
        "user" => call.user = value.as_str(),
        "safety_identifier" => call.safety_identifier = value.as_str(),
        "metadata" => call.metadata = Some(Raw::of(value)),
        "service_tier" => call.service_tier = value.as_str(),
        "store" => call.store = value.as_bool(),
        _ => call.extra.push((key, Raw::of(value))),
    }
}

fn read_format<'a>(value: &Json<'a>, losses: &mut Losses) -> OutputFormat<'a> {
    match text_at(value, "type").as_deref() {
        Some("json_object") => OutputFormat::JsonObject,
        Some("json_schema") => {
            let Some(inner) = value.key("json_schema") else { return OutputFormat::JsonObject };
            let Some(schema) = inner.key("schema").filter(Json::is_container) else {
                return OutputFormat::JsonObject;
            };
            OutputFormat::Schema {
                name: text_at(&inner, "name"),
                description: text_at(&inner, "description"),
                schema: Raw::of(&schema),
                strict: inner.key("strict").and_then(|strict| strict.as_bool()),
            }
        }
        Some("text") | None => OutputFormat::Text,
        Some(_) => {
            losses.no_home("response_format");
            OutputFormat::Text
        }
    }
}

fn web_search<'a>(options: &Json<'a>, losses: &mut Losses) -> Tool<'a> {
    note(options, &["user_location", "search_context_size"], "web_search_options", losses);
    let place = options.key("user_location").and_then(|place| place.key("approximate"));
    let location = place.map(|place| {
        let mut text = String::from("{\"type\":\"approximate\"");
        for (key, value) in fields(&place).iter().filter(|(key, _)| key != "type") {
            text.push(',');
            text.push_str(&serde_json::Value::from(&**key).to_string());
            text.push(':');
            text.push_str(Raw::of(value).as_str());
        }
        text.push('}');
        Raw::owned(text)
    });
    Tool {
        namespace: None,
        purpose: None,
        name: "web_search".into(),
        description: None,
        kind: ToolKind::WebSearch {
            domains: None,
            location,
            max_uses: None,
            size: text_at(options, "search_context_size"),
        },
        cache: None,
        deferred: false,
        raw: None,
    }
}

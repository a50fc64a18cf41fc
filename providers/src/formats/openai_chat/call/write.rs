//! [`Call`] -> chat request.

use super::tools::write_tools;
use crate::formats::hub::{
    Call, Content, Dialect, Losses, OutputFormat, Part, Role, Source, Text, ToolCall, Turn, conversation_key,
    end_user, instructions, tool_id, turns, wire_name,
};
use crate::formats::json::{self, Array, Object};
use crate::formats::quirk::Quirk;

/// Longest id of a tool call that OpenAI takes.
const LONGEST_ID: usize = 40;

/// Writes a request.
pub(in crate::formats) fn write(call: &Call<'_>, losses: &mut Losses) -> Vec<u8> {
    json::object(|body| {
        body.text("model", &call.model);
        body.array("messages", |array| {
            for turn in turns(call, 0, losses) {
                write_turn(array, &turn, call, losses);
            }
        });
        write_tools(body, call, losses);
        write_limits(body, call);
        if let Some(effort) = call.reasoning.effort() {
            body.text("reasoning_effort", effort.openai_word());
        }
        write_format(body, call);
        body.maybe_text("verbosity", call.verbosity.as_deref());
        if !call.server.has(Quirk::NoCacheKey) {
            body.maybe_text("prompt_cache_key", conversation_key(call).as_deref());
        }
        body.maybe_text("prompt_cache_retention", call.cache_retention.as_deref());
        if !call.server.has(Quirk::NoUser) {
            body.maybe_text("user", end_user(call).as_deref());
        }
        body.maybe_text("safety_identifier", call.safety_identifier.as_deref());
        body.maybe_raw("metadata", call.metadata.as_ref());
        body.maybe_text("service_tier", call.service_tier.as_deref());
        body.maybe_boolean("store", call.store);
        if call.stream {
            body.boolean("stream", true);
            // The other formats tell usage in every stream.
            let wanted = call.include_usage || call.from != Dialect::Chat;
            if wanted && !call.server.has(Quirk::NoStreamOptions) {
                body.object("stream_options", |options| options.boolean("include_usage", true));
            }
        }
        match call.from {
            Dialect::Chat => call.extra.iter().for_each(|(key, raw)| body.raw(key, raw.as_str())),
            _ => call.report_extra(losses),
        }
        if call.cache_all.is_some() {
            losses.add("cache_control", "the provider caches by itself");
        }
    })
}

fn write_limits(body: &mut Object<'_>, call: &Call<'_>) {
    let limits = &call.limits;
    let most = if call.server.has(Quirk::MaxTokens) { "max_tokens" } else { "max_completion_tokens" };
    let numbers = [
        (most, &limits.max_tokens),
        ("temperature", &limits.temperature),
        ("top_p", &limits.top_p),
        ("top_k", &limits.top_k),
        ("top_logprobs", &limits.top_logprobs),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            body.raw(key, number);
        }
    }
    body.maybe_boolean("logprobs", limits.logprobs.or(limits.top_logprobs.as_ref().map(|_| true)));
    if !limits.stop.is_empty() {
        body.array("stop", |array| limits.stop.iter().for_each(|stop| array.text(stop)));
    }
}

fn write_format(body: &mut Object<'_>, call: &Call<'_>) {
    match &call.output {
        OutputFormat::Text => {}
        OutputFormat::JsonObject => {
            body.object("response_format", |format| format.text("type", "json_object"))
        }
        OutputFormat::Schema { name, description, schema, strict } => {
            body.object("response_format", |format| {
                format.text("type", "json_schema");
                format.object("json_schema", |inner| {
                    inner.text("name", name.as_deref().unwrap_or("answer"));
                    inner.maybe_text("description", description.as_deref());
                    inner.raw("schema", schema.as_str());
                    // Anthropic's schemas always bind.
                    let strict = strict.or((call.from == Dialect::Messages).then_some(true));
                    inner.maybe_boolean("strict", strict);
                });
            })
        }
    }
}

fn write_turn(array: &mut Array<'_>, turn: &Turn<'_, '_>, call: &Call<'_>, losses: &mut Losses) {
    let role = match turn.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::Assistant => return write_assistant(array, turn, call, losses),
        Role::User => "user",
    };
    for part in turn.parts.iter().copied().chain(turn.results.iter().map(|answered| answered.part)) {
        if part.cache.is_some() {
            losses.add("cache_control", "the provider caches by itself");
        }
    }
    if turn.role.instructs() {
        let text = instructions(turn.parts.iter().copied(), losses);
        if !text.is_empty() {
            array.object(|message| {
                message.text("role", role);
                message.maybe_text("name", turn.name.map(|name| &**name));
                message.text("content", &text);
            });
        }
        return;
    }
    // Tool messages hold texts only; what else a tool answered follows as the user's.
    let mut shown: Vec<(&str, &Part<'_>)> = Vec::new();
    for answered in &turn.results {
        let result = answered.result;
        if result.is_error == Some(true) {
            losses.no_home("messages.tool_result.is_error");
        }
        let (texts, others): (Vec<&Part<'_>>, Vec<&Part<'_>>) =
            result.parts.iter().partition(|part| matches!(part.content, Content::Text(_)));
        let texts: Vec<&str> = texts.iter().filter_map(|part| part.content.text()).collect();
        array.object(|message| {
            message.text("role", "tool");
            message.text("tool_call_id", &tool_id(&result.id, "call_", LONGEST_ID));
            match &texts[..] {
                [] if others.is_empty() => message.text("content", ""),
                [] => message.text("content", "[the tool's answer follows in the next message]"),
                texts => message.text("content", &texts.join("\n")),
            }
        });
        shown.extend(others.into_iter().map(|part| (&*result.id, part)));
    }
    let orphans: Vec<String> = turn.orphans.iter().map(|orphan| orphan.told()).collect();
    let parts: Vec<&Part<'_>> = turn.parts.clone();
    if parts.is_empty() && shown.is_empty() && orphans.is_empty() {
        if turn.results.is_empty() {
            write_user(array, turn, |message| message.text("content", ""));
        }
        return;
    }
    if let ([Part { content: Content::Text(text), .. }], true, true) =
        (&parts[..], shown.is_empty(), orphans.is_empty())
    {
        write_user(array, turn, |message| message.text("content", text));
        return;
    }
    write_user(array, turn, |message| {
        message.array("content", |content| {
            let mut before = None;
            for (id, part) in shown {
                if before.replace(id) != Some(id) {
                    let told = format!("[from the answer of tool call {}]", tool_id(id, "call_", LONGEST_ID));
                    write_text(content, &told);
                }
                write_part(content, part, losses);
            }
            parts.iter().for_each(|part| write_part(content, part, losses));
            orphans.iter().for_each(|orphan| write_text(content, orphan));
        });
    });
}

fn write_user(array: &mut Array<'_>, turn: &Turn<'_, '_>, fill: impl FnOnce(&mut Object<'_>)) {
    array.object(|message| {
        message.text("role", "user");
        message.maybe_text("name", turn.name.map(|name: &Text<'_>| &**name));
        fill(message);
    });
}

fn write_text(content: &mut Array<'_>, text: &str) {
    content.object(|object| {
        object.text("type", "text");
        object.text("text", text);
    });
}

fn write_part(content: &mut Array<'_>, part: &Part<'_>, losses: &mut Losses) {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => write_text(content, text),
        Content::Image { source, detail } => match source.to_url() {
            Some(url) => content.object(|object| {
                object.text("type", "image_url");
                object.object("image_url", |image| {
                    image.text("url", &url);
                    image.maybe_text("detail", detail.as_deref());
                });
            }),
            None => losses.no_home("messages.content.image.file_id"),
        },
        Content::Document { source, name, context, citations } => {
            if citations.is_some() {
                losses.no_home("messages.content.document.citations");
            }
            let name = name.as_deref();
            if let Some(context) = context {
                write_text(content, context);
            }
            match source {
                Source::Text(text) => write_text(content, &titled(name, text)),
                Source::Base64 { .. } => content.object(|object| {
                    object.text("type", "file");
                    object.object("file", |file| {
                        // OpenAI asks for a name beside the data.
                        file.text("filename", name.unwrap_or("document.pdf"));
                        file.maybe_text("file_data", source.to_url().as_deref());
                    });
                }),
                Source::Id(id) => content.object(|object| {
                    object.text("type", "file");
                    object.object("file", |file| file.text("file_id", id));
                }),
                Source::Url(url) => {
                    losses
                        .add("messages.content.document.url", "told as text: chat takes no documents by URL");
                    write_text(content, &titled(name, url));
                }
            }
        }
        Content::Audio(raw) => content.object(|object| {
            object.text("type", "input_audio");
            object.raw("input_audio", raw.as_str());
        }),
        Content::Other { from: Dialect::Chat, raw, .. } => content.raw(raw.as_str()),
        Content::Other { kind, .. } => losses.no_home(format!("messages.content.{kind}")),
        Content::Thought(_) | Content::Call(_) | Content::Result(_) => {}
    }
}

fn titled(name: Option<&str>, text: &str) -> String {
    name.map_or_else(|| text.to_owned(), |name| format!("{name}\n\n{text}"))
}

fn write_assistant(array: &mut Array<'_>, turn: &Turn<'_, '_>, call: &Call<'_>, losses: &mut Losses) {
    let (mut text, mut refusal, mut thoughts) = (String::new(), String::new(), Vec::new());
    let mut calls: Vec<&ToolCall<'_>> = Vec::new();
    let mut sealed = Vec::new();
    for part in &turn.parts {
        if part.cache.is_some() {
            losses.add("cache_control", "the provider caches by itself");
        }
        match &part.content {
            Content::Text(more) => text.push_str(more),
            Content::Refusal(more) => refusal.push_str(more),
            Content::Call(call) => calls.push(call),
            Content::Thought(thought) => {
                thoughts.extend(thought.texts.iter().map(|text| &**text));
                sealed.extend(thought.seal.as_ref());
            }
            Content::Other { kind, .. } => losses.no_home(format!("messages.content.{kind}")),
            Content::Image { .. } | Content::Document { .. } | Content::Audio(_) => {
                losses.no_home("messages.assistant.content");
            }
            Content::Result(_) => {}
        }
    }
    if !sealed.is_empty() {
        losses.add("messages.reasoning.signature", "chat has no place for signed thoughts");
    }
    if text.is_empty() && refusal.is_empty() && calls.is_empty() && thoughts.is_empty() {
        return;
    }
    array.object(|message| {
        message.text("role", "assistant");
        message.maybe_text("name", turn.name.map(|name| &**name));
        if text.is_empty() && (!calls.is_empty() || !refusal.is_empty()) {
            message.null("content");
        } else {
            message.text("content", &text);
        }
        if !refusal.is_empty() {
            message.text("refusal", &refusal);
        }
        if !thoughts.is_empty() {
            let word = if call.server.has(Quirk::ReasoningWord) { "reasoning" } else { "reasoning_content" };
            message.text(word, &thoughts.join("\n\n"));
        }
        if !calls.is_empty() {
            message.array("tool_calls", |array| calls.iter().for_each(|call| write_call(array, call)));
        }
    });
}

fn write_call(array: &mut Array<'_>, call: &ToolCall<'_>) {
    let name = wire_name(call.namespace.as_deref(), &call.name);
    array.object(|object| {
        object.text("id", &tool_id(&call.id, "call_", LONGEST_ID));
        if call.custom {
            object.text("type", "custom");
            object.object("custom", |custom| {
                custom.text("name", &name);
                custom.text("input", &call.arguments);
            });
            return;
        }
        object.text("type", "function");
        object.object("function", |function| {
            function.text("name", &name);
            function.text("arguments", &call.arguments);
        });
    });
}

//! [`Call`] -> chat request.

use super::content::{write_part, write_text};
use super::tools::write_tools;
use std::borrow::Cow;

use crate::formats::hub::{
    Answered, Call, Content, Dialect, Losses, OutputFormat, Part, Role, Text, ToolCall, Turn,
    conversation_key, end_user, instructions, tool_id, turns, wire_name,
};
use crate::formats::json::{self, Array, Object};
use crate::formats::quirk::Quirk;

/// Longest id of a tool call that OpenAI takes.
const LONGEST_ID: usize = 40;
/// Most stop sequences that chat takes.
const MOST_STOPS: usize = 4;

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
        write_limits(body, call, losses);
        body.maybe_text("reasoning_effort", call.openai_effort());
        report_reasoning(call, losses);
        write_format(body, call, losses);
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
            let usage = call.include_usage || call.from != Dialect::Chat;
            if (usage || call.obfuscation.is_some()) && !call.server.has(Quirk::NoStreamOptions) {
                body.object("stream_options", |options| {
                    options.maybe_boolean("include_usage", usage.then_some(true));
                    options.maybe_boolean("include_obfuscation", call.obfuscation);
                });
            }
        }
        call.write_extra(Dialect::Chat, body, losses);
        if call.cache_all.is_some() {
            losses.add("cache_control", "the provider caches by itself");
        }
    })
}

/// What else Responses says of thinking.
fn report_reasoning(call: &Call<'_>, losses: &mut Losses) {
    if call.from == Dialect::Responses && call.reasoning.summary.is_some() {
        losses.no_home("reasoning.summary");
    }
    for (key, _) in &call.reasoning.extra {
        losses.no_home(format!("reasoning.{key}"));
    }
}

fn write_limits(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
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
        let most = if call.from == Dialect::Chat { limits.stop.len() } else { MOST_STOPS };
        if limits.stop.len() > most {
            losses.add("stop_sequences", "chat takes four");
        }
        body.array("stop", |array| limits.stop.iter().take(most).for_each(|stop| array.text(stop)));
    }
}

fn write_format(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
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
                    let (schema, strict) = call.binding_answer(schema, *strict, losses);
                    inner.raw("schema", &schema);
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
        if part.marked() {
            losses.add("cache_control", "the provider caches by itself");
        }
    }
    if turn.role.instructs() {
        return write_instructions(array, role, turn, losses);
    }
    // Tool messages hold texts only; what else a tool answered follows as the user's.
    let mut shown: Vec<(&str, &Part<'_>)> = Vec::new();
    for answered in &turn.results {
        shown.extend(
            write_result(array, answered, losses).into_iter().map(|part| (&*answered.result.id, part)),
        );
    }
    if let ([part @ Part { content: Content::Text(text), .. }], true) = (&turn.parts[..], shown.is_empty())
        && part.breakpoint().is_none()
    {
        return write_user(array, turn, |message| message.text("content", text));
    }
    let mut content = Vec::new();
    let mut list = Array::open(&mut content);
    let mut before = None;
    for (id, part) in shown {
        if before.replace(id) != Some(id) {
            let told = format!("[from the answer of tool call {}]", tool_id(id, "call_", LONGEST_ID));
            write_text(&mut list, &told, None);
        }
        write_part(&mut list, part, losses);
    }
    turn.parts.iter().for_each(|part| write_part(&mut list, part, losses));
    list.close();
    match &content[..] {
        b"[]" if !turn.results.is_empty() => {}
        b"[]" if turn.parts.is_empty() => write_user(array, turn, |message| message.text("content", "")),
        // Nothing of it has a place.
        b"[]" => {}
        content => {
            write_user(array, turn, |message| message.raw("content", &String::from_utf8_lossy(content)))
        }
    }
}

/// Instructions are one text, but for marks on its parts.
fn write_instructions(array: &mut Array<'_>, role: &str, turn: &Turn<'_, '_>, losses: &mut Losses) {
    let text = instructions(turn.parts.iter().copied(), losses);
    if text.is_empty() {
        return;
    }
    array.object(|message| {
        message.text("role", role);
        message.maybe_text("name", turn.name.map(|name| &**name));
        match turn.parts.iter().any(|part| part.breakpoint().is_some()) {
            true => message.array("content", |content| {
                turn.parts.iter().for_each(|part| write_part(content, part, losses));
            }),
            false => message.text("content", &text),
        }
    });
}

/// Writes a tool's answer; what it holds besides text is left over.
fn write_result<'c, 'a>(
    array: &mut Array<'_>,
    answered: &Answered<'c, 'a>,
    losses: &mut Losses,
) -> Vec<&'c Part<'a>> {
    let result = answered.result;
    if result.is_error == Some(true) {
        losses.no_home("messages.tool_result.is_error");
    }
    let texts: Vec<Cow<'_, str>> = result.parts.iter().filter_map(|part| part.content.told()).collect();
    let others: Vec<&Part<'_>> = result.parts.iter().filter(|part| part.content.told().is_none()).collect();
    let shown = others.iter().any(|part| part.content.is_media());
    array.object(|message| {
        message.text("role", "tool");
        message.text("tool_call_id", &tool_id(&result.id, "call_", LONGEST_ID));
        match texts.is_empty() && shown {
            true => message.text("content", "[the tool's answer follows in the next message]"),
            false => message.text("content", &texts.join("\n")),
        }
    });
    let (media, lost): (Vec<&Part<'_>>, Vec<&Part<'_>>) =
        others.into_iter().partition(|part| part.content.is_media());
    for part in lost {
        if let Content::Other { kind, .. } = &part.content {
            losses.no_home(format!("messages.content.{kind}"));
        }
    }
    media
}

fn write_user(array: &mut Array<'_>, turn: &Turn<'_, '_>, fill: impl FnOnce(&mut Object<'_>)) {
    array.object(|message| {
        message.text("role", "user");
        message.maybe_text("name", turn.name.map(|name: &Text<'_>| &**name));
        fill(message);
    });
}

fn write_assistant(array: &mut Array<'_>, turn: &Turn<'_, '_>, call: &Call<'_>, losses: &mut Losses) {
    let (mut text, mut refusal, mut thoughts) = (String::new(), String::new(), Vec::new());
    let mut calls: Vec<&ToolCall<'_>> = Vec::new();
    let mut sealed = Vec::new();
    for part in &turn.parts {
        if part.marked() {
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
            function.text("arguments", call.json_arguments());
        });
    });
}

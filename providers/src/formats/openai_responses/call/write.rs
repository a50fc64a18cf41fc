//! [`Call`] -> Responses request.

use super::content::{write_part, write_text};
use super::read::LOGPROBS;
use super::tools::write_tools;
use crate::formats::hub::{
    Call, Content, Dialect, Losses, Message, OutputFormat, Part, Role, Seal, Thought, ToolCall, Turn,
    conversation_key, end_user, instructions, tool_id, turns, wire_name,
};
use crate::formats::json::{self, Array, Object};

/// Longest id of a tool call that OpenAI takes here.
const LONGEST_ID: usize = 64;

/// Writes a request.
pub(in crate::formats) fn write(call: &Call<'_>, losses: &mut Losses) -> Vec<u8> {
    let own = call.from == Dialect::Responses;
    json::object(|body| {
        body.text("model", &call.model);
        let leading = leading(call);
        let parts = call.messages[..leading].iter().flat_map(|message| &message.parts);
        let text = instructions(parts, losses);
        if !text.is_empty() {
            body.text("instructions", &text);
        }
        body.array("input", |array| {
            for turn in turns(call, leading, losses) {
                write_turn(array, &turn, own, losses);
            }
        });
        write_tools(body, call, losses);
        let limits = &call.limits;
        let numbers = [
            ("max_output_tokens", &limits.max_tokens),
            ("temperature", &limits.temperature),
            ("top_p", &limits.top_p),
            ("top_logprobs", &limits.top_logprobs),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                body.raw(key, number);
            }
        }
        write_reasoning(body, call);
        write_format(body, call, losses);
        body.maybe_text("prompt_cache_key", conversation_key(call).as_deref());
        body.maybe_text("prompt_cache_retention", call.cache_retention.as_deref());
        body.maybe_text("user", end_user(call).as_deref());
        body.maybe_text("safety_identifier", call.safety_identifier.as_deref());
        body.maybe_raw("metadata", call.metadata.as_ref());
        body.maybe_text("service_tier", call.service_tier.as_deref());
        // Other formats' clients bring their history along; nothing of it need be stored.
        body.maybe_boolean("store", call.store.or((!own).then_some(false)));
        if call.stream {
            body.boolean("stream", true);
            if let Some(hides) = call.obfuscation {
                body.object("stream_options", |options| options.boolean("include_obfuscation", hides));
            }
        }
        write_extra(body, call, losses);
    })
}

/// How many messages are instructions. The input must not be empty: of a request that has nothing else the last
/// of them is what is asked. A text with a mark for the cache stays an item, where the mark has its place.
fn leading(call: &Call<'_>) -> usize {
    let plain = |message: &&Message<'_>| {
        message.role == Role::System && message.parts.iter().all(|part| part.breakpoint().is_none())
    };
    let leading = call.messages.iter().take_while(plain).count();
    let alone = leading == call.messages.len() && call.from == Dialect::Chat;
    leading.saturating_sub(usize::from(alone))
}

fn write_extra(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    if call.from == Dialect::Responses {
        return call.write_extra(Dialect::Responses, body, losses);
    }
    let limits = &call.limits;
    let mut include = Vec::new();
    if (call.reasoning.effort().is_some() || call.reasoning.shown()) && !call.reasoning.off() {
        include.push("reasoning.encrypted_content");
    }
    if limits.logprobs == Some(true) || limits.top_logprobs.is_some() {
        include.push(LOGPROBS);
    }
    if !include.is_empty() {
        body.array("include", |array| include.iter().for_each(|name| array.text(name)));
    }
    if !limits.stop.is_empty() {
        losses.no_home("stop");
    }
    if limits.top_k.is_some() {
        losses.no_home("top_k");
    }
    if call.cache_all.is_some() {
        losses.add("cache_control", "the provider caches by itself");
    }
    call.write_extra(Dialect::Responses, body, losses);
}

fn write_reasoning(body: &mut Object<'_>, call: &Call<'_>) {
    let effort = call.openai_effort();
    let summary = match (call.from, call.reasoning.summary.as_deref()) {
        (Dialect::Responses, summary) => summary,
        _ if call.reasoning.off() => None,
        (_, Some("omitted")) => None,
        (Dialect::Messages, _) => call.reasoning.shown().then_some("auto"),
        (Dialect::Chat, _) => (effort.is_some() || call.reasoning.shown()).then_some("auto"),
    };
    let extra = &call.reasoning.extra;
    if effort.is_none() && summary.is_none() && extra.is_empty() {
        return;
    }
    body.object("reasoning", |object| {
        object.maybe_text("effort", effort);
        object.maybe_text("summary", summary);
        extra.iter().for_each(|(key, raw)| object.raw(key, raw.as_str()));
    });
}

fn write_format(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    if call.output == OutputFormat::Text && call.verbosity.is_none() {
        return;
    }
    body.object("text", |text| {
        match &call.output {
            OutputFormat::Text => {}
            OutputFormat::JsonObject => text.object("format", |format| format.text("type", "json_object")),
            OutputFormat::Schema { name, description, schema, strict } => text.object("format", |format| {
                format.text("type", "json_schema");
                format.text("name", name.as_deref().unwrap_or("answer"));
                format.maybe_text("description", description.as_deref());
                let (schema, strict) = call.binding_answer(schema, *strict, losses);
                format.raw("schema", &schema);
                format.maybe_boolean("strict", strict);
            }),
        }
        text.maybe_text("verbosity", call.verbosity.as_deref());
    });
}

fn write_turn(array: &mut Array<'_>, turn: &Turn<'_, '_>, own: bool, losses: &mut Losses) {
    if turn.name.is_some() {
        losses.no_home("messages.name");
    }
    let marked = turn.parts.iter().copied().chain(turn.results.iter().map(|answered| answered.part));
    if marked.filter(|part| part.marked()).count() > 0 {
        losses.add("cache_control", "the provider caches by itself");
    }
    let role = match turn.role {
        Role::Assistant => return write_assistant(array, turn, own, losses),
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
    };
    for answered in &turn.results {
        let result = answered.result;
        if result.is_error == Some(true) {
            losses.no_home("messages.tool_result.is_error");
        }
        array.object(|item| {
            item.text(
                "type",
                if answered.custom || result.custom {
                    "custom_tool_call_output"
                } else {
                    "function_call_output"
                },
            );
            item.text("call_id", &tool_id(&result.id, "call_", LONGEST_ID));
            match &result.parts[..] {
                [] => item.text("output", ""),
                [part @ Part { content: Content::Text(text), .. }] if part.breakpoint().is_none() => {
                    item.text("output", text)
                }
                parts => item.array("output", |output| {
                    parts.iter().for_each(|part| write_part(output, part, losses));
                }),
            }
        });
    }
    let (items, parts): (Vec<&Part<'_>>, Vec<&Part<'_>>) =
        turn.parts.iter().partition(|part| is_item(&part.content));
    for item in items {
        write_other(array, item, losses);
    }
    if parts.is_empty() {
        return;
    }
    array.object(|item| {
        item.text("type", "message");
        item.text("role", role);
        item.array("content", |content| parts.iter().for_each(|part| write_part(content, part, losses)));
    });
}

/// Whole items of Responses that only it knows, as against parts of a message.
fn is_item(content: &Content<'_>) -> bool {
    matches!(content, Content::Other { from: Dialect::Responses, kind, .. } if !kind.starts_with("input_"))
}

fn write_other(array: &mut Array<'_>, part: &Part<'_>, losses: &mut Losses) {
    match &part.content {
        Content::Other { from: Dialect::Responses, raw, .. } => array.raw(raw.as_str()),
        Content::Other { kind, .. } => losses.no_home(format!("messages.content.{kind}")),
        _ => losses.no_home("messages.assistant.content"),
    }
}

/// Words, thoughts and calls are items of their own, in the order they were made.
fn write_assistant(array: &mut Array<'_>, turn: &Turn<'_, '_>, own: bool, losses: &mut Losses) {
    let mut rest = &turn.parts[..];
    while let Some(first) = rest.first() {
        let words = rest.iter().take_while(|part| part.content.text().is_some()).count();
        if words > 0 {
            write_words(array, &rest[..words]);
            rest = &rest[words..];
            continue;
        }
        match &first.content {
            Content::Thought(thought) => write_thought(array, thought, losses),
            Content::Call(call) => write_call(array, call, own),
            _ => write_other(array, first, losses),
        }
        rest = &rest[1..];
    }
}

fn write_words(array: &mut Array<'_>, parts: &[&Part<'_>]) {
    if parts.iter().all(|part| part.content.text().is_none_or(str::is_empty)) {
        return;
    }
    array.object(|item| {
        item.text("type", "message");
        item.text("role", "assistant");
        item.array("content", |content| {
            for part in parts {
                match &part.content {
                    Content::Refusal(text) => content.object(|object| {
                        object.text("type", "refusal");
                        object.text("refusal", text);
                    }),
                    content_of => {
                        write_text(content, "output_text", content_of.text().unwrap_or_default(), None);
                    }
                }
            }
        });
    });
}

/// Only thoughts that OpenAI itself sealed; it refuses others.
fn write_thought(array: &mut Array<'_>, thought: &Thought<'_>, losses: &mut Losses) {
    let (id, content) = match &thought.seal {
        Some(Seal::Encrypted { id, content }) => (id.as_deref(), Some(content)),
        Some(Seal::Stored(id)) => (Some(&**id), None),
        _ => return losses.add("messages.reasoning", "thoughts without OpenAI's own seal are refused by it"),
    };
    array.object(|item| {
        item.text("type", "reasoning");
        item.maybe_text("id", id);
        item.array("summary", |summary| {
            thought.texts.iter().for_each(|text| write_text(summary, "summary_text", text, None));
        });
        item.maybe_text("encrypted_content", content.map(|content| &**content));
    });
}

fn write_call(array: &mut Array<'_>, call: &ToolCall<'_>, own: bool) {
    array.object(|item| {
        item.text("type", if call.custom { "custom_tool_call" } else { "function_call" });
        item.text("call_id", &tool_id(&call.id, "call_", LONGEST_ID));
        item.maybe_text("namespace", call.namespace.as_deref().filter(|_| own));
        item.text("name", &wire_name(call.namespace.as_deref().filter(|_| !own), &call.name));
        match call.custom {
            true => item.text("input", &call.arguments),
            false => item.text("arguments", call.json_arguments()),
        }
    });
}

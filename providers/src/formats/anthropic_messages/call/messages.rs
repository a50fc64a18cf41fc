//! The conversation as Messages wants it: instructions apart, user and assistant in turns, results first.

use std::borrow::Cow;

use ccproxy_core::document::{Json, Kind};

use crate::formats::hub::{
    Call, Content, Dialect, INPUT, Losses, Part, Raw, Role, Seal, Source, Thought, ToolCall, Turn, tool_id,
    turns, wire_name,
};
use crate::formats::json::{Array, Object};

/// Longest id that is passed on as it is.
const LONGEST_ID: usize = 128;

/// `system`: what instructs before the conversation begins; from other formats all that instructs, because
/// not every model takes it in the middle.
pub(super) fn write_system(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    let alone = only_instructions(call);
    let parts: Vec<&Part<'_>> = call
        .messages
        .iter()
        .enumerate()
        .filter(|(index, message)| hoisted(call, *index) && message.role.instructs() && Some(*index) != alone)
        .flat_map(|(_, message)| &message.parts)
        .filter(|part| matches!(&part.content, Content::Text(text) if !text.trim().is_empty()))
        .collect();
    if parts.is_empty() {
        return;
    }
    let leading = call.messages.iter().take_while(|message| message.role.instructs()).count();
    if call.from != Dialect::Messages
        && call.messages.iter().skip(leading).any(|message| message.role.instructs())
    {
        losses.add("messages.system.position", "instructions stand before the conversation");
    }
    body.array("system", |array| {
        for part in parts {
            if let Content::Text(text) = &part.content {
                array.object(|block| {
                    block.text("type", "text");
                    block.text("text", text);
                    block.maybe_raw("cache_control", part.cache.as_ref());
                });
            }
        }
    });
}

fn hoisted(call: &Call<'_>, index: usize) -> bool {
    call.from != Dialect::Messages || index == 0
}

/// A request of nothing but instructions: the last of them is what is asked.
fn only_instructions(call: &Call<'_>) -> Option<usize> {
    let all = call.messages.iter().all(|message| message.role.instructs());
    if all { call.messages.len().checked_sub(1) } else { None }
}

/// `messages`.
pub(super) fn write_messages(body: &mut Object<'_>, call: &Call<'_>, losses: &mut Losses) {
    let alone = only_instructions(call).filter(|_| call.from != Dialect::Messages);
    let from = usize::from(
        call.from == Dialect::Messages && call.messages.first().is_some_and(|first| first.role.instructs()),
    );
    let turns = match alone {
        Some(last) => turns(call, last, losses),
        None => turns(call, from, losses),
    };
    let mut out: Vec<(&'static str, Vec<&Turn<'_, '_>>)> = Vec::new();
    for turn in turns
        .iter()
        .filter(|turn| alone.is_some() || !turn.role.instructs() || call.from == Dialect::Messages)
    {
        if turn.name.is_some() {
            losses.no_home("messages.name");
        }
        let role = match turn.role {
            Role::Assistant => "assistant",
            Role::System if alone.is_none() => "system",
            _ => "user",
        };
        match out.last_mut() {
            Some((last, together)) if *last == role => together.push(turn),
            _ => out.push((role, vec![turn])),
        }
    }
    body.array("messages", |array| {
        for (role, together) in out {
            let mut blocks = Vec::new();
            let mut any = false;
            write_blocks(&mut blocks, &together, &mut any, losses);
            if any {
                array.object(|message| {
                    message.text("role", role);
                    message.raw("content", &String::from_utf8_lossy(&blocks));
                });
            }
        }
    });
}

fn write_blocks(out: &mut Vec<u8>, turns: &[&Turn<'_, '_>], any: &mut bool, losses: &mut Losses) {
    let mut array = Array::open(out);
    for turn in turns {
        for answered in &turn.results {
            *any = true;
            let result = answered.result;
            array.object(|block| {
                block.text("type", "tool_result");
                block.text("tool_use_id", &tool_id(&result.id, "toolu_", LONGEST_ID));
                if !result.parts.is_empty() {
                    block.array("content", |content| {
                        result.parts.iter().for_each(|part| {
                            write_part(content, part, losses);
                        });
                    });
                }
                if let Some(is_error) = result.is_error {
                    block.boolean("is_error", is_error);
                }
                block.maybe_raw("cache_control", answered.part.cache.as_ref());
            });
        }
        for part in &turn.parts {
            *any |= write_part(&mut array, part, losses);
        }
        for orphan in &turn.orphans {
            *any = true;
            array.object(|block| {
                block.text("type", "text");
                block.text("text", &orphan.told());
            });
        }
    }
    array.close();
}

/// Writes one block; false when there is nothing to write.
fn write_part(array: &mut Array<'_>, part: &Part<'_>, losses: &mut Losses) -> bool {
    let cache = part.cache.as_ref();
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            // Claude refuses blocks without words.
            if text.trim().is_empty() {
                return false;
            }
            array.object(|block| {
                block.text("type", "text");
                block.text("text", text);
                block.maybe_raw("cache_control", cache);
            });
        }
        Content::Image { source, detail } => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                losses.no_home("messages.content.image.detail");
            }
            array.object(|block| {
                block.text("type", "image");
                write_source(block, source);
                block.maybe_raw("cache_control", cache);
            });
        }
        Content::Document { source, name, context, citations } => array.object(|block| {
            block.text("type", "document");
            write_source(block, source);
            block.maybe_text("title", name.as_deref());
            block.maybe_text("context", context.as_deref());
            block.maybe_raw("citations", citations.as_ref());
            block.maybe_raw("cache_control", cache);
        }),
        Content::Thought(thought) => return write_thought(array, thought, losses),
        Content::Call(call) => write_call(array, call, cache, losses),
        Content::Other { from: Dialect::Messages, raw, .. } => array.raw(raw.as_str()),
        Content::Other { kind, .. } => {
            losses.no_home(format!("messages.content.{kind}"));
            return false;
        }
        Content::Audio(_) => {
            losses.no_home("messages.content.input_audio");
            return false;
        }
        Content::Result(_) => return false,
    }
    true
}

fn write_source(block: &mut Object<'_>, source: &Source<'_>) {
    block.object("source", |object| match source {
        Source::Base64 { media, data } => {
            object.text("type", "base64");
            object.text("media_type", media);
            object.text("data", data);
        }
        Source::Url(url) => {
            object.text("type", "url");
            object.text("url", url);
        }
        Source::Id(id) => {
            object.text("type", "file");
            object.text("file_id", id);
        }
        Source::Text(text) => {
            object.text("type", "text");
            object.text("media_type", "text/plain");
            object.text("data", text);
        }
    });
}

/// Only thoughts that Claude itself sealed; others it would refuse.
fn write_thought(array: &mut Array<'_>, thought: &Thought<'_>, losses: &mut Losses) -> bool {
    match &thought.seal {
        Some(Seal::Redacted(data)) => array.object(|block| {
            block.text("type", "redacted_thinking");
            block.text("data", data);
        }),
        Some(Seal::Signature(signature)) => array.object(|block| {
            block.text("type", "thinking");
            block.text("thinking", &thought.texts.concat());
            block.text("signature", signature);
        }),
        _ => {
            losses.add("messages.reasoning", "thoughts without Claude's own signature are refused by it");
            return false;
        }
    }
    true
}

fn write_call(array: &mut Array<'_>, call: &ToolCall<'_>, cache: Option<&Raw<'_>>, losses: &mut Losses) {
    let input = input(call, losses);
    array.object(|block| {
        block.text("type", "tool_use");
        block.text("id", &tool_id(&call.id, "toolu_", LONGEST_ID));
        block.text("name", &wire_name(call.namespace.as_deref(), &call.name));
        block.raw("input", &input);
        block.maybe_raw("cache_control", cache);
    });
}

/// Arguments as the object Claude wants, exactly as they were written where they are one.
fn input<'c>(call: &'c ToolCall<'_>, losses: &mut Losses) -> Cow<'c, str> {
    let wrap =
        |key: &str| Cow::Owned(crate::formats::json::object_text(|object| object.text(key, &call.arguments)));
    if call.custom {
        return wrap(INPUT);
    }
    if call.arguments.trim().is_empty() {
        return Cow::Borrowed("{}");
    }
    match Json::whole(call.arguments.as_bytes()) {
        Some(json) if json.kind() == Kind::Object => Cow::Borrowed(&call.arguments),
        // The shape that the documentation proposes:
        // <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming>.
        _ => {
            losses.add("messages.tool_calls.arguments", "no JSON object; wrapped in one");
            wrap("INVALID_JSON")
        }
    }
}

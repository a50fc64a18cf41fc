//! The conversation as Messages wants it: instructions apart, user and assistant in turns, results first.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ccproxy_core::document::{Json, Kind};

use super::models::Model;
use crate::formats::hub::{
    Cache, Call, Content, Dialect, INPUT, Losses, Part, Role, Seal, Source, Thought, ToolCall, Turn, tool_id,
    turns, wire_name,
};
use crate::formats::json::{Array, Object};

/// Longest id that is passed on as it is.
const LONGEST_ID: usize = 128;

/// A conversation as Messages wants it.
pub(super) struct Conversation<'c, 'a> {
    system: Vec<&'c Part<'a>>,
    turns: Vec<Turn<'c, 'a>>,
}

impl<'c, 'a> Conversation<'c, 'a> {
    /// Instructions go into `system`, but for those that may stay where they are.
    pub(super) fn of(call: &'c Call<'a>, model: Model, losses: &mut Losses) -> Self {
        let own = call.from == Dialect::Messages;
        let leading = call.messages.iter().take_while(|message| message.role.instructs()).count();
        // Nothing but instructions: the last of them is what is asked.
        let alone = !own && leading == call.messages.len() && leading > 0;
        let apart = if own { leading.min(1) } else { leading - usize::from(alone) };
        let mut system: Vec<&Part<'a>> = Vec::new();
        system.extend(call.messages[..apart].iter().flat_map(|message| &message.parts));
        let mut turns = turns(call, apart, losses);
        if alone {
            turns.iter_mut().for_each(|turn| turn.role = Role::User);
        }
        let stays: Vec<bool> = (0..turns.len()).map(|at| own || stays(&turns, at, model)).collect();
        let mut stays = stays.into_iter();
        turns.retain(|turn| {
            let stay = stays.next().unwrap_or(true);
            if !stay {
                losses.add("messages.system.position", "instructions stand before the conversation");
                system.extend(&turn.parts);
            }
            stay
        });
        Conversation { system, turns }
    }

    /// `system`
    pub(super) fn write_system(&self, body: &mut Object<'_>) {
        let texts = self.system.iter().filter_map(|part| Some((part.content.text()?, &part.cache)));
        let texts: Vec<_> = texts.filter(|(text, _)| !text.trim().is_empty()).collect();
        if texts.is_empty() {
            return;
        }
        body.array("system", |array| {
            for (text, cache) in texts {
                array.object(|block| {
                    block.text("type", "text");
                    block.text("text", text);
                    block.maybe_raw_text("cache_control", cache.as_ref().map(Cache::control));
                });
            }
        });
    }

    /// `messages`
    pub(super) fn write_messages(&self, body: &mut Object<'_>, losses: &mut Losses) {
        // The blocks of each message. Turns of one side that stand together, be it because nothing is left of
        // one between them, are one message.
        let mut out: Vec<(&'static str, String)> = Vec::new();
        for turn in &self.turns {
            if turn.name.is_some() {
                losses.no_home("messages.name");
            }
            let role = match turn.role {
                Role::Assistant => "assistant",
                Role::System | Role::Developer => "system",
                Role::User => "user",
            };
            let blocks = blocks(turn, losses);
            match out.last_mut() {
                _ if blocks.is_empty() => {}
                Some((last, together)) if *last == role => {
                    together.push(',');
                    together.push_str(&blocks);
                }
                _ => out.push((role, blocks)),
            }
        }
        body.array("messages", |array| {
            for (role, blocks) in out {
                array.object(|message| {
                    message.text("role", role);
                    message.raw("content", &format!("[{blocks}]"));
                });
            }
        });
    }
}

/// Whether a turn may stand where it is. Newer models take instructions behind a user's turn, before the
/// assistant's: <https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages>.
fn stays(turns: &[Turn<'_, '_>], at: usize, model: Model) -> bool {
    if !turns[at].role.instructs() {
        return true;
    }
    let before = turns[..at].iter().rfind(|turn| !turn.role.instructs());
    let after = turns[at..].iter().find(|turn| !turn.role.instructs());
    model.takes_instructions_anywhere()
        && before.is_some_and(|turn| turn.role == Role::User)
        && after.is_none_or(|turn| turn.role == Role::Assistant)
}

/// The blocks of a turn, results first; empty when there is nothing to write.
fn blocks(turn: &Turn<'_, '_>, losses: &mut Losses) -> String {
    let mut out = Vec::new();
    let mut array = Array::open(&mut out);
    for answered in &turn.results {
        let result = answered.result;
        array.object(|block| {
            block.text("type", "tool_result");
            block.text("tool_use_id", &tool_id(&result.id, "toolu_", LONGEST_ID));
            let blank = |part: &Part<'_>| part.content.text().is_some_and(|text| text.trim().is_empty());
            if !result.parts.iter().all(blank) {
                block.array("content", |content| {
                    result.parts.iter().for_each(|part| write_part(content, part, losses));
                });
            }
            block.maybe_boolean("is_error", result.is_error);
            block.maybe_raw_text("cache_control", answered.part.cache.as_ref().map(Cache::control));
        });
    }
    turn.parts.iter().for_each(|part| write_part(&mut array, part, losses));
    array.close();
    let list = String::from_utf8(out).unwrap_or_default();
    list.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or_default().to_owned()
}

fn write_text(array: &mut Array<'_>, text: &str, cache: Option<&Cache<'_>>) {
    // Claude refuses blocks without words.
    if text.trim().is_empty() {
        return;
    }
    array.object(|block| {
        block.text("type", "text");
        block.text("text", text);
        block.maybe_raw_text("cache_control", cache.map(Cache::control));
    });
}

/// Writes one block, if there is anything to write.
fn write_part(array: &mut Array<'_>, part: &Part<'_>, losses: &mut Losses) {
    let cache = part.cache.as_ref();
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => write_text(array, text, cache),
        Content::Image { source, detail } => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                losses.no_home("messages.content.image.detail");
            }
            array.object(|block| {
                block.text("type", "image");
                write_source(block, source);
                block.maybe_raw_text("cache_control", cache.map(Cache::control));
            });
        }
        Content::Document { source, name, context, citations } => array.object(|block| {
            block.text("type", "document");
            write_source(block, &plain(source));
            block.maybe_text("title", name.as_deref());
            block.maybe_text("context", context.as_deref());
            block.maybe_raw("citations", citations.as_ref());
            block.maybe_raw_text("cache_control", cache.map(Cache::control));
        }),
        Content::Thought(thought) => write_thought(array, thought, losses),
        Content::Call(call) => write_call(array, call, cache, losses),
        Content::Other { from: Dialect::Messages, raw, .. } => array.raw(raw.as_str()),
        Content::Other { kind, .. } => losses.no_home(format!("messages.content.{kind}")),
        Content::Audio(_) => losses.no_home("messages.content.input_audio"),
        // A result that belongs to no call.
        Content::Result(result) => {
            write_text(array, &result.told(), cache);
            let others = result.parts.iter().filter(|part| part.content.text().is_none());
            others.for_each(|part| write_part(array, part, losses));
        }
    }
}

/// Claude takes documents in base64 only as PDF; plain text goes as text.
fn plain<'s, 'a>(source: &'s Source<'a>) -> Cow<'s, Source<'a>> {
    let Source::Base64 { media, data } = source else { return Cow::Borrowed(source) };
    let bytes = media.starts_with("text/").then(|| BASE64_STANDARD.decode(&**data).ok()).flatten();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Cow::Owned(Source::Text(text.into())),
        None => Cow::Borrowed(source),
    }
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
fn write_thought(array: &mut Array<'_>, thought: &Thought<'_>, losses: &mut Losses) {
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
        }
    }
}

fn write_call(array: &mut Array<'_>, call: &ToolCall<'_>, cache: Option<&Cache<'_>>, losses: &mut Losses) {
    let input = input(call, losses);
    array.object(|block| {
        block.text("type", "tool_use");
        block.text("id", &tool_id(&call.id, "toolu_", LONGEST_ID));
        block.text("name", &wire_name(call.namespace.as_deref(), &call.name));
        block.raw("input", &input);
        block.maybe_raw_text("cache_control", cache.map(Cache::control));
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

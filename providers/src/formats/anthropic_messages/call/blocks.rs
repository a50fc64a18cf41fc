//! Content blocks of Messages, read.

use ccproxy_core::document::Json;

use crate::formats::hub::{
    Cache, Content, Dialect, Losses, Part, Raw, Seal, Source, Text, Thought, ToolCall, ToolResult,
};
use crate::formats::json::{items, note, text_at};

/// Reads a block; `None` when nothing of it can be kept. `place` is where it stands, for the loss report.
pub(super) fn read<'a>(block: &Json<'a>, place: &str, losses: &mut Losses) -> Option<Part<'a>> {
    let kind = text_at(block, "type").unwrap_or_default();
    let content = match &*kind {
        "text" => {
            note(block, &["type", "text", "cache_control"], place, losses);
            Content::Text(text_at(block, "text")?)
        }
        "image" => Content::Image { source: source(&block.key("source")?)?, detail: None },
        "document" => document(block, losses)?,
        "thinking" => Content::Thought(Thought {
            texts: text_at(block, "thinking").filter(|text| !text.is_empty()).into_iter().collect(),
            seal: text_at(block, "signature").and_then(Seal::of_signature),
        }),
        "redacted_thinking" => Content::Thought(Thought {
            texts: Vec::new(),
            seal: Some(Seal::Redacted(text_at(block, "data")?)),
        }),
        "tool_use" => {
            note(block, &["type", "id", "name", "input", "cache_control"], place, losses);
            let input = block.key("input").map(|input| Raw::of(&input));
            Content::Call(ToolCall {
                id: text_at(block, "id").unwrap_or_default(),
                namespace: None,
                name: text_at(block, "name").unwrap_or_default(),
                arguments: input.map_or("{}".into(), Raw::into_text),
                custom: false,
            })
        }
        "tool_result" => result(block, place, losses)?,
        _ => Content::Other { from: Dialect::Messages, kind, raw: Raw::of(block) },
    };
    Some(Part { content, cache: Cache::of(block) })
}

fn source<'a>(source: &Json<'a>) -> Option<Source<'a>> {
    Some(match &*text_at(source, "type")? {
        "base64" => Source::Base64 { media: text_at(source, "media_type")?, data: text_at(source, "data")? },
        "url" => Source::Url(text_at(source, "url")?),
        "file" => Source::Id(text_at(source, "file_id")?),
        "text" => Source::Text(text_at(source, "data")?),
        _ => return None,
    })
}

fn document<'a>(block: &Json<'a>, losses: &mut Losses) -> Option<Content<'a>> {
    let place = block.key("source")?;
    let source = match text_at(&place, "type").as_deref() {
        Some("content") => Source::Text(joined(&place.key("content")?, losses)),
        _ => source(&place)?,
    };
    Some(Content::Document {
        source,
        name: text_at(block, "title"),
        context: text_at(block, "context"),
        citations: block.key("citations").filter(Json::is_container).map(|value| Raw::of(&value)),
    })
}

/// The texts of a document that is given as blocks.
fn joined<'a>(content: &Json<'a>, losses: &mut Losses) -> Text<'a> {
    if let Some(text) = content.as_str() {
        return text;
    }
    let mut all = String::new();
    for block in items(content) {
        match text_at(&block, "text") {
            Some(text) => all.push_str(&text),
            None => losses.no_home("messages.content.document.source.content"),
        }
    }
    all.into()
}

fn result<'a>(block: &Json<'a>, place: &str, losses: &mut Losses) -> Option<Content<'a>> {
    let mut parts = Vec::new();
    if let Some(content) = block.key("content") {
        match content.as_str() {
            Some(text) => parts.push(Content::Text(text).into()),
            None => parts.extend(items(&content).filter_map(|block| read(&block, place, losses))),
        }
    }
    Some(Content::Result(ToolResult {
        id: text_at(block, "tool_use_id")?,
        parts,
        is_error: block.key("is_error").and_then(|value| value.as_bool()),
        custom: false,
    }))
}

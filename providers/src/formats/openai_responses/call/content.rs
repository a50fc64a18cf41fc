//! Parts of messages in Responses, both ways.

use ccproxy_core::document::Json;

use crate::formats::hub::{Cache, Content, Dialect, Losses, Part, Raw, Source};
use crate::formats::json::{Array, items, note, text_at};

/// Reads the content of a message, or the output of a tool.
pub(super) fn read_content<'a>(value: &Json<'a>, losses: &mut Losses) -> Vec<Part<'a>> {
    match value.as_str() {
        Some(text) => vec![Content::Text(text).into()],
        None => items(value).filter_map(|part| read_part(&part, losses)).collect(),
    }
}

fn read_part<'a>(part: &Json<'a>, losses: &mut Losses) -> Option<Part<'a>> {
    let kind = text_at(part, "type").unwrap_or_default();
    let place = "input.content";
    let content = match &*kind {
        "input_text" | "output_text" | "text" | "summary_text" => {
            // Logprobs of earlier answers say nothing to a model.
            note(
                part,
                &["type", "text", "logprobs", "cache_control", "prompt_cache_breakpoint"],
                place,
                losses,
            );
            Content::Text(text_at(part, "text")?)
        }
        "refusal" => Content::Refusal(text_at(part, "refusal")?),
        "input_image" | "image_url" => {
            let url = part.key("image_url");
            let url = url.and_then(|url| url.as_str().or_else(|| text_at(&url, "url")));
            let source = match url {
                Some(url) => Source::of_url(url),
                None => Source::Id(text_at(part, "file_id")?),
            };
            Content::Image { source, detail: text_at(part, "detail") }
        }
        "input_file" => {
            let known = [
                "type",
                "file_data",
                "file_url",
                "file_id",
                "filename",
                "cache_control",
                "prompt_cache_breakpoint",
            ];
            note(part, &known, place, losses);
            let source = match (text_at(part, "file_data"), text_at(part, "file_url")) {
                (Some(data), _) => match Source::of_url(data) {
                    Source::Url(data) => Source::Base64 { media: "application/pdf".into(), data },
                    source => source,
                },
                (None, Some(url)) => Source::Url(url),
                (None, None) => Source::Id(text_at(part, "file_id")?),
            };
            let name = text_at(part, "filename");
            Content::Document { source, name, context: None, citations: None }
        }
        "input_audio" => Content::Audio(Raw::of(&part.key("input_audio")?)),
        _ => {
            if kind.is_empty() {
                losses.no_home("input.content");
            }
            Content::Other { from: Dialect::Responses, kind, raw: Raw::of(part) }
        }
    };
    Some(Part { content, cache: Cache::of(part) })
}

pub(super) fn write_text(content: &mut Array<'_>, kind: &str, text: &str, breakpoint: Option<&str>) {
    content.object(|object| {
        object.text("type", kind);
        object.text("text", text);
        object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
    });
}

/// Writes a part of what the user or a tool says.
pub(super) fn write_part(content: &mut Array<'_>, part: &Part<'_>, losses: &mut Losses) {
    let breakpoint = part.breakpoint();
    if let Some(told) = part.content.told() {
        return write_text(content, "input_text", &told, breakpoint);
    }
    match &part.content {
        Content::Image { source, detail } => content.object(|object| {
            object.text("type", "input_image");
            match source {
                Source::Id(id) => object.text("file_id", id),
                source => object.maybe_text("image_url", source.to_url().as_deref()),
            }
            object.maybe_text("detail", detail.as_deref());
            object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
        }),
        Content::Document { source, name, context, citations } => {
            if citations.is_some() {
                losses.no_home("messages.content.document.citations");
            }
            if let Some(context) = context {
                write_text(content, "input_text", context, None);
            }
            if let Source::Text(text) = source {
                if let Some(name) = name {
                    write_text(content, "input_text", name, None);
                }
                return write_text(content, "input_text", text, breakpoint);
            }
            content.object(|object| {
                object.text("type", "input_file");
                match source {
                    Source::Base64 { .. } => {
                        // OpenAI asks for a name beside the data.
                        object.text("filename", name.as_deref().unwrap_or("document.pdf"));
                        object.maybe_text("file_data", source.to_url().as_deref());
                    }
                    Source::Url(url) => object.text("file_url", url),
                    Source::Id(id) => object.text("file_id", id),
                    Source::Text(_) => {}
                }
                object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
            });
        }
        // Only the graders of OpenAI's evaluations take sounds in this shape.
        Content::Audio(_) => losses.no_home("messages.content.input_audio"),
        Content::Other { from: Dialect::Responses, raw, .. } => content.raw(raw.as_str()),
        Content::Other { kind, .. } => losses.no_home(format!("messages.content.{kind}")),
        // A result that belongs to no call.
        Content::Result(result) => {
            write_text(content, "input_text", &result.told(), breakpoint);
            let others = result.parts.iter().filter(|part| part.content.told().is_none());
            others.for_each(|part| write_part(content, part, losses));
        }
        Content::Text(_) | Content::Refusal(_) | Content::Thought(_) | Content::Call(_) => {}
    }
}

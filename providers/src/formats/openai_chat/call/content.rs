//! Parts of messages, written.

use crate::formats::hub::{Content, Dialect, Losses, Part, Source};
use crate::formats::json::Array;

pub(super) fn write_text(content: &mut Array<'_>, text: &str, breakpoint: Option<&str>) {
    content.object(|object| {
        object.text("type", "text");
        object.text("text", text);
        object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
    });
}

/// Writes a part of what the user says.
pub(super) fn write_part(content: &mut Array<'_>, part: &Part<'_>, losses: &mut Losses) {
    let breakpoint = part.breakpoint();
    if let Some(told) = part.content.told() {
        return write_text(content, &told, breakpoint);
    }
    match &part.content {
        Content::Image { source, detail } => match source.to_url() {
            Some(url) => content.object(|object| {
                object.text("type", "image_url");
                object.object("image_url", |image| {
                    image.text("url", &url);
                    image.maybe_text("detail", detail.as_deref());
                });
                object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
            }),
            None => losses.no_home("messages.content.image.file_id"),
        },
        Content::Document { source, name, context, citations } => {
            if citations.is_some() {
                losses.no_home("messages.content.document.citations");
            }
            let name = name.as_deref();
            if let Some(context) = context {
                write_text(content, context, None);
            }
            match source {
                Source::Text(text) => write_text(content, &titled(name, text), breakpoint),
                Source::Base64 { .. } => content.object(|object| {
                    object.text("type", "file");
                    object.object("file", |file| {
                        // OpenAI asks for a name beside the data.
                        file.text("filename", name.unwrap_or("document.pdf"));
                        file.maybe_text("file_data", source.to_url().as_deref());
                    });
                    object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
                }),
                Source::Id(id) => content.object(|object| {
                    object.text("type", "file");
                    object.object("file", |file| file.text("file_id", id));
                    object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
                }),
                Source::Url(url) => {
                    losses
                        .add("messages.content.document.url", "told as text: chat takes no documents by URL");
                    write_text(content, &titled(name, url), breakpoint);
                }
            }
        }
        Content::Audio(raw) => content.object(|object| {
            object.text("type", "input_audio");
            object.raw("input_audio", raw.as_str());
            object.maybe_raw_text("prompt_cache_breakpoint", breakpoint);
        }),
        Content::Other { from: Dialect::Chat, raw, .. } => content.raw(raw.as_str()),
        Content::Other { kind, .. } => losses.no_home(format!("messages.content.{kind}")),
        // A result that belongs to no call.
        Content::Result(result) => {
            write_text(content, &result.told(), breakpoint);
            let others = result.parts.iter().filter(|part| part.content.told().is_none());
            others.for_each(|part| write_part(content, part, losses));
        }
        Content::Text(_) | Content::Refusal(_) | Content::Thought(_) | Content::Call(_) => {}
    }
}

fn titled(name: Option<&str>, text: &str) -> String {
    name.map_or_else(|| text.to_owned(), |name| format!("{name}\n\n{text}"))
}

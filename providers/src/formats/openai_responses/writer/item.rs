//! Output items: a message of text parts, a thought of summary parts, a call.

use std::sync::Arc;

use super::Writer;
use crate::formats::hub::{Citation, Piece, Seal, tool_id};
use crate::formats::json::{self, Object};

/// Longest id of a tool call that OpenAI takes.
const LONGEST_ID: usize = 64;

/// The item that is open.
pub(super) struct Item {
    /// Shared, because every delta tells it.
    id: Arc<str>,
    kind: Kind,
}

enum Kind {
    Message { parts: Vec<Part>, open: bool },
    Thought { parts: Vec<String>, open: bool, encrypted: Option<String> },
    Call { call_id: String, namespace: Option<String>, name: String, custom: bool, text: String },
}

/// A part of a message.
#[derive(Default)]
struct Part {
    refusal: bool,
    text: String,
    annotations: Vec<String>,
    /// How likely its tokens were.
    logprobs: Vec<String>,
    /// So many of those are told.
    told: usize,
}

impl Part {
    fn write(&self, part: &mut Object<'_>) {
        if self.refusal {
            part.text("type", "refusal");
            return part.text("refusal", &self.text);
        }
        part.text("type", "output_text");
        part.text("text", &self.text);
        part.array("annotations", |array| self.annotations.iter().for_each(|one| array.raw(one)));
        self.write_logprobs(part, 0);
    }

    /// Those from one place on.
    fn write_logprobs(&self, object: &mut Object<'_>, from: usize) {
        object.array("logprobs", |array| self.logprobs[from..].iter().for_each(|entry| array.raw(entry)));
    }

    fn json(&self) -> String {
        json::object_text(|part| self.write(part))
    }
}

impl Item {
    fn write(&self, item: &mut Object<'_>, status: &str) {
        item.text("id", &self.id);
        match &self.kind {
            Kind::Message { parts, .. } => {
                item.text("type", "message");
                item.text("status", status);
                item.text("role", "assistant");
                item.array("content", |content| {
                    parts.iter().for_each(|part| content.object(|object| part.write(object)));
                });
            }
            Kind::Thought { parts, encrypted, .. } => {
                item.text("type", "reasoning");
                item.array("summary", |summary| {
                    for text in parts {
                        summary.object(|part| write_summary(part, text));
                    }
                });
                item.maybe_text("encrypted_content", encrypted.as_deref());
            }
            Kind::Call { call_id, namespace, name, custom, text } => {
                item.text("type", if *custom { "custom_tool_call" } else { "function_call" });
                item.text("status", status);
                item.text("call_id", call_id);
                item.maybe_text("namespace", namespace.as_deref());
                item.text("name", name);
                item.text(if *custom { "input" } else { "arguments" }, text);
            }
        }
    }

    fn json(&self, status: &str) -> String {
        json::object_text(|item| self.write(item, status))
    }
}

fn write_summary(part: &mut Object<'_>, text: &str) {
    part.text("type", "summary_text");
    part.text("text", text);
}

impl Writer {
    pub(super) fn open_piece(&mut self, piece: Piece<'_>) {
        self.close_piece();
        let refusal = matches!(piece, Piece::Refusal);
        match piece {
            Piece::Text | Piece::Refusal => {
                self.refused |= refusal;
                let goes_on = matches!(&self.open, Some(Item { kind: Kind::Message { .. }, .. }));
                if !goes_on {
                    self.add("msg_", Kind::Message { parts: Vec::new(), open: false });
                }
                self.open_part(refusal);
            }
            Piece::Thought => {
                self.add("rs_", Kind::Thought { parts: Vec::new(), open: false, encrypted: None })
            }
            Piece::Call { id, namespace, name, custom } => {
                let kind = Kind::Call {
                    call_id: tool_id(&id, "call_", LONGEST_ID).into_owned(),
                    namespace: namespace.map(std::borrow::Cow::into_owned),
                    name: name.into_owned(),
                    custom,
                    text: String::new(),
                };
                self.add(if custom { "ctc_" } else { "fc_" }, kind);
            }
        }
    }

    fn add(&mut self, prefix: &str, kind: Kind) {
        self.close_item();
        let index = self.items.len() as u64;
        let id = format!("{prefix}{}_{index}", self.id.strip_prefix("resp_").unwrap_or(&self.id));
        let item = Item { id: id.into(), kind };
        let told = item.json("in_progress");
        self.emit("response.output_item.added", |event| {
            event.number("output_index", index);
            event.raw("item", &told);
        });
        self.open = Some(item);
    }

    fn open_part(&mut self, refusal: bool) {
        let Some(Item { id, kind: Kind::Message { parts, open } }) = &mut self.open else { return };
        let part = Part { refusal, ..Part::default() };
        let (id, index, told) = (id.clone(), parts.len() as u64, part.json());
        parts.push(part);
        *open = true;
        self.emit_item("response.content_part.added", &id, |event| {
            event.number("content_index", index);
            event.raw("part", &told);
        });
    }

    fn open_summary(&mut self) {
        let Some(Item { id, kind: Kind::Thought { parts, open, .. } }) = &mut self.open else { return };
        if std::mem::replace(open, true) {
            return;
        }
        let (id, index) = (id.clone(), parts.len() as u64);
        parts.push(String::new());
        self.emit_item("response.reasoning_summary_part.added", &id, |event| {
            event.number("summary_index", index);
            event.object("part", |part| write_summary(part, ""));
        });
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Some(Item { kind: Kind::Thought { .. }, .. }) = &self.open {
            self.open_summary();
        }
        let Some(item) = &mut self.open else { return };
        let mut likely = Vec::new();
        let (name, index) = match &mut item.kind {
            Kind::Message { parts, .. } => {
                let index = parts.len().saturating_sub(1) as u64;
                let Some(part) = parts.last_mut() else { return };
                part.text.push_str(text);
                likely.extend_from_slice(&part.logprobs[part.told..]);
                part.told = part.logprobs.len();
                let name = if part.refusal { "response.refusal.delta" } else { "response.output_text.delta" };
                (name, Some(("content_index", index)))
            }
            Kind::Thought { parts, .. } => {
                let index = parts.len().saturating_sub(1) as u64;
                if let Some(part) = parts.last_mut() {
                    part.push_str(text);
                }
                ("response.reasoning_summary_text.delta", Some(("summary_index", index)))
            }
            Kind::Call { custom, text: all, .. } => {
                all.push_str(text);
                let custom = *custom;
                let name = "response.custom_tool_call_input.delta";
                (if custom { name } else { "response.function_call_arguments.delta" }, None)
            }
        };
        let id = item.id.clone();
        let words = name == "response.output_text.delta";
        self.emit_item(name, &id, |event| {
            if let Some((key, index)) = index {
                event.number(key, index);
            }
            event.text("delta", text);
            if words {
                event.array("logprobs", |array| likely.iter().for_each(|entry| array.raw(entry)));
            }
        });
    }

    /// How likely the words are that come next.
    pub(super) fn likely(&mut self, entries: Vec<String>) {
        if let Some(Item { kind: Kind::Message { parts, .. }, .. }) = &mut self.open
            && let Some(part) = parts.last_mut()
        {
            part.logprobs.extend(entries);
        }
    }

    pub(super) fn next_summary(&mut self) {
        self.close_summary();
    }

    pub(super) fn seal(&mut self, seal: &Seal<'_>) {
        if let Some(Item { kind: Kind::Thought { encrypted, .. }, .. }) = &mut self.open {
            *encrypted = seal.encrypted();
        }
    }

    pub(super) fn cite(&mut self, citation: &Citation<'_>) {
        let Some(Item { id, kind: Kind::Message { parts, .. } }) = &mut self.open else { return };
        let index = parts.len().saturating_sub(1) as u64;
        let Some(part) = parts.last_mut() else { return };
        let (start, end) = citation.range.unwrap_or((0, part.text.chars().count() as u64));
        let annotation = json::object_text(|object| {
            object.text("type", "url_citation");
            object.text("url", &citation.url);
            object.text("title", citation.title.as_deref().unwrap_or_default());
            object.number("start_index", start);
            object.number("end_index", end);
        });
        let number = part.annotations.len() as u64;
        part.annotations.push(annotation.clone());
        let id = id.clone();
        self.emit_item("response.output_text.annotation.added", &id, |event| {
            event.number("content_index", index);
            event.number("annotation_index", number);
            event.raw("annotation", &annotation);
        });
    }

    /// The open piece is whole. A message stays open for further parts.
    pub(super) fn close_piece(&mut self) {
        match &self.open {
            Some(Item { kind: Kind::Message { .. }, .. }) => self.close_part(),
            Some(_) => self.close_item(),
            None => {}
        }
    }

    fn close_part(&mut self) {
        let Some(Item { id, kind: Kind::Message { parts, open } }) = &mut self.open else { return };
        let Some(part) = parts.last().filter(|_| std::mem::replace(open, false)) else { return };
        let index = parts.len() as u64 - 1;
        let (id, text, refusal, told) = (id.clone(), part.text.clone(), part.refusal, part.json());
        let likely = part.logprobs.clone();
        let name = if refusal { "response.refusal.done" } else { "response.output_text.done" };
        self.emit_item(name, &id, |event| {
            event.number("content_index", index);
            event.text(if refusal { "refusal" } else { "text" }, &text);
            if !refusal {
                event.array("logprobs", |array| likely.iter().for_each(|entry| array.raw(entry)));
            }
        });
        self.emit_item("response.content_part.done", &id, |event| {
            event.number("content_index", index);
            event.raw("part", &told);
        });
    }

    fn close_summary(&mut self) {
        let Some(Item { id, kind: Kind::Thought { parts, open, .. } }) = &mut self.open else { return };
        let Some(text) = parts.last().filter(|_| std::mem::replace(open, false)) else { return };
        let (id, index, text) = (id.clone(), parts.len() as u64 - 1, text.clone());
        self.emit_item("response.reasoning_summary_text.done", &id, |event| {
            event.number("summary_index", index);
            event.text("text", &text);
        });
        self.emit_item("response.reasoning_summary_part.done", &id, |event| {
            event.number("summary_index", index);
            event.object("part", |part| write_summary(part, &text));
        });
    }

    pub(super) fn close_item(&mut self) {
        self.close_part();
        self.close_summary();
        let Some(item) = self.open.take() else { return };
        if let Kind::Call { custom, text, name, .. } = &item.kind {
            let event = "response.custom_tool_call_input.done";
            let event = if *custom { event } else { "response.function_call_arguments.done" };
            let key = if *custom { "input" } else { "arguments" };
            self.emit_item(event, &item.id, |event| {
                event.text(key, text);
                if !custom {
                    event.text("name", name);
                }
            });
        }
        let (index, told) = (self.items.len() as u64, item.json("completed"));
        self.emit("response.output_item.done", |event| {
            event.number("output_index", index);
            event.raw("item", &told);
        });
        self.items.push(told);
    }
}

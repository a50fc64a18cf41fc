//! Output items: opened by their first word, completed by what their end tells and the stream left out.

use ccproxy_core::document::Json;

use super::Reader;
use crate::formats::hub::{Citation, Event, Losses, Piece, Seal, Sink, Text};
use crate::formats::json::{items, text_at};

/// What is known of an item.
pub(super) struct Item {
    index: u64,
    /// Some of its text was told.
    pub(super) told: bool,
    /// The part of a summary that is being told.
    part: Option<u64>,
    done: bool,
}

impl Reader {
    pub(super) fn item(&mut self, index: u64) -> &mut Item {
        let at = match self.items.iter().position(|item| item.index == index) {
            Some(at) => at,
            None => {
                self.items.push(Item { index, told: false, part: None, done: false });
                self.items.len() - 1
            }
        };
        &mut self.items[at]
    }

    pub(super) fn add(&mut self, index: u64, item: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        self.start(None, sink);
        let _ = self.item(index);
        match text_at(item, "type").as_deref() {
            Some("function_call") => self.open_call(index, item, false, sink),
            Some("custom_tool_call") => self.open_call(index, item, true, sink),
            Some("reasoning") => self.open_thought(index, sink),
            // Messages open with their first words.
            Some("message") => {}
            kind => losses.no_home(format!("output.{}", kind.unwrap_or_default())),
        }
    }

    fn open_call(&mut self, index: u64, item: &Json<'_>, custom: bool, sink: &mut dyn Sink) {
        if self.pieces.knows(&(index, 0)) {
            return;
        }
        self.called = true;
        let id = text_at(item, "call_id").or_else(|| text_at(item, "id")).filter(|id| !id.is_empty());
        let piece = Piece::Call {
            id: id.unwrap_or_else(|| format!("call_{index}").into()),
            namespace: text_at(item, "namespace"),
            name: text_at(item, "name").unwrap_or_default(),
            custom,
        };
        self.pieces.open((index, 0), piece, sink);
    }

    fn open_thought(&mut self, index: u64, sink: &mut dyn Sink) {
        if !self.pieces.knows(&(index, 0)) {
            self.pieces.open((index, 0), Piece::Thought, sink);
        }
    }

    pub(super) fn think(&mut self, index: u64, part: u64, raw: bool, text: Text<'_>, sink: &mut dyn Sink) {
        self.open_thought(index, sink);
        // The thoughts themselves and their summary are told apart by the part's number.
        let part = if raw { part + (1 << 32) } else { part };
        let item = self.item(index);
        let before = item.part.replace(part);
        item.told = true;
        if before.is_some_and(|before| before != part) {
            self.pieces.push(&(index, 0), Event::Break, sink);
        }
        self.pieces.text(&(index, 0), text, sink);
    }

    pub(super) fn argue(&mut self, index: u64, text: Text<'_>, sink: &mut dyn Sink) {
        self.item(index).told |= !text.is_empty();
        self.pieces.text(&(index, 0), text, sink);
    }

    /// The arguments at their end: told now when no delta was.
    pub(super) fn argued(&mut self, index: u64, text: Text<'_>, sink: &mut dyn Sink) {
        if !self.item(index).told {
            self.argue(index, text, sink);
        }
    }

    pub(super) fn cite(
        &mut self,
        index: u64,
        part: u64,
        annotation: &Json<'_>,
        sink: &mut dyn Sink,
        losses: &mut Losses,
    ) {
        let Some(url) = text_at(annotation, "url").filter(|_| is_url(annotation)) else {
            let kind = text_at(annotation, "type").unwrap_or_default();
            return losses.no_home(format!("output.annotations.{kind}"));
        };
        let place = |key: &str| annotation.key(key)?.as_u64();
        let range = place("start_index").zip(place("end_index"));
        let citation = Citation { url, title: text_at(annotation, "title"), range, quote: None };
        self.pieces.push(&(index, part), Event::Cite(citation), sink);
    }

    /// An item is whole. Whatever of it was not told yet is told now.
    pub(super) fn done_item(
        &mut self,
        index: u64,
        item: &Json<'_>,
        sink: &mut dyn Sink,
        losses: &mut Losses,
    ) {
        if self.item(index).done {
            return;
        }
        self.start(None, sink);
        match text_at(item, "type").as_deref() {
            Some("message") => self.done_message(index, item, sink, losses),
            Some("reasoning") => self.done_thought(index, item, sink),
            Some("function_call") => {
                self.open_call(index, item, false, sink);
                self.argued(index, text_at(item, "arguments").unwrap_or_default(), sink);
            }
            Some("custom_tool_call") => {
                self.open_call(index, item, true, sink);
                self.argued(index, text_at(item, "input").unwrap_or_default(), sink);
            }
            kind => losses.no_home(format!("output.{}", kind.unwrap_or_default())),
        }
        let parts = item.key("content").and_then(|content| content.len()).unwrap_or(0).max(1);
        for part in 0..parts as u64 {
            self.pieces.close(&(index, part), sink);
        }
        self.item(index).done = true;
    }

    fn done_message(&mut self, index: u64, item: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        if self.item(index).told {
            return;
        }
        for (part, content) in item.key("content").iter().flat_map(items).enumerate() {
            let part = part as u64;
            match text_at(&content, "type").as_deref() {
                Some("output_text" | "text") => {
                    self.likely(index, part, content.key("logprobs"), sink);
                    self.say(index, part, Piece::Text, text_at(&content, "text").unwrap_or_default(), sink);
                }
                Some("refusal") => {
                    self.refused = true;
                    let text = text_at(&content, "refusal").unwrap_or_default();
                    self.say(index, part, Piece::Refusal, text, sink);
                }
                kind => losses.no_home(format!("output.content.{}", kind.unwrap_or_default())),
            }
            for annotation in content.key("annotations").iter().flat_map(items) {
                self.cite(index, part, &annotation, sink, losses);
            }
            self.pieces.close(&(index, part), sink);
        }
    }

    fn done_thought(&mut self, index: u64, item: &Json<'_>, sink: &mut dyn Sink) {
        if !self.item(index).told {
            for (key, raw) in [("summary", false), ("content", true)] {
                for (part, text) in item.key(key).iter().flat_map(items).enumerate() {
                    self.think(index, part as u64, raw, text_at(&text, "text").unwrap_or_default(), sink);
                }
                if self.item(index).told {
                    break;
                }
            }
        }
        self.open_thought(index, sink);
        let id = text_at(item, "id");
        let seal = text_at(item, "encrypted_content").map(|content| Seal::of_encrypted(id, content));
        if let Some(seal) = seal {
            self.pieces.push(&(index, 0), Event::Seal(seal), sink);
        }
    }
}

fn is_url(annotation: &Json<'_>) -> bool {
    text_at(annotation, "type").is_some_and(|kind| kind == "url_citation")
}

//! Responses answer, streamed or whole -> [`Event`]s.

mod items;

use ccproxy_core::document::{Json, Kind};

use crate::formats::hub::{Event, Losses, Piece, Serial, Sink, Start, Stop, Text, Tokens, logprobs};
use crate::formats::json::text_at;
use crate::formats::openai_error::fault;
use items::Item;

/// Reads one answer.
pub(in crate::formats) struct Reader {
    pieces: Serial<Key>,
    items: Vec<Item>,
    started: bool,
    done: bool,
    called: bool,
    refused: bool,
}

/// An item, and the part of it.
type Key = (u64, u64);

impl Default for Reader {
    fn default() -> Self {
        Reader {
            pieces: Serial::new(true),
            items: Vec::new(),
            started: false,
            done: false,
            called: false,
            refused: false,
        }
    }
}

impl Reader {
    /// One event of a stream.
    pub(in crate::formats) fn event(&mut self, data: &[u8], sink: &mut dyn Sink, losses: &mut Losses) {
        let Some(json) = Json::whole(data).filter(|_| !self.done) else { return };
        let kind = text_at(&json, "type").unwrap_or_default();
        let index = json.key("output_index").and_then(|index| index.as_u64()).unwrap_or(0);
        let text = |key: &str| text_at(&json, key).unwrap_or_default();
        let number = |key: &str| json.key(key).and_then(|number| number.as_u64()).unwrap_or(0);
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(json.key("response"), sink)
            }
            "response.output_item.added" => {
                if let Some(item) = json.key("item") {
                    self.add(index, &item, sink, losses);
                }
            }
            "response.output_text.delta" => {
                let part = number("content_index");
                self.likely(index, part, json.key("logprobs"), sink);
                self.say(index, part, Piece::Text, text("delta"), sink);
            }
            "response.refusal.delta" => {
                self.refused = true;
                self.say(index, number("content_index"), Piece::Refusal, text("delta"), sink);
            }
            "response.output_text.annotation.added" => {
                if let Some(annotation) = json.key("annotation") {
                    self.cite(index, number("content_index"), &annotation, sink, losses);
                }
            }
            "response.reasoning_summary_text.delta" => {
                self.think(index, number("summary_index"), false, text("delta"), sink)
            }
            "response.reasoning_text.delta" => {
                self.think(index, number("content_index"), true, text("delta"), sink)
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.argue(index, text("delta"), sink);
            }
            "response.function_call_arguments.done" => self.argued(index, text("arguments"), sink),
            "response.custom_tool_call_input.done" => self.argued(index, text("input"), sink),
            "response.content_part.done" => self.pieces.close(&(index, number("content_index")), sink),
            "response.output_item.done" => {
                if let Some(item) = json.key("item") {
                    self.done_item(index, &item, sink, losses);
                }
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.done" => {
                if let Some(response) = json.key("response") {
                    self.end(&response, sink, losses);
                }
            }
            "error" => self.fail(&json, sink),
            "keepalive" | "ping" => sink.take(Event::Ping),
            _ => {}
        }
    }

    /// A whole answer.
    pub(in crate::formats) fn whole(&mut self, json: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        self.end(json, sink, losses);
    }

    /// The stream is over without its last event; only that tells that it is whole.
    pub(in crate::formats) fn finish(&mut self, _sink: &mut dyn Sink) {}

    pub(in crate::formats) fn done(&self) -> bool {
        self.done
    }

    fn start(&mut self, response: Option<Json<'_>>, sink: &mut dyn Sink) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let text =
            |key: &str| response.as_ref().and_then(|response| text_at(response, key)).unwrap_or_default();
        let created = response.as_ref().and_then(|response| {
            let created = response.key("created_at")?;
            created.as_u64().or_else(|| created.as_f64().map(|seconds| seconds as u64))
        });
        sink.take(Event::Start(Start { id: text("id"), created, model: text("model") }));
    }

    fn fail(&mut self, json: &Json<'_>, sink: &mut dyn Sink) {
        self.done = true;
        sink.take(Event::Error(fault(json)));
    }

    /// The last event: what came before it may have left something out.
    fn end(&mut self, response: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        let failed = response.key("error").is_some_and(|error| error.kind() != Kind::Null);
        let status = text_at(response, "status");
        if failed || matches!(status.as_deref(), Some("failed" | "cancelled")) {
            return self.fail(response, sink);
        }
        self.start(Some(response.clone()), sink);
        if let Some(output) = response.key("output").filter(|output| output.kind() == Kind::Array) {
            for (index, item) in crate::formats::json::items(&output).enumerate() {
                self.done_item(index as u64, &item, sink, losses);
            }
        }
        self.pieces.close_all(sink);
        if let Some(usage) = response.key("usage").filter(|usage| usage.kind() == Kind::Object) {
            sink.take(Event::Tokens(tokens(&usage)));
        }
        let reason = response.key("incomplete_details").and_then(|details| text_at(&details, "reason"));
        let incomplete = status.as_deref() == Some("incomplete");
        sink.take(Event::Stop(match reason.as_deref() {
            Some("content_filter") => Stop::Refusal,
            Some(_) => Stop::MaxTokens,
            None if incomplete => Stop::MaxTokens,
            None if self.called => Stop::Tools,
            None if self.refused => Stop::Refusal,
            None => Stop::Turn,
        }));
        self.done = true;
        sink.take(Event::End);
    }

    /// How likely the words were that come next.
    fn likely(&mut self, index: u64, part: u64, list: Option<Json<'_>>, sink: &mut dyn Sink) {
        let entries = list.map(|list| logprobs(&list)).unwrap_or_default();
        if entries.is_empty() {
            return;
        }
        let key = (index, part);
        if !self.pieces.knows(&key) {
            self.pieces.open(key, Piece::Text, sink);
        }
        self.pieces.push(&key, Event::Logprobs(entries), sink);
    }

    fn say(&mut self, index: u64, part: u64, piece: Piece<'_>, text: Text<'_>, sink: &mut dyn Sink) {
        let item = self.item(index);
        item.told |= !text.is_empty();
        let key = (index, part);
        if !text.is_empty() && !self.pieces.knows(&key) {
            self.pieces.open(key, piece, sink);
        }
        self.pieces.text(&key, text, sink);
    }
}

fn tokens(usage: &Json<'_>) -> Tokens {
    let count = |key: &str| usage.key(key)?.as_u64();
    let detail = |holder: &str, key: &str| usage.key(holder)?.key(key)?.as_u64();
    let input = |key: &str| detail("input_tokens_details", key);
    Tokens {
        input: count("input_tokens"),
        cache_read: input("cached_tokens"),
        cache_write: input("cache_write_tokens").or_else(|| input("cache_creation_tokens")),
        output: count("output_tokens"),
        reasoning: detail("output_tokens_details", "reasoning_tokens"),
    }
    .of_total()
}

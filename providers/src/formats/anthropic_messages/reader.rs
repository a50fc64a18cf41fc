//! Messages answer, streamed or whole -> [`Event`]s.

use ccproxy_core::document::{Json, Kind};
use ccproxy_core::error;

use super::wire::kind_of;
use crate::formats::hub::{
    Citation, Event, Fault, Losses, Piece, Raw, Seal, Sink, Start, Stop, Text, Tokens,
};
use crate::formats::json::{items, text_at};
use crate::formats::openai_error;
use crate::formats::wording::words;

/// How the API says that a conversation does not fit; Claude Code looks for these words before it shortens one.
pub(super) const TOO_LONG: &str = "prompt is too long";

/// Reads one answer.
#[derive(Default)]
pub(in crate::formats) struct Reader {
    open: Option<Open>,
    done: bool,
    stopped: bool,
}

/// The block that is open.
struct Open {
    /// One that no other format knows: nothing of it is told.
    hidden: bool,
    /// Arguments told at the start, for servers that send no deltas.
    early: Option<String>,
    call: bool,
    empty: bool,
}

impl Reader {
    /// One event of a stream.
    pub(in crate::formats) fn event(&mut self, data: &[u8], sink: &mut dyn Sink, losses: &mut Losses) {
        let Some(json) = Json::whole(data).filter(|_| !self.done) else { return };
        match text_at(&json, "type").as_deref() {
            Some("message_start") => {
                if let Some(message) = json.key("message") {
                    start(&message, sink);
                    // Where a turn goes on behind a program of Claude's own, its start holds what is there already.
                    self.blocks(&message, sink, losses);
                    self.stop(&message, sink, losses);
                }
            }
            Some("content_block_start") => {
                self.close(sink);
                if let Some(block) = json.key("content_block") {
                    self.open(&block, sink, losses);
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = json.key("delta") {
                    self.delta(&delta, sink, losses);
                }
            }
            Some("content_block_stop") => self.close(sink),
            Some("message_delta") => {
                self.close(sink);
                if let Some(usage) = json.key("usage") {
                    sink.take(Event::Tokens(tokens(&usage)));
                }
                if let Some(delta) = json.key("delta") {
                    self.stop(&delta, sink, losses);
                }
            }
            Some("message_stop") => self.end(sink),
            Some("ping") => sink.take(Event::Ping),
            Some("error") => {
                self.done = true;
                sink.take(Event::Error(fault(&json)));
            }
            _ => {}
        }
    }

    /// A whole answer.
    pub(in crate::formats) fn whole(&mut self, json: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        if text_at(json, "type").as_deref() == Some("error") {
            self.done = true;
            return sink.take(Event::Error(fault(json)));
        }
        start(json, sink);
        self.blocks(json, sink, losses);
        self.stop(json, sink, losses);
        self.end(sink);
    }

    /// Blocks that are whole.
    fn blocks(&mut self, message: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        for block in message.key("content").iter().flat_map(items) {
            self.open(&block, sink, losses);
            self.content(&block, sink, losses);
            self.close(sink);
        }
    }

    /// The stream is over without its last event. Whether it was cut is for others to say.
    pub(in crate::formats) fn finish(&mut self, sink: &mut dyn Sink) {
        if !self.done && self.stopped && self.open.is_none() {
            self.end(sink);
        }
    }

    pub(in crate::formats) fn done(&self) -> bool {
        self.done
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        self.close(sink);
        self.done = true;
        sink.take(Event::End);
    }

    fn stop(&mut self, holder: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        let Some(reason) = text_at(holder, "stop_reason") else { return };
        if holder.key("stop_details").is_some_and(|details| details.is_container()) {
            losses.no_home("stop_details");
        }
        self.stopped = true;
        sink.take(Event::Stop(match &*reason {
            "max_tokens" => Stop::MaxTokens,
            "stop_sequence" => Stop::Sequence(text_at(holder, "stop_sequence")),
            "tool_use" => Stop::Tools,
            "refusal" => Stop::Refusal,
            "pause_turn" => Stop::Pause,
            "model_context_window_exceeded" => Stop::ContextFull,
            _ => Stop::Turn,
        }));
    }

    fn open(&mut self, block: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        let kind = text_at(block, "type").unwrap_or_default();
        let mut open = Open { hidden: false, early: None, call: false, empty: true };
        match &*kind {
            "text" => sink.take(Event::Open(Piece::Text)),
            "thinking" | "redacted_thinking" => sink.take(Event::Open(Piece::Thought)),
            "tool_use" => {
                let input = block.key("input").filter(|input| input.len() != Some(0));
                open.early =
                    input.filter(Json::is_container).map(|input| Raw::of(&input).into_text().into_owned());
                open.call = true;
                sink.take(Event::Open(Piece::Call {
                    id: text_at(block, "id").unwrap_or_default(),
                    namespace: None,
                    name: text_at(block, "name").unwrap_or_default(),
                    custom: false,
                }));
            }
            _ => {
                losses.no_home(format!("content.{kind}"));
                open.hidden = true;
            }
        }
        if let Some(data) = text_at(block, "data").filter(|_| kind == "redacted_thinking") {
            sink.take(Event::Seal(Seal::Redacted(data)));
        }
        self.open = Some(open);
        // Some servers put the first words here.
        if let Some(text) = text_at(block, "text").filter(|text| kind == "text" && !text.is_empty()) {
            self.text(text, sink);
        }
        if let Some(text) = text_at(block, "thinking").filter(|text| kind == "thinking" && !text.is_empty()) {
            self.text(text, sink);
        }
    }

    /// What a block of a whole answer holds beside its start.
    fn content(&mut self, block: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        if let Some(signature) = text_at(block, "signature") {
            self.seal(signature, sink);
        }
        for citation in block.key("citations").iter().flat_map(items) {
            self.cite(&citation, sink, losses);
        }
    }

    fn delta(&mut self, delta: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        let kind = text_at(delta, "type").unwrap_or_default();
        if self.open.is_none() {
            // A server that forgot the start of its block.
            let piece = match &*kind {
                "text_delta" => Piece::Text,
                "thinking_delta" => Piece::Thought,
                _ => return,
            };
            sink.take(Event::Open(piece));
            self.open = Some(Open { hidden: false, early: None, call: false, empty: true });
        }
        match &*kind {
            "text_delta" => self.text(text_at(delta, "text").unwrap_or_default(), sink),
            "thinking_delta" => self.text(text_at(delta, "thinking").unwrap_or_default(), sink),
            "input_json_delta" => self.text(text_at(delta, "partial_json").unwrap_or_default(), sink),
            "signature_delta" => self.seal(text_at(delta, "signature").unwrap_or_default(), sink),
            "citations_delta" => {
                if let Some(citation) = delta.key("citation") {
                    self.cite(&citation, sink, losses);
                }
            }
            _ => losses.no_home(format!("content.{kind}")),
        }
    }

    fn text(&mut self, text: Text<'_>, sink: &mut dyn Sink) {
        let Some(open) = self.open.as_mut().filter(|open| !open.hidden && !text.is_empty()) else { return };
        open.empty = false;
        sink.take(Event::Text(text));
    }

    fn seal(&mut self, signature: Text<'_>, sink: &mut dyn Sink) {
        if self.open.as_ref().is_some_and(|open| !open.hidden && !open.call)
            && let Some(seal) = Seal::of_signature(signature)
        {
            sink.take(Event::Seal(seal));
        }
    }

    /// Sources on the web have a home elsewhere; places in documents have none.
    fn cite(&mut self, citation: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        if self.open.as_ref().is_none_or(|open| open.hidden) {
            return;
        }
        let kind = text_at(citation, "type").unwrap_or_default();
        match text_at(citation, "url").filter(|_| kind == "web_search_result_location") {
            Some(url) => sink.take(Event::Cite(Citation {
                url,
                title: text_at(citation, "title"),
                range: None,
                quote: text_at(citation, "cited_text"),
            })),
            None => losses.no_home(format!("content.citations.{kind}")),
        }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        let Some(open) = self.open.take().filter(|open| !open.hidden) else { return };
        if open.call && open.empty {
            sink.take(Event::Text(open.early.unwrap_or_else(|| "{}".into()).into()));
        }
        sink.take(Event::Close);
    }
}

fn start(message: &Json<'_>, sink: &mut dyn Sink) {
    sink.take(Event::Start(Start {
        id: text_at(message, "id").unwrap_or_default(),
        created: None,
        model: text_at(message, "model").unwrap_or_default(),
    }));
    if let Some(usage) = message.key("usage").filter(|usage| usage.kind() == Kind::Object) {
        sink.take(Event::Tokens(tokens(&usage)));
    }
}

fn tokens(usage: &Json<'_>) -> Tokens {
    let count = |key: &str| usage.key(key)?.as_u64();
    Tokens {
        input: count("input_tokens"),
        cache_read: count("cache_read_input_tokens"),
        cache_write: count("cache_creation_input_tokens"),
        output: count("output_tokens"),
        reasoning: usage
            .key("output_tokens_details")
            .and_then(|details| details.key("thinking_tokens")?.as_u64()),
    }
}

/// From an error body or event.
pub(in crate::formats) fn fault<'a>(json: &Json<'a>) -> Fault<'a> {
    let Some(error) = json.key("error").filter(|_| text_at(json, "type").as_deref() == Some("error")) else {
        // Gateways in front of Claude tell errors as OpenAI does.
        return openai_error::fault(json);
    };
    let kind = text_at(&error, "type").map_or(error::Kind::Internal, |kind| kind_of(&kind));
    let mut fault = Fault::new(kind, words(&error).unwrap_or_default());
    // OpenAI's clients look for this code before they shorten a conversation.
    if fault.message.contains(TOO_LONG) {
        fault.code = Some("context_length_exceeded".into());
    }
    fault
}

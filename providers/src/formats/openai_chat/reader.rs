//! Chat answer, streamed or whole -> [`Event`]s.

mod calls;

use ccproxy_core::document::{Json, Kind};

use ccproxy_core::error;

use super::wire::{DONE, is_fault};
use crate::formats::hub::{
    Citation, Event, Fault, Losses, Piece, Seal, Serial, Sink, Start, Stop, Text, Tokens, logprobs,
};
use crate::formats::json::{items, text_at};
use crate::formats::openai_error::fault;
use calls::Call;

/// Reads one answer. Only the first choice is followed: other formats have no second one.
pub(in crate::formats) struct Reader {
    pieces: Serial<Key>,
    started: bool,
    done: bool,
    stop: Option<Stop<'static>>,
    calls: Vec<Call>,
    refused: bool,
    /// The answer's id, from which calls without one get theirs.
    id: String,
}

/// A chat answer's pieces are told apart by these.
#[derive(Clone, PartialEq)]
enum Key {
    Thought,
    Text,
    Refusal,
    /// In the order of their first pieces.
    Call(usize),
}

impl Default for Reader {
    fn default() -> Self {
        Reader {
            pieces: Serial::new(false),
            started: false,
            done: false,
            stop: None,
            calls: Vec::new(),
            refused: false,
            id: String::new(),
        }
    }
}

impl Reader {
    /// One event of a stream.
    pub(in crate::formats) fn event(&mut self, data: &[u8], sink: &mut dyn Sink, losses: &mut Losses) {
        if self.done {
            return;
        }
        if data.trim_ascii() == DONE {
            return self.end(sink);
        }
        let Some(json) = Json::whole(data) else { return };
        if is_fault(&json) {
            self.done = true;
            return sink.take(Event::Error(fault(&json)));
        }
        self.chunk(&json, "delta", sink, losses);
    }

    /// A whole answer.
    pub(in crate::formats) fn whole(&mut self, json: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        if is_fault(json) {
            self.done = true;
            return sink.take(Event::Error(fault(json)));
        }
        if json.key("choices").is_none_or(|choices| choices.len().unwrap_or(0) == 0) {
            self.done = true;
            let message = "the provider's answer has no choices";
            return sink.take(Event::Error(Fault::new(error::Kind::BadGateway, message)));
        }
        self.chunk(json, "message", sink, losses);
        if !self.done {
            self.end(sink);
        }
    }

    /// The stream is over without `[DONE]`: an end, if the choice had finished.
    pub(in crate::formats) fn finish(&mut self, sink: &mut dyn Sink) {
        if !self.done && self.stop.is_some() {
            self.end(sink);
        }
    }

    pub(in crate::formats) fn done(&self) -> bool {
        self.done
    }

    fn chunk(&mut self, json: &Json<'_>, holder: &str, sink: &mut dyn Sink, losses: &mut Losses) {
        if !std::mem::replace(&mut self.started, true) {
            self.id = text_at(json, "id").unwrap_or_default().into_owned();
            sink.take(Event::Start(Start {
                id: text_at(json, "id").unwrap_or_default(),
                created: json.key("created").and_then(|created| created.as_u64()),
                model: text_at(json, "model").unwrap_or_default(),
            }));
        }
        for choice in json.key("choices").iter().flat_map(items) {
            let first = choice.key("index").and_then(|index| index.as_u64()).unwrap_or(0) == 0;
            let taken = first || (holder == "message" && is_rest(&choice));
            if !taken {
                losses.no_home("choices");
                continue;
            }
            if let Some(list) = choice.key("logprobs").and_then(|told| told.key("content")) {
                self.likely(&list, sink);
            }
            if let Some(delta) = choice.key(holder) {
                self.delta(&delta, sink, losses);
            }
            match text_at(&choice, "finish_reason").as_deref() {
                // OpenRouter's word: <https://openrouter.ai/docs/api-reference/overview>.
                Some("error") => {
                    self.done = true;
                    let message = "the provider stopped with an error";
                    return sink.take(Event::Error(Fault::new(error::Kind::BadGateway, message)));
                }
                Some(reason) => self.stop = Some(stop(reason)),
                None => {}
            }
        }
        if let Some(usage) = json.key("usage").filter(|usage| usage.kind() == Kind::Object) {
            sink.take(Event::Tokens(tokens(&usage)));
        }
    }

    fn delta(&mut self, delta: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        for (key, value) in delta.children().into_iter().flatten() {
            match key.as_deref() {
                Some("reasoning_content" | "reasoning") => {
                    // Some servers send both, with the same words.
                    let other =
                        || delta.key("reasoning_content").is_some_and(|told| told.kind() == Kind::String);
                    let twice = key.as_deref() == Some("reasoning") && other();
                    if let Some(text) = value.as_str().filter(|_| !twice) {
                        self.say(Key::Thought, text, sink);
                    }
                }
                Some("reasoning_details") => self.details(&value, delta, sink),
                Some("content") => self.content(&value, sink, losses),
                Some("refusal") => {
                    if let Some(text) = value.as_str() {
                        self.refused |= !text.is_empty();
                        self.say(Key::Refusal, text, sink);
                    }
                }
                Some("tool_calls") => {
                    items(&value).for_each(|call| self.call(&call, sink));
                }
                Some("function_call") if value.kind() == Kind::Object => self.old_call(&value, sink),
                Some("annotations") => {
                    items(&value).for_each(|annotation| self.cite(&annotation, sink, losses))
                }
                Some("audio") if value.kind() != Kind::Null => {
                    losses.add("message.audio", "only its words have a place");
                    self.say(Key::Text, text_at(&value, "transcript").unwrap_or_default(), sink);
                }
                _ => {}
            }
        }
    }

    fn content(&mut self, value: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        if let Some(text) = value.as_str() {
            return self.say(Key::Text, text, sink);
        }
        for part in items(value) {
            match (text_at(&part, "text"), part.key("thinking")) {
                (Some(text), _) => self.say(Key::Text, text, sink),
                // Mistral's thoughts, a list of texts or one.
                (None, Some(thinking)) => {
                    let texts = items(&thinking).filter_map(|part| text_at(&part, "text"));
                    thinking
                        .as_str()
                        .into_iter()
                        .chain(texts)
                        .for_each(|text| self.say(Key::Thought, text, sink));
                }
                (None, None) => losses.no_home("message.content"),
            }
        }
    }

    /// Text of a piece that opens with its first words.
    fn say(&mut self, key: Key, text: Text<'_>, sink: &mut dyn Sink) {
        if text.is_empty() {
            return;
        }
        self.opened(&key, sink);
        self.pieces.text(&key, text, sink);
    }

    fn opened(&mut self, key: &Key, sink: &mut dyn Sink) {
        if !self.pieces.knows(key) {
            let piece = match key {
                Key::Thought => Piece::Thought,
                Key::Refusal => Piece::Refusal,
                _ => Piece::Text,
            };
            self.pieces.open(key.clone(), piece, sink);
        }
    }

    /// How likely the words were that come in the same chunk.
    fn likely(&mut self, list: &Json<'_>, sink: &mut dyn Sink) {
        let entries = logprobs(list);
        if entries.is_empty() {
            return;
        }
        self.opened(&Key::Text, sink);
        self.pieces.push(&Key::Text, Event::Logprobs(entries), sink);
    }

    /// OpenRouter's details: the seals, and the words where they stand nowhere else.
    fn details(&mut self, value: &Json<'_>, delta: &Json<'_>, sink: &mut dyn Sink) {
        let plain = |key: &str| delta.key(key).is_some_and(|text| text.kind() == Kind::String);
        let told = plain("reasoning_content") || plain("reasoning");
        for detail in items(value) {
            let words = text_at(&detail, "text").or_else(|| text_at(&detail, "summary"));
            if let Some(words) = words.filter(|_| !told) {
                self.say(Key::Thought, words, sink);
            }
            let foreign = text_at(&detail, "format").is_some_and(|format| format.starts_with("openai"));
            let seal = match (text_at(&detail, "signature"), text_at(&detail, "data")) {
                (Some(signature), _) => Seal::of_signature(signature),
                (None, Some(data)) if foreign => Some(Seal::of_encrypted(text_at(&detail, "id"), data)),
                (None, Some(data)) => Some(Seal::Redacted(data)),
                (None, None) => None,
            };
            let Some(seal) = seal else { continue };
            self.opened(&Key::Thought, sink);
            self.pieces.push(&Key::Thought, Event::Seal(seal), sink);
        }
    }

    fn cite(&mut self, annotation: &Json<'_>, sink: &mut dyn Sink, losses: &mut Losses) {
        let Some(citation) = annotation.key("url_citation") else {
            return losses.no_home("message.annotations");
        };
        let Some(url) = text_at(&citation, "url") else { return };
        let place = |key: &str| citation.key(key)?.as_u64();
        let range = place("start_index").zip(place("end_index"));
        let citation = Citation { url, title: text_at(&citation, "title"), range, quote: None };
        // Some servers cite before their first word.
        self.opened(&Key::Text, sink);
        self.pieces.push(&Key::Text, Event::Cite(citation), sink);
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        self.done = true;
        self.pieces.close_all(sink);
        let stop = match self.stop.take() {
            // Some servers say `stop` behind a call.
            Some(Stop::Turn) | None if self.calls.iter().any(Call::opened) => Stop::Tools,
            Some(Stop::Turn) | None if self.refused => Stop::Refusal,
            Some(stop) => stop,
            None => Stop::Turn,
        };
        sink.take(Event::Stop(stop));
        sink.take(Event::End);
    }
}

/// Whether a choice is no other answer but the rest of the first one: Copilot tells the words of some models in
/// one choice and their calls in the next.
fn is_rest(choice: &Json<'_>) -> bool {
    let Some(message) = choice.key("message") else { return false };
    let words = message.key("content").and_then(|content| content.as_str());
    words.is_none_or(|words| words.is_empty())
        && message.key("tool_calls").is_some_and(|calls| calls.len().unwrap_or(0) > 0)
}

fn stop(reason: &str) -> Stop<'static> {
    match reason {
        "length" | "max_tokens" => Stop::MaxTokens,
        "tool_calls" | "function_call" => Stop::Tools,
        "content_filter" => Stop::Refusal,
        _ => Stop::Turn,
    }
}

fn tokens(usage: &Json<'_>) -> Tokens {
    let count = |key: &str| usage.key(key)?.as_u64();
    let detail = |holder: &str, key: &str| usage.key(holder)?.key(key)?.as_u64();
    let prompt = |key: &str| detail("prompt_tokens_details", key);
    Tokens {
        input: count("prompt_tokens"),
        cache_read: prompt("cached_tokens").or_else(|| count("prompt_cache_hit_tokens")),
        cache_write: prompt("cache_write_tokens").or_else(|| prompt("cache_creation_tokens")),
        output: count("completion_tokens"),
        reasoning: detail("completion_tokens_details", "reasoning_tokens"),
    }
    .of_total()
}

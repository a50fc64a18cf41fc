//! Anthropic Messages, <https://docs.anthropic.com/en/api/messages> and its streaming page.

pub(super) mod call;
mod grammar;
mod reader;
#[cfg(test)]
mod tests;
mod wire;
mod writer;

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::document::Json;
use ccproxy_core::format::{Format, Grammar, Tracker, Usage};

use super::usage::merge;
use super::watch::{Watch, event_type};

pub(super) use reader::{Reader, fault};
pub(super) use writer::Writer;

/// The format of `/v1/messages`.
#[derive(Debug)]
pub struct AnthropicMessages;

impl Format for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic_messages"
    }

    fn error_body(&self, error: &Error, id: &str) -> Bytes {
        wire::error(error, Some(id))
    }

    fn error_event(&self, error: &Error) -> Bytes {
        ccproxy_core::sse::Event::new("error", wire::error(error, None)).raw
    }

    fn keep_alive(&self) -> &'static [u8] {
        b"event: ping\ndata: {\"type\":\"ping\"}\n\n"
    }

    fn tracker(&self) -> Box<dyn Tracker> {
        Box::new(MessagesTracker(Watch::new(terminal, wire::START)))
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(grammar::MessagesGrammar::default())
    }

    fn usage(&self, body: &[u8]) -> Option<Usage> {
        wire::USAGE.read(&Json::whole(body)?.key("usage")?)
    }
}

fn terminal(event: &[u8]) -> bool {
    matches!(event_type(event), b"message_stop" | b"error")
}

struct MessagesTracker(Watch);

impl Tracker for MessagesTracker {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    fn complete(&self) -> bool {
        self.0.complete()
    }

    fn at_boundary(&self) -> bool {
        self.0.at_boundary()
    }

    /// `message_start` tells the input, the last `message_delta` the output, counted from the start.
    fn usage(&self) -> Option<Usage> {
        merge(wire::USAGE.first(self.0.head()), wire::USAGE.last(self.0.tail()))
    }
}

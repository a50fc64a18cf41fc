//! OpenAI Responses, <https://platform.openai.com/docs/api-reference/responses>.

pub(super) mod call;
mod collect;
mod dialogue;
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
use ccproxy_core::websocket::Dialogue;

use super::openai_error::Envelope;
use super::watch::{Watch, event_type};

pub(crate) use collect::Collector;
pub(super) use reader::Reader;
pub(super) use writer::{Writer, echo};

/// The format of `/v1/responses`.
#[derive(Debug)]
pub struct OpenAiResponses;

impl Format for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai_responses"
    }

    fn error_body(&self, error: &Error, _id: &str) -> Bytes {
        Envelope::of(error).to_bytes()
    }

    fn error_event(&self, error: &Error) -> Bytes {
        wire::error_event(error, 0)
    }

    fn tracker(&self) -> Box<dyn Tracker> {
        Box::new(ResponsesTracker(Watch::new(terminal, 0)))
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(grammar::ResponsesGrammar::default())
    }

    fn dialogue(&self, limit: usize) -> Option<Box<dyn Dialogue>> {
        Some(Box::new(dialogue::Responses::new(limit)))
    }

    fn usage(&self, body: &[u8]) -> Option<Usage> {
        wire::USAGE.read(&Json::whole(body)?.key("usage")?)
    }
}

fn terminal(event: &[u8]) -> bool {
    wire::is_terminal(event_type(event))
}

struct ResponsesTracker(Watch);

impl Tracker for ResponsesTracker {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    fn complete(&self) -> bool {
        self.0.complete()
    }

    fn at_boundary(&self) -> bool {
        self.0.at_boundary()
    }

    /// Stands near the end of `response.completed`, which repeats the whole answer before it.
    fn usage(&self) -> Option<Usage> {
        wire::USAGE.last(self.0.tail())
    }

    fn error_event(&self, _format: &dyn Format, error: &Error) -> Bytes {
        wire::error_event(error, wire::next_sequence_number(self.0.tail()))
    }
}

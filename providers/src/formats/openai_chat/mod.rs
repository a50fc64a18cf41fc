//! OpenAI Chat Completions, <https://platform.openai.com/docs/api-reference/chat>.

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

use super::watch::{Watch, first_data};

pub(super) use reader::Reader;
pub(super) use writer::Writer;

/// The format of `/v1/chat/completions`.
#[derive(Debug)]
pub struct OpenAiChat;

impl Format for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai_chat"
    }

    fn error_body(&self, error: &Error, _id: &str) -> Bytes {
        wire::error(error)
    }

    /// Clients raise on a chunk with an `error`. No `[DONE]` follows: the answer is not done.
    fn error_event(&self, error: &Error) -> Bytes {
        ccproxy_core::sse::Event::new("", wire::error(error)).raw
    }

    fn tracker(&self) -> Box<dyn Tracker> {
        Box::new(ChatTracker(Watch::new(terminal, 0)))
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(grammar::ChatGrammar::default())
    }

    fn usage(&self, body: &[u8]) -> Option<Usage> {
        wire::USAGE.read(&Json::whole(body)?.key("usage")?)
    }
}

fn terminal(event: &[u8]) -> bool {
    let data = first_data(event);
    data == wire::DONE || wire::is_error(data)
}

struct ChatTracker(Watch);

impl Tracker for ChatTracker {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    /// `[DONE]`, even when its blank line never came, or an error. Some servers end after the last finish
    /// reason instead, or after the usage.
    fn complete(&self) -> bool {
        self.0.complete()
            || first_data(self.0.unfinished()) == wire::DONE
            || (self.0.at_boundary() && wire::ends_finished(self.0.tail()))
    }

    fn at_boundary(&self) -> bool {
        self.0.at_boundary()
    }

    fn usage(&self) -> Option<Usage> {
        wire::USAGE.last(self.0.tail())
    }
}

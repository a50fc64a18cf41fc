//! A wire format as the pipeline sees it: how errors are spelled, when a stream is over, where the
//! usage stands. The formats themselves live in `providers`.

use bytes::Bytes;
use serde::Serialize;

use crate::error::Error;
use crate::sse;
use crate::websocket::Dialogue;

/// A client's wire format, such as `anthropic_messages`.
pub trait Format: Send + Sync + std::fmt::Debug + 'static {
    /// Its name in configuration, Lua and logs.
    fn name(&self) -> &'static str;

    /// The JSON body of an error answer. `id` is the exchange's, for support.
    fn error_body(&self, error: &Error, id: &str) -> Bytes;

    /// The event-stream bytes that tell a client, in mid-stream, that the answer failed: the one
    /// terminal event. Empty when the format has none (the connection is then broken instead).
    fn error_event(&self, error: &Error) -> Bytes;

    /// The event-stream bytes that show a client, between two events, that the stream is alive.
    fn keep_alive(&self) -> &'static [u8] {
        b": keep-alive\n\n"
    }

    /// Watches the bytes of a stream go by.
    fn tracker(&self) -> Box<dyn Tracker>;

    /// Judges the events that plugins emit.
    fn grammar(&self) -> Box<dyn Grammar>;

    /// A conversation over a websocket, where the format has one. It keeps at most `limit` bytes.
    fn dialogue(&self, limit: usize) -> Option<Box<dyn Dialogue>> {
        let _ = limit;
        None
    }

    /// The usage a whole (not streamed) answer tells.
    fn usage(&self, body: &[u8]) -> Option<Usage>;
}

/// Looks at a stream's raw bytes as they pass, in pieces cut anywhere. Must cost next to nothing.
pub trait Tracker: Send {
    /// The next bytes.
    fn feed(&mut self, bytes: &[u8]);

    /// Whether the stream has had its terminal event: then its end is an end. Otherwise it was cut.
    fn complete(&self) -> bool;

    /// Whether the bytes so far end between two events, so that an error event may follow.
    fn at_boundary(&self) -> bool;

    /// The usage told so far.
    fn usage(&self) -> Option<Usage>;

    /// [`Format::error_event`] for this place of this stream: formats that number their events go on counting.
    fn error_event(&self, format: &dyn Format, error: &Error) -> Bytes {
        format.error_event(error)
    }
}

/// Checks that a sequence of events is legal in the format.
pub trait Grammar: Send {
    /// Takes the next event, or says what is wrong with it.
    fn accept(&mut self, event: &sse::Event) -> Result<(), String>;

    /// Whether a terminal event was accepted.
    fn complete(&self) -> bool;
}

/// Tokens of one answer. `None` where the provider did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Prompt tokens, as the provider counts them.
    pub input_tokens: Option<u64>,
    /// Answer tokens, thinking included.
    pub output_tokens: Option<u64>,
    /// Prompt tokens read from the provider's cache.
    pub cache_read_tokens: Option<u64>,
    /// Prompt tokens written to the provider's cache.
    pub cache_write_tokens: Option<u64>,
    /// Thinking tokens, where told apart.
    pub reasoning_tokens: Option<u64>,
}

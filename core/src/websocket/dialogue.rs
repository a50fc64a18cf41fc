//! What a format says over a websocket. Pure: no socket, clock or task.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::error::Error;
use crate::sse;

/// One conversation over one socket: turns the client's messages into requests, and the answers into messages.
/// One request is answered at a time.
pub trait Dialogue: Send {
    /// Takes out of the upgrade's head what was about the socket only.
    fn opened(&self, headers: &mut HeaderMap);

    /// A message of the client. `headers` are those of the request that it may become.
    fn hear(&mut self, message: &Bytes, headers: &mut HeaderMap, facts: &Facts) -> Said;

    /// A stream begins to answer: what its head tells, where that is worth a message.
    fn begin(&mut self, headers: &HeaderMap) -> Option<Bytes>;

    /// The message for an event of the answer; `None` when there is nothing to say.
    fn event(&mut self, event: &sse::Event) -> Option<Bytes>;

    /// Whether the answer's last event was there.
    fn over(&self) -> bool;

    /// A good answer that is no stream.
    fn whole(&mut self, body: &Bytes) -> Vec<Bytes>;

    /// An answer that refuses.
    fn refused(&mut self, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Bytes;

    /// The answer broke, or ended before its last event.
    fn broken(&mut self, error: &Error) -> Bytes;
}

/// What may be known besides the message.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Unique: for answers that are made here.
    pub id: String,
    /// Now, in seconds since 1970.
    pub now: u64,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing: it needs no answer.
    Nothing,
    /// These messages, at once.
    Answer(Vec<Bytes>),
    /// A request with this body.
    Ask(Bytes),
}

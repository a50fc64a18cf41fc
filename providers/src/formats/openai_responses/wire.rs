//! The spellings of Responses.

use std::borrow::Cow;

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::document::Json;
use ccproxy_core::sse::Event;
use serde::Serialize;

use crate::formats::hub::Fault;
use crate::formats::openai_error::{Detail, Envelope, fault_detail, param};
use crate::formats::usage::Keys;

/// Where the counts stand. Cached tokens are part of `input_tokens`.
pub(super) const USAGE: Keys = Keys {
    input: "input_tokens",
    output: "output_tokens",
    cache_read: "input_tokens_details.cached_tokens",
    // The second is LiteLLM's word.
    cache_write: &["input_tokens_details.cache_write_tokens", "input_tokens_details.cache_creation_tokens"],
    reasoning: "output_tokens_details.reasoning_tokens",
};

#[derive(Serialize)]
struct ErrorEvent<'a> {
    r#type: &'static str,
    code: Option<&'a str>,
    message: &'a str,
    param: Option<&'a str>,
    sequence_number: u64,
    error: Detail<'a>,
}

/// The `error` event. The documentation has the fields at the top, the service nests them in `error`, and
/// the SDKs raise only when they find that; so both.
pub(super) fn error_event(error: &Error, sequence_number: u64) -> Bytes {
    event_of(Envelope::of(error).error, sequence_number)
}

/// The same from a fault, its own code kept.
pub(super) fn fault_event(fault: &Fault<'_>, sequence_number: u64) -> Bytes {
    let param = param(fault);
    event_of(fault_detail(fault, param.as_deref()), sequence_number)
}

fn event_of(detail: Detail<'_>, sequence_number: u64) -> Bytes {
    let Detail { message, param, code, .. } = detail;
    let event = ErrorEvent { r#type: "error", code, message, param, sequence_number, error: detail };
    Event::new("error", serde_json::to_vec(&event).unwrap_or_default()).raw
}

/// The type of a whole event: its name, else what its data says.
pub(super) fn kind(event: &Event) -> Cow<'_, [u8]> {
    if !event.name.is_empty() {
        return Cow::Borrowed(&event.name);
    }
    let kind = Json::whole(&event.data).and_then(|data| data.key("type")?.as_str());
    Cow::Owned(kind.unwrap_or_default().into_owned().into_bytes())
}

/// Whether an event of this type ends the stream.
pub(super) fn is_terminal(kind: &[u8]) -> bool {
    matches!(kind, b"response.completed" | b"response.failed" | b"response.incomplete" | b"error")
}

/// One more than the last number told in these bytes.
pub(super) fn next_sequence_number(bytes: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"sequence_number\":";
    let Some(at) = memchr::memmem::rfind(bytes, KEY) else { return 0 };
    let number = Json::prefix(&bytes[at + KEY.len()..]).and_then(|number| number.as_u64());
    number.map_or(0, |number| number.saturating_add(1))
}

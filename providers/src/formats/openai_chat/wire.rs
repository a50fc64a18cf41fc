//! The spellings of Chat Completions.

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::document::{Json, Kind};

use crate::formats::openai_error::Envelope;
use crate::formats::usage::Keys;

/// The data that ends a stream.
pub(super) const DONE: &[u8] = b"[DONE]";

/// Where the counts stand. Cached tokens are part of `prompt_tokens`.
pub(super) const USAGE: Keys = Keys {
    input: "prompt_tokens",
    output: "completion_tokens",
    cache_read: "prompt_tokens_details.cached_tokens",
    // The second is LiteLLM's word.
    cache_write: &["prompt_tokens_details.cache_write_tokens", "prompt_tokens_details.cache_creation_tokens"],
    reasoning: "completion_tokens_details.reasoning_tokens",
};

/// An error as a body, or as the data of a chunk.
pub(super) fn error(error: &Error) -> Bytes {
    Envelope::of(error).to_bytes()
}

/// Whether the start of a chunk's data says that it is an error.
pub(super) fn is_error(data: &[u8]) -> bool {
    let inside = data.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    inside.is_some_and(|inside| inside.starts_with(b"\"error\""))
}

/// Whether an answer or a chunk is an error, in the ways compatible servers tell one: in `error`, or in fields of
/// its own where the choices should be.
pub(super) fn is_fault(json: &Json<'_>) -> bool {
    let told = |key: &str| json.key(key).is_some_and(|value| value.kind() == Kind::String);
    json.key("error").is_some_and(|error| error.kind() != Kind::Null)
        || (json.key("choices").is_none() && (told("message") || told("detail")))
}

/// Whether a stream without `[DONE]` ends where it should: its last chunk finishes a choice, or comes after
/// one that did and tells usage only. `tail` ends between two events.
pub(super) fn ends_finished(tail: &[u8]) -> bool {
    let last = memchr::memmem::rfind(tail, b"data:").map_or(tail, |at| &tail[at..]);
    has_finish_reason(last) || (value_of(last, b"\"choices\"", b"[]") && has_finish_reason(tail))
}

/// Whether a finish reason other than null is told in these bytes.
fn has_finish_reason(bytes: &[u8]) -> bool {
    value_of(bytes, b"\"finish_reason\"", b"\"")
}

/// Whether a key is there with a value that begins so.
fn value_of(bytes: &[u8], key: &[u8], start: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, key).any(|at| {
        let value = bytes[at + key.len()..].trim_ascii_start().strip_prefix(b":").unwrap_or_default();
        value.trim_ascii_start().starts_with(start)
    })
}

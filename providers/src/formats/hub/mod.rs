//! The hub that every format reads to and writes from: one neutral [`Call`] for the request, one stream of
//! neutral [`Event`]s for the answer, and a report of what had no home on the way.

#[cfg(test)]
mod anything;
mod brief;
mod call;
mod conversation;
mod event;
mod logprobs;
mod losses;
mod names;
mod part;
mod reasoning;
mod repeats;
mod restore;
mod seal;
mod serial;
mod strict;
#[cfg(test)]
mod tests;
mod tokens;
mod tool;
mod turns;

use std::borrow::Cow;

use ccproxy_core::document::Json;

pub(super) use brief::Brief;
pub use call::Dialect;
pub(super) use call::{Call, OutputFormat};
pub(super) use conversation::{conversation_key, end_user, instructions};
pub(super) use event::{Citation, Event, Fault, Piece, Sink, Start, Stop};
pub(super) use logprobs::logprobs;
pub(super) use losses::Losses;
pub(super) use names::{Names, fingerprint, tool_id, wire_name};
pub(super) use part::{Cache, Content, Message, Part, Role, Source, Thought, ToolCall, ToolResult};
pub(super) use reasoning::{Effort, Reasoning, Thinking};
pub(super) use repeats::tell_calls_apart;
pub(super) use restore::{INPUT, Restore};
pub(super) use seal::Seal;
pub(super) use serial::Serial;
pub(super) use strict::binding;
pub(super) use tokens::Tokens;
pub(super) use tool::{Tool, ToolChoice, ToolKind};
pub(super) use turns::{Answered, Turn, turns};

/// Text, borrowed from the bytes it was read from where it holds no escape.
pub(super) type Text<'a> = Cow<'a, str>;

/// JSON as it was written: numbers, key order and white space are kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raw<'a>(Cow<'a, str>);

impl<'a> Raw<'a> {
    /// The text of a value.
    pub(super) fn of(json: &Json<'a>) -> Self {
        Raw(String::from_utf8_lossy(json.raw()))
    }

    /// A text that is known to be JSON.
    pub(super) fn owned(json: String) -> Raw<'static> {
        Raw(Cow::Owned(json))
    }

    /// The text itself.
    pub(super) fn into_text(self) -> Text<'a> {
        self.0
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a value again.
    pub(super) fn json(&self) -> Option<Json<'_>> {
        Json::whole(self.0.as_bytes())
    }
}

//! The operations of a provider that speaks Anthropic Messages: its own, and those of clients of other formats.

use std::sync::Arc;

use ccproxy_core::format::Format;
use ccproxy_core::provider::Operation;

use crate::formats::{AnthropicMessages, Dialect, OpenAiChat, OpenAiResponses, Pair};
use crate::memory::{Memory, Remembering};

/// An operation in the provider's own format.
pub(crate) fn own(name: &'static str) -> Operation {
    let format: Arc<dyn Format> = Arc::new(AnthropicMessages);
    Operation::new(name, format)
}

/// `messages` for clients of Chat Completions.
pub(crate) fn chat() -> Operation {
    let pair = Pair::of(Dialect::Chat, Dialect::Messages);
    Operation::new("chat_completions", Arc::new(OpenAiChat)).through(own("messages"), Arc::new(pair))
}

/// `messages` for clients of Responses.
pub(crate) fn responses(memory: &Arc<Memory>) -> Operation {
    let pair = Remembering::new(Pair::of(Dialect::Responses, Dialect::Messages), memory);
    Operation::new("responses", Arc::new(OpenAiResponses)).through(own("messages"), Arc::new(pair))
}

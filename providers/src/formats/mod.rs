//! The wire formats: how each spells errors, ends a stream, tells usage and orders its events. Pure: no
//! socket, clock or task.

mod anthropic_messages;
mod count;
mod either;
mod estimate;
#[cfg(test)]
mod golden;
mod hub;
mod json;
mod openai_chat;
mod openai_error;
mod openai_responses;
mod quirk;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
pub(crate) mod testing;
mod transform;
mod usage;
mod watch;
mod wording;

pub use anthropic_messages::AnthropicMessages;
pub use count::Count;
pub use estimate::Estimate;
pub use hub::Dialect;
pub use openai_chat::OpenAiChat;
pub(crate) use openai_responses::Collector;
pub use openai_responses::OpenAiResponses;
pub use quirk::{Quirk, Quirks};
pub use transform::Pair;

//! Servers of the user's own, under `[providers.<name>]`: each becomes a provider plugin of that name.

use std::sync::Arc;

use ccproxy_core::config::{Field, Schema};

use crate::factory::Factory;
use crate::{Configured, Memory, claude_api, openai};

/// The protocol a server speaks.
pub(crate) fn api() -> Field {
    let doc = "The protocol it speaks: OpenAI's, or Anthropic's";
    Field::choice("api", &["openai", "anthropic"], doc).or("openai")
}

/// The plugin of one table.
pub(crate) fn factory(name: &str, configured: &Configured<'_>, memory: &Arc<Memory>) -> Factory {
    let settings = configured(name, &Schema::of([api()]).open());
    match settings["api"].as_str() {
        Some("anthropic") => claude_api::own(name, configured, memory),
        _ => openai::own(name, configured, memory),
    }
}

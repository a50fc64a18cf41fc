//! Native provider plugins of ccproxy: wire formats, adapters, credentials.

pub mod formats;

pub mod balancer;
mod base_url;
mod claude_api;
mod claude_sdk;
mod codex;
mod copilot;
mod credentials;
mod detection;
mod factory;
mod fixed_headers;
mod front_door;
mod health;
pub mod keeper;
mod local;
mod lookup;
mod memory;
mod messages_operations;
mod mock;
pub mod oauth;
mod openai;
mod own;
mod relay;
mod subprocess;
#[cfg(test)]
mod testing;
pub mod vault;
mod web_login;

use std::path::PathBuf;
use std::sync::Arc;

use ccproxy_core::config::Schema;
use ccproxy_core::plugin::PluginFactory;
use serde_json::Value;

use balancer::Balancer;
pub use claude_sdk::guard;
pub use factory::Factory;
pub use memory::Memory;
use oauth::Logins;

/// The settings of the plugin of this name, validated against this schema as far as they are right.
pub type Configured<'a> = dyn Fn(&str, &Schema) -> Value + 'a;

/// Every native plugin, as discovery finds it, and one for each name in `own`, the servers of the user's own.
/// `memory` holds what clients of Responses may refer to, `logins` who is logged in,
/// `balancer` which providers have several credentials; `binary` is the proxy's own, when
/// its `main` begins with [`guard::run`].
pub fn factories(
    own: &[String],
    configured: &Configured<'_>,
    memory: &Arc<Memory>,
    logins: &Arc<Logins>,
    balancer: &Arc<Balancer>,
    binary: Option<PathBuf>,
) -> Vec<Arc<dyn PluginFactory>> {
    [
        claude_api::factory(memory, logins, balancer),
        claude_sdk::factory(memory, binary),
        codex::factory(logins, balancer),
        copilot::factory(configured, logins, balancer),
        front_door::factory(),
        mock::factory(),
        web_login::factory(logins),
    ]
    .into_iter()
    .chain(openai::factories(configured, memory, balancer))
    .chain(own.iter().map(|name| own::factory(name, configured, memory, logins, balancer)))
    .map(|factory| Arc::new(factory) as Arc<dyn PluginFactory>)
    .collect()
}

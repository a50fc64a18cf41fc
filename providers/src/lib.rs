//! Native provider plugins of ccproxy: wire formats, adapters, credentials.

pub mod claude_api;
mod factory;
pub mod formats;
pub mod mock;

use std::sync::Arc;

use ccproxy_core::plugin::PluginFactory;

pub use factory::Factory;

/// Every native plugin, as discovery finds it.
pub fn factories() -> Vec<Arc<dyn PluginFactory>> {
    vec![Arc::new(claude_api::factory()), Arc::new(mock::factory())]
}

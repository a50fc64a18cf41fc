//! Native provider plugins of ccproxy: wire formats, adapters, credentials.

pub mod claude_api;
pub mod formats;
pub mod mock;
pub mod openai;

mod base_url;
mod credentials;
mod factory;
mod local;

use std::sync::Arc;

use ccproxy_core::plugin::PluginFactory;

pub use factory::Factory;

/// Every native plugin, as discovery finds it.
pub fn factories() -> Vec<Arc<dyn PluginFactory>> {
    [claude_api::factory(), mock::factory()]
        .into_iter()
        .chain(openai::factories())
        .map(|factory| Arc::new(factory) as Arc<dyn PluginFactory>)
        .collect()
}

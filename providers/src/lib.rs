//! Native provider plugins of ccproxy: wire formats, adapters, credentials.

pub mod claude_api;
pub mod formats;
pub mod mock;
pub mod openai;

mod base_url;
mod credentials;
mod local;

use std::sync::Arc;

use ccproxy_core::plugin::PluginFactory;

/// Every native plugin, as discovery finds it.
pub fn factories() -> Vec<Arc<dyn PluginFactory>> {
    let mut all: Vec<Arc<dyn PluginFactory>> =
        vec![Arc::new(claude_api::Factory::new()), Arc::new(mock::Factory::new())];
    all.extend(openai::factories().map(|factory| Arc::new(factory) as Arc<dyn PluginFactory>));
    all
}

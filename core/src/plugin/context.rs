//! What a plugin is given when it is made.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::Services;
use crate::hooks::Bus;
use crate::oauth;
use crate::store::Store;
use crate::upstream::Upstream;

/// The house's services for one plugin of one generation.
#[derive(Clone)]
pub struct PluginContext {
    /// The plugin's name.
    pub name: Arc<str>,
    /// Its settings: validated against its schema, defaults filled in.
    pub config: Arc<Value>,
    /// A folder of its own for data, not yet created.
    pub data_dir: PathBuf,
    /// Number of the generation it is made for.
    pub generation: u64,
    /// Calls between plugins.
    pub services: Arc<Services>,
    /// Emits events.
    pub bus: Arc<Bus>,
    /// Sends requests to providers.
    pub upstream: Arc<Upstream>,
    /// Makes the OAuth provider that it declares.
    pub oauth: Arc<oauth::Registry>,
    /// Keys, values and counters that outlive reloads.
    pub store: Arc<Store>,
    /// What the instance it replaces handed over, if there was one.
    pub previous: Option<Value>,
}

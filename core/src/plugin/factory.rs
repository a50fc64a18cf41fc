//! Makes the runtime of a plugin.

use std::sync::Arc;

use super::{Manifest, PluginContext, PluginRuntime};
use crate::error::Result;

/// Bridges declaration and runtime. Discovery yields factories; the registry does the rest.
pub trait PluginFactory: Send + Sync + 'static {
    /// The declaration, known before anything runs.
    fn manifest(&self) -> &Manifest;

    /// Changes when, and only when, the plugin's code does. Together with the configuration it decides
    /// whether a reload keeps the running instance.
    fn fingerprint(&self) -> u64;

    /// Makes a runtime that is not yet initialised. `context.config` is validated and complete.
    fn create(&self, context: PluginContext) -> Result<Arc<dyn PluginRuntime>>;
}

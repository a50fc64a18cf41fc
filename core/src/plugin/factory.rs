//! Makes the runtime of a plugin.

use std::sync::Arc;

use serde_json::Value;

use super::{Manifest, PluginContext, PluginRuntime};
use crate::error;

/// Bridges declaration and runtime. Discovery yields factories; the registry does the rest.
pub trait PluginFactory: Send + Sync + 'static {
    /// The declaration, known before anything runs.
    fn manifest(&self) -> &Manifest;

    /// Changes when, and only when, the plugin's code does. Together with the configuration it decides
    /// whether a reload keeps the running instance.
    fn fingerprint(&self) -> u64;

    /// What is wrong with these settings beyond what the schema can say, with the setting's name; they are validated and
    /// complete. `create` fails for it as well; this is for those who check a configuration and start nothing.
    fn check(&self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    /// Makes a runtime that is not yet initialised. `context.config` is validated and complete.
    fn create(&self, context: PluginContext) -> error::Result<Arc<dyn PluginRuntime>>;
}

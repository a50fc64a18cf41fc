//! The factory of a native plugin: its declaration, and the function that makes its runtime.

use std::sync::Arc;

use ccproxy_core::plugin::{Manifest, PluginContext, PluginFactory, PluginRuntime};
use serde_json::Value;

/// Makes one plugin.
pub struct Factory {
    manifest: Manifest,
    check: fn(&Value) -> Result<(), String>,
    create: Box<Create>,
}

type Create = dyn Fn(PluginContext) -> ccproxy_core::Result<Arc<dyn PluginRuntime>> + Send + Sync;

impl Factory {
    /// Of a declaration that is known from the start.
    pub(crate) fn new(
        manifest: Manifest,
        create: impl Fn(PluginContext) -> ccproxy_core::Result<Arc<dyn PluginRuntime>> + Send + Sync + 'static,
    ) -> Self {
        Factory { manifest, check: |_| Ok(()), create: Box::new(create) }
    }

    /// With a check of its settings: see [`PluginFactory::check`].
    pub(crate) fn checking(self, check: fn(&Value) -> Result<(), String>) -> Self {
        Factory { check, ..self }
    }
}

impl PluginFactory for Factory {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn fingerprint(&self) -> u64 {
        // Compiled in: the code never changes while the process runs.
        1
    }

    fn check(&self, config: &Value) -> Result<(), String> {
        (self.check)(config)
    }

    fn create(&self, context: PluginContext) -> ccproxy_core::Result<Arc<dyn PluginRuntime>> {
        (self.create)(context)
    }
}

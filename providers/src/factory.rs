//! The factory of a native plugin: its declaration, and the function that makes its runtime.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::plugin::{Manifest, PluginContext, PluginFactory, PluginRuntime};

/// Makes one plugin.
pub struct Factory {
    manifest: Manifest,
    create: Box<Create>,
}

type Create = dyn Fn(PluginContext) -> Result<Arc<dyn PluginRuntime>> + Send + Sync;

impl Factory {
    /// Of a declaration that is known from the start.
    pub(crate) fn new(
        manifest: Manifest,
        create: impl Fn(PluginContext) -> Result<Arc<dyn PluginRuntime>> + Send + Sync + 'static,
    ) -> Self {
        Factory { manifest, create: Box::new(create) }
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

    fn create(&self, context: PluginContext) -> Result<Arc<dyn PluginRuntime>> {
        (self.create)(context)
    }
}

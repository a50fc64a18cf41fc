//! Bridges a script's declaration and its runtime.

use std::path::Path;
use std::sync::Arc;

use ccproxy_core::config::{FieldKind, Schema};
use ccproxy_core::error::Result;
use ccproxy_core::plugin::{Manifest, PluginContext, PluginFactory, PluginRuntime, Source};
use serde_json::Value;

use crate::engine::Engine;
use crate::host::{Capabilities, Host, Sources};
use crate::manifest::Declaration;
use crate::plugin::Plugin;
use crate::runtime::LuaRuntime;
use crate::script;
use crate::sources;

/// A declared script, ready to be made into a runtime.
pub(crate) struct LuaFactory {
    engine: Arc<Engine>,
    sources: Arc<Sources>,
    declaration: Arc<Declaration>,
    fingerprint: u64,
}

impl LuaFactory {
    /// Declares a script. `Err` holds every problem of its table.
    pub(crate) fn new(
        engine: &Arc<Engine>,
        name: &str,
        sources: Sources,
        source: Source,
    ) -> Result<Self, Vec<String>> {
        let sources = Arc::new(sources);
        let fingerprint = sources::fingerprint(&sources);
        let declaration = match engine.declared(name, fingerprint) {
            Some(declaration) => declaration,
            None => {
                let mut declaration = script::declare(engine, &Arc::from(name), &sources)?;
                declaration.manifest.source = source;
                let declaration = Arc::new(declaration);
                engine.keep(name, fingerprint, &declaration);
                declaration
            }
        };
        Ok(LuaFactory { engine: engine.clone(), sources, declaration, fingerprint })
    }
}

impl PluginFactory for LuaFactory {
    fn manifest(&self) -> &Manifest {
        &self.declaration.manifest
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn create(&self, context: PluginContext) -> Result<Arc<dyn PluginRuntime>> {
        let host = Host {
            plugin: context.name.clone(),
            capabilities: Capabilities::new(&self.declaration.manifest.capabilities),
            limits: self.declaration.limits.clone(),
            paths: operator_paths(&self.declaration.manifest.config, &context.config),
            context: Some(context),
        };
        let plugin =
            Plugin::new(&self.engine, Arc::new(host), self.sources.clone(), self.declaration.clone());
        Ok(Arc::new(LuaRuntime::new(plugin)))
    }
}

/// Absolute paths that the operator set, not the plugin's author: values of `path` settings that are not
/// their defaults.
fn operator_paths(schema: &Schema, config: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for field in &schema.fields {
        let Some(value) = config.get(&field.name) else { continue };
        if field.default.as_ref() == Some(value) {
            continue;
        }
        match (&field.kind, value) {
            (FieldKind::Path, Value::String(path)) => paths.push(path.clone()),
            (FieldKind::List(kind), Value::Array(items)) if **kind == FieldKind::Path => {
                paths.extend(items.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            (FieldKind::Table(inner), value) => paths.extend(operator_paths(inner, value)),
            _ => {}
        }
    }
    paths.retain(|path| Path::new(path).is_absolute());
    paths
}

//! Where the crates meet: which plugins there are, native and in Lua.

use std::path::PathBuf;
use std::sync::Arc;

use ccproxy_core::hooks::Bus;
use ccproxy_core::plugin::{PluginContext, PluginFactory, Services};
use ccproxy_core::provider::Credential;
use ccproxy_core::proxy::Discovered;
use ccproxy_core::store::Store;
use ccproxy_core::upstream::Upstream;

use crate::config::{Loaded, Lua};

/// A plugin that is embedded in the binary: its name, and its files by relative path with `/`.
pub(crate) type Bundled = (&'static str, &'static [(&'static str, &'static str)]);

/// The plugins of `scripts/`, as the build found them.
pub(crate) const BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Where plugins are looked for and what they may use: enough to look again after a change.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Folders, nearest first; bundled plugins come after them.
    pub(crate) folders: Vec<PathBuf>,
    /// Limits of scripts.
    pub(crate) lua: Lua,
}

impl Search {
    /// As the configuration says.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        Search { folders: loaded.plugin_folders.clone(), lua: loaded.settings.lua.clone() }
    }

    /// Reads every declaration; runs nothing else of any plugin.
    pub(crate) fn discover(&self) -> Discovered {
        Discovered { factories: ccproxy_providers::factories(), broken: Vec::new() }
    }
}

/// What a provider says about its credential. It is made for this question only, and never started.
pub(crate) fn credential(loaded: &Loaded, factory: &dyn PluginFactory) -> Option<Credential> {
    let settings = &loaded.settings.core;
    let manifest = factory.manifest();
    let context = PluginContext {
        name: manifest.name.as_str().into(),
        config: Arc::new(settings.plugins.of(&manifest.name, &manifest.config).ok()?),
        data_dir: settings.data_dir.join("plugins").join(&manifest.name),
        generation: 0,
        services: Arc::new(Services::default()),
        bus: Arc::new(Bus::default()),
        upstream: Arc::new(Upstream::new(settings.upstream.clone()).ok()?),
        store: Arc::new(Store::default()),
        previous: None,
    };
    Some(factory.create(context).ok()?.provider()?.credential())
}

//! Where the crates meet: which plugins there are, native and in Lua.

use std::path::PathBuf;
use std::sync::Arc;

use ccproxy_core::plugin::PluginFactory;
use ccproxy_core::proxy::Discovered;

use crate::config::{Loaded, Lua};

/// Where plugins are looked for and what they may use: enough to look again after a change.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Folders, nearest first; bundled plugins come after them.
    pub(crate) folders: Vec<PathBuf>,
    /// Limits of scripts.
    pub(crate) lua: Lua,
}

/// A plugin that is embedded in the binary: file names with `/`, and their text.
#[derive(Clone, Debug)]
pub(crate) struct Bundled {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its files.
    pub(crate) files: Vec<(&'static str, &'static str)>,
}

impl Search {
    /// As the configuration says.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        Search { folders: loaded.plugin_folders.clone(), lua: loaded.settings.lua.clone() }
    }

    /// Reads every declaration; runs nothing else of any plugin.
    pub(crate) fn discover(&self) -> Discovered {
        let factories = native();
        Discovered { factories, broken: Vec::new() }
    }
}

/// The native plugins.
fn native() -> Vec<Arc<dyn PluginFactory>> {
    Vec::new()
}

/// The plugins that are embedded in the binary.
pub(crate) fn bundled() -> Vec<Bundled> {
    Vec::new()
}

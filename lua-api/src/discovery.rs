//! Finds plugins: folders with a `plugin.lua`, on disk and in the binary. The nearer folder wins by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccproxy_core::plugin::{PluginFactory, Source};

use crate::engine::Engine;
use crate::factory::LuaFactory;
use crate::host::Sources;
use crate::script::{self, MAIN};
use crate::sources::{self, MAX_ENTRIES};

/// A plugin that is part of the binary: its name, and its files by relative path.
pub type Bundled = (&'static str, &'static [(&'static str, &'static str)]);

/// Why a plugin that is there cannot be used.
#[derive(Clone, Debug)]
pub struct DiscoveryError {
    /// The name of its folder.
    pub name: String,
    /// The folder; `None` when it is part of the binary.
    pub path: Option<PathBuf>,
    /// What is wrong: one line a problem.
    pub error: String,
}

impl std::fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "plugin `{}`: {}", self.name, self.error)
    }
}

impl std::error::Error for DiscoveryError {}

/// Reads and declares every plugin of `folders`, nearest first, and of `bundled`, in the order of their names.
///
/// A broken plugin hides those of its name further away: falling back would run other code than the
/// one that was put there. Takes a few milliseconds a plugin and blocks; folders that are not there are empty.
pub fn discover(
    engine: &Arc<Engine>,
    folders: &[PathBuf],
    bundled: &[Bundled],
) -> Vec<Result<Arc<dyn PluginFactory>, DiscoveryError>> {
    let mut found: BTreeMap<String, Result<Arc<dyn PluginFactory>, DiscoveryError>> = BTreeMap::new();
    for folder in folders {
        for (name, path) in plugin_folders(folder) {
            found.entry(name.clone()).or_insert_with(|| from_folder(engine, &name, &path));
        }
    }
    for (name, files) in bundled {
        found.entry((*name).to_owned()).or_insert_with(|| from_binary(engine, name, files));
    }
    found.into_values().collect()
}

/// Reads and declares the plugin in this folder, whose name is the folder's.
pub fn declare(engine: &Arc<Engine>, folder: &Path) -> Result<Arc<dyn PluginFactory>, DiscoveryError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    from_folder(engine, &name, folder)
}

/// The name that the plugin in a folder gives itself, for one whose folder is not called so yet. Runs nothing but the
/// declaration, in a VM that is thrown away. `Err` says what is wrong.
pub fn name_of(engine: &Arc<Engine>, folder: &Path) -> Result<String, String> {
    let sources = Arc::new(sources::read(folder)?);
    let name = script::name(engine, &sources)?;
    check_name(&name).map_err(|_| {
        format!(
            "its name must be of lower case letters, digits and single `_`, not `{}`",
            name.escape_debug()
        )
    })?;
    Ok(name)
}

/// The folders in a folder that want to be plugins, by name.
pub fn plugin_folders(folder: &Path) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let folders = entries.take(MAX_ENTRIES).flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let path = entry.path();
        let wanted = !name.starts_with('.') && path.join(MAIN).is_file();
        wanted.then_some((name, path))
    });
    folders.collect()
}

fn from_folder(
    engine: &Arc<Engine>,
    name: &str,
    path: &Path,
) -> Result<Arc<dyn PluginFactory>, DiscoveryError> {
    let refused =
        |error: String| DiscoveryError { name: name.to_owned(), path: Some(path.to_owned()), error };
    check_name(name).map_err(refused)?;
    let sources = sources::read(path).map_err(refused)?;
    let factory = LuaFactory::new(engine, name, sources, Source::Folder(path.to_owned()));
    Ok(Arc::new(factory.map_err(|problems| refused(problems.join("\n")))?))
}

fn from_binary(
    engine: &Arc<Engine>,
    name: &str,
    files: &[(&str, &str)],
) -> Result<Arc<dyn PluginFactory>, DiscoveryError> {
    let refused = |error: String| DiscoveryError { name: name.to_owned(), path: None, error };
    check_name(name).map_err(refused)?;
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let sources = Sources { folder: None, files };
    let factory = LuaFactory::new(engine, name, sources, Source::Bundled);
    Ok(Arc::new(factory.map_err(|problems| refused(problems.join("\n")))?))
}

/// Lower case letters, digits and underscores, beginning with a letter: it is a key in TOML, a part of
/// environment names and of paths.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fine = name.bytes().all(plain)
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && name.len() <= 64
        && !name.contains("__");
    if fine {
        Ok(())
    } else {
        Err("its folder's name must be of lower case letters, digits and single `_`".to_owned())
    }
}

/// What a look into folders finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The plugins that are there.
    pub(crate) names: BTreeSet<String>,
    /// Changes when one of them appears, goes, moves, or changes a byte of its Lua files.
    pub(crate) sum: Vec<u8>,
}

/// Reads the plugins in these folders.
pub(crate) fn look(folders: &[PathBuf]) -> Look {
    let mut names = BTreeSet::new();
    let mut sum = ring::digest::Context::new(&ring::digest::SHA256);
    for folder in folders {
        for (name, path) in plugin_folders(folder) {
            if !names.insert(name.clone()) {
                continue;
            }
            sum.update(name.as_bytes());
            match sources::read(&path) {
                Ok(sources) => sum.update(&sources::fingerprint(&sources).to_le_bytes()),
                Err(reason) => sum.update(reason.as_bytes()),
            }
        }
    }
    Look { names, sum: sum.finish().as_ref().to_vec() }
}

//! A plugin that could be put in a folder: its files, and what its declaration says. Checked as `plugins check` does it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ccproxy_core::config::nearest;
use ccproxy_core::plugin::{Manifest, PluginFactory};
use ccproxy_lua::{BreakerSettings, Engine};

use super::fetch::Fetched;
use super::source::Source;
use super::tree::Tree;
use super::{install, rights};
use crate::cli::Failure;
use crate::config::Loaded;

/// One plugin of a source.
pub(crate) struct Offer {
    /// The source, with the folder it stands in.
    pub(crate) source: Source,
    /// The state of the source.
    pub(crate) revision: Option<String>,
    /// Its files.
    pub(crate) tree: Tree,
    /// What it may do.
    pub(crate) rights: BTreeSet<String>,
    factory: Arc<dyn PluginFactory>,
}

impl Offer {
    /// What it declares.
    pub(crate) fn manifest(&self) -> &Manifest {
        self.factory.manifest()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.manifest().name
    }

    /// The plugins of a source: the one that is there, or those that `only` names.
    pub(crate) fn all(
        source: &Source,
        fetched: &Fetched,
        only: &[String],
        loaded: &Loaded,
    ) -> Result<Vec<Offer>, Failure> {
        let picked = pick(source, &fetched.tree, only)?;
        let engine = Engine::new(loaded.settings.lua.limits.clone(), BreakerSettings::default());
        let offer = |picked: Picked| {
            let label = picked.subfolder.clone().unwrap_or_else(|| source.text());
            let refused = |why: String| Failure::new(format!("the plugin in `{label}` is refused: {why}"));
            let tree = fetched.tree.below(&picked.folder).map_err(refused)?;
            let factory = declare(&engine, &tree, picked.name.as_deref()).map_err(refused)?;
            let source = Source { subfolder: picked.subfolder, ..source.clone() };
            let rights = rights::of(factory.manifest());
            Ok(Offer { source, revision: fetched.revision.clone(), tree, rights, factory })
        };
        let offers: Vec<Offer> = picked.into_iter().map(offer).collect::<Result<_, Failure>>()?;
        // A plugin that is the whole source has no folder that could be told apart before.
        match only.iter().find(|name| offers.iter().all(|offer| offer.name() != *name)) {
            Some(name) => Err(Failure::new(format!("`{}` holds no plugin `{name}`", source.text()))),
            None => Ok(offers),
        }
    }
}

/// A plugin's folder in a tree.
struct Picked {
    /// In the tree.
    folder: String,
    /// As the source names it, without the folder that an archive puts around everything.
    subfolder: Option<String>,
    /// The name that its declaration must have; a whole source may be called as it likes.
    name: Option<String>,
}

fn pick(source: &Source, tree: &Tree, only: &[String]) -> Result<Vec<Picked>, Failure> {
    let around = match source.place {
        super::source::Place::Folder(_) | super::source::Place::Git(_) => None,
        _ => tree.only_folder().map(str::to_owned),
    };
    let inner = |folder: &str| match &around {
        Some(around) if folder == around => String::new(),
        Some(around) => folder.strip_prefix(&format!("{around}/")).unwrap_or(folder).to_owned(),
        None => folder.to_owned(),
    };
    let asked = source.subfolder.as_deref().unwrap_or_default();
    let below = |folder: &str| {
        asked.is_empty()
            || folder == asked
            || folder.strip_prefix(asked).is_some_and(|rest| rest.starts_with('/'))
    };
    let mut picked: Vec<Picked> = Vec::new();
    for folder in tree.plugins() {
        let inside = inner(&folder);
        if below(&inside) || below(&folder) {
            let name = (!inside.is_empty()).then(|| last(&inside).to_owned());
            picked.push(Picked { folder, subfolder: Some(inside).filter(|inside| !inside.is_empty()), name });
        }
    }
    if picked.is_empty() {
        let failure = Failure::new(format!("`{}` holds no plugin", source.text()));
        return Err(failure.with_hint("a plugin is a folder with a `plugin.lua`"));
    }
    let names: Vec<String> = picked.iter().filter_map(|picked| picked.name.clone()).collect();
    if !names.is_empty() && !only.is_empty() {
        if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
            let failure = Failure::new(format!("`{}` holds no plugin `{unknown}`", source.text()));
            let meant = nearest(unknown, names.iter().map(String::as_str));
            return Err(failure.with_hint(match meant {
                Some(meant) => format!("did you mean `{meant}`"),
                None => format!("it holds {}", names.join(", ")),
            }));
        }
        picked.retain(|picked| picked.name.as_ref().is_some_and(|name| only.contains(name)));
    }
    if let Some(name) = names.iter().find(|name| names.iter().filter(|other| other == name).count() > 1) {
        let failure = Failure::new(format!("`{}` holds two plugins `{name}`", source.text()));
        return Err(failure.with_hint("`#folder` behind the source says which one"));
    }
    if picked.len() > 1 && only.is_empty() {
        let failure =
            Failure::new(format!("`{}` holds {} plugins: {}", source.text(), names.len(), names.join(", ")));
        return Err(failure.with_hint("`--only NAME` says which ones"));
    }
    Ok(picked)
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Reads its declaration, in the VM for declarations, from a folder that nobody else looks into.
fn declare(engine: &Arc<Engine>, tree: &Tree, name: Option<&str>) -> Result<Arc<dyn PluginFactory>, String> {
    let temporary = tempfile::tempdir().map_err(|error| format!("there is no temporary folder: {error}"))?;
    let written = |folder: &Path| {
        install::write(tree, folder).map_err(|error| format!("it cannot be written to look at it: {error}"))
    };
    let name = match name {
        Some(name) => name.to_owned(),
        None => {
            let unnamed = temporary.path().join(".unnamed");
            written(&unnamed)?;
            ccproxy_lua::name_of(engine, &unnamed)?
        }
    };
    let place = temporary.path().join("plugins");
    written(&place.join(&name))?;
    let factory = ccproxy_lua::declare(engine, &place.join(&name)).map_err(|error| error.error)?;
    match factory.manifest().config.faults() {
        faults if faults.is_empty() => Ok(factory),
        faults => Err(format!("its settings: {}", faults.join("; "))),
    }
}

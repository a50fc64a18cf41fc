//! What becomes of a plugin once its folder is there, or gone.

use std::path::Path;

use super::offer::Offer;
use crate::config::Loaded;

/// Whether plugins of this folder count.
pub(crate) fn counts(folder: &Path, loaded: &Loaded) -> bool {
    let same = |known: &std::path::PathBuf| matches!((known.canonicalize(), folder.canonicalize()), (Ok(a), Ok(b)) if a == b);
    loaded.plugin_folders.iter().any(same)
}

/// When a running proxy knows of a change there.
pub(crate) fn when(folder: &Path, loaded: &Loaded) -> String {
    if !counts(folder, loaded) {
        return format!(
            "plugins of `{}` do not count now: `--scripts`, `plugin_discovery.directories` or `ccproxy trust`",
            folder.display()
        );
    }
    match loaded.settings.lua.watch {
        true => "a running proxy sees it within a second; nothing needs to be restarted".to_owned(),
        false => "a running proxy does not watch its plugins: it sees it when it starts again".to_owned(),
    }
}

/// What still keeps a plugin from running.
pub(crate) fn missing(offer: &Offer, loaded: &Loaded) -> Vec<String> {
    let plugins = &loaded.settings.core.plugins;
    let manifest = offer.manifest();
    let mut missing: Vec<String> = plugins.runs(&manifest.name, manifest.dormant).err().into_iter().collect();
    let problems = plugins.configure(&manifest.name, &manifest.config).1;
    missing.extend(problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string));
    missing
}

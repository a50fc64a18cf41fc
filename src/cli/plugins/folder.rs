//! The folder of plugins that a command is about.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::context::shown;
use crate::config::Loaded;

/// The nearest that is looked in; the user's, where none is.
pub(super) fn nearest(loaded: &Loaded) -> PathBuf {
    loaded.plugin_folders.first().cloned().unwrap_or_else(|| loaded.folders.plugins())
}

/// A folder of plugins that somebody named.
pub(crate) fn of_plugins(folder: &Path) -> Result<PathBuf, Failure> {
    let named = folder.display();
    if folder.join("plugin.lua").is_file() {
        let around = folder.canonicalize().ok().and_then(|whole| whole.parent().map(Path::to_owned));
        let hint = around.map_or_else(String::new, |around| shown(&around));
        return Err(Failure::new(format!("`{named}` is a plugin itself"))
            .with_hint(format!("name the folder around it: `{hint}`")));
    }
    folder.canonicalize().ok().filter(|folder| folder.is_dir()).ok_or_else(|| {
        Failure::new(format!("there is no folder `{named}`"))
            .with_hint("`ccproxy plugins new NAME --path FOLDER` makes a plugin in a folder")
    })
}

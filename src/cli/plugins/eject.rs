//! `ccproxy plugins eject`: copies a bundled plugin to a folder, where it wins over the bundled one.

use std::path::{Path, PathBuf};

use ccproxy_core::config::nearest;
use clap::Args;

use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::wiring::{BUNDLED, BUNDLED_TESTS};

/// Copy a bundled plugin to a folder, for editing
#[derive(Debug, Args)]
pub(crate) struct Eject {
    /// The plugin
    name: String,
    /// Where to; by default the user's plugin folder
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Overwrite files that are there
    #[arg(long)]
    force: bool,
}

impl Eject {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let Some(plugin) = BUNDLED.iter().find(|(name, _)| *name == self.name) else {
            let failure = Failure::new(format!("there is no bundled plugin `{}`", self.name));
            let meant = nearest(&self.name, BUNDLED.iter().map(|(name, _)| *name));
            return Err(match meant {
                Some(meant) => failure.with_hint(format!("did you mean `{meant}`")),
                None => failure.with_hint("`ccproxy plugins list` shows which plugins are bundled"),
            });
        };
        let loaded = global.load_sound(output)?;
        let parent = self.to.clone().unwrap_or_else(|| loaded.folders.plugins());
        let folder = parent.join(plugin.0);
        let tests =
            BUNDLED_TESTS.iter().find(|(name, _)| *name == self.name).map_or(&[][..], |(_, files)| files);
        copy(&[plugin.1, tests].concat(), &folder, self.force)?;
        output.line(format!("copied to {}", folder.display()));
        if !loaded.plugin_folders.iter().any(|known| same(known, &parent)) {
            output.line(format!("note: plugins of `{}` do not count now: `--scripts`, `plugin_discovery.directories` or `ccproxy trust`", parent.display()));
        }
        Ok(())
    }
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Writes every file, or none when one is there already and may not be overwritten.
fn copy(files: &[(&str, &str)], folder: &Path, force: bool) -> Outcome {
    let files: Vec<(PathBuf, &str)> = files.iter().map(|(name, text)| (folder.join(name), *text)).collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists() && !force) {
        return Err(Failure::new(format!("`{}` exists", path.display())).with_hint("`--force` overwrites it"));
    }
    for (path, text) in &files {
        let parent = path.parent().unwrap_or(folder);
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(path, text));
        written.map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_plugin_has_its_main_file() {
        assert!(!BUNDLED.is_empty());
        for (name, files) in BUNDLED {
            assert!(files.iter().any(|(file, _)| *file == "plugin.lua"), "{name}");
            assert!(!files.iter().any(|(file, _)| ccproxy_lua::is_of_tests(file)), "{name}");
        }
        for (name, files) in BUNDLED_TESTS {
            assert!(files.iter().any(|(file, _)| file.ends_with("_test.lua")), "{name} has no test");
        }
    }

    #[test]
    fn nothing_is_overwritten_unless_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        let one = [("plugin.lua", "one"), ("lib/a.lua", "b")];
        let two = [("plugin.lua", "two"), ("lib/a.lua", "b")];
        copy(&one, &target, false).unwrap();
        assert!(copy(&two, &target, false).is_err());
        assert_eq!(std::fs::read_to_string(target.join("plugin.lua")).unwrap(), "one");
        copy(&two, &target, true).unwrap();
        assert_eq!(std::fs::read_to_string(target.join("plugin.lua")).unwrap(), "two");
        assert!(target.join("lib/a.lua").is_file());
    }
}

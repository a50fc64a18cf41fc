//! `ccproxy plugins types`: what an editor and a linter need to know about the host API, put beside scripts.

use std::path::{Path, PathBuf};

use ccproxy_core::plugin::Source;
use ccproxy_lua::reference::{EXTRAS, LUAU, SELENE, STUBS, settings_stub};
use clap::Args;
use serde_json::json;

use super::declared::{Declared, declared};
use super::folder::{nearest, of_plugins};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};

/// Put stubs for editors and linters beside scripts
///
/// Writes `.ccproxy/` in a folder of plugins: LuaCATS stubs of the host API for LuaLS and EmmyLua, one more stub for
/// the settings of each plugin, a definition file for luau-lsp and a standard library for selene. Beside it go
/// `.luarc.json`, `.emmyrc.json` and `selene.toml`, which point at them, where there are none yet. Run it again after
/// an update, or when a plugin has new settings.
#[derive(Debug, Args)]
pub(crate) struct Types {
    /// The folder with plugins; by default the nearest that is looked in
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The folder for everything that is made. Discovery passes over names that begin with a dot.
const PLACE: &str = ".ccproxy";

const NOTE: &str = "-- Written by `ccproxy plugins types`; it is written anew each time.\n";

/// The files that point at it. The user's own stay as they are.
const POINTERS: &[(&str, &str)] = &[
    (
        ".luarc.json",
        "{\n  \"runtime.version\": \"Lua 5.4\",\n  \"workspace.library\": [\".ccproxy/types\"],\n  \"workspace.ignoreDir\": [\".ccproxy\"]\n}\n",
    ),
    (
        ".emmyrc.json",
        "{\n  \"runtime\": { \"version\": \"LuaLatest\" },\n  \"workspace\": { \"library\": [\".ccproxy/types\"], \"ignoreDir\": [\".ccproxy\"] }\n}\n",
    ),
    ("selene.toml", "std = \".ccproxy/ccproxy\"\n"),
];

impl Types {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let mut loaded = global.load_sound(output)?;
        let folder = match &self.folder {
            None => nearest(&loaded),
            Some(folder) => {
                // Its plugins count here, whether or not they would in a start.
                loaded.plugin_folders.insert(0, of_plugins(folder)?);
                folder.clone()
            }
        };
        let (plugins, _) = declared(&loaded);
        let mut written = Vec::new();
        let place = folder.join(PLACE);
        // A plugin that is gone has no settings any more.
        let _ = std::fs::remove_dir_all(place.join("types"));
        for (name, text) in STUBS.iter().chain(EXTRAS) {
            write(&place.join("types").join(format!("{name}.lua")), &format!("{NOTE}{text}"), &mut written)?;
        }
        for (name, text) in plugins.iter().filter_map(settings) {
            let path = place.join("types").join("plugins").join(format!("{name}.lua"));
            write(&path, &format!("{NOTE}{text}"), &mut written)?;
        }
        write(&place.join("ccproxy.d.luau"), LUAU, &mut written)?;
        write(&place.join("ccproxy.yml"), SELENE, &mut written)?;
        let mut kept = Vec::new();
        for (name, text) in POINTERS {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(own) if own != *text => kept.push(((*name).to_owned(), own.contains(PLACE))),
                _ => write(&path, text, &mut written)?,
            }
        }
        if self.json {
            let kept: Vec<_> =
                kept.iter().map(|(name, points)| json!({ "file": name, "points_here": points })).collect();
            output.json(&json!({ "folder": folder, "written": written, "kept": kept }));
            return Ok(());
        }
        output.line(format!("{} files in {}", written.len(), crate::cli::context::shown(&place)));
        for (name, points) in kept {
            if !points {
                output
                    .line(format!("note: `{name}` is yours and stays; add `{PLACE}/types` to its libraries"));
            }
        }
        output.line("handlers complete their settings with `---@param plugin <name>.Self` above them");
        Ok(())
    }
}

/// The stub with the settings of a script.
fn settings(plugin: &Declared) -> Option<(&str, String)> {
    let manifest = plugin.factory.as_ref()?.manifest();
    let script = !matches!(manifest.source, Source::Native);
    script.then(|| (plugin.name.as_str(), settings_stub(&plugin.name, &manifest.config)))
}

fn write(path: &Path, text: &str, written: &mut Vec<PathBuf>) -> Outcome {
    let parent = path.parent().unwrap_or(path);
    let done = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(path, text));
    done.map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    written.push(path.to_owned());
    Ok(())
}

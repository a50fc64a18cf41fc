//! `ccproxy plugins check`: scripts, declarations, order and settings of plugins, without running them.

mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccproxy_core::config::nearest;
use ccproxy_core::plugin::{PluginFactory, Source};
use ccproxy_lua::lint::{self, Finding};
use ccproxy_lua::{BreakerSettings, Engine, plugin_folders};
use clap::Args;
use serde_json::{Value, json};

use super::declared::{Declared, chosen, declared};
use crate::cli::config::problems_of;
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;

/// Check scripts, declarations and settings of plugins
///
/// Nothing is run but the chunk that declares a plugin. Told are mistakes of syntax, of the manifest and of the settings,
/// host functions that do not exist, capabilities that are missing or not used, handlers that take more than they get,
/// and, where `emmylua_check` is installed, what it says about types.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy plugins check                    every plugin, as a start would find it; in a plugin's folder that one
  ccproxy plugins check rate_limit         one of them
  ccproxy plugins check my-scripts/limits  a folder, wherever it is; also a folder of such folders, or a file in one

Exit codes: 0 nothing is wrong (warnings are no mistakes), 1 something is, 2 wrong usage, 78 wrong configuration")]
pub(crate) struct Check {
    /// The plugin, or the path of its folder; by default every one
    #[arg(value_name = "NAME|PATH")]
    what: Option<String>,
    /// Do not ask `emmylua_check`
    #[arg(long)]
    no_types: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A plugin and what is wrong with it.
struct Checked {
    name: String,
    state: &'static str,
    /// Where its files are.
    folder: Option<PathBuf>,
    /// About the plugin as a whole: its place among others, its settings.
    faults: Vec<String>,
    findings: Vec<Finding>,
}

impl Checked {
    fn is_wrong(&self) -> bool {
        !self.faults.is_empty() || self.findings.iter().any(|finding| finding.error)
    }
}

impl Check {
    /// Fails when a plugin would not run for another reason than being switched off, or not do what it says.
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let engine = Engine::new(loaded.settings.lua.limits.clone(), BreakerSettings::default());
        // Inside a plugin's folder it is that plugin that is meant.
        let here = self.what.is_none() && Path::new("plugin.lua").is_file();
        let what = if here { Some(".") } else { self.what.as_deref() };
        let path = what.map(Path::new).filter(|path| path.exists());
        let mut checked = match path {
            Some(path) => self.by_path(&engine, path, &loaded)?,
            None => by_name(&engine, self.what.as_deref(), &loaded, output)?,
        };
        let types = match self.no_types {
            true => Some("left out".to_owned()),
            false => {
                let folders = checked
                    .iter_mut()
                    .filter_map(|plugin| plugin.folder.clone().map(|folder| (folder, plugin)));
                types::check(
                    folders.map(|(folder, plugin)| (folder, plugin.name.clone(), &mut plugin.findings)),
                    &engine,
                )
            }
        };
        let failed = checked.iter().filter(|plugin| plugin.is_wrong()).count();
        if self.json {
            let plugins: Vec<Value> = checked.iter().map(Checked::json).collect();
            output.json(&json!({ "ok": failed == 0, "plugins": plugins, "types": types.is_none() }));
        } else {
            checked.iter().for_each(|plugin| plugin.print(output));
            if let Some(why) = types.filter(|_| checked.iter().any(|plugin| plugin.folder.is_some())) {
                output.note(format!("note: types are not checked: {why}"));
            }
            if path.is_none() {
                output.left_out(&loaded.left_out);
            }
        }
        match failed {
            0 => Ok(()),
            _ if self.json => Err(Failure::Silent),
            count => {
                Err(Failure::new(format!("{count} of {} plugins would not run as they are", checked.len())))
            }
        }
    }

    /// A plugin's folder, a file in one, or a folder of plugins.
    fn by_path(&self, engine: &Arc<Engine>, path: &Path, loaded: &Loaded) -> Result<Vec<Checked>, Failure> {
        let shown = path.display();
        let path = path.canonicalize().map_err(|error| Failure::new(format!("`{shown}`: {error}")))?;
        let enclosing = path.ancestors().take(8).find(|folder| folder.join("plugin.lua").is_file());
        let folders: Vec<PathBuf> = match enclosing {
            Some(folder) => vec![folder.to_owned()],
            None => plugin_folders(&path).into_values().collect(),
        };
        if folders.is_empty() {
            return Err(Failure::new(format!("there is no plugin in `{shown}`"))
                .with_hint("a plugin is a folder with a `plugin.lua`; `ccproxy plugins new` makes one"));
        }
        let mut loaded = loaded.clone();
        // Those beside it count, as they do where it is used.
        loaded.plugin_folders.extend(folders[0].parent().map(Path::to_owned));
        let (others, _) = declared(&loaded);
        Ok(folders.into_iter().map(|folder| alone(engine, &folder, &loaded, &others)).collect())
    }
}

/// A folder, wherever it is.
fn alone(engine: &Arc<Engine>, folder: &Path, loaded: &Loaded, others: &[Declared]) -> Checked {
    let lint::Checked { findings, factory } = lint::check(engine, folder);
    let mut faults = factory.as_ref().map(|factory| settings(loaded, &**factory)).unwrap_or_default();
    faults.extend(factory.as_ref().map(|factory| place(&**factory, others)).unwrap_or_default());
    Checked {
        name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        state: if factory.is_some() { "sound" } else { "broken" },
        faults,
        folder: Some(folder.to_owned()),
        findings,
    }
}

/// What keeps a plugin from its place among the others.
fn place(factory: &dyn PluginFactory, others: &[Declared]) -> Vec<String> {
    let manifest = factory.manifest();
    let other = |name: &str| others.iter().find(|other| other.name == name);
    let mut faults = Vec::new();
    if other(&manifest.name).is_some_and(Declared::is_native) {
        faults.push(
            "there is a built-in plugin of this name, so this one is never used: give it another".to_owned(),
        );
    }
    for needed in manifest.dependencies.iter().filter(|needed| other(needed).is_none()) {
        let near = nearest(needed, others.iter().map(|other| other.name.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        faults.push(format!("it depends on `{needed}`, and there is no such plugin{hint}"));
    }
    faults
}

/// The plugins as a start would find them.
fn by_name(
    engine: &Arc<Engine>,
    name: Option<&str>,
    loaded: &Loaded,
    output: &mut Output,
) -> Result<Vec<Checked>, Failure> {
    let (plugins, _) = declared(loaded);
    let wanted = chosen(&plugins, name, loaded, output)?;
    Ok(wanted.into_iter().map(|plugin| found(engine, plugin, loaded)).collect())
}

fn found(engine: &Arc<Engine>, plugin: &Declared, loaded: &Loaded) -> Checked {
    let folder = match plugin.factory.as_ref().map(|factory| &factory.manifest().source) {
        Some(Source::Folder(folder)) => Some(folder.clone()),
        Some(_) => None,
        None => loaded.plugin_folders.iter().find_map(|folder| plugin_folders(folder).remove(&plugin.name)),
    };
    let findings = folder.as_ref().map(|folder| lint::check(engine, folder).findings).unwrap_or_default();
    let mut faults = Vec::new();
    let told = findings.iter().any(|finding| finding.error);
    // What is wrong with its files is told with its place.
    if plugin.state == "skipped" || (plugin.state == "broken" && !told) {
        faults.extend(plugin.reason.clone());
    }
    faults.extend(plugin.factory.iter().flat_map(|factory| settings(loaded, &**factory)));
    Checked { name: plugin.name.clone(), state: plugin.state, folder, faults, findings }
}

/// What is wrong with a plugin's schema and its settings. One that is switched off is checked too, but needs no others.
fn settings(loaded: &Loaded, factory: &dyn PluginFactory) -> Vec<String> {
    let schema = &factory.manifest().config;
    let mut faults: Vec<String> =
        schema.faults().into_iter().map(|fault| format!("its schema: {fault}")).collect();
    faults.extend(problems_of(loaded, factory).iter().map(ToString::to_string));
    faults
}

impl Checked {
    fn word(&self) -> &'static str {
        if self.is_wrong() { "wrong" } else { self.state }
    }

    fn path(&self, file: &str) -> PathBuf {
        let path = self.folder.as_deref().unwrap_or(Path::new("")).join(file);
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(&here).map_or_else(|_| path.clone(), Path::to_owned)
    }

    fn print(&self, output: &mut Output) {
        output.line(format!("{}: {}", self.name, self.word()));
        self.faults.iter().for_each(|fault| output.line(format!("  {}", fault.replace('\n', "\n  "))));
        for finding in &self.findings {
            let severity = if finding.error { "error" } else { "warning" };
            let path = self.path(&finding.file);
            match &finding.place {
                None => output.line(format!("  {severity}: {}: {}", path.display(), finding.message)),
                Some(place) => {
                    let (line, column) = (place.line, place.column);
                    output.line(format!(
                        "  {severity}: {}:{line}:{column}: {}",
                        path.display(),
                        finding.message
                    ));
                    output.line(format!("    {line} | {}", place.text));
                    output.line(format!("    {} | {}", " ".repeat(line.to_string().len()), caret(place)));
                }
            }
        }
    }

    fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "severity": if finding.error { "error" } else { "warning" },
                "file": self.path(&finding.file),
                "line": finding.place.as_ref().map(|place| place.line),
                "column": finding.place.as_ref().map(|place| place.column),
                "message": finding.message,
            })
        };
        json!({
            "name": self.name,
            "state": self.word(),
            "faults": self.faults,
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }
}

/// Marks what is meant below its line; tabs stay, so that it stands right below.
fn caret(place: &lint::Place) -> String {
    let before = place.text.chars().take(place.column.saturating_sub(1));
    let pad: String = before.map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
    let rest = place.text.chars().count().saturating_sub(place.column - 1);
    let length = if place.length == 0 { rest } else { place.length.min(rest) };
    format!("{pad}{}", "^".repeat(length.max(1)))
}

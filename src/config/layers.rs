//! The layers of a configuration, laid over each other: the later in [`load`], the stronger.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccproxy_core::config::{Environment, Node, Origin, Problem, Schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::environment::layer;
use super::files::{self, FileState, Folders, SourceFile};
use super::trust::{Trust, Verdict};
use super::{Settings, renamed, schema};

/// What there is to read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// The environment.
    pub(crate) environment: Arc<Environment>,
    /// The working folder, absolute.
    pub(crate) cwd: PathBuf,
    /// The one file to read instead of searching (`--config`); `CONFIG_FILE` names it too.
    pub(crate) config: Option<PathBuf>,
    /// Trusts the working folder for this run.
    pub(crate) trust: bool,
    /// A plugin folder that is nearer than all others (`--scripts`).
    pub(crate) scripts: Option<PathBuf>,
    /// Settings of the command line.
    pub(crate) flags: Node,
}

/// A configuration, and how it came about.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The typed settings.
    pub(crate) settings: Settings,
    /// The validated value behind them.
    pub(crate) value: Value,
    /// What was written, with the origin of each value.
    pub(crate) tree: Node,
    /// Everything that is wrong; errors first.
    pub(crate) problems: Vec<Problem>,
    /// The files, weakest first.
    pub(crate) files: Vec<SourceFile>,
    /// What was left out because its folder is not trusted.
    pub(crate) left_out: Vec<LeftOut>,
    /// Plugin folders that count, nearest first. They need not exist.
    pub(crate) plugin_folders: Vec<PathBuf>,
    /// The user's folders.
    pub(crate) folders: Folders,
}

/// Something that was left out because its folder is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// Why.
    pub(crate) reason: String,
    /// How to include it.
    pub(crate) remedy: String,
}

impl Loaded {
    /// Whether the configuration cannot be used.
    pub(crate) fn is_broken(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Reads everything. Never fails: what is wrong is in `problems`, with defaults in its place.
pub(crate) fn load(inputs: &Inputs) -> Loaded {
    Layers::new(inputs).load()
}

struct Layers<'a> {
    inputs: &'a Inputs,
    schema: Schema,
    folders: Folders,
    tree: Node,
    problems: Vec<Problem>,
    files: Vec<SourceFile>,
    left_out: Vec<LeftOut>,
}

impl<'a> Layers<'a> {
    fn new(inputs: &'a Inputs) -> Self {
        Layers {
            inputs,
            schema: schema(),
            folders: Folders::of(&inputs.environment),
            tree: Node::empty(),
            problems: Vec::new(),
            files: Vec::new(),
            left_out: Vec::new(),
        }
    }

    fn load(mut self) -> Loaded {
        self.defaults();
        let trust = match self.explicit_file() {
            Some(path) => {
                self.file(&path, "explicit");
                self.trust()
            }
            None => {
                self.file(&self.folders.user_file(), "user");
                // The project file cannot choose the list of folders that decides about itself.
                let trust = self.trust();
                self.project(&trust);
                trust
            }
        };
        self.variables();
        self.lay(self.inputs.flags.clone());
        self.finish(&trust)
    }

    /// Defaults that depend on the user's folders.
    fn defaults(&mut self) {
        let environment = &self.inputs.environment;
        let mut from = |variable: &str, key: &[&str], value: Value| {
            if environment.get(variable).is_some() {
                let path: Vec<String> = key.iter().map(|&key| key.to_owned()).collect();
                self.tree.set(&path, Node::of(&value, &Origin::Environment(variable.into())));
            }
        };
        from("XDG_DATA_HOME", &["data_dir"], json!(self.folders.data));
        from("XDG_CONFIG_HOME", &["plugin_discovery", "directories"], json!([self.folders.plugins()]));
    }

    fn explicit_file(&self) -> Option<PathBuf> {
        let variable = || {
            self.inputs.environment.get("CONFIG_FILE").map(|text| self.inputs.environment.path(text, None))
        };
        let path = self.inputs.config.clone().or_else(variable)?;
        Some(self.inputs.cwd.join(path))
    }

    /// Lays a file over what is there. One that was asked for must exist.
    fn file(&mut self, path: &Path, role: &'static str) {
        let read = files::read(path);
        let state = if read.is_some() { FileState::Read } else { FileState::Missing };
        self.files.push(SourceFile { path: path.to_owned(), role, state });
        match read {
            Some((node, problems)) => {
                self.problems.extend(problems);
                self.lay(node);
            }
            None if role == "explicit" => {
                let message = format!("the configuration file `{}` does not exist", path.display());
                let hint = "correct `--config` or `CONFIG_FILE`, or write one with `ccproxy config init`";
                self.problems.push(Problem::error(&Origin::Default, "", message).with_hint(hint));
            }
            None => {}
        }
    }

    /// What the user trusts. It is kept in the data folder that the layers so far, environment and
    /// command line name.
    fn trust(&mut self) -> Trust {
        let mut tree = self.tree.clone();
        tree.merge(layer(&self.inputs.environment, &self.schema, &tree));
        tree.merge(self.inputs.flags.clone());
        let (value, _) = self.schema.validate(&tree, &self.inputs.environment);
        let folder = value["data_dir"].as_str().map_or_else(|| self.folders.data.clone(), PathBuf::from);
        let (trust, problem) = Trust::read(&self.inputs.cwd.join(folder));
        self.problems.extend(problem);
        trust
    }

    fn project(&mut self, trust: &Trust) {
        let Some(path) = files::project_file(&self.inputs.cwd) else { return };
        if self.counts(trust, &path) {
            self.file(&path, "project");
        } else {
            self.files.push(SourceFile { path, role: "project", state: FileState::LeftOut });
        }
    }

    /// Whether something of a working folder counts; if not, what to do is noted.
    fn counts(&mut self, trust: &Trust, path: &Path) -> bool {
        if self.inputs.trust {
            return true;
        }
        match trust.verdict(path) {
            Verdict::Trusted => true,
            Verdict::Not(reason) => {
                let folder = path.parent().unwrap_or(path);
                let remedy =
                    format!("run `ccproxy trust {}`, or add `--trust` for one run", folder.display());
                self.left_out.push(LeftOut { path: path.to_owned(), reason, remedy });
                false
            }
        }
    }

    fn variables(&mut self) {
        self.lay(layer(&self.inputs.environment, &self.schema, &self.tree));
        self.problems.extend(renamed::variables(&self.inputs.environment));
    }

    /// Lays a tree over what is there. A layer that names host or port means them, whatever `listen`
    /// says in a layer below.
    fn lay(&mut self, above: Node) {
        let names = |key| above.get(&["server", key]).is_some();
        if (names("host") || names("port")) && !names("listen") {
            self.tree.remove(&["server", "listen"]);
        }
        self.tree.merge(above);
    }

    fn finish(mut self, trust: &Trust) -> Loaded {
        let (value, problems) = self.schema.validate(&self.tree, &self.inputs.environment);
        self.problems.extend(problems);
        let (settings, problems) = Settings::read(&value, &self.tree, self.inputs.environment.clone());
        self.problems.extend(problems);
        renamed::explain(&mut self.problems);
        self.problems.sort_by_key(|problem| !problem.is_error());
        let plugin_folders = self.plugin_folders(trust, &settings);
        Loaded {
            settings,
            value,
            tree: self.tree,
            problems: self.problems,
            files: self.files,
            left_out: self.left_out,
            plugin_folders,
            folders: self.folders,
        }
    }

    /// `--scripts`, `./scripts` when trusted, the configured folders.
    fn plugin_folders(&mut self, trust: &Trust, settings: &Settings) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> =
            self.inputs.scripts.iter().map(|path| self.inputs.cwd.join(path)).collect();
        let local = self.inputs.cwd.join("scripts");
        let wanted = settings.core.plugins.enable && settings.discovery.local && !folders.contains(&local);
        if wanted && holds_plugins(&local) && self.counts(trust, &local) {
            folders.push(local);
        }
        folders.extend(settings.discovery.directories.iter().map(|path| self.inputs.cwd.join(path)));
        folders
    }
}

/// Whether there is a plugin in a folder: many projects keep other things in `./scripts`.
fn holds_plugins(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.take(1000).any(|entry| entry.path().join("plugin.lua").is_file())
}

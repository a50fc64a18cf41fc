//! Where configuration files and plugin folders are looked for.

use std::path::{Path, PathBuf};

use ccproxy_core::config::{Environment, Node, Origin, Problem, read_toml};
use serde::Serialize;

/// Names of a project file, in the order in which they are tried.
const PROJECT_FILES: [&str; 2] = [".ccproxy.toml", "ccproxy.toml"];
/// Longest configuration file that is read.
const MOST: u64 = 1 << 20;

/// The user's folders.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// `$XDG_CONFIG_HOME/ccproxy` or `~/.config/ccproxy`.
    pub(crate) config: PathBuf,
    /// `$XDG_DATA_HOME/ccproxy` or `~/.local/share/ccproxy`.
    pub(crate) data: PathBuf,
}

/// A configuration file that counts, could count, or was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SourceFile {
    /// Its path.
    pub(crate) path: PathBuf,
    /// `explicit`, `user` or `project`.
    pub(crate) role: &'static str,
    /// What became of it.
    pub(crate) state: FileState,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileState {
    /// It counts.
    Read,
    /// It is not there.
    Missing,
    /// It is there, and its folder is not trusted.
    LeftOut,
}

impl Folders {
    /// From the environment. Relative `XDG_` folders are ignored, as the XDG specification asks.
    pub(crate) fn of(environment: &Environment) -> Self {
        let folder = |name: &str, usual: &str| {
            let named = environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
            named.unwrap_or_else(|| environment.path(usual, None)).join("ccproxy")
        };
        Folders {
            config: folder("XDG_CONFIG_HOME", "~/.config"),
            data: folder("XDG_DATA_HOME", "~/.local/share"),
        }
    }

    /// The user's file.
    pub(crate) fn user_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The user's plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.config.join("plugins")
    }
}

/// The project file of a working folder: in it, else at the root of its git repository.
pub(super) fn project_file(cwd: &Path) -> Option<PathBuf> {
    let root = cwd.ancestors().find(|folder| folder.join(".git").exists());
    let folders = std::iter::once(cwd).chain(root.filter(|root| *root != cwd));
    folders.flat_map(|folder| PROJECT_FILES.map(|name| folder.join(name))).find(|path| path.is_file())
}

/// The project file that stands in exactly this folder.
pub(super) fn project_file_in(folder: &Path) -> Option<PathBuf> {
    PROJECT_FILES.map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
}

/// Reads a file that may be missing; `None` when it is.
pub(super) fn read(path: &Path) -> Option<(Node, Vec<Problem>)> {
    let wrong = |message: String| {
        let origin = Origin::File { path: path.into(), line: 1, column: 1 };
        Some((Node::empty(), vec![Problem::error(&origin, "", message)]))
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return wrong(format!("cannot be read: {error}")),
        Ok(data) if !data.is_file() => return wrong("is not a file".to_owned()),
        Ok(data) if data.len() > MOST => return wrong(format!("is larger than {MOST} bytes")),
        Ok(_) => {}
    }
    match std::fs::read_to_string(path) {
        Ok(text) => Some(read_toml(&text, path)),
        Err(error) => wrong(format!("cannot be read: {error}")),
    }
}

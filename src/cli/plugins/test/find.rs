//! From words of the command line to test files.

use std::path::{Path, PathBuf};

use ccproxy_core::config::nearest;
use ccproxy_lua::plugin_folders;
use ccproxy_lua::testing::Subject;

use crate::cli::Failure;
use crate::wiring::BUNDLED;

/// The main file of a plugin.
const MAIN: &str = "plugin.lua";

/// A plugin with the test files that are meant.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The plugin's folder.
    pub(super) folder: PathBuf,
    /// The files, by their path in the folder; `None`: all of them.
    pub(super) only: Option<Vec<String>>,
}

impl Found {
    /// Whether there are any. Of one that cannot be read that is told when it is run.
    fn has_tests(&self) -> bool {
        self.read().map_or(true, |(_, files)| !files.is_empty())
    }

    /// The plugin and the files to run, as they are now.
    pub(super) fn read(&self) -> Result<(Subject, Vec<String>), String> {
        let subject = Subject::read(&self.folder)?;
        let files = subject.files().into_iter().map(str::to_owned);
        let files = files.filter(|file| self.only.as_ref().is_none_or(|only| only.contains(file))).collect();
        Ok((subject, files))
    }
}

/// What is meant. Nothing means the plugin of the working folder, else those of the plugin folders.
pub(super) fn find(words: &[String], folders: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let mut found: Vec<Found> = Vec::new();
    if words.is_empty() {
        let here = std::env::current_dir().unwrap_or_default();
        match enclosing(&here) {
            Some(folder) => found.push(Found { folder, only: None }),
            None => folders.iter().for_each(|folder| found.extend(inside(folder))),
        }
    }
    for word in words {
        let path = Path::new(word);
        let more = match path.exists() {
            true => by_path(path)?,
            false => vec![by_name(word, folders)?],
        };
        if more.is_empty() {
            return Err(Failure::new(format!("`{word}` holds no tests"))
                .with_hint("tests are files `*_test.lua` beside a `plugin.lua`, or below its `tests/`"));
        }
        for one in more {
            match found.iter_mut().find(|known| known.folder == one.folder) {
                Some(known) => known.only = known.only.take().zip(one.only).map(|(a, b)| [a, b].concat()),
                None => found.push(one),
            }
        }
    }
    Ok(found)
}

fn by_path(path: &Path) -> Result<Vec<Found>, Failure> {
    let path = path.canonicalize().map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
    if path.is_dir() {
        if path.join(MAIN).is_file() {
            let found = Found { folder: path, only: None };
            return Ok(if found.has_tests() { vec![found] } else { Vec::new() });
        }
        let below = inside(&path);
        if !below.is_empty() {
            return Ok(below);
        }
    }
    let folder = enclosing(&path).ok_or_else(|| {
        Failure::new(format!("`{}` is in no plugin's folder: there is no `{MAIN}`", path.display()))
    })?;
    let inner = path.strip_prefix(&folder).unwrap_or(&path);
    let parts = inner.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let inner = parts.collect::<Vec<_>>().join("/");
    if path.is_dir() {
        let subject = Subject::read(&folder).map_err(Failure::new)?;
        let below = format!("{inner}/");
        let files = subject.files().into_iter().filter(|file| file.starts_with(&below)).map(str::to_owned);
        return Ok(vec![Found { only: Some(files.collect()), folder }]);
    }
    if !inner.ends_with("_test.lua") {
        // Any file of a plugin stands for the plugin: editors hand over what is open.
        return Ok(vec![Found { folder, only: None }]);
    }
    Ok(vec![Found { folder, only: Some(vec![inner]) }])
}

fn by_name(name: &str, folders: &[PathBuf]) -> Result<Found, Failure> {
    let named = folders.iter().find_map(|folder| plugin_folders(folder).remove(name));
    if let Some(folder) = named {
        return Ok(Found { folder, only: None });
    }
    let failure =
        Failure::new(format!("there is no plugin `{name}` in the plugin folders, and no such path"));
    if BUNDLED.iter().any(|(bundled, _)| *bundled == name) {
        return Err(
            failure.with_hint(format!("`ccproxy plugins eject {name}` copies it out, with its tests"))
        );
    }
    let known: Vec<String> = folders.iter().flat_map(|folder| plugin_folders(folder).into_keys()).collect();
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => failure.with_hint(format!("did you mean `{meant}`")),
        None => failure.with_hint("give the path of its folder"),
    })
}

/// The plugins of a folder that have tests.
fn inside(folder: &Path) -> Vec<Found> {
    let plugins = plugin_folders(folder).into_values();
    plugins
        .map(|folder| Found { folder: folder.canonicalize().unwrap_or(folder), only: None })
        .filter(Found::has_tests)
        .collect()
}

/// The plugin's folder that a path is in.
fn enclosing(path: &Path) -> Option<PathBuf> {
    path.ancestors().take(8).find(|folder| folder.join(MAIN).is_file()).map(Path::to_owned)
}

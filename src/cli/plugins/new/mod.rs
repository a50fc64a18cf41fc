//! `ccproxy plugins new`: a plugin to begin with, and its tests.

use std::path::{Path, PathBuf};

use ccproxy_core::plugin::Source;
use clap::{Args, ValueEnum};

use super::declared::declared;
use super::folder::nearest;
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;

/// Make a new plugin, with tests
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy plugins new limits                          my plugin `limits`, a middleware
  ccproxy plugins new notes --kind routes
  ccproxy plugins new limits --path ~/src/my-scripts  in a folder of one's own")]
pub(crate) struct New {
    /// Its name: lower case letters, digits and single `_`
    name: String,
    /// What it begins as
    #[arg(long, value_enum, default_value_t = Kind::Middleware)]
    kind: Kind,
    /// The folder of plugins it is made in; by default the nearest that is looked in
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Overwrite the files of an earlier one
    #[arg(long)]
    force: bool,
}

/// What a plugin begins as.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Looks at requests and answers, changes or refuses them
    Middleware,
    /// Hears of what happens
    Hooks,
    /// Answers paths of its own
    Routes,
    /// Does something now and then
    Task,
    /// Logs in to something
    Auth,
}

macro_rules! template {
    ($kind:literal) => {
        [
            include_str!(concat!("templates/", $kind, "/plugin.lua")),
            include_str!(concat!("templates/", $kind, "/test.lua")),
        ]
    };
}

impl Kind {
    /// The plugin, and its tests.
    fn template(self) -> [&'static str; 2] {
        match self {
            Kind::Middleware => template!("middleware"),
            Kind::Hooks => template!("hooks"),
            Kind::Routes => template!("routes"),
            Kind::Task => template!("task"),
            Kind::Auth => template!("auth"),
        }
    }
}

impl New {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        check_name(&self.name)?;
        let loaded = global.load_sound(output)?;
        self.check_taken(&loaded)?;
        let parent = self.path.clone().unwrap_or_else(|| nearest(&loaded));
        let folder = parent.join(&self.name);
        let text = |template: &str| {
            template.replace("@NAME@", &self.name).replace("@DASHED@", &self.name.replace('_', "-"))
        };
        let [plugin, test] = self.kind.template();
        let files =
            [("plugin.lua".to_owned(), text(plugin)), (format!("{}_test.lua", self.name), text(test))];
        make(&folder, &files, self.force)?;
        for (name, _) in &files {
            output.line(format!("wrote {}", shown(&folder.join(name)).display()));
        }
        let place = shown(&folder).display().to_string();
        let from = shown(&parent).display().to_string();
        let counts = loaded.plugin_folders.iter().any(|known| same(known, &parent));
        let scripts = if counts { String::new() } else { format!(" {from}") };
        let steps = [
            (format!("ccproxy plugins test {place} --watch"), "runs its tests, at each save again"),
            (format!("ccproxy plugins check {place}"), "says what is wrong with it"),
            (format!("ccproxy dev{scripts}"), "runs a proxy with it, and tells what a save does"),
        ];
        let width = steps.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
        output.line("\nnext");
        steps.iter().for_each(|(command, what)| output.line(format!("  {command:width$}  {what}")));
        Ok(())
    }
}

impl New {
    /// A name that a plugin of ccproxy's own has is refused: nobody would run it, or it would take the other's place.
    fn check_taken(&self, loaded: &Loaded) -> Outcome {
        let (plugins, _) = declared(loaded);
        let own = plugins.iter().find(|plugin| plugin.name == self.name);
        match own.and_then(|plugin| plugin.factory.as_ref()).map(|factory| &factory.manifest().source) {
            Some(Source::Native) => {
                Err(Failure::new(format!("there is a built-in plugin `{}`", self.name))
                    .with_hint("a script of that name would never be used: choose another"))
            }
            Some(Source::Bundled) if !self.force => {
                Err(Failure::new(format!("there is a bundled plugin `{}`", self.name)).with_hint(format!(
                    "`ccproxy plugins eject {}` copies it to be changed; `--force` begins another that takes its place",
                    self.name
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Writes both files, or nothing when one is there and may not be overwritten.
fn make(folder: &Path, files: &[(String, String)], force: bool) -> Outcome {
    if let Some((name, _)) = files.iter().find(|(name, _)| !force && folder.join(name).exists()) {
        return Err(Failure::new(format!("`{}` exists", folder.join(name).display()))
            .with_hint("choose another name or another `--path`; `--force` overwrites it"));
    }
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot write `{}`: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    files.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text)).map_err(failed)
}

fn check_name(name: &str) -> Outcome {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if begins && name.len() <= 64 && name.bytes().all(plain) && !name.contains("__") {
        return Ok(());
    }
    Err(Failure::new(format!("`{name}` is no name for a plugin")).with_hint(
        "lower case letters, digits and single `_`, beginning with a letter, such as `rate_limit`",
    ))
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A path as it is shown: from the working folder on, when it is in there.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map_or_else(|_| path.to_owned(), Path::to_owned)
}

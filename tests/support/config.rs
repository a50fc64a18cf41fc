//! What a proxy is started with: a configuration file, scripts, environment, arguments.

use std::path::{Path, PathBuf};

use super::Upstream;

/// A proxy to be. Nothing of the machine's own configuration reaches it.
#[derive(Clone, Default)]
pub struct Config {
    pub(super) toml: String,
    pub(super) scripts: Vec<(String, String)>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) arguments: Vec<String>,
    pub(super) no_scripts: bool,
    pub(super) no_file: bool,
    pub(super) directory: Option<PathBuf>,
    pub(super) open_files: Option<u32>,
    pub(super) command: Option<&'static str>,
}

impl Config {
    /// The defaults.
    pub fn new() -> Config {
        Config::default()
    }

    /// `claude_api` speaks to this upstream.
    pub fn upstream(self, upstream: &Upstream) -> Self {
        self.base_url(&upstream.url())
    }

    /// `claude_api` speaks to this address.
    pub fn base_url(self, url: &str) -> Self {
        self.toml(&format!("plugins.claude_api.base_url = \"{url}\""))
    }

    /// One more line of configuration, with its dotted key: `upstream.head_timeout = "1s"`.
    pub fn toml(mut self, line: &str) -> Self {
        self.toml.push_str(line);
        self.toml.push('\n');
        self
    }

    /// A plugin in the scripts folder: the text of its `plugin.lua`.
    pub fn script(mut self, name: &str, lua: &str) -> Self {
        self.scripts.push((name.to_owned(), lua.to_owned()));
        self
    }

    /// The home's own scripts folder is not configured: the test names folders itself.
    pub fn without_scripts(mut self) -> Self {
        self.no_scripts = true;
        self
    }

    /// No file is named, so that the binary searches for its own.
    pub fn without_file(mut self) -> Self {
        self.no_file = true;
        self
    }

    /// The working folder, whose files the binary searches for.
    pub fn directory(mut self, folder: &Path) -> Self {
        self.directory = Some(folder.to_owned());
        self.without_file()
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// No more files than these may be open.
    pub fn open_files(mut self, most: u32) -> Self {
        self.open_files = Some(most);
        self
    }

    /// Another command that serves.
    pub fn command(mut self, command: &'static str) -> Self {
        self.command = Some(command);
        self
    }

    /// An argument of `serve`.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }
}

/// Writes a plugin as an editor does: a new file that takes the old one's place.
pub fn write_script(scripts: &Path, name: &str, lua: &str) {
    let folder = scripts.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let fresh = folder.join(".plugin.lua.new");
    std::fs::write(&fresh, lua).unwrap();
    std::fs::rename(&fresh, folder.join("plugin.lua")).unwrap();
}

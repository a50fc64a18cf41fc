//! Plugins of others: added from folders, archives and git repositories, updated, removed.

mod add;
mod sources;
mod update;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::support::proxy::{cli_in, home, typed_in};
use super::support::{self, Config, Proxy, Reply, Upstream, eventually};

/// A machine with a home of its own and a place for plugins of others.
struct Machine {
    home: tempfile::TempDir,
    config: Config,
}

impl Machine {
    fn new() -> Self {
        // `git` is where the developer has it.
        let config = Config::new().without_scripts().env("PATH", &std::env::var("PATH").unwrap());
        Machine { home: home(&config), config }
    }

    /// A path in its home.
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The user's plugin folder.
    fn plugins(&self) -> PathBuf {
        self.path(".config/ccproxy/plugins")
    }

    /// A file of an added plugin.
    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.plugins().join(file)).unwrap_or_default()
    }

    /// Runs `ccproxy plugins ...`, where nobody can be asked.
    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        cli_in(self.home.path(), &self.config, &[&["plugins"], arguments].concat()).await
    }

    /// The same, where somebody types this.
    async fn typed(&self, arguments: &[&str], typed: &str) -> (i32, String, String) {
        typed_in(self.home.path(), &self.config, &[&["plugins"], arguments].concat(), typed).await
    }

    /// What it printed, once it has worked.
    async fn done(&self, arguments: &[&str]) -> String {
        let (code, out, errors) = self.run(arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {out}{errors}");
        out
    }

    /// Why it was refused.
    async fn refused(&self, arguments: &[&str]) -> String {
        let (code, out, errors) = self.run(arguments).await;
        assert_eq!(code, 1, "{arguments:?}: {out}{errors}");
        errors
    }

    /// Everything that is left in the plugin folder, hidden names included.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.plugins()).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != ".plugins.lock");
        names.sort();
        names
    }
}

/// A plugin with a route that says its version, and whatever else its table shall have.
fn plugin(name: &str, version: &str, more: &str) -> String {
    format!(
        "return {{ name = {name:?}, version = {version:?}, description = \"Says its version\",\n\
         routes = {{ {{ path = \"/\", handler = function() return {{ body = {version:?} }} end }} }},\n{more} }}\n"
    )
}

/// Writes a plugin's folder.
fn write(folder: &Path, main: &str) {
    fs::create_dir_all(folder.join("lib")).unwrap();
    fs::write(folder.join("plugin.lua"), main).unwrap();
    fs::write(folder.join("lib/words.lua"), "return { \"one\" }\n").unwrap();
    fs::write(folder.join("README.md"), "About it\n").unwrap();
}

/// Runs git in a folder, as somebody.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args([
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.com",
        "-c",
        "init.defaultBranch=main",
    ]);
    command.args(["-c", "commit.gpgsign=false"]).args(arguments).current_dir(folder);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    let output = command.output().expect("these tests need git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Commits what stands in a folder, and gives the commit. Makes the repository when there is none.
fn commit(folder: &Path) -> String {
    if !folder.join(".git").exists() {
        git(folder, &["init", "--quiet"]);
    }
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "x"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// A tar file in gzip of a folder's files, below a folder `around`.
fn tar(folder: &Path, around: &str) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    archive.append_dir_all(around, folder).unwrap();
    let mut gzip = archive.into_inner().unwrap();
    gzip.flush().unwrap();
    gzip.finish().unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

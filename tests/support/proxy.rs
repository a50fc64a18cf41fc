//! The built binary, started as a user would, in a home of its own, and never left behind.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};

use super::client::Client;
use super::config::{Config, write_script};
use super::raw::Raw;
use super::wait::{eventually, within};

/// A running proxy. Dropping it kills its whole process group.
pub struct Proxy {
    child: tokio::process::Child,
    group: Pid,
    address: SocketAddr,
    banner: Value,
    home: tempfile::TempDir,
    config: Config,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
}

impl Proxy {
    /// Starts it and waits until it serves.
    pub async fn start(config: Config) -> Proxy {
        let home = home(&config);
        Self::start_in(home, config).await
    }

    /// Kills it, if it still runs, and starts another one in its home.
    pub async fn again(mut self, config: Config) -> Proxy {
        self.kill();
        self.ended().await;
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        Self::start_in(home, config).await
    }

    async fn start_in(home: tempfile::TempDir, config: Config) -> Proxy {
        let mut command = command(home.path(), &config);
        command
            .arg(config.command.unwrap_or("serve"))
            .args(["--port", "0", "--json"])
            .args(&config.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command).spawn().expect("the binary starts");
        let group = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        collect(BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(banner) = within("the banner of `serve --json`", banner(&mut lines)).await else {
            eventually("the end of the process", async || child.try_wait().unwrap()).await;
            panic!("`serve` ended at once: {}", log.lock().unwrap());
        };
        let url = banner["addresses"][0].as_str().expect("the banner names an address");
        let address = url.split("://").nth(1).and_then(|address| address.trim_end_matches('/').parse().ok());
        let address = address.expect("the address is a socket's");
        let printed = Arc::new(Mutex::new(String::new()));
        collect(lines, printed.clone());
        Proxy { child, group, address, banner, home, config, log, printed }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it printed when it started.
    pub fn banner(&self) -> &Value {
        &self.banner
    }

    /// A client of it, with a credential of its own as every real one has.
    pub fn client(&self) -> Client {
        Client::new(self.address).header("x-api-key", "sk-test")
    }

    /// A client of it without any credential.
    pub fn anonymous(&self) -> Client {
        Client::new(self.address)
    }

    /// A bare connection to it.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.address).await
    }

    /// Its home: `config.toml`, `scripts/` and its data are in there.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of the log that contains `text`.
    pub async fn logged(&self, text: &str) -> String {
        eventually(&format!("`{text}` in the log"), async || {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
        .await
    }

    /// What it printed after the banner so far.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// Its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join(".local/share/ccproxy")
    }

    /// Runs a command of the binary in the same home: exit code, stdout, stderr.
    pub async fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        cli_in(self.home.path(), &self.config, arguments).await
    }

    /// `GET /plugins/status`
    pub async fn status(&self) -> Value {
        self.anonymous().get("/plugins/status").await.expect(200).json()
    }

    /// What `/plugins/status` says of one plugin.
    pub async fn plugin(&self, name: &str) -> Value {
        let status = self.status().await;
        let plugins = status["plugins"].as_array().cloned().unwrap_or_default();
        plugins.into_iter().find(|plugin| plugin["name"] == name).unwrap_or_default()
    }

    /// Saves a plugin and waits until a new generation is live.
    pub async fn save(&self, name: &str, lua: &str) {
        let before = self.status().await["generation"].as_u64().unwrap();
        write_script(&self.scripts(), name, lua);
        eventually("a new generation", async || {
            let now = self.status().await["generation"].as_u64().unwrap();
            (now > before).then_some(())
        })
        .await;
    }

    /// The folder of its scripts.
    pub fn scripts(&self) -> PathBuf {
        self.home.path().join("scripts")
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let _ = kill_process(self.group, Signal::TERM);
    }

    /// SIGKILL, to it alone.
    pub fn kill(&self) {
        let _ = kill_process(self.group, Signal::KILL);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        within("the end of the process", self.child.wait()).await.unwrap()
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(mut self) -> String {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

/// Runs a command of the binary in a fresh home: exit code, stdout, stderr.
pub async fn cli(config: Config, arguments: &[&str]) -> (i32, String, String) {
    let home = home(&config);
    cli_in(home.path(), &config, arguments).await
}

/// Runs a command of the binary in this home: exit code, stdout, stderr.
pub async fn cli_in(home: &Path, config: &Config, arguments: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::from(command(home, config));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = within("the command", command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Starts a command of the binary in this home; all three streams are the caller's.
pub fn start_in(home: &Path, config: &Config, arguments: &[&str]) -> tokio::process::Child {
    let mut command = tokio::process::Command::from(command(home, config));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).spawn().unwrap()
}

/// Runs a command in this home with a terminal as its input, where somebody types this: exit code, stdout, stderr.
pub async fn typed_in(
    home: &Path,
    config: &Config,
    arguments: &[&str],
    typed: &str,
) -> (i32, String, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let other = std::fs::File::options().read(true).write(true).open(name).unwrap();
    rustix::io::write(&terminal, typed.as_bytes()).unwrap();
    let mut command = tokio::process::Command::from(command(home, config));
    command.args(arguments).stdin(Stdio::from(other)).kill_on_drop(true);
    let output = within("the command", command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A fresh home with the configuration in it.
pub fn home(config: &Config) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    std::fs::create_dir_all(path.join("scripts")).unwrap();
    for (name, lua) in &config.scripts {
        write_script(&path.join("scripts"), name, lua);
    }
    let scripts = path.join("scripts");
    let mut toml = config.toml.clone();
    if !config.no_scripts {
        // A table, since a test may end with one.
        toml += &format!("[plugin_discovery]\ndirectories = [{:?}]\n", scripts.display().to_string());
    }
    std::fs::write(path.join("config.toml"), toml).unwrap();
    home
}

/// The binary with a clean environment in this home, in a process group of its own.
fn command(home: &Path, config: &Config) -> Command {
    let binary = env!("CARGO_BIN_EXE_ccproxy");
    let mut command = match config.open_files {
        None => Command::new(binary),
        Some(most) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\""), binary]);
            shell
        }
    };
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    settle(&mut command, home, config);
    command
}

/// A clean environment in this home.
pub(super) fn settle(command: &mut Command, home: &Path, config: &Config) {
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_DATA_HOME", home.join(".local/share"))
        .envs(config.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(config.directory.as_deref().unwrap_or(home));
    if !config.no_file {
        command.env("CONFIG_FILE", home.join("config.toml"));
    }
}

/// The JSON object that `serve` prints first, on one line or several; `None` when it ended before.
async fn banner<R: tokio::io::AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> Option<Value> {
    let mut text = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        text.push_str(&line);
        if let Ok(value) = serde_json::from_str(&text) {
            return Some(value);
        }
    }
    None
}

fn collect(mut lines: Lines<BufReader<impl AsyncRead + Unpin + Send + 'static>>, log: Arc<Mutex<String>>) {
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}

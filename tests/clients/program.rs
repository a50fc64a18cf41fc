//! A program of somebody else, in an empty home with an empty environment, which reaches loopback only.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::support::wait::patiently;

/// How long a program may take: they start slowly, and slower on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// A program to be.
pub struct Program {
    command: Command,
    home: tempfile::TempDir,
}

/// A running one. Dropping it kills its whole process group.
pub struct Running {
    child: Child,
    group: Pid,
    stdin: Option<ChildStdin>,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<tokio::task::JoinHandle<()>>,
    _home: tempfile::TempDir,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Its standard output as JSON; the whole of it, or what it printed last.
    pub fn json(&self) -> Value {
        let last = || self.stdout.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        serde_json::from_str(&self.stdout)
            .ok()
            .or_else(last)
            .unwrap_or_else(|| panic!("no JSON but `{}`, and on stderr `{}`", self.stdout, self.stderr))
    }
}

impl Program {
    pub fn new(path: &Path) -> Program {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(path);
        command
            .process_group(0)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            // Nobody listens there: what it tries elsewhere fails at once.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", "127.0.0.1")
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Program { command, home }
    }

    /// Where it works, and where it looks for what it remembers.
    pub fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn args<T: AsRef<std::ffi::OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn spawn(mut self) -> Running {
        let mut child = self.command.spawn().expect("the client starts");
        let group = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        let (stdout, stderr): (Arc<Mutex<String>>, Arc<Mutex<String>>) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), stdout.clone()),
            collect(child.stderr.take().unwrap(), stderr.clone()),
        ];
        Running { stdin: child.stdin.take(), child, group, stdout, stderr, readers, _home: self.home }
    }

    /// Runs it to its end, with nothing to read.
    pub async fn run(self) -> Output {
        self.spawn().end().await
    }
}

impl Running {
    /// Writes a line to its standard input.
    pub async fn say(&mut self, line: &Value) {
        let text = format!("{line}\n");
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.expect("the client reads");
    }

    /// Waits for a line of its standard output for which `wanted` has an answer.
    pub async fn heard<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        patiently(PATIENCE, what, async || {
            let lines = self.stdout.lock().unwrap().clone();
            lines.lines().filter_map(|line| serde_json::from_str(line).ok()).find_map(|line| wanted(&line))
        })
        .await
    }

    /// Waits for a line of its standard error for which `wanted` has an answer.
    pub async fn complains<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        patiently(PATIENCE, what, async || self.stderr.lock().unwrap().lines().find_map(&wanted)).await
    }

    /// Closes its standard input.
    pub fn hush(&mut self) {
        self.stdin = None;
    }

    /// SIGKILL, to it and what it started.
    pub fn kill(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    /// Closes its standard input and waits for its end.
    pub async fn end(mut self) -> Output {
        self.hush();
        let Ok(status) = tokio::time::timeout(PATIENCE, self.child.wait()).await else {
            panic!(
                "it did not end in {PATIENCE:?}: {} {}",
                Self::text(&self.stdout),
                Self::text(&self.stderr)
            );
        };
        self.kill();
        for reader in self.readers.drain(..) {
            reader.await.unwrap();
        }
        Output {
            code: status.unwrap().code(),
            stdout: Self::text(&self.stdout),
            stderr: Self::text(&self.stderr),
        }
    }

    fn text(stream: &Mutex<String>) -> String {
        stream.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(
    stream: impl AsyncRead + Unpin + Send + 'static,
    text: Arc<Mutex<String>>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = text.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    })
}

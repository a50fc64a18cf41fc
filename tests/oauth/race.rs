//! Twenty processes whose token is over at once, two hundred times, at a server that ends the login when a refresh
//! token comes twice: one request each time, and nobody is left without a token.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ccproxy_core::secret::Secret;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{logins, tokens};
use crate::support;
use crate::support::idp::Idp;

const PROCESSES: usize = 20;
const EXPIRIES: u64 = 200;
const FOLDER: &str = "CCPROXY_TEST_FOLDER";
const SETTINGS: &str = "CCPROXY_TEST_SETTINGS";

/// Reads refused tokens, and answers each with a fresh one.
#[test]
#[ignore = "what the processes of the test below do"]
fn a_process() {
    // Other tests count in milliseconds, and there are twenty of us.
    let _ = rustix::process::nice(19);
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("a folder"));
    let settings: Value = serde_json::from_str(&std::env::var(SETTINGS).expect("settings")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let logins = logins("acme", &settings, &folder);
    let login = logins.login("acme", "default").unwrap();
    let mut out = std::io::stdout();
    for refused in std::io::stdin().lines().map_while(Result::ok) {
        let said = match runtime.block_on(login.after_refusal(&Secret::new(refused))) {
            Ok(fresh) => fresh.access().expose().to_owned(),
            Err(failure) => format!("failed: {failure}"),
        };
        writeln!(out, "fresh {said}").unwrap();
        out.flush().unwrap();
    }
}

struct Process {
    _child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(folder: &std::path::Path, settings: &Value) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "oauth::race::a_process", "--ignored", "--nocapture", "--quiet"])
            .env(FOLDER, folder)
            .env(SETTINGS, settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Process { _child: child, stdin, stdout: BufReader::new(stdout).lines() }
    }

    async fn tell(&mut self, refused: &str) {
        self.stdin.write_all(format!("{refused}\n").as_bytes()).await.unwrap();
    }

    async fn fresh(&mut self) -> String {
        loop {
            let line = self.stdout.next_line().await.unwrap().expect("the process lives");
            if let Some((_, token)) = line.split_once("fresh ") {
                return token.to_owned();
            }
        }
    }
}

#[test]
fn twenty_processes_and_two_hundred_expiries_are_two_hundred_requests() {
    support::run_within(Duration::from_secs(240), async {
        let (folder, idp) = (tempfile::tempdir().unwrap(), Idp::start().await);
        let first = idp.log_in();
        let mut token = first.0.clone();
        let logins = logins("acme", &idp.settings(), folder.path());
        logins.login("acme", "default").unwrap().store(tokens(first)).await.unwrap();
        let start = |_| Process::start(folder.path(), &idp.settings());
        let mut processes: Vec<Process> = (0..PROCESSES).map(start).collect();
        for expiry in 1..=EXPIRIES {
            for process in &mut processes {
                process.tell(&token).await;
            }
            let mut fresh = Vec::new();
            for process in &mut processes {
                fresh.push(process.fresh().await);
            }
            token = format!("at-0-{expiry}");
            assert!(fresh.iter().all(|fresh| *fresh == token), "after {expiry} expiries: {fresh:?}");
            assert_eq!(idp.refreshes(), expiry, "one request for each expiry");
        }
        assert!(idp.is_whole(), "no refresh token came twice");
        let record = logins.login("acme", "default").unwrap().record().await.unwrap().unwrap();
        assert_eq!(record.tokens.access.expose(), token);
    });
}

//! Child processes: pinned to a CPU where `taskset` is there, ended with this one.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long a part may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running part. Dropping it ends it.
pub(crate) struct Part {
    child: Child,
}

impl Part {
    /// Starts a command on `cpu`, if pinning is wanted.
    pub(crate) fn start(command: &[String], cpu: Option<usize>) -> Outcome<Part> {
        let mut command = pinned(command, cpu);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
        Ok(Part { child })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and gives its last line of output.
pub(crate) fn output(command: &[String], cpu: Option<usize>) -> Outcome<String> {
    let mut child = pinned(command, cpu).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut last = String::new();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        last = line?;
    }
    let status = child.wait()?;
    if status.success() {
        Ok(last)
    } else {
        Err(format!("`{}` ended with {status}", command.join(" ")).into())
    }
}

/// This program as another part.
pub(crate) fn myself(words: &[&str]) -> Outcome<Vec<String>> {
    let mut command = vec![std::env::current_exe()?.display().to_string()];
    command.extend(words.iter().map(|word| (*word).to_owned()));
    Ok(command)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until somebody listens.
pub(crate) fn wait_for(port: u16) -> Outcome<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("nobody listens on {address}").into());
        }
        pause(Duration::from_micros(500));
    }
    Ok(())
}

/// Lets others run for a while.
pub(crate) fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

/// Whether two CPUs and `taskset` are there, so that a target can have one of its own.
pub(crate) fn can_pin() -> bool {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let there = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    cpus >= 2 && there.is_ok_and(|status| status.success())
}

fn pinned(words: &[String], cpu: Option<usize>) -> Command {
    let mut all = match cpu {
        Some(cpu) => vec!["taskset".to_owned(), "-c".to_owned(), cpu.to_string()],
        None => Vec::new(),
    };
    all.extend_from_slice(words);
    let mut command = Command::new(&all[0]);
    command.args(&all[1..]);
    command
}

//! One process of the CLI: lines in, lines out, and an end for it and all its children.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use super::protocol::Lines;
use crate::subprocess::Subprocess;

/// Lines that wait to be read by the CLI.
const WAITING: usize = 64;
/// How long the CLI may leave them unread.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes kept of what it says on standard error, for the log.
const COMPLAINT: usize = 2048;
/// Processes that are asked for their children, to add up the memory of one of ours.
const MOST: usize = 100;

/// A running CLI. Dropping it ends it.
pub(super) struct Process {
    running: Subprocess,
    writer: mpsc::Sender<Bytes>,
    complaint: Arc<Mutex<Vec<u8>>>,
    /// What it says.
    pub(super) lines: Lines<ChildStdout>,
}

impl Process {
    /// Starts it; `guarded` is whether the command is a guard.
    pub(super) fn spawn(mut command: Command, guarded: bool) -> std::io::Result<Self> {
        let mut running = Subprocess::spawn(&mut command, guarded)?;
        let child = &mut running.child;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("the CLI has no standard streams"));
        };
        let (writer, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write(input, waiting));
        let complaint = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(listen(errors, complaint.clone()));
        Ok(Process { running, writer, complaint, lines: Lines::new(output) })
    }

    /// Tells it a line. An error when it reads no more.
    pub(super) async fn send(&self, line: &Value) -> std::io::Result<()> {
        let mut text = line.to_string().into_bytes();
        text.push(b'\n');
        match tokio::time::timeout(PATIENCE, self.writer.send(text.into())).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Its id, while it was not waited for.
    pub(super) fn id(&self) -> Option<u32> {
        self.running.child.id()
    }

    /// Whether it has ended.
    pub(super) fn is_over(&mut self) -> bool {
        !matches!(self.running.child.try_wait(), Ok(None))
    }

    /// The end of what it said on standard error. May hold words of the conversation: for the debug log only.
    pub(super) fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.complaint.lock()).trim().to_owned()
    }
}

async fn write(mut input: ChildStdin, mut waiting: mpsc::Receiver<Bytes>) {
    while let Some(line) = waiting.recv().await {
        if input.write_all(&line).await.is_err() {
            break;
        }
    }
}

async fn listen(mut errors: ChildStderr, complaint: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        let mut kept = complaint.lock();
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(COMPLAINT);
        kept.drain(..surplus);
    }
}

/// Resident memory of a process and everything below it in bytes, where the system tells. (Strays are not counted.)
pub(super) fn memory(id: u32) -> Option<u64> {
    let mut sum = resident(id)?;
    let mut found = vec![id];
    let mut next = 0;
    while let Some(id) = found.get(next).filter(|_| next < MOST) {
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse::<u32>().ok());
        let begin = found.len();
        found.extend(children);
        sum += found[begin..].iter().filter_map(|id| resident(*id)).sum::<u64>();
        next += 1;
    }
    Some(sum)
}

fn resident(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

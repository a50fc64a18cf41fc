//! A program that the proxy runs, and an end for it and what it started.

use std::process::ExitStatus;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// A running program, in a process group of its own. Dropping it ends it with all its children, where it is a guard
/// (see [`crate::guard`]), and else its whole process group.
pub(crate) struct Subprocess {
    pub(crate) child: Child,
    guarded: bool,
}

impl Subprocess {
    /// Starts it; `guarded` is whether the command is a guard.
    pub(crate) fn spawn(command: &mut Command, guarded: bool) -> std::io::Result<Self> {
        // A guard is told to end, and takes everything with it.
        command.kill_on_drop(!guarded);
        #[cfg(unix)]
        command.process_group(0);
        Ok(Subprocess { child: command.spawn()?, guarded })
    }

    /// The first `most` bytes of what it prints, and how it ended. Waits for both: bounding that is the caller's, and
    /// dropping this ends the program.
    pub(crate) async fn printed(mut self, most: u64) -> Option<(Vec<u8>, ExitStatus)> {
        let mut text = Vec::new();
        self.child.stdout.take()?.take(most).read_to_end(&mut text).await.ok()?;
        let status = self.child.wait().await.ok()?;
        Some((text, status))
    }
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        // While it was not waited for, its id is nobody else's.
        #[cfg(unix)]
        if let Some(id) = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            use rustix::process::{Signal, kill_process, kill_process_group};
            if self.guarded {
                // Before it listens, this ends it as well, and there is nothing else yet.
                let _ = kill_process(id, Signal::TERM);
                return;
            }
            let _ = kill_process_group(id, Signal::KILL);
        }
        let _ = self.child.start_kill();
    }
}

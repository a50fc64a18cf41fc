//! A step between the proxy and the CLI: the proxy's own binary, which starts the CLI, takes in whatever that leaves
//! behind, and ends all of it when the CLI ends, when it is told to (SIGTERM), or when the proxy is no more, however
//! that ended. It speaks no word itself: the three streams are the CLI's.
//!
//! Asking the kernel to end a child with its parent is not enough: commands that the CLI runs put themselves into
//! sessions of their own, and outlive both.
//!
//! There are two of these steps, one below the other, so that one that is killed has the other to end what it leaves.

use std::ffi::OsString;
use std::process::ExitCode;

/// The first argument of such a step.
pub const WORD: &str = "__end-with-parent";
/// The first argument of the second step.
#[cfg(target_os = "linux")]
const SECOND: &str = "__end-with-first";
/// The first argument of the CLI's own start, which ends with the step that started it.
#[cfg(target_os = "linux")]
const INNER: &str = "__end-with-guard";

/// Guards the program that the arguments name, when the first of them is [`WORD`]: `WORD <parent's id> <program>
/// <arguments>`. `None` when it is not; otherwise the end of all of it.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    let own = arguments.next()?;
    let word = arguments.next()?;
    let word = word.to_str().filter(|word| word.starts_with("__end-with-"))?;
    let parent = arguments.next().and_then(|id| id.to_str()?.parse::<i32>().ok());
    let program = arguments.next()?;
    Some(watch::step(word, &own, parent?, &program, arguments))
}

#[cfg(target_os = "linux")]
mod watch {
    use std::collections::HashMap;
    use std::ffi::{OsStr, OsString};
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, ExitCode};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::process::{
        Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, pidfd_open, set_child_subreaper,
        set_parent_process_death_signal, wait,
    };
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::sync::Notify;

    /// What lists of processes call the second step.
    const NAME: &str = "cli-guard";
    /// How long processes may take to die of SIGKILL.
    const PATIENCE: Duration = Duration::from_secs(5);

    pub(super) fn step(
        word: &str,
        own: &OsStr,
        parent: i32,
        program: &OsStr,
        arguments: impl Iterator<Item = OsString>,
    ) -> ExitCode {
        if word != super::INNER && pidfd_open(getpid(), PidfdFlags::empty()).is_ok() {
            let own = std::env::current_exe().unwrap_or_else(|_| own.into());
            let mut command = Command::new(own);
            let next = if word == super::WORD { super::SECOND } else { super::INNER };
            if word == super::SECOND {
                // Whoever kills the first one by the program's name does not mean both.
                let _ = std::fs::write("/proc/self/comm", NAME);
            }
            command.arg(next).arg(getpid().to_string()).arg(program).args(arguments);
            return guard(command, parent).unwrap_or(ExitCode::FAILURE);
        }
        become_program(parent, program, arguments)
    }

    fn is_parent(id: i32) -> bool {
        getppid().is_some_and(|now| now.as_raw_nonzero().get() == id)
    }

    /// Ends with its parent. The kernel means the parent's thread, so that must have one only; kernels before 5.3
    /// leave no other way.
    fn become_program(parent: i32, program: &OsStr, arguments: impl Iterator<Item = OsString>) -> ExitCode {
        let asked = set_parent_process_death_signal(Some(Signal::KILL));
        // It may have died before that was asked for.
        if asked.is_err() || !is_parent(parent) {
            return ExitCode::FAILURE;
        }
        // Comes back only when it failed.
        let _ = Command::new(program).args(arguments).exec();
        ExitCode::from(127)
    }

    fn guard(command: Command, parent: i32) -> io::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let code = until_the_end(command, parent).await;
            sweep().await;
            code
        })
    }

    async fn until_the_end(mut command: Command, parent: i32) -> io::Result<ExitCode> {
        let mut told = signal(SignalKind::terminate())?;
        let mut ended = signal(SignalKind::child())?;
        set_child_subreaper(Some(getpid()))?;
        let id = Pid::from_raw(parent).ok_or(io::ErrorKind::InvalidInput)?;
        let proxy = pidfd_open(id, PidfdFlags::empty())?;
        let gone = Arc::new(Notify::new());
        if !is_parent(parent) {
            return Ok(ExitCode::FAILURE);
        }
        let heard = gone.clone();
        std::thread::spawn(move || {
            while poll(&mut [PollFd::new(&proxy, PollFlags::IN)], None) == Err(Errno::INTR) {}
            heard.notify_one();
        });
        // By this thread, which lives as long as the process: its end is what the child hears of.
        let child = command.spawn()?.id().cast_signed();
        loop {
            tokio::select! {
                _ = told.recv() => return Ok(ExitCode::SUCCESS),
                () = gone.notified() => return Ok(ExitCode::FAILURE),
                _ = ended.recv() => {
                    // Strays that were taken in end here, too.
                    while let Ok(Some((id, status))) = wait(WaitOptions::NOHANG) {
                        if id.as_raw_nonzero().get() == child {
                            let code = status.exit_status().and_then(|code| u8::try_from(code).ok());
                            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
                        }
                    }
                }
            }
        }
    }

    /// Kills all that is left, until there is no child any more: what a killed one leaves behind becomes ours.
    async fn sweep() {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            for id in children() {
                let _ = kill_process(id, Signal::KILL);
            }
            loop {
                match wait(WaitOptions::NOHANG) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Everything below this process.
    fn children() -> Vec<Pid> {
        let mut below: HashMap<i32, Vec<i32>> = HashMap::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            // After the name, which is in parentheses and may hold anything: state, parent.
            let parent =
                stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
            if let Some(parent) = parent {
                below.entry(parent).or_default().push(id);
            }
        }
        let mut found = vec![getpid().as_raw_nonzero().get()];
        let mut next = 0;
        while next < found.len() {
            found.extend(below.remove(&found[next]).unwrap_or_default());
            next += 1;
        }
        found.drain(1..).filter_map(Pid::from_raw).collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod watch {
    use std::ffi::{OsStr, OsString};
    use std::process::ExitCode;

    pub(super) fn step(_: &str, _: &OsStr, _: i32, _: &OsStr, _: impl Iterator<Item = OsString>) -> ExitCode {
        ExitCode::FAILURE
    }
}

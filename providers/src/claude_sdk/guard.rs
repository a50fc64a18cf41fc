//! A step between the proxy and the CLI: the proxy's own binary, which asks the kernel to end it when the proxy
//! dies, however that dies, and then becomes the CLI. (Asking in the child itself, before it runs another
//! program, would need unsafe code.)

use std::ffi::OsString;
use std::process::ExitCode;

/// The first argument of such a step.
pub const WORD: &str = "__end-with-parent";

/// Becomes the program that the arguments name, when the first of them is [`WORD`]: `WORD <parent's id> <program>
/// <arguments>`. `None` when it is not; comes back only with a failure.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let parent = arguments.next().and_then(|id| id.to_str()?.parse::<i32>().ok());
    let program = arguments.next()?;
    Some(become_program(parent?, &program, arguments))
}

#[cfg(target_os = "linux")]
fn become_program(parent: i32, program: &OsString, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    use std::os::unix::process::CommandExt;

    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    let asked = set_parent_process_death_signal(Some(Signal::KILL));
    // The proxy may have died before that was asked for.
    let orphan = getppid().is_none_or(|now| now.as_raw_nonzero().get() != parent);
    if asked.is_err() || orphan {
        return ExitCode::FAILURE;
    }
    // Comes back only when it failed.
    let _ = std::process::Command::new(program).args(arguments).exec();
    ExitCode::from(127)
}

#[cfg(not(target_os = "linux"))]
fn become_program(_: i32, _: &OsString, _: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}

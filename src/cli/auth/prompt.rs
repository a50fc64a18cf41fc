//! Questions to the person at the terminal.

use std::io::{BufRead, IsTerminal};

use crate::cli::Failure;
use crate::cli::output::Output;

/// Longest line that is read.
const LONGEST: u64 = 16 << 10;

/// Asks; anything but a yes is a no. Where nobody sits at a terminal, only `--yes` is a yes.
pub(in crate::cli) fn agree(yes: bool, question: &str, output: &mut Output) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    ask(question, output)?;
    judge(&line()?)
}

/// The same where something else goes on meanwhile: signals are heard while a person thinks.
pub(super) async fn agree_meanwhile(yes: bool, question: &str, output: &mut Output) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    ask(question, output)?;
    judge(&line_meanwhile().await?)
}

fn ask(question: &str, output: &mut Output) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let failure = Failure::new(format!("nobody is here to be asked: {question}"));
        return Err(failure.with_hint("`--yes` answers for you"));
    }
    output.note(format!("{question} [y/N]"));
    Ok(())
}

fn judge(answer: &str) -> Result<(), Failure> {
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new("nothing was done")),
    }
}

/// A line from standard input.
fn line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::Read::take(std::io::stdin().lock(), LONGEST).read_line(&mut line);
    match read {
        Ok(0) => Err(Failure::new("nothing was typed")),
        Ok(_) => Ok(line),
        Err(error) => Err(Failure::new(format!("cannot read what was typed: {error}"))),
    }
}

/// A line from standard input, read on a thread of its own, which nobody waits for when the command ends first.
pub(super) async fn line_meanwhile() -> Result<String, Failure> {
    let (sender, typed) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("stdin".to_owned());
    let cannot = || Failure::new("cannot read what was typed: no thread could be started");
    thread.spawn(move || sender.send(line())).map_err(|_| cannot())?;
    typed.await.unwrap_or_else(|_| Err(cannot()))
}

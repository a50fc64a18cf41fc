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
    if !std::io::stdin().is_terminal() {
        let failure = Failure::new(format!("nobody is here to be asked: {question}"));
        return Err(failure.with_hint("`--yes` answers for you"));
    }
    output.note(format!("{question} [y/N]"));
    match line()?.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new("nothing was done")),
    }
}

/// A line from standard input.
pub(super) fn line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::Read::take(std::io::stdin().lock(), LONGEST).read_line(&mut line);
    match read {
        Ok(0) => Err(Failure::new("nothing was typed")),
        Ok(_) => Ok(line),
        Err(error) => Err(Failure::new(format!("cannot read what was typed: {error}"))),
    }
}

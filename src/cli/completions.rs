//! `ccproxy completions`: completions for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::Output;
use super::{Cli, Outcome};

/// Write completions for a shell to standard output
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, output: &mut Output) -> Outcome {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "ccproxy", &mut text);
        output.text(&String::from_utf8_lossy(&text));
        Ok(())
    }
}

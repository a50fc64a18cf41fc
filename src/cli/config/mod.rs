//! `ccproxy config`: look at the configuration, check it, write a first one.

mod check;
mod init;
mod path;
mod schema;
mod show;

use clap::Subcommand;

use super::output::Output;
use super::{Global, Outcome};

pub(crate) use check::{as_json, problems, problems_of};
#[cfg(test)]
pub(crate) use init::annotated_file;
pub(crate) use show::{Setting, leaves};

/// Look at the configuration, check it, write a first one
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print every setting, and where its value comes from
    Show(show::Show),
    /// Write an annotated configuration file
    Init(init::Init),
    /// Check the configuration, plugins' settings included
    Check(check::Check),
    /// Print which files are read, and which are not
    Path(path::PathCommand),
    /// Print the configuration's JSON Schema, plugins' settings included
    Schema(schema::SchemaCommand),
}

impl Config {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        match self {
            Config::Show(command) => command.run(global, output),
            Config::Init(command) => command.run(global, output),
            Config::Check(command) => command.run(global, output),
            Config::Path(command) => command.run(global, output),
            Config::Schema(command) => command.run(global, output),
        }
    }
}

//! The command line: one file a command.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration (`EX_CONFIG` of sysexits).

mod auth;
mod completions;
mod config;
mod context;
mod dev;
mod doctor;
mod explain;
mod failure;
mod keys;
mod lua;
mod models;
mod output;
mod permissions;
mod plain;
mod plugins;
mod record;
mod running;
mod serve;
mod status;
mod top;
mod trust;
mod unstarted;
mod x;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[cfg(test)]
pub(crate) use config::annotated_file;
pub(crate) use failure::{Failure, Outcome};
use output::Output;

/// A local proxy between LLM clients and LLM providers
#[derive(Debug, Parser)]
#[command(name = "ccproxy", version, about, long_about = None, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes
#[derive(Clone, Debug, Default, Args)]
struct Global {
    /// Read this configuration file, and search for no other
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Trust the working folder's `ccproxy.toml` and `scripts` for this run
    #[arg(long, global = true)]
    trust: bool,
    /// A folder of plugins that is nearer than all others, and needs no trust
    #[arg(long, value_name = "DIR", global = true)]
    scripts: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy (also what `ccproxy` does by itself)
    Serve(Box<serve::Serve>),
    /// Run the proxy as a workbench for plugins
    Dev(Box<dev::Dev>),
    /// Open a session inside a plugin of `ccproxy dev`
    Lua(lua::Lua),
    /// Run the proxy and record exchanges, bodies included, for `ccproxy plugins replay`
    Record(Box<record::Record>),
    /// Look at plugins, check them, take them from others, copy a bundled one out
    #[command(subcommand)]
    Plugins(plugins::Plugins),
    /// Look at the configuration, check it, write a first one
    #[command(subcommand)]
    Config(config::Config),
    /// List the models that can be asked for
    Models(models::Models),
    /// Show what would become of a request, without sending it
    Explain(explain::Explain),
    /// Log in to providers, look at logins, log out
    #[command(subcommand)]
    Auth(auth::Auth),
    /// Ask a running proxy how it is
    Status(status::Status),
    /// Watch a running proxy: exchanges, tokens, what each plugin costs
    Top(top::Top),
    /// Decide about tool calls that wait for you
    Permissions(permissions::Permissions),
    /// Check configuration, data folder, port, plugins and credentials
    Doctor(doctor::Doctor),
    /// Make, list and revoke keys of clients
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Let a folder's `ccproxy.toml` and `scripts` count
    Trust(trust::TrustCommand),
    /// Write completions for a shell
    Completions(completions::Completions),
    /// Run a command of a plugin in the running proxy
    X(x::X),
}

/// Runs what the command line asks for.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut output = Output::standard();
    match cli.run(&mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

impl Cli {
    fn run(self, output: &mut Output) -> Outcome {
        let global = self.global;
        match self.command.unwrap_or_else(|| Command::Serve(Box::default())) {
            Command::Serve(command) => command.run(&global, output),
            Command::Dev(command) => command.run(&global, output),
            Command::Lua(command) => command.run(&global, output),
            Command::Record(command) => command.run(&global, output),
            Command::Plugins(command) => command.run(&global, output),
            Command::Config(command) => command.run(&global, output),
            Command::Models(command) => command.run(&global, output),
            Command::Explain(command) => command.run(&global, output),
            Command::Auth(command) => command.run(&global, output),
            Command::Status(command) => command.run(&global, output),
            Command::Top(command) => command.run(&global, output),
            Command::Permissions(command) => command.run(&global, output),
            Command::Doctor(command) => command.run(&global, output),
            Command::Keys(command) => command.run(&global, output),
            Command::Trust(command) => command.run(&global, output),
            Command::Completions(command) => command.run(output),
            Command::X(command) => command.run(&global, output),
        }
    }
}

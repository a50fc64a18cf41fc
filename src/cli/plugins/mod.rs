//! `ccproxy plugins`: look at plugins, check them, take them from others, copy a bundled one out.

mod add;
mod check;
mod declared;
mod eject;
mod folder;
mod list;
mod new;
mod remove;
mod replay;
mod run_task;
mod settings;
mod share;
mod show;
mod test;
mod types;
mod update;

use clap::Subcommand;

pub(crate) use declared::{Declared, declared};
pub(crate) use folder::of_plugins;

use super::output::Output;
use super::{Global, Outcome};

/// Look at plugins, check them, take them from others, copy a bundled one out
#[derive(Debug, Subcommand)]
pub(crate) enum Plugins {
    /// List every plugin with its state
    List(list::List),
    /// Show what a plugin declares
    Show(show::Show),
    /// List the settings of plugins, with their values
    Settings(settings::Settings),
    /// Check declarations and settings of plugins
    Check(check::Check),
    /// Make a new plugin, with tests
    New(new::New),
    /// Run the tests of plugins
    Test(test::Test),
    /// Show what a plugin would change in recorded exchanges
    Replay(replay::Replay),
    /// Add a plugin of somebody: a folder, an archive, a git repository
    Add(add::Add),
    /// Update plugins that were added
    Update(update::Update),
    /// Remove plugins that were added
    Remove(remove::Remove),
    /// Copy a bundled plugin to a folder, for editing
    Eject(eject::Eject),
    /// Put stubs for editors and linters beside scripts
    Types(types::Types),
    /// Run a task of a plugin now, in the running proxy
    RunTask(run_task::RunTask),
}

impl Plugins {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        match self {
            Plugins::List(command) => command.run(global, output),
            Plugins::Show(command) => command.run(global, output),
            Plugins::Settings(command) => command.run(global, output),
            Plugins::Check(command) => command.run(global, output),
            Plugins::New(command) => command.run(global, output),
            Plugins::Test(command) => command.run(global, output),
            Plugins::Replay(command) => command.run(global, output),
            Plugins::Add(command) => command.run(global, output),
            Plugins::Update(command) => command.run(global, output),
            Plugins::Remove(command) => command.run(global, output),
            Plugins::Eject(command) => command.run(global, output),
            Plugins::Types(command) => command.run(global, output),
            Plugins::RunTask(command) => command.run(global, output),
        }
    }
}

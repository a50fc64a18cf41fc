//! What a Lua system plugin can see and do, and the host that runs it.
//!
//! The way of a script: [`discover`] finds and declares it, a factory makes its runtime, the runtime's
//! adapters (middleware, hooks, routes, tasks, commands, services) call into its VM.

pub mod api;
pub mod data;
pub mod handle;
pub mod host;
pub mod lint;
pub mod reference;
pub mod testing;

mod discovery;
mod engine;
mod factory;
mod manifest;
mod sources;

mod plugin;
mod runtime;
mod script;

mod command;
mod hook;
mod middleware;
mod route;
mod service;
mod task;

mod answer;
mod emit;
mod stream;

mod budget;
mod call;
mod clock;
mod cost;
mod cpu;
mod oauth;
mod outcome;
mod require;
mod sandbox;
mod vm;

mod breaker;
mod fault;
mod watch;

mod args;
mod fetch;
mod files;
mod inspect;
mod meter;
mod pattern;
mod repl;
mod setting;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod witness;

pub use breaker::BreakerSettings;
pub use discovery::{Bundled, DiscoveryError, declare, discover, name_of, plugin_folders};
pub use engine::Engine;
pub use sources::is_of_tests;
pub use watch::Watch;

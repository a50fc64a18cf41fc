//! `ccproxy`: a local proxy between LLM clients and LLM providers.

mod cli;
mod config;
mod logging;
mod wiring;

use std::process::ExitCode;

/// Gives memory back, and costs less per request than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}

//! `ccproxy`: a local proxy between LLM clients and LLM providers.

mod cli;
mod config;
#[cfg(target_os = "linux")]
mod cores;
mod excerpt;
mod logging;
mod wiring;

use std::process::ExitCode;

/// Gives memory back, and costs less per request than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A step between the proxy and a program that it starts.
    if let Some(code) = ccproxy_providers::guard::run(std::env::args_os()) {
        return code;
    }
    #[cfg(target_os = "linux")]
    cores::forbid();
    cli::run()
}

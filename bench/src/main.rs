//! ccproxy beside nginx and a thin proxy on the same upstream: `cargo run --release -p ccproxy-bench`.
//! The parts run as processes of their own, so that the CPU of each can be told apart: this program
//! is also the upstream (`mock`), the load (`load`) and the thin proxy (`thin`).

mod cpu;
mod load;
mod mock;
mod report;
mod run;
mod scenario;
mod spawn;
mod stats;
mod targets;
mod thin;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures CPU per request and per streamed delta, added latency, memory and start-up.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: run::Options,
}

#[derive(Subcommand)]
enum Part {
    /// The upstream.
    #[command(hide = true)]
    Mock { port: u16 },
    /// The load.
    #[command(hide = true)]
    Load { work: String },
    /// A proxy of hyper's server and client and nothing else.
    #[command(hide = true)]
    Thin { port: u16, upstream: String },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.part {
        Some(Part::Mock { port }) => mock::run(port),
        Some(Part::Load { work }) => load::run(&work),
        Some(Part::Thin { port, upstream }) => thin::run(port, &upstream),
        None => run::run(&arguments.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What every part returns: the reason is for people.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

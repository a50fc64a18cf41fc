//! One run of the benchmark: start everything, interleave rounds, gather, report.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::load::Work;
use crate::scenario::{self, Found, Scenario, Shape};
use crate::spawn::{self, Part};
use crate::targets::{Running, Stage, Target};
use crate::{Outcome, cpu, report, stats};

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Fewer and shorter rounds.
    #[arg(long)]
    quick: bool,
    /// Only these scenarios: sat, low, sse200, sse1000, burst, big, start.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Only these targets: direct, nginx, nginx-lua, thin, ccproxy, ccproxy-lua.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    targets: Vec<String>,
    /// Rounds of each scenario [default: 5, with --quick 3].
    #[arg(long)]
    rounds: Option<usize>,
    /// The ccproxy binary [default: built with the profile].
    #[arg(long, value_name = "FILE")]
    ccproxy: Option<PathBuf>,
    /// The profile that ccproxy is built with: `dist` is what packages have.
    #[arg(long, value_name = "NAME", default_value = "release", conflicts_with = "ccproxy")]
    profile: String,
    /// Do not pin the target to CPU 0 and the rest to CPU 1.
    #[arg(long)]
    no_pin: bool,
    /// Write the figures as JSON to standard output, the tables to standard error.
    #[arg(long)]
    json: bool,
}

/// One target in one round of one scenario.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// What the load found.
    #[serde(flatten)]
    pub(crate) found: Found,
    /// CPU time of the target, in microseconds a unit.
    pub(crate) cpu_us: f64,
    /// Of one CPU.
    pub(crate) cpu_percent: f64,
    /// After the round, in bytes.
    pub(crate) memory: u64,
    /// What everything else on the machine used, in percent of one CPU.
    pub(crate) others_percent: f64,
}

/// All rounds of one target in one scenario.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The target's name.
    pub(crate) target: &'static str,
    /// Its rounds, in order.
    pub(crate) samples: Vec<Sample>,
}

/// Start-up of one target.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Startup {
    /// The target's name.
    pub(crate) target: &'static str,
    /// From the start of the process to the first whole answer, milliseconds, each try.
    pub(crate) first_answer_ms: Vec<f64>,
    /// Resident memory after that answer, bytes, each try.
    pub(crate) idle_memory: Vec<f64>,
}

/// Runs what the options ask for and prints it.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    check(options)?;
    let pin = !options.no_pin && spawn::can_pin();
    let (target_cpu, rest_cpu) = if pin { (Some(0), Some(1)) } else { (None, None) };
    let folder = tempfile::tempdir()?;
    let port = spawn::free_port()?;
    let mock = Part::start(&spawn::myself(&["mock", &port.to_string()])?, rest_cpu)?;
    spawn::wait_for(port)?;
    let stage = Stage {
        folder: folder.path(),
        upstream: port,
        upstream_id: mock.id(),
        cpu: target_cpu,
        ccproxy: binary(options)?,
    };
    let wanted: Vec<Target> = Target::ALL
        .into_iter()
        .filter(|target| {
            options.targets.is_empty() || options.targets.iter().any(|name| name == target.name())
        })
        .collect();
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 5 });

    let mut out: Box<dyn Write> =
        if options.json { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
    report::head(&mut out, pin, rounds)?;
    let mut startups = Vec::new();
    if asked(options, "start") {
        startups = start_up(&stage, &wanted, rounds)?;
        report::startups(&mut out, &startups)?;
    }
    let mut running = Vec::new();
    for target in wanted {
        match target.start(&stage)? {
            Some(target) => running.push(target),
            None => writeln!(out, "{} is not installed: left out", target.name())?,
        }
    }
    let mut tables = Vec::new();
    for scenario in scenario::ALL.iter().filter(|scenario| asked(options, scenario.name)) {
        let shape = if options.quick { scenario.quick } else { scenario.shape };
        let rows = interleave(&running, mock.id(), shape, rounds, rest_cpu)?;
        report::table(&mut out, scenario, shape, &rows)?;
        tables.push((scenario, rows));
    }
    if options.json {
        let mut out = std::io::stdout();
        writeln!(out, "{}", report::json(&startups, &tables))?;
    }
    Ok(())
}

/// Each round gives every target one turn, so that a busy minute of the machine hits all of them.
fn interleave(
    running: &[Running],
    mock: u32,
    shape: Shape,
    rounds: usize,
    cpu: Option<usize>,
) -> Outcome<Vec<Row>> {
    let mut rows: Vec<Row> =
        running.iter().map(|one| Row { target: one.target.name(), samples: Vec::new() }).collect();
    for _ in 0..rounds {
        for (target, row) in running.iter().zip(&mut rows) {
            row.samples.push(sample(target, mock, shape, cpu)?);
        }
    }
    Ok(rows)
}

fn sample(target: &Running, mock: u32, shape: Shape, cpu: Option<usize>) -> Outcome<Sample> {
    let work = serde_json::to_string(&Work { port: target.port, shape })?;
    let load = spawn::myself(&["load", &work])?;
    let before = (Instant::now(), target.cpu(), cpu::of_tree(mock), cpu::of_machine());
    let line = spawn::output(&load, cpu)?;
    let seconds = before.0.elapsed().as_secs_f64();
    let used = target.cpu() - before.1;
    let machine = (cpu::of_machine() - before.3).as_secs_f64();
    let upstream = match target.target {
        Target::Direct => 0.0,
        _ => (cpu::of_tree(mock) - before.2).as_secs_f64(),
    };
    let found: Found = serde_json::from_str(&line)?;
    let others = (machine - used - upstream - found.load_cpu).max(0.0);
    Ok(Sample {
        cpu_us: used * 1e6 / found.units.max(1) as f64,
        cpu_percent: used / seconds * 100.0,
        memory: target.memory(),
        others_percent: others / seconds * 100.0,
        found,
    })
}

/// Starts each target anew, several times.
fn start_up(stage: &Stage<'_>, wanted: &[Target], tries: usize) -> Outcome<Vec<Startup>> {
    let mut all = Vec::new();
    for target in wanted.iter().copied().filter(|target| *target != Target::Direct) {
        let mut row = Startup { target: target.name(), first_answer_ms: Vec::new(), idle_memory: Vec::new() };
        for _ in 0..tries {
            let begun = Instant::now();
            let Some((part, port)) = target.launch(stage)? else { break };
            spawn::wait_for(port)?;
            first_answer(port)?;
            row.first_answer_ms.push(begun.elapsed().as_secs_f64() * 1e3);
            row.idle_memory.push(cpu::memory_of_tree(part.id()) as f64);
        }
        if stats::median(&row.first_answer_ms) > 0.0 {
            all.push(row);
        }
    }
    Ok(all)
}

fn first_answer(port: u16) -> Outcome<()> {
    use std::io::Read;
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    let body = "{\"model\":\"bench\",\"max_tokens\":1,\"messages\":[]}";
    let length = body.len();
    write!(
        socket,
        "POST /claude/v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\nx-api-key: sk-bench\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 200") {
        return Ok(());
    }
    Err(format!("the first answer was `{}`", String::from_utf8_lossy(&answer)).into())
}

/// The binary of the profile, built now unless one is named.
fn binary(options: &Options) -> Outcome<PathBuf> {
    if let Some(path) = &options.ccproxy {
        return Ok(std::path::absolute(path)?);
    }
    let needed = options.targets.is_empty() || options.targets.iter().any(|name| name.starts_with("ccproxy"));
    let me = std::env::current_exe()?;
    let target = me.parent().and_then(Path::parent).ok_or("this program is in no target folder")?;
    if needed {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let words = ["build", "--profile", &options.profile, "--bin", "ccproxy", "--manifest-path", root];
        if !Command::new(cargo).args(words).status()?.success() {
            return Err("ccproxy could not be built; name a binary with `--ccproxy`".into());
        }
    }
    let folder = if options.profile == "dev" { "debug" } else { &options.profile };
    Ok(target.join(folder).join("ccproxy"))
}

fn asked(options: &Options, name: &str) -> bool {
    options.only.is_empty() || options.only.iter().any(|wanted| wanted == name)
}

fn check(options: &Options) -> Outcome<()> {
    let scenarios: Vec<&str> =
        scenario::ALL.iter().map(|scenario: &Scenario| scenario.name).chain(["start"]).collect();
    let targets = Target::ALL.map(Target::name);
    let unknown =
        |names: &[String], known: &[&str]| names.iter().find(|name| !known.contains(&name.as_str())).cloned();
    if let Some(name) = unknown(&options.only, &scenarios) {
        return Err(format!("no scenario `{name}`; there are {}", scenarios.join(", ")).into());
    }
    if let Some(name) = unknown(&options.targets, &targets) {
        return Err(format!("no target `{name}`; there are {}", targets.join(", ")).into());
    }
    Ok(())
}

//! The figures as tables for people and JSON for programs.

use std::io::{Result, Write};

use serde_json::{Value, json};

use crate::run::{Row, Sample, Startup};
use crate::scenario::{Scenario, Shape};
use crate::stats;

const MIB: f64 = 1024.0 * 1024.0;

/// How to read what follows.
pub(crate) fn head(out: &mut dyn Write, pinned: bool, rounds: usize) -> Result<()> {
    let pin = if pinned { "target on CPU 0, upstream and load on CPU 1" } else { "not pinned" };
    writeln!(out, "{pin}; {rounds} interleaved rounds; medians (smallest-largest)")?;
    writeln!(
        out,
        "CPU is user and system time of the target's process tree. Compare inside one table, by ratio:"
    )?;
    writeln!(
        out,
        "`x nginx` is the median of the ratios within each round. `others` is CPU used by the rest of the machine."
    )
}

/// Start-up and idle memory.
pub(crate) fn startups(out: &mut dyn Write, rows: &[Startup]) -> Result<()> {
    writeln!(out, "\n**start** (a fresh process to its first whole answer, and its memory then)\n")?;
    writeln!(out, "| target | first answer ms | idle MiB |\n|---|---|---|")?;
    for row in rows {
        let memory: Vec<f64> = row.idle_memory.iter().map(|bytes| bytes / MIB).collect();
        writeln!(out, "| {} | {} | {} |", row.target, figure(&row.first_answer_ms, 0), figure(&memory, 1))?;
    }
    out.flush()
}

/// One scenario.
pub(crate) fn table(out: &mut dyn Write, scenario: &Scenario, shape: Shape, rows: &[Row]) -> Result<()> {
    let unit = if shape.streams() { "delta" } else { "request" };
    let age = if shape.streams() { "age of a delta" } else { "latency" };
    writeln!(out, "\n**{}** ({})\n", scenario.name, scenario.about)?;
    writeln!(
        out,
        "| target | CPU us/{unit} | x nginx | {unit}s/s | {age} p50 us | p99 us | CPU % | RSS MiB | errors | others % |\n|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        let column = |read: fn(&Sample) -> f64, digits| {
            let values: Vec<f64> = row.samples.iter().map(read).collect();
            figure(&values, digits)
        };
        let errors: u64 = row.samples.iter().map(|sample| sample.found.errors).sum();
        let why = row.samples.iter().find_map(|sample| sample.found.first_error.as_deref());
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {errors}{} | {} |",
            row.target,
            column(|sample| sample.cpu_us, 2),
            ratio(row, rows).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            column(|sample| sample.found.units as f64 / sample.found.seconds, 0),
            column(|sample| sample.found.p50_us, 0),
            column(|sample| sample.found.p99_us, 0),
            column(|sample| sample.cpu_percent, 0),
            column(|sample| sample.memory as f64 / MIB, 1),
            why.map(|why| format!(" ({why})")).unwrap_or_default(),
            column(|sample| sample.others_percent, 0),
        )?;
    }
    out.flush()
}

/// Everything, round by round.
pub(crate) fn json(startups: &[Startup], tables: &[(&Scenario, Vec<Row>)]) -> Value {
    let scenarios = tables.iter().map(|(scenario, rows)| {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                let cpu: Vec<f64> = row.samples.iter().map(|sample| sample.cpu_us).collect();
                json!({
                    "target": row.target,
                    "cpu_us": stats::median(&cpu),
                    "times_nginx": ratio(row, rows),
                    "rounds": row.samples,
                })
            })
            .collect();
        (scenario.name.to_owned(), Value::Array(rows))
    });
    json!({ "start": startups, "scenarios": scenarios.collect::<serde_json::Map<_, _>>() })
}

/// CPU a unit against nginx's in the same round, the median over the rounds.
fn ratio(row: &Row, rows: &[Row]) -> Option<f64> {
    let nginx = rows.iter().find(|row| row.target == "nginx")?;
    let pairs = row.samples.iter().zip(&nginx.samples);
    let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us).collect();
    Some(stats::median(&ratios))
}

fn figure(values: &[f64], digits: usize) -> String {
    let (low, high) = stats::range(values);
    format!("{:.digits$} ({low:.digits$}-{high:.digits$})", stats::median(values))
}

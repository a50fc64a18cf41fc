//! `ccproxy permissions list`

use clap::Args;
use serde_json::Value;

use crate::cli::Outcome;
use crate::cli::context::block_on;
use crate::cli::output::Output;
use crate::cli::plain;
use crate::cli::running::Running;

/// List what waits now
#[derive(Debug, Args)]
pub(super) struct List {}

/// Most characters of the arguments in a row.
const SHOWN: usize = 60;

impl List {
    pub(super) fn run(self, proxy: &Running, json: bool, output: &mut Output) -> Outcome {
        let answer = block_on(proxy.get("/permissions"))?;
        if json {
            output.json(&answer);
            return Ok(());
        }
        let rows: Vec<Vec<String>> =
            answer["permissions"].as_array().into_iter().flatten().map(row).collect();
        if rows.is_empty() {
            output.line("nothing waits");
        } else {
            output.table(&["ID", "TOOL", "FROM", "LEFT", "ARGUMENTS"], &rows);
        }
        Ok(())
    }
}

fn row(record: &Value) -> Vec<String> {
    let word = |key: &str| plain::line(record[key].as_str().unwrap_or_default());
    let left = record["expires_in"].as_f64().unwrap_or_default();
    let input = match &record["input"] {
        Value::Null => "(too long to show)".to_owned(),
        input => plain::line(&input.to_string()),
    };
    let short: String = input.chars().take(SHOWN).collect();
    vec![word("id"), word("tool"), word("source"), format!("{left:.0} s"), short]
}

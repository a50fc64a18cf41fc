//! `ccproxy plugins list`: every plugin, running or declared.

use clap::Args;
use serde_json::{Value, json};

use super::declared;
use crate::cli::config::as_json as as_problem;
use crate::cli::context::block_on;
use crate::cli::output::Output;
use crate::cli::running::Target;
use crate::cli::{Global, Outcome};

/// List every plugin with its state
///
/// The state is that of the running proxy when one answers; otherwise what it would be after a start.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    target: Target,
    /// Ask no running proxy
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let running = if self.offline {
            None
        } else {
            let proxy = self.target.proxy(&loaded)?;
            block_on(proxy.get("/plugins/status")).ok()
        };
        let (plugins, warnings) = declared(&loaded);
        let mut rows: Vec<[String; 6]> = plugins
            .iter()
            .map(|plugin| {
                let reason = plugin.reason.clone().unwrap_or_default();
                [
                    plugin.name.clone(),
                    plugin.kind(),
                    plugin.version(),
                    plugin.state.to_owned(),
                    plugin.source(),
                    reason,
                ]
            })
            .collect();
        if let Some(status) = &running {
            merge(&mut rows, status);
        }
        let live = running.is_some();
        if self.json {
            let list: Vec<Value> = rows.iter().map(as_json).collect();
            output.json(&json!({ "running": live, "plugins": list, "warnings": warnings.iter().map(as_problem).collect::<Vec<_>>() }));
        } else {
            let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
            output.table(&["NAME", "TYPE", "VERSION", "STATE", "SOURCE", "REASON"], &rows);
            if !live && !self.offline {
                output.line("no proxy is running: the state is what a start would give");
            }
            output.problems(&warnings);
            output.left_out(&loaded.left_out);
        }
        Ok(())
    }
}

/// State, version and reason as the running proxy has them.
fn merge(rows: &mut Vec<[String; 6]>, status: &Value) {
    for plugin in status["plugins"].as_array().into_iter().flatten() {
        let text = |key: &str| plugin[key].as_str().unwrap_or_default().to_owned();
        let row = match rows.iter_mut().find(|row| row[0] == text("name")) {
            Some(row) => row,
            None => {
                rows.push([
                    text("name"),
                    text("type"),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                ]);
                let last = rows.len() - 1;
                &mut rows[last]
            }
        };
        (row[2], row[3], row[5]) = (text("version"), text("state"), text("reason"));
    }
    for row in rows.iter_mut() {
        let known = status["plugins"].as_array().into_iter().flatten().any(|plugin| plugin["name"] == row[0]);
        if !known {
            row[3] = "not loaded".to_owned();
        }
    }
}

fn as_json(row: &[String; 6]) -> Value {
    let [name, kind, version, state, source, reason] = row;
    json!({ "name": name, "type": kind, "version": version, "state": state, "source": source, "reason": reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_proxy_knows_best() {
        let row = |name: &str| [name, "system", "1", "enabled", "bundled", ""].map(str::to_owned);
        let mut rows = vec![row("a"), row("b")];
        let status = json!({ "plugins": [
            { "name": "a", "version": "2", "state": "failed", "reason": "why" },
            { "name": "c", "type": "system", "version": "3", "state": "active" },
        ] });
        merge(&mut rows, &status);
        let states: Vec<String> =
            rows.iter().map(|row| format!("{} {} {}", row[0], row[2], row[3])).collect();
        assert_eq!(states, ["a 2 failed", "b 1 not loaded", "c 3 active"]);
    }
}

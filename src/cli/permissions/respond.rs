//! `ccproxy permissions respond`

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::context::block_on;
use crate::cli::output::Output;
use crate::cli::running::Running;
use crate::cli::x::segment;
use crate::cli::{Failure, Outcome};

/// Decide about one of them
#[derive(Debug, Args)]
pub(super) struct Respond {
    /// The request, as `ccproxy permissions list` names it
    id: String,
    /// What becomes of the call
    decision: Decision,
    /// Other arguments for the call, as a JSON object
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// What the model is told
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Write a rule: for this tool with these arguments alone, or for the tool
    #[arg(long, value_name = "SCOPE", num_args = 0..=1, default_missing_value = "exact", require_equals = true)]
    always: Option<Scope>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Decision {
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    Exact,
    Tool,
}

impl Respond {
    pub(super) fn run(self, proxy: &Running, json: bool, output: &mut Output) -> Outcome {
        let mut body = json!({ "decision": match self.decision { Decision::Allow => "allow", Decision::Deny => "deny" } });
        if let Some(text) = &self.input {
            let input: Value = serde_json::from_str(text)
                .map_err(|error| Failure::new(format!("`--input` is no JSON: {error}")))?;
            body["input"] = input;
        }
        if let Some(message) = self.message {
            body["message"] = message.into();
        }
        if let Some(scope) = self.always {
            body["always"] = match scope {
                Scope::Exact => "exact".into(),
                Scope::Tool => "tool".into(),
            };
        }
        let answer = block_on(proxy.post(&path(&self.id), &body))?;
        if json {
            output.json(&answer);
        } else {
            output.line(answer["status"].as_str().unwrap_or("decided"));
        }
        match answer["problem"].as_str() {
            Some(problem) => Err(Failure::new(format!("decided, but no rule was written: {problem}"))),
            None => Ok(()),
        }
    }
}

/// Where an answer goes.
pub(super) fn path(id: &str) -> String {
    format!("/permissions/{}/respond", segment(id))
}

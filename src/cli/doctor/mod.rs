//! `ccproxy doctor`: everything that can be checked before or beside a running proxy.

mod checks;
mod online;

use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::running::Target;
use super::{Failure, Global, Outcome};

/// Check configuration, data folder, port, plugins and credentials
///
/// Exit code 1 when a line says `fail`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    target: Target,
    /// Also connect to the providers
    #[arg(long)]
    online: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    what: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn new(level: Level, what: &str, detail: impl Into<String>) -> Self {
        Finding { level, what: what.to_owned(), detail: detail.into(), remedy: None }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl Doctor {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load()?;
        let mut findings = checks::configuration(&loaded);
        findings.push(checks::data_folder(&loaded.settings.core.data_dir));
        findings.extend(checks::listen(&loaded, &self.target)?);
        findings.extend(checks::plugins(&loaded));
        if self.online {
            findings.extend(online::providers(&loaded)?);
        }
        let failed = findings.iter().any(|finding| finding.level == Level::Fail);
        if self.json {
            output.json(&findings);
        } else {
            findings.iter().for_each(|finding| print(finding, output));
        }
        if failed { Err(Failure::Silent) } else { Ok(()) }
    }
}

fn print(finding: &Finding, output: &mut Output) {
    let level = match finding.level {
        Level::Ok => "ok  ",
        Level::Warn => "warn",
        Level::Fail => "fail",
    };
    output.line(format!("{level}  {}: {}", finding.what, finding.detail));
    if let Some(remedy) = &finding.remedy {
        output.line(format!("      {remedy}"));
    }
}

//! What came of the tests, for people and for machines.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ccproxy_lua::testing::{Failure, Outcome, Verdict};
use serde_json::{Value, json};

use super::shown;
use crate::cli::output::Output;

/// Lines of log that are shown beside a failure.
const LOG: usize = 20;

/// One test that was run.
pub(super) struct Done {
    pub(super) plugin: String,
    pub(super) folder: PathBuf,
    pub(super) file: String,
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) outcome: Outcome,
}

/// All of them.
#[derive(Default)]
pub(super) struct Report {
    pub(super) tests: Vec<Done>,
    /// Not run, after a failure.
    pub(super) left_out: usize,
    pub(super) took: Duration,
}

impl Report {
    fn count(&self, which: fn(&Verdict) -> bool) -> usize {
        self.tests.iter().filter(|done| which(&done.outcome.verdict)).count()
    }

    fn passed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Passed))
    }

    fn failed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Failed(_)))
    }

    fn skipped(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Skipped(_)))
    }

    /// Whether nothing was run.
    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Whether something was run, and all of it passed.
    pub(super) fn is_good(&self) -> bool {
        !self.is_empty() && self.failed() == 0
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        json!({
            "ok": self.is_good(),
            "passed": self.passed(),
            "failed": self.failed(),
            "skipped": self.skipped(),
            "left_out": self.left_out,
            "seconds": self.took.as_secs_f64(),
            "tests": self.tests.iter().map(Done::json).collect::<Vec<_>>(),
        })
    }
}

impl Done {
    fn json(&self) -> Value {
        let (verdict, failure) = match &self.outcome.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Skipped(_) => ("skipped", None),
            Verdict::Failed(failure) => ("failed", Some(failure)),
        };
        let mut value = json!({
            "plugin": self.plugin,
            "file": self.path(&self.file),
            "line": self.line,
            "name": self.name,
            "verdict": verdict,
            "seconds": self.outcome.took.as_secs_f64(),
        });
        if !self.outcome.written.is_empty() {
            value["snapshots_written"] = json!(self.outcome.written);
        }
        if let Some(failure) = failure {
            value["failure"] = json!({
                "message": failure.message,
                "file": failure.position.as_ref().map(|(file, _)| self.path(file)),
                "line": failure.position.as_ref().map(|(_, line)| line),
                "stack": failure.stack,
                "notes": failure.notes,
                "log": failure.log,
            });
        }
        value
    }

    fn path(&self, file: &str) -> PathBuf {
        shown(&self.folder.join(file))
    }
}

/// Writes results while they come.
pub(super) struct Printer<'a> {
    output: &'a mut Output,
    dots: bool,
    /// Whose tests are being told.
    heading: Option<(String, String)>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(output: &'a mut Output, dots: bool) -> Self {
        Printer { output, dots, heading: None }
    }

    /// One test is done.
    pub(super) fn test(&mut self, done: &Done) {
        if self.dots {
            let mark = match done.outcome.verdict {
                Verdict::Passed => ".",
                Verdict::Skipped(_) => "s",
                Verdict::Failed(_) => "F",
            };
            self.output.text(mark);
            return;
        }
        let heading = (done.plugin.clone(), done.file.clone());
        if self.heading.as_ref() != Some(&heading) {
            self.output.line(done.path(&done.file).display().to_string());
            self.heading = Some(heading);
        }
        let millis = done.outcome.took.as_millis();
        let line = match &done.outcome.verdict {
            Verdict::Passed => format!("  ok    {}{}", done.name, slow(millis)),
            Verdict::Skipped(why) if why.is_empty() => format!("  skip  {}", done.name),
            Verdict::Skipped(why) => format!("  skip  {} ({why})", done.name),
            Verdict::Failed(_) => format!("  FAIL  {}", done.name),
        };
        self.output.line(line);
        for path in &done.outcome.written {
            self.output.line(format!("        wrote {}", shown(path).display()));
        }
    }

    /// All are done.
    pub(super) fn summary(&mut self, report: &Report) {
        if self.dots && !report.is_empty() {
            self.output.text("\n");
        }
        for done in &report.tests {
            if let Verdict::Failed(failure) = &done.outcome.verdict {
                self.failure(done, failure);
            }
        }
        let mut words = vec![format!("{} passed", report.passed()), format!("{} failed", report.failed())];
        if report.skipped() > 0 {
            words.push(format!("{} skipped", report.skipped()));
        }
        if report.left_out > 0 {
            words.push(format!("{} not run", report.left_out));
        }
        self.output.line(format!("\n{}, {:.2} s", words.join(", "), report.took.as_secs_f64()));
    }

    fn failure(&mut self, done: &Done, failure: &Failure) {
        self.output.line(format!("\nFAIL  {} > {}", done.plugin, done.name));
        let (file, line) = failure.position.clone().unwrap_or((done.file.clone(), done.line));
        let place = done.path(&file);
        match line {
            0 => self.output.line(format!("  {}", place.display())),
            line => {
                self.output.line(format!("  {}:{line}", place.display()));
                if let Some(text) = source(&done.folder.join(&file), line) {
                    self.output.line(format!("    {line} | {text}"));
                }
            }
        }
        self.indented(&failure.message);
        failure.stack.iter().for_each(|line| self.output.line(format!("    in {line}")));
        failure.notes.iter().for_each(|note| self.output.line(format!("    note: {note}")));
        if !failure.log.is_empty() {
            self.output.line("  log");
            let skipped = failure.log.len().saturating_sub(LOG);
            if skipped > 0 {
                self.output.line(format!("    ... {skipped} lines before"));
            }
            failure.log.iter().skip(skipped).for_each(|line| self.output.line(format!("    {line}")));
        }
    }

    fn indented(&mut self, text: &str) {
        text.lines().for_each(|line| self.output.line(format!("    {line}")));
    }
}

fn slow(millis: u128) -> String {
    if millis >= 100 { format!(" ({millis} ms)") } else { String::new() }
}

/// A line of a file.
fn source(path: &Path, line: usize) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().nth(line.checked_sub(1)?).map(|line| line.trim().to_owned())
}

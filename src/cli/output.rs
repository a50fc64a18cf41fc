//! What a command writes: results to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

use ccproxy_core::config::{Problem, Severity};
use serde::Serialize;

use super::Failure;
use crate::config::LeftOut;

/// The two streams. A reader that has gone away is no failure.
pub(crate) struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    colour: bool,
}

impl Output {
    /// The streams of the process.
    pub(crate) fn standard() -> Self {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Output { out: Box::new(std::io::stdout()), err: Box::new(std::io::stderr()), colour }
    }

    /// A line of the result.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.out, "{}", printable(text.as_ref()));
    }

    /// Text of the result as it is.
    pub(crate) fn text(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }

    /// The result as JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            let _ = writeln!(self.out, "{text}");
        }
    }

    /// A result of many as JSON, on a line of its own.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(value) {
            let _ = writeln!(self.out, "{text}");
            let _ = self.out.flush();
        }
    }

    /// Rows under a head, in columns.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let one_line = |row: &Vec<String>| row.iter().map(|cell| cell.replace('\n', "; ")).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(one_line).collect();
        let width = |index: usize| {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
            cells.chain([head[index].len()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        for row in std::iter::once(&head).chain(&rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }

    /// A line beside the result.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.err, "{}", printable(text.as_ref()));
        let _ = self.err.flush();
    }

    /// Something to look out for.
    pub(crate) fn warning(&mut self, message: &str) {
        self.say("warning", "33", message, None);
    }

    /// Why a command failed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        match failure {
            Failure::Failed { message, hint } => self.say("error", "31", message, hint.as_deref()),
            Failure::Silent | Failure::Signal(_) => {}
            Failure::Config(problems) => self.problems(problems),
        }
    }

    /// What is wrong with a configuration.
    pub(crate) fn problems(&mut self, problems: &[Problem]) {
        for problem in problems {
            let (word, colour) = match problem.severity {
                Severity::Error => ("error", "31"),
                Severity::Warning => ("warning", "33"),
            };
            let bare = Problem { hint: None, ..problem.clone() };
            self.say(word, colour, &bare.to_string(), problem.hint.as_deref());
        }
    }

    /// What was left out because its folder is not trusted.
    pub(crate) fn left_out(&mut self, left_out: &[LeftOut]) {
        for item in left_out {
            let message = format!("left out `{}`: {}", item.path.display(), item.reason);
            self.say("warning", "33", &message, Some(&item.remedy));
        }
    }

    fn say(&mut self, word: &str, colour: &str, message: &str, hint: Option<&str>) {
        let word = if self.colour { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() };
        let _ = writeln!(self.err, "{word}: {}", printable(message));
        if let Some(hint) = hint {
            let _ = writeln!(self.err, "  hint: {}", printable(hint));
        }
    }
}

/// Control bytes of names and answers must not reach the terminal.
fn printable(text: &str) -> String {
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars()
        .flat_map(|c| {
            if plain(c) { c.to_string() } else { c.escape_default().to_string() }.chars().collect::<Vec<_>>()
        })
        .collect()
}

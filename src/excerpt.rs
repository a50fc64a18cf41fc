//! The lines of a script that a message is about, shown below it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Lines shown before and after the one that is meant.
const AROUND: usize = 1;
/// Longest file that is read for it.
const LARGEST: u64 = 1 << 20;

/// Finds the scripts that messages name.
#[derive(Clone, Debug)]
pub(crate) struct Excerpts {
    /// Folders of plugins, nearest first.
    folders: Vec<PathBuf>,
}

impl Excerpts {
    /// Looks for plugins in these folders.
    pub(crate) fn new(folders: Vec<PathBuf>) -> Self {
        Excerpts { folders }
    }

    /// The place that a log line names: ``plugin `limits`, `request` at plugin.lua:12: ...``.
    pub(crate) fn of_line(&self, message: &str) -> Option<String> {
        let plugin = message.split("plugin `").nth(1)?.split('`').next()?;
        self.of(plugin, message)
    }

    /// Where the files of a plugin are.
    pub(crate) fn folder(&self, plugin: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(plugin)).find(|folder| folder.is_dir())
    }

    /// The first place of a plugin that a text names as `file.lua:LINE`.
    pub(crate) fn of(&self, plugin: &str, text: &str) -> Option<String> {
        let (file, line) = place(text)?;
        let folder = self.folder(plugin)?;
        let path = folder.join(&file);
        // A name from a message leads nowhere else.
        let inside =
            Path::new(&file).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside || !path.metadata().is_ok_and(|about| about.is_file() && about.len() <= LARGEST) {
            return None;
        }
        let source = std::fs::read_to_string(&path).ok()?;
        excerpt(&source, line, &path)
    }
}

/// `lib/rules.lua` and 12 of `... lib/rules.lua:12: ...`.
fn place(text: &str) -> Option<(String, usize)> {
    for (at, _) in text.match_indices(".lua:") {
        let from = text[..at].rfind(|c: char| !c.is_ascii_alphanumeric() && !"_-./".contains(c));
        let file = &text[from.map_or(0, |from| from + 1)..at + 4];
        let digits: String = text[at + 5..].chars().take_while(char::is_ascii_digit).collect();
        if let Ok(line) = digits.parse() {
            return Some((file.to_owned(), line));
        }
    }
    None
}

fn excerpt(source: &str, line: usize, path: &Path) -> Option<String> {
    let lines: Vec<&str> = source.lines().collect();
    if line == 0 || line > lines.len() {
        return None;
    }
    let (first, last) = (line.saturating_sub(AROUND).max(1), (line + AROUND).min(lines.len()));
    let width = last.to_string().len();
    let mut out = format!("{:width$} --> {}:{line}\n", "", path.display());
    for number in first..=last {
        let mark = if number == line { '>' } else { ' ' };
        let text: String =
            lines[number - 1].chars().filter(|c| !c.is_control() || *c == '\t').take(200).collect();
        let _ = writeln!(out, "{mark} {number:width$} | {text}");
    }
    Some(out)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_place_that_a_message_names_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("limits");
        std::fs::create_dir_all(plugin.join("lib")).unwrap();
        std::fs::write(plugin.join("lib/rules.lua"), "one\ntwo\nthree\nfour\n").unwrap();
        let excerpts = Excerpts::new(vec![folder.path().to_owned()]);
        let shown = excerpts.of_line("plugin `limits`, `request` at lib/rules.lua:3: no such thing").unwrap();
        assert!(
            shown.contains("> 3 | three\n") && shown.contains("  2 | two\n") && !shown.contains("one"),
            "{shown}"
        );
        for other in [
            "plugin `limits` failed",
            "plugin `other`, `request` at lib/rules.lua:3: x",
            "plugin `limits`, `request` at lib/rules.lua:33: x",
            "plugin `limits`, `request` at ../../secret.lua:1: x",
        ] {
            assert_eq!(excerpts.of_line(other), None, "{other}");
        }
    }
}

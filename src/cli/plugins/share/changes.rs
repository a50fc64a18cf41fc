//! What an update changes: files, with the lines that come and go.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::tree::Tree;

/// One file that is not as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its path.
    pub(crate) path: String,
    /// `added`, `removed` or `changed`.
    pub(crate) what: &'static str,
    /// Lines that come; `None` where it is no text.
    pub(crate) more: Option<usize>,
    /// Lines that go.
    pub(crate) fewer: Option<usize>,
}

/// The files that differ, by path.
pub(crate) fn between(old: &Tree, new: &Tree) -> Vec<Change> {
    let paths: BTreeSet<&str> = old.files().chain(new.files()).map(|(path, _)| path).collect();
    let change = |path: &str| {
        let (before, after) = (old.file(path), new.file(path));
        let what = match (before, after) {
            (None, _) => "added",
            (_, None) => "removed",
            (before, after) if before == after => return None,
            _ => "changed",
        };
        let lines = lines(before.unwrap_or_default(), after.unwrap_or_default());
        let (more, fewer) = lines.unzip();
        Some(Change { path: path.to_owned(), what, more, fewer })
    };
    paths.into_iter().filter_map(change).collect()
}

impl Change {
    /// `~ plugin.lua (+3 -1)`
    pub(crate) fn line(&self) -> String {
        let sign = match self.what {
            "added" => '+',
            "removed" => '-',
            _ => '~',
        };
        match (self.more, self.fewer) {
            (Some(more), Some(fewer)) => format!("{sign} {} (+{more} -{fewer})", self.path),
            _ => format!("{sign} {} (no text)", self.path),
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({ "file": self.path, "change": self.what, "lines_added": self.more, "lines_removed": self.fewer })
    }
}

/// How many lines come and go; a moved line does neither.
fn lines(before: &[u8], after: &[u8]) -> Option<(usize, usize)> {
    let (before, after) = (std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?);
    let mut balance: HashMap<&str, isize> = HashMap::new();
    after.lines().for_each(|line| *balance.entry(line).or_default() += 1);
    before.lines().for_each(|line| *balance.entry(line).or_default() -= 1);
    let sum = |sign: isize| {
        balance.values().filter(|count| *count * sign > 0).map(|count| count.unsigned_abs()).sum()
    };
    Some((sum(1), sum(-1)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn files_and_lines_are_counted() {
        let tree = |files: &[(&str, &[u8])]| {
            let mut tree = Tree::default();
            files.iter().for_each(|(path, bytes)| tree.add(path, bytes.to_vec()).unwrap());
            tree
        };
        let old = tree(&[("a", b"1\n2\n3\n"), ("b", b"x"), ("same", b"s"), ("z", &[0xff])]);
        let new = tree(&[("a", b"3\n1\n4\n5\n"), ("c", b"y\n"), ("same", b"s"), ("z", &[0xfe])]);
        let lines: Vec<String> = between(&old, &new).iter().map(Change::line).collect();
        assert_eq!(lines, ["~ a (+2 -1)", "- b (+0 -1)", "+ c (+1 -0)", "~ z (no text)"]);
    }
}

//! Snapshots: what a value was when somebody looked at it and found it right, in a file beside the test.

use std::fs;
use std::path::{Path, PathBuf};

use super::diff;

/// What happens to a snapshot that is not there, or another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// A missing one is written; another one fails.
    #[default]
    Write,
    /// Both are written.
    Update,
    /// Both fail.
    Keep,
}

/// Largest snapshot in bytes.
const LARGEST: usize = 1 << 20;

/// Where the snapshot of a test is: `snapshots/<file>/<test>.snap` beside the test's file; `number` tells those of one test apart.
pub(super) fn place(folder: &Path, file: &str, test: &str, name: Option<&str>, number: usize) -> PathBuf {
    let path = folder.join(file);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut own = slug(test);
    match name {
        Some(name) => own = format!("{own}.{}", slug(name)),
        None if number > 1 => own = format!("{own}.{number}"),
        None => {}
    }
    path.with_file_name("snapshots").join(stem).join(format!("{own}.snap"))
}

/// Compares, and writes where that is asked for. Says whether it wrote; the error is for the author of the test.
pub(super) fn meet(path: &Path, text: &str, snapshots: Snapshots) -> Result<bool, String> {
    if text.len() > LARGEST {
        return Err(format!("a snapshot has at most {LARGEST} bytes"));
    }
    let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    match fs::read_to_string(path) {
        Ok(known) if known == text => return Ok(false),
        Ok(known) if snapshots != Snapshots::Update => {
            return Err(format!(
                "not as in the snapshot `{shown}`: - snapshot, + got\n{}\n  `--update-snapshots` takes what came",
                diff::lines(&known, &text)
            ));
        }
        Err(_) if snapshots == Snapshots::Keep => {
            return Err(format!(
                "the snapshot `{shown}` is missing, and is not written in CI\n  run the tests once without `--ci`, and keep the file"
            ));
        }
        _ => {}
    }
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map(|()| true).map_err(|error| format!("the snapshot `{shown}` cannot be written: {error}"))
}

/// A name that is a file's everywhere.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().take(80) {
        match letter {
            letter if letter.is_ascii_alphanumeric() => slug.push(letter.to_ascii_lowercase()),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    match slug.trim_end_matches('-') {
        "" => "test".to_owned(),
        slug => slug.to_owned(),
    }
}

/// Identities of exchanges are other ones in each run.
pub(super) fn steady(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('x') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let digits = from[1..].bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
        let alone = !before.ends_with(|letter: char| letter.is_ascii_alphanumeric());
        if digits == 16 && alone {
            out.push_str("x<exchange>");
            rest = &from[17..];
        } else {
            out.push('x');
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_one_place() {
        let at = |test, name, number| place(Path::new("/p"), "tests/a_test.lua", test, name, number);
        assert_eq!(
            at("Hides mail, always!", None, 1),
            Path::new("/p/tests/snapshots/a_test/hides-mail-always.snap")
        );
        assert_eq!(at("../x", Some("é"), 2), Path::new("/p/tests/snapshots/a_test/x.test.snap"));
        assert_eq!(at("a", None, 2), Path::new("/p/tests/snapshots/a_test/a.2.snap"));
        assert_eq!(steady("id x0123456789abcdef, max"), "id x<exchange>, max");
        assert_eq!(steady("0x0123456789abcdef x"), "0x0123456789abcdef x");
    }

    #[test]
    fn it_is_written_kept_and_updated_as_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("snapshots/a.snap");
        assert!(meet(&path, "one", Snapshots::Keep).is_err_and(|why| why.contains("missing")));
        assert_eq!(meet(&path, "one", Snapshots::Write), Ok(true));
        assert_eq!(meet(&path, "one", Snapshots::Keep), Ok(false));
        let why = meet(&path, "two", Snapshots::Write).expect_err("another");
        assert!(why.contains("- one\n+ two") && why.contains("--update-snapshots"), "{why}");
        assert_eq!(meet(&path, "two", Snapshots::Update), Ok(true));
        assert_eq!(meet(&path, "two", Snapshots::Keep), Ok(false));
    }
}

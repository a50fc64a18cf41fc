//! `--watch`: runs, after each save, the tests that it touches.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use ccproxy_lua::is_of_tests;
use notify::{Event, RecursiveMode, Watcher};

use super::find::Found;
use super::report::Printer;
use super::run::Runner;
use crate::cli::output::Output;
use crate::cli::{Failure, Outcome};

/// Quiet time after a save: half of one is not looked at.
const QUIET: Duration = Duration::from_millis(60);
/// Events that may wait; more say nothing new.
const SIGNALS: usize = 64;

/// The texts of a plugin, by file.
type Texts = BTreeMap<String, String>;

/// Runs everything once, then what is touched, until it is interrupted.
pub(super) fn watch(found: &[Found], runner: &Runner, dots: bool, output: &mut Output) -> Outcome {
    let failed = |error: notify::Error| Failure::new(format!("the folders cannot be watched: {error}"));
    let (sender, saves) = sync_channel(SIGNALS);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| !event.kind.is_access()) {
            // A full queue holds enough reasons to look.
            let _ = sender.try_send(());
        }
    })
    .map_err(failed)?;
    let mut known: Vec<Texts> = found.iter().map(texts).collect();
    for one in found {
        watcher.watch(&one.folder, RecursiveMode::Recursive).map_err(failed)?;
    }
    let mut now: Vec<Found> = found.to_vec();
    loop {
        let mut printer = Printer::new(output, dots);
        let report = runner.run(&now, &mut |done| printer.test(done));
        printer.summary(&report);
        output.line("waiting for a save (Ctrl-C ends it)");
        now = loop {
            if saves.recv().is_err() {
                return Ok(());
            }
            while saves.recv_timeout(QUIET) != Err(RecvTimeoutError::Timeout) {}
            let fresh: Vec<Texts> = found.iter().map(texts).collect();
            let touched: Vec<Found> = found
                .iter()
                .zip(known.iter().zip(&fresh))
                .filter_map(|(found, (before, after))| touched(found, before, after))
                .collect();
            known = fresh;
            if !touched.is_empty() {
                break touched;
            }
        };
        output.line("");
    }
}

fn texts(found: &Found) -> Texts {
    // One that cannot be read now is as good as empty: it is told of when it is run.
    found.read().map(|(subject, _)| subject.sources.files.clone()).unwrap_or_default()
}

/// What to run of a plugin: changed test files alone, or all when anything else changed.
fn touched(found: &Found, before: &Texts, after: &Texts) -> Option<Found> {
    let changed: Vec<&String> = after
        .iter()
        .filter(|(file, text)| before.get(*file) != Some(text))
        .map(|(file, _)| file)
        .chain(before.keys().filter(|file| !after.contains_key(*file)))
        .collect();
    if changed.is_empty() {
        return None;
    }
    let alone = |file: &&String| is_of_tests(file) && file.ends_with("_test.lua");
    if !changed.iter().all(alone) {
        return Some(found.clone());
    }
    let files = changed.into_iter().filter(|file| found.only.as_ref().is_none_or(|only| only.contains(file)));
    let only: Vec<String> = files.cloned().collect();
    (!only.is_empty()).then(|| Found { folder: found.folder.clone(), only: Some(only) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, &str)]) -> Texts {
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_save_touches_its_tests_only() {
        let found = Found { folder: "p".into(), only: None };
        let before = texts(&[
            ("plugin.lua", "1"),
            ("a_test.lua", "1"),
            ("b_test.lua", "1"),
            ("tests/support.lua", "1"),
        ]);
        let with = |file: &str| {
            let mut after = before.clone();
            after.insert(file.to_owned(), "2".to_owned());
            touched(&found, &before, &after)
        };
        assert!(touched(&found, &before, &before).is_none());
        assert_eq!(with("a_test.lua").and_then(|found| found.only), Some(vec!["a_test.lua".to_owned()]));
        assert_eq!(with("plugin.lua").map(|found| found.only), Some(None), "all of them");
        assert_eq!(with("tests/support.lua").map(|found| found.only), Some(None));
        let some = Found { only: Some(vec!["b_test.lua".to_owned()]), ..found.clone() };
        assert!(touched(&some, &before, &texts(&[("a_test.lua", "2")])).is_some(), "others are gone");
    }
}

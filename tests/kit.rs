//! The plugin author's kit as its user meets it: `ccproxy plugins test`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::support::proxy::{cli, home, start_in};
use super::support::{self, Config};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn fixture(name: &str) -> String {
    format!("{ROOT}/tests/fixtures/kit/{name}")
}

/// Some of these run a hundred tests, and some of those run until their time is over.
const PATIENCE: Duration = Duration::from_secs(180);

fn run<F: Future>(test: F) -> F::Output {
    support::run_within(PATIENCE, test)
}

/// Runs tests of plugins: the exit code, and what was printed.
async fn tested(arguments: &[&str]) -> (i32, String) {
    let config = Config::new();
    let home = home(&config);
    let child = start_in(home.path(), &config, &[&["plugins", "test"], arguments].concat());
    let output = child.wait_with_output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// The same as JSON.
async fn told(arguments: &[&str]) -> (i32, Value) {
    let (code, text) = tested(&[arguments, &["--json"]].concat()).await;
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// A copy of a fixture that may be written to.
fn copy(name: &str) -> (tempfile::TempDir, PathBuf) {
    fn files(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten() {
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() {
                files(&path, &target);
            } else {
                std::fs::copy(path, target).unwrap();
            }
        }
    }
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(name);
    files(Path::new(&fixture(name)), &folder);
    (home, folder)
}

#[test]
fn the_tests_of_the_bundled_plugins_pass() {
    run(async {
        let (code, report) = told(&[&format!("{ROOT}/scripts"), "--ci", "--timeout", "60s"]).await;
        assert_eq!(code, 0, "{report:#}");
        let tests = report["tests"].as_array().unwrap();
        for plugin in
            ["access_log", "raw_http_logger", "request_id", "max_tokens", "model_alias", "permissions"]
        {
            let own = tests.iter().filter(|test| test["plugin"] == plugin).count();
            assert!(own >= 3, "{plugin} has {own} tests");
        }
    });
}

#[test]
fn everything_that_a_test_can_do_is_tested_with_it() {
    run(async {
        let (code, report) = told(&[&fixture("probe"), "--ci", "--timeout", "60s"]).await;
        assert_eq!(code, 0, "{report:#}");
        assert_eq!((report["failed"].as_u64(), report["skipped"].as_u64()), (Some(0), Some(2)), "{report:#}");
    });
}

#[test]
fn what_fails_is_told_with_its_place_and_what_was_expected() {
    run(async {
        let (code, text) = tested(&[&fixture("faulty"), "--timeout", "3s"]).await;
        assert_eq!(code, 1, "{text}");
        for part in [
            "  FAIL  compares\n",
            "  ok    passes\n",
            "faulty_test.lua:2\n    2 | t.eq(",
            "expected { status = 201, text = \"x\" }\n         got { status = 200, text = \"x\" }",
            "faulty_test.lua:4\n",
            "attempt to index nil with 'field'",
            "runs Lua without end",
            "took longer than 3 s",
            "waits for what never comes",
            "1 of the queued answers of the upstream was never asked for",
            "the plugin failed 1 time meanwhile",
            "plugin.lua:4: the plugin's own fault",
            "note: the answer was cut after byte 7 of 23",
            "1 passed, 8 failed, ",
        ] {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
        let (code, report) = told(&[&fixture("faulty"), "--filter", "compares"]).await;
        assert_eq!(code, 1);
        let failure = &report["tests"][0]["failure"];
        assert_eq!(failure["line"], 2, "{report:#}");
        assert!(failure["file"].as_str().unwrap().ends_with("faulty/faulty_test.lua"), "{report:#}");
    });
}

#[test]
fn tests_are_found_by_path_by_name_and_by_filter() {
    run(async {
        let file = fixture("probe/tests/assertions_test.lua");
        let count = async |arguments: &[&str]| told(arguments).await.1["tests"].as_array().unwrap().len();
        assert_eq!(count(&[&file]).await, 5);
        assert_eq!(count(&[&fixture("probe/tests")]).await, 5);
        assert_eq!(count(&[&fixture("probe"), "--filter", "Equal"]).await, 1);
        let all = fixture("");
        assert_eq!(count(&[&all, "--filter", "faulty > faulty_test.lua > passes"]).await, 1);
        assert_eq!(count(&["probe", "--scripts", &all, "--filter", "parts"]).await, 1);
        let (code, text) = tested(&["prob", "--scripts", &all]).await;
        assert!(code == 1 && text.contains("did you mean `probe`"), "{text}");
        let (code, text) = tested(&["access_log"]).await;
        assert!(code == 1 && text.contains("plugins eject access_log"), "{text}");
        let (code, text) = tested(&[&fixture("pricing")]).await;
        assert!(code == 1 && text.contains("*_test.lua"), "{text}");
        let (code, text) = tested(&[&fixture("probe"), "--filter", "nothing of the kind"]).await;
        assert!(code == 1 && text.contains("no test was run"), "{text}");
        let (code, text) = tested(&[&fixture("faulty"), "--filter", "s", "--fail-fast", "--dots"]).await;
        assert!(code == 1 && text.contains(" not run, "), "{text}");
    });
}

#[test]
fn snapshots_are_written_once_kept_in_ci_and_updated_when_asked() {
    run(async {
        let (_home, folder) = copy("probe");
        let (snap, folder) =
            (folder.join("snapshots/probe_test/snapshots.a-table.snap"), folder.display().to_string());
        // Beside it is what it depends on.
        let run = async |more: &[&str]| {
            let only = ["--filter", "> snapshots", "--scripts"];
            let all = fixture("");
            tested(&[&[folder.as_str()], &only[..], &[all.as_str()], more].concat()).await
        };
        let known = std::fs::read_to_string(&snap).unwrap();
        assert_eq!(run(&["--ci"]).await.0, 0);
        std::fs::write(&snap, known.replace("\"b\": 1", "\"b\": 2")).unwrap();
        let (code, text) = run(&[]).await;
        assert!(code == 1 && text.contains("-   \"b\": 2\n    +   \"b\": 1"), "{text}");
        let (code, text) = run(&["--update-snapshots"]).await;
        assert!(code == 0 && text.contains("wrote "), "{text}");
        assert_eq!(std::fs::read_to_string(&snap).unwrap(), known);
        std::fs::remove_file(&snap).unwrap();
        let (code, text) = run(&["--ci"]).await;
        assert!(code == 1 && text.contains("is missing") && !snap.exists(), "{text}");
        assert_eq!(run(&[]).await.0, 0);
        assert_eq!(std::fs::read_to_string(&snap).unwrap(), known);
    });
}

#[test]
fn a_file_that_cannot_be_loaded_is_a_failure_with_its_place() {
    run(async {
        let (_home, folder) = copy("pricing");
        for (text, wanted) in [
            ("test('a', function() end", "bad_test.lua:1"),
            ("test('a')", "bad argument #2 to `test`"),
            ("test('a', function() end)\ntest('a', function() end)", "there is a test `a` already"),
            ("return {}", "registers its tests with `test("),
            ("while true do end", "of CPU to load"),
            ("require('nowhere')", "no `nowhere.lua`"),
            ("ccproxy.http.get('http://127.0.0.1/')", "needs the capability `http`"),
        ] {
            std::fs::write(folder.join("bad_test.lua"), text).unwrap();
            let (code, out) = tested(&[&folder.display().to_string()]).await;
            assert!(code == 1 && out.contains(wanted), "{text}: {out}");
        }
        // Its tests are no part of a plugin: what is wrong with them does not keep it from running.
        let scripts = folder.parent().unwrap().display().to_string();
        let (code, text, _) =
            cli(Config::new(), &["plugins", "check", "pricing", "--scripts", &scripts]).await;
        assert_eq!(code, 0, "{text}");
    });
}

#[test]
fn a_save_runs_what_it_touches() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    run(async {
        let (_home, folder) = copy("pricing");
        let test = |number: u32| {
            let text = format!(
                "test('price {number}', function(t) t.eq(t.proxy():call('pricing', 'of', 'abc'), 3) end)"
            );
            std::fs::write(folder.join(format!("{number}_test.lua")), text).unwrap();
        };
        test(1);
        test(2);
        let arguments = ["plugins", "test", &folder.display().to_string(), "--watch"];
        let config = Config::new();
        let home = home(&config);
        let mut child = start_in(home.path(), &config, &arguments);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut round = async || {
            let mut seen = String::new();
            loop {
                let line =
                    support::wait::within("a line of the watch", lines.next_line()).await.unwrap().unwrap();
                if line.starts_with("waiting for a save") {
                    return seen;
                }
                seen += &(line + "\n");
            }
        };
        let first = round().await;
        assert!(first.contains("2 passed, 0 failed"), "{first}");
        std::fs::write(folder.join("2_test.lua"), "test('other', function(t) t.eq(1, 2) end)").unwrap();
        let second = round().await;
        assert!(second.contains("0 passed, 1 failed") && !second.contains("price 1"), "{second}");
        let main = std::fs::read_to_string(folder.join("plugin.lua")).unwrap();
        std::fs::write(folder.join("plugin.lua"), main.replace("#model", "#model + 0")).unwrap();
        let third = round().await;
        assert!(third.contains("1 passed, 1 failed"), "{third}");
        child.kill().await.unwrap();
    });
}

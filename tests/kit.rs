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

/// The cookbook: each plugin of it has tests, stands in the page, and passes.
#[test]
fn the_plugins_of_the_cookbook_pass() {
    run(async {
        let page = include_str!("../docs/cookbook.md");
        let (code, report) = told(&[&format!("{ROOT}/scripts/examples"), "--ci", "--timeout", "60s"]).await;
        assert_eq!(code, 0, "{report:#}");
        let tests = report["tests"].as_array().unwrap();
        let mut plugins = 0;
        for folder in std::fs::read_dir(format!("{ROOT}/scripts/examples")).unwrap() {
            let name = folder.unwrap().file_name().to_string_lossy().into_owned();
            assert!(tests.iter().any(|test| test["plugin"] == name), "{name} has no test");
            assert!(
                page.contains(&format!("[{name}](../scripts/examples/{name}/plugin.lua)")),
                "{name} is not in the page"
            );
            plugins += 1;
        }
        assert!(plugins >= 20, "{plugins}");
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

#[test]
fn a_new_plugin_of_every_kind_runs_and_its_tests_pass() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        for kind in ["middleware", "hooks", "routes", "task", "auth"] {
            let name = format!("my_{kind}");
            let words = ["plugins", "new", &name, "--kind", kind, "--path", &path];
            let (code, out, errors) = cli(Config::new(), &words).await;
            assert_eq!(code, 0, "{out}{errors}");
            assert_eq!(out.matches("  ccproxy ").count(), 3, "{out}");
            let main = folder.path().join(&name).join("plugin.lua");
            std::fs::write(&main, std::fs::read_to_string(&main).unwrap() + "-- mine\n").unwrap();
            let (code, _, errors) = cli(Config::new(), &words).await;
            assert!(code == 1 && errors.contains("exists"), "{errors}");
            assert!(std::fs::read_to_string(&main).unwrap().ends_with("-- mine\n"), "nothing is overwritten");
            assert_eq!(cli(Config::new(), &[&words[..], &["--force"]].concat()).await.0, 0);
            assert!(!std::fs::read_to_string(&main).unwrap().contains("-- mine"));
        }
        let (code, report) = told(&[&path, "--ci"]).await;
        assert_eq!(code, 0, "{report:#}");
        let config = Config::new().without_scripts();
        let (code, out, errors) = cli(config, &["plugins", "check", &path, "--json"]).await;
        let checked: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{errors}"));
        assert_eq!(code, 0, "{checked:#}");
        for plugin in checked["plugins"].as_array().unwrap() {
            assert_eq!(plugin["findings"], serde_json::json!([]), "{plugin:#}");
        }
        let proxy = support::Proxy::start(Config::new().without_scripts().arg("--scripts").arg(&path)).await;
        for kind in ["middleware", "hooks", "routes", "task", "auth"] {
            assert_eq!(proxy.plugin(&format!("my_{kind}")).await["state"], "active", "{}", proxy.log());
        }
        proxy.stop().await;
        for odd in ["My", "a__b", "1a", "a-b", ""] {
            let (code, _, errors) = cli(Config::new(), &["plugins", "new", odd, "--path", &path]).await;
            assert!(code == 1 && errors.contains("no name for a plugin"), "{odd}: {errors}");
        }
    });
}

const ODD: &str = r#"-- ccproxy.odd() in a comment is nobody's business
return {
  name = "odd",
  version = "1.0.0",
  capabilities = { "kv", "http:a.example", "filez" },
  config = { limit = ccproxy.schema.integer { default = 1 } },
  setup = function(plugin, previous, more) ccproxy.file.append("x", "ccproxy.odd()") end,
  tasks = { { name = "a", every = "EVERY", run = function() ccproxy.kv.gett("x") end } },
  KEY = {},
}
"#;

#[test]
fn mistakes_of_a_script_are_told_with_their_place() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("odd");
        std::fs::create_dir(&plugin).unwrap();
        let check = async |every: &str, key: &str, words: &[&str]| {
            std::fs::write(plugin.join("plugin.lua"), ODD.replace("EVERY", every).replace("KEY", key))
                .unwrap();
            let path = plugin.display().to_string();
            let words = [&["plugins", "check", &path, "--no-types"], words].concat();
            let (code, out, errors) = cli(Config::new().without_scripts(), &words).await;
            (code, format!("{out}{errors}"))
        };
        let (code, text) = check("1m", "middleware", &[]).await;
        assert_eq!(code, 1, "{text}");
        for part in [
            "odd/plugin.lua:5:26: the capability `http:a.example` is not used",
            "odd/plugin.lua:5:44: there is no capability `filez`; did you mean `files`?",
            "odd/plugin.lua:7:38: `setup` gets 2 at most",
            "odd/plugin.lua:7:44: `ccproxy.file` needs the capability `files`",
            "odd/plugin.lua:8:58: there is no `ccproxy.kv.gett`; did you mean `ccproxy.kv.get`?",
            "    8 |   tasks = { {",
            "^^^^^^^^^^^^^^^\n",
        ] {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
        assert!(!text.contains("there is no `ccproxy.odd`"), "{text}");
        let (_, text) = check("soon", "middlewares", &[]).await;
        for part in [
            "plugin.lua:9:3: `middlewares`: unknown key; did you mean `middleware`?",
            "plugin.lua:8:27: `tasks[1].every`",
        ] {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
        std::fs::write(plugin.join("price.lua"), "return {\n  of = function( end\n}").unwrap();
        let (code, text) = check("1m", "middleware", &["--json"]).await;
        let report: Value = serde_json::from_str(&text).unwrap();
        assert!(code == 1 && report["ok"] == false, "{report:#}");
        let findings = report["plugins"][0]["findings"].as_array().unwrap();
        let of_price =
            findings.iter().find(|finding| finding["file"].as_str().unwrap().ends_with("price.lua"));
        assert_eq!(of_price.unwrap()["line"], 2, "{report:#}");
        let config = Config::new().without_scripts();
        let (code, _, errors) = cli(config, &["plugins", "check", "/"]).await;
        assert!(code == 1 && errors.contains("there is no plugin in `/`"), "{errors}");
    });
}

/// With the checker that is named, where it is installed.
#[test]
fn types_are_checked_where_the_checker_is_installed() {
    run(async {
        let path = std::env::var("PATH").unwrap();
        let there = std::process::Command::new("emmylua_check").arg("--version").output();
        let (_home, folder) = copy("pricing");
        std::fs::write(
            folder.join("plugin.lua"),
            "---@type ccproxy.Plugin\nreturn { name = \"pricing\", version = \"1.0.0\", setup = function() ccproxy.log.info(5) end }\n",
        )
        .unwrap();
        let words = ["plugins", "check", &folder.display().to_string()];
        let (code, out, errors) = cli(Config::new().env("PATH", &path), &words).await;
        assert_eq!(code, 0, "warnings are no mistakes: {out}{errors}");
        match there.is_ok_and(|output| output.status.success()) {
            true => assert!(
                out.contains("plugin.lua:2:") && out.contains("[param-type-mismatch]"),
                "{out}{errors}"
            ),
            false => assert!(errors.contains("types are not checked"), "{out}{errors}"),
        }
    });
}

#[test]
fn an_ejected_plugin_brings_its_tests() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let (code, out, errors) =
            cli(Config::new(), &["plugins", "eject", "request_id", "--to", &path]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let (code, report) = told(&[&path, "--ci"]).await;
        assert!(code == 0 && report["passed"].as_u64() >= Some(3), "{report:#}");
    });
}

const CLASHING: &str = r#"return {
  name = "clashing",
  version = "1.0.0",
  dependencies = { "request_ids" },
  middleware = { { layer = "application", request = function(req) req.body:set("a", 1) end } },
  ROUTES
}
"#;

/// What would not do what it says, though it can be declared.
#[test]
fn what_could_never_work_is_told() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("clashing");
        std::fs::create_dir(&plugin).unwrap();
        let check = async |routes: &str| {
            std::fs::write(plugin.join("plugin.lua"), CLASHING.replace("ROUTES", routes)).unwrap();
            let words = ["plugins", "check", &plugin.display().to_string(), "--no-types", "--json"];
            let (code, out, errors) = cli(Config::new().without_scripts(), &words).await;
            assert_eq!(code, 1, "{out}{errors}");
            let report: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(report["plugins"][0]["state"], "wrong", "{report:#}");
            report["plugins"][0].to_string()
        };
        let report = check("").await;
        let wanted = "it depends on `request_ids`, and there is no such plugin; did you mean `request_id`?";
        assert!(report.contains(wanted), "{report}");
        assert!(
            report.contains("no handler may touch bodies") && report.contains("\"column\":67"),
            "{report}"
        );
        let run = "handler = function() end";
        let routes = format!(
            "routes = {{ {{ path = '/c', {run} }}, {{ path = '/c', {run} }}, {{ path = '/d', method = 'FETCH', {run} }} }},"
        );
        let report = check(&routes).await;
        assert!(report.contains("there is another route `GET /clashing/c`"), "{report}");
        assert!(report.contains("`FETCH` is none of `GET`"), "{report}");
    });
}

#[test]
fn a_script_called_like_a_built_in_plugin_is_named_and_never_used() {
    run(async {
        let lua = "return { name = \"claude_api\", version = \"1.0.0\" }";
        let broken = "return {";
        let proxy = support::Proxy::start(
            Config::new()
                .script("claude_api", lua)
                .script("mock", broken)
                .script("fine", "return { name = \"fine\", version = \"1.0.0\" }"),
        )
        .await;
        let status = proxy.status().await;
        let warnings = status["warnings"].to_string();
        for name in ["claude_api", "mock"] {
            assert!(warnings.contains(&format!("the script `{name}`")), "{warnings}");
            assert_eq!(proxy.plugin(name).await["manifest"]["source"], "native", "the other one still runs");
        }
        let (_, out, errors) = proxy.cli(&["plugins", "list"]).await;
        assert!(format!("{out}{errors}").contains("the script `claude_api` in `"), "{out}{errors}");
        proxy.stop().await;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let new = async |name: &str, more: &[&str]| {
            let words = [&["plugins", "new", name, "--path", &path], more].concat();
            cli(Config::new(), &words).await
        };
        for (name, hint) in [("claude_api", "never be used"), ("max_tokens", "plugins eject max_tokens")] {
            let (code, _, errors) = new(name, &[]).await;
            assert!(code == 1 && errors.contains(hint), "{errors}");
        }
        assert_eq!(new("claude_api", &["--force"]).await.0, 1);
        assert_eq!(new("max_tokens", &["--force"]).await.0, 0);
        std::fs::create_dir(folder.path().join("claude_api")).unwrap();
        std::fs::write(folder.path().join("claude_api/plugin.lua"), lua).unwrap();
        let (code, out, _) = cli(Config::new(), &["plugins", "check", &format!("{path}/claude_api")]).await;
        assert!(code == 1 && out.contains("a built-in plugin of this name"), "{out}");
    });
}

#[test]
fn types_are_those_of_the_folder_that_is_named() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("hello");
        std::fs::create_dir(&plugin).unwrap();
        let lua = "return { name = \"hello\", version = \"1.0.0\", config = { per_minute = ccproxy.schema.integer { default = 1 } } }";
        std::fs::write(plugin.join("plugin.lua"), lua).unwrap();
        let path = folder.path().display().to_string();
        let (code, out, errors) = cli(Config::new().without_scripts(), &["plugins", "types", &path]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let stub = std::fs::read_to_string(folder.path().join(".ccproxy/types/plugins/hello.lua")).unwrap();
        assert!(stub.contains("per_minute"), "{stub}");
        let missing = folder.path().join("missing");
        let words = ["plugins", "types", &missing.display().to_string()];
        let (code, _, errors) = cli(Config::new(), &words).await;
        assert!(code == 1 && errors.contains("there is no folder") && !missing.exists(), "{errors}");
    });
}

//! The command line as a user meets it: configuration from every place, trust, exit codes, mistakes.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::support::config::write_script;
use super::support::proxy::{cli, cli_in};
use super::support::{self, Config, Proxy};

const HELLO: &str = "return { name = \"hello\", version = \"1.0.0\", routes = { { path = \"/\", handler = function() return { body = \"hi\" } end } } }";

#[test]
fn mistakes_in_the_configuration_are_named_with_their_place() {
    support::run(async {
        for (line, parts) in [
            ("server.prot = 1", vec!["config.toml:1", "prot", "port"]),
            ("server.max_body = \"many\"", vec!["config.toml:1", "max_body"]),
            ("upstream.head_timeout = \"soon\"", vec!["config.toml:1", "head_timeout"]),
            ("sever.port = 1", vec!["config.toml:1", "sever", "server"]),
            ("server.port = = 1", vec!["config.toml:1"]),
        ] {
            // Without `--port`: a flag would hide a mistake in the value it replaces.
            for command in [&["config", "check"][..], &["serve"]] {
                let (code, out, errors) = cli(Config::new().toml(line), command).await;
                assert_eq!(code, 78, "{line}: {out}{errors}");
                for part in &parts {
                    assert!(format!("{out}{errors}").contains(part), "{part}: {out}{errors}");
                }
            }
        }
        // A flag or a variable that replaces the value does not hide the mistake in it.
        let config = Config::new().toml("server.port = \"many\"").toml("plugins.access_log.keep = 1000");
        let config = config.env("SERVER__PORT", "0").env("PLUGINS__ACCESS_LOG__KEEP", "3");
        let (code, out, errors) = cli(config, &["config", "check"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        for part in [
            "config.toml:1:8",
            "`server.port`",
            "config.toml:2:20",
            "`plugins.access_log.keep`",
            "SERVER__PORT",
        ] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
        // The environment is everybody's: a name of ours that is wrong is told, and left out.
        let (_, out, errors) = cli(Config::new().env("SERVER__PROT", "1"), &["config", "check"]).await;
        assert!(format!("{out}{errors}").contains("SERVER__PROT"), "{out}{errors}");
        let (code, ..) = cli(Config::new().env("SOMEBODY__ELSE", "1"), &["config", "check"]).await;
        assert_eq!(code, 0);
    });
}

#[test]
fn nearer_places_win_and_every_value_knows_where_it_came_from() {
    support::run(async {
        let shown = async |config: Config| {
            let (code, out, errors) = cli(config, &["config", "show", "--json"]).await;
            assert_eq!(code, 0, "{errors}");
            out
        };
        assert!(shown(Config::new()).await.contains("8000"));
        assert!(shown(Config::new().toml("server.port = 9001")).await.contains("9001"));
        let both = Config::new().toml("server.port = 9001").env("SERVER__PORT", "9002");
        let text = shown(both).await;
        assert!(text.contains("9002") && !text.contains("9001"), "{text}");
        let config = Config::new().toml("server.port = 9001").env("SERVER__MAX_BODY", "1MiB");
        let (_, out, _) = cli(config, &["config", "show", "--origin"]).await;
        assert!(out.contains("config.toml") && out.contains("SERVER__MAX_BODY"), "{out}");
        let (_, out, _) =
            cli(Config::new().toml("server.auth_token = \"very-secret-key\""), &["config", "show"]).await;
        assert!(!out.contains("very-secret-key"), "{out}");
    });
}

#[test]
fn usage_mistakes_end_with_two() {
    support::run(async {
        for arguments in [
            &["srve"][..],
            &["serve", "--prot", "1"],
            &["serve", "--port", "99999"],
            &["plugins", "frobnicate"],
        ] {
            let (code, _, errors) = cli(Config::new(), arguments).await;
            assert_eq!(code, 2, "{arguments:?}: {errors}");
        }
        let (code, out, _) = cli(Config::new(), &["-h"]).await;
        assert_eq!(code, 0);
        assert!(out.contains("serve") && out.contains("plugins"), "{out}");
    });
}

#[test]
fn a_port_in_use_is_named_with_a_remedy() {
    support::run(async {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let (code, _, errors) = cli(Config::new(), &["serve", "--port", &port]).await;
        assert_ne!(code, 0);
        assert!(errors.contains(&port) && errors.contains("server.port"), "{errors}");
    });
}

#[test]
fn a_read_only_data_folder_does_not_stop_serving() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
        let proxy = Proxy::start(Config::new().toml(&format!("data_dir = {:?}", folder.path()))).await;
        proxy.anonymous().get("/health/ready").await.expect(200);
        // A data folder that cannot exist at all.
        let proxy = Proxy::start(
            Config::new().toml("data_dir = \"/dev/null/data\"").toml("plugins.access_log.enabled = true"),
        )
        .await;
        let body = json!({ "model": "m", "max_tokens": 5, "messages": [{ "role": "user", "content": "x" }] });
        proxy.client().post("/mock/v1/messages", &body).await.expect(200);
        proxy.logged("access_log").await;
    });
}

#[test]
fn a_folder_counts_only_when_it_is_trusted() {
    support::run(async {
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("ccproxy.toml"), "server.max_body = \"3MiB\"\n").unwrap();
        write_script(&project.path().join("scripts"), "hello", HELLO);
        let (home, config) = (tempfile::tempdir().unwrap(), Config::new().directory(project.path()));
        let ask = async |arguments: &[&str]| cli_in(home.path(), &config, arguments).await;
        let listed = async |arguments: &[&str]| {
            let (code, out, errors) = ask(arguments).await;
            assert_eq!(code, 0, "{errors}");
            (out.contains("hello"), format!("{out}{errors}"))
        };
        let (found, said) = listed(&["plugins", "list"]).await;
        assert!(!found, "{said}");
        assert!(said.contains("trust"), "it says what was left out: {said}");
        assert!(listed(&["--trust", "plugins", "list"]).await.0);
        let (code, _, errors) = ask(&["trust"]).await;
        assert_eq!(code, 0, "{errors}");
        assert!(listed(&["plugins", "list"]).await.0);
        let (_, out, _) = ask(&["config", "show"]).await;
        assert!(out.contains('3'), "{out}");
        // What changed after it was trusted is not what was trusted.
        let (_, listed_trust, _) = ask(&["trust", "--list"]).await;
        assert!(listed_trust.contains(&*project.path().to_string_lossy()), "{listed_trust}");
        let (code, ..) = ask(&["trust", "--revoke"]).await;
        assert_eq!(code, 0);
        assert!(!listed(&["plugins", "list"]).await.0);
    });
}

#[test]
fn a_first_configuration_is_written_once_and_is_sound() {
    support::run(async {
        let home = tempfile::tempdir().unwrap();
        let config = Config::new().without_file();
        let (code, out, errors) = cli_in(home.path(), &config, &["config", "init"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let file = home.path().join(".config/ccproxy/config.toml");
        assert!(file.exists(), "{out}");
        let (code, _, errors) = cli_in(home.path(), &config, &["config", "check"]).await;
        assert_eq!(code, 0, "{errors}");
        let (code, _, errors) = cli_in(home.path(), &config, &["config", "init"]).await;
        assert_ne!(code, 0);
        assert!(errors.contains("--force"), "{errors}");
        let (code, out, _) = cli_in(home.path(), &config, &["config", "schema"]).await;
        assert_eq!(code, 0);
        assert!(serde_json::from_str::<Value>(&out).is_ok());
    });
}

#[test]
fn plugins_are_listed_shown_checked_and_ejected() {
    support::run(async {
        let config = || Config::new().script("hello", HELLO);
        let (code, out, _) = cli(config(), &["plugins", "list", "--json"]).await;
        assert_eq!(code, 0);
        let list: Value = serde_json::from_str(&out).expect("JSON");
        assert!(list.to_string().contains("\"hello\""), "{list}");
        let (code, out, _) = cli(config(), &["plugins", "show", "hello"]).await;
        assert_eq!(code, 0);
        assert!(out.contains("1.0.0"), "{out}");
        let (code, _, errors) = cli(config(), &["plugins", "show", "helo"]).await;
        assert_ne!(code, 0);
        assert!(errors.contains("hello"), "{errors}");
        let (code, out, errors) = cli(config(), &["plugins", "check"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let named = tempfile::tempdir().unwrap();
        write_script(named.path(), "named", &HELLO.replace("hello", "named"));
        let folder = named.path().to_string_lossy();
        for arguments in [&["plugins", "check"][..], &["plugins", "show", "named"], &["plugins", "list"]] {
            let arguments = [arguments, &["--scripts", &folder]].concat();
            let (code, out, errors) = cli(config(), &arguments).await;
            assert!(code == 0 && out.contains("named"), "{arguments:?}: {out}{errors}");
        }
        let broken = Config::new().script("broken", "return {,}");
        let (code, out, errors) = cli(broken, &["plugins", "check"]).await;
        assert_eq!(code, 1, "{out}{errors}");
        assert!(format!("{out}{errors}").contains("plugin.lua:1"), "{out}{errors}");
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("scripts");
        let (code, out, errors) =
            cli(Config::new(), &["plugins", "eject", "max_tokens", "--to", &target.to_string_lossy()]).await;
        assert_eq!(code, 0, "{out}{errors}");
        assert!(exists(&target, "plugin.lua"), "{out}");
    });
}

const TYPED: &str = r#"
---@type ccproxy.Plugin
return {
  name = "typed",
  version = "1.0.0",
  config = { per_minute = ccproxy.schema.integer({ default = 60, doc = "Requests a minute" }) },
  tasks = {
    {
      name = "look",
      every = "1m",
      ---@param plugin typed.Self
      run = function(plugin)
        ccproxy.log.debug("limit", { most = plugin.config.per_minute })
      end,
    },
  },
}
"#;

#[test]
fn types_are_put_beside_scripts_and_what_is_the_users_stays() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        write_script(folder.path(), "typed", TYPED);
        let place = folder.path().to_string_lossy().into_owned();
        let types = |json: bool| {
            let mut words = vec!["plugins", "types", &place, "--scripts", &place];
            words.extend(json.then_some("--json"));
            words
        };
        let (code, out, errors) = cli(Config::new().without_scripts(), &types(false)).await;
        assert_eq!(code, 0, "{out}{errors}");
        let made = folder.path().join(".ccproxy");
        let settings = std::fs::read_to_string(made.join("types/plugins/typed.lua")).unwrap();
        assert!(settings.contains("---@field per_minute integer Requests a minute\n"), "{settings}");
        for name in ["types/kv.lua", "ccproxy.d.luau", "ccproxy.yml"] {
            assert!(made.join(name).is_file(), "{name}");
        }
        let pointer = std::fs::read_to_string(folder.path().join(".luarc.json")).unwrap();
        let pointer: Value = serde_json::from_str(&pointer).expect("JSON");
        assert_eq!(pointer["workspace.library"], json!([".ccproxy/types"]));

        // The second time: what the user wrote is kept, what is made is made anew.
        std::fs::write(folder.path().join(".luarc.json"), "{}").unwrap();
        std::fs::write(made.join("types/old.lua"), "").unwrap();
        let (code, out, errors) = cli(Config::new().without_scripts(), &types(true)).await;
        assert_eq!(code, 0, "{out}{errors}");
        let told: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(told["kept"], json!([{ "file": ".luarc.json", "points_here": false }]));
        assert_eq!(std::fs::read_to_string(folder.path().join(".luarc.json")).unwrap(), "{}");
        assert!(!made.join("types/old.lua").exists());
    });
}

/// An editor's checker knows the settings of a plugin, and finds one that is not there. Runs where it is installed.
#[test]
fn a_setting_that_is_not_there_is_found_by_the_editor() {
    support::run(async {
        let there = std::process::Command::new("emmylua_check").arg("--version").output();
        if !there.is_ok_and(|output| output.status.success()) {
            eprintln!("emmylua_check is not installed: the types of settings are not tried");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_string_lossy().into_owned();
        for (setting, sound) in [("per_minute", true), ("per_hour", false)] {
            write_script(
                folder.path(),
                "typed",
                &TYPED.replace("config.per_minute", &format!("config.{setting}")),
            );
            let words = ["plugins", "types", &place, "--scripts", &place];
            let (code, out, errors) = cli(Config::new().without_scripts(), &words).await;
            assert_eq!(code, 0, "{out}{errors}");
            let mut check = tokio::process::Command::new("emmylua_check");
            check.args([".", "--warnings-as-errors"]).current_dir(folder.path());
            let checked = check.output().await.unwrap();
            let said = String::from_utf8_lossy(&checked.stdout).into_owned();
            assert_eq!(checked.status.success(), sound, "{setting}: {said}");
            assert_eq!(said.contains("per_hour"), !sound, "{said}");
        }
    });
}

fn exists(folder: &Path, name: &str) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        path.ends_with(name) || (path.is_dir() && exists(&path, name))
    })
}

#[test]
fn status_doctor_and_completions_answer() {
    support::run(async {
        let proxy = Proxy::start(Config::new().script("hello", HELLO)).await;
        let port = proxy.address().port();
        let config = Config::new().toml(&format!("server.port = {port}"));
        let (code, out, errors) = cli(config, &["status"]).await;
        assert_eq!(code, 0, "{errors}");
        assert!(out.contains("hello"), "{out}");
        let (code, out, errors) = cli(Config::new().toml("server.port = 1"), &["status"]).await;
        assert_eq!(code, 1, "{out}");
        assert!(errors.contains("serve"), "{errors}");
        // An address of its own: a port that was free a moment ago may be another test's by now.
        let free = TcpListener::bind("127.9.8.7:0").unwrap().local_addr().unwrap().port();
        let settings = format!("server.host = \"127.9.8.7\"\nserver.port = {free}");
        let (code, out, errors) = cli(Config::new().toml(&settings), &["doctor"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let (code, out, _) = cli(Config::new().toml(&format!("server.port = {port}")), &["doctor"]).await;
        assert!(out.contains(&port.to_string()), "{code} {out}");
        for shell in ["bash", "zsh", "fish"] {
            let (code, out, _) = cli(Config::new(), &["completions", shell]).await;
            assert!(code == 0 && out.contains("ccproxy"), "{shell}");
        }
    });
}

#[test]
fn plugin_commands_run_in_the_running_proxy() {
    support::run(async {
        let lua = "return { name = \"greeter\", version = \"1.0.0\", commands = { { name = \"greet\", run = function(args) return \"hello \" .. args[1] end } } }";
        let proxy = Proxy::start(Config::new().script("greeter", lua)).await;
        let config = || Config::new().toml(&format!("server.port = {}", proxy.address().port()));
        let (code, out, errors) = cli(config(), &["x", "greeter", "greet", "world"]).await;
        assert_eq!(code, 0, "{errors}");
        assert!(out.contains("hello world"), "{out}");
        let (code, _, errors) = cli(config(), &["x", "greeter", "nope"]).await;
        assert_ne!(code, 0, "{errors}");
    });
}

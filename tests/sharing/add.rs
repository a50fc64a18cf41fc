//! What is shown and asked before a plugin of somebody stands in a folder, and what never gets there.

use super::*;

#[test]
fn a_plugin_is_shown_then_asked_about_then_added_and_runs() {
    support::run(async {
        let machine = Machine::new();
        write(
            &machine.path("src/quota"),
            &plugin(
                "quota",
                "1.2.0",
                "capabilities = { \"kv\", \"http:api.example.com\" },\n\
                 middleware = { { layer = \"security\", body = \"write\", request = function() end } },\n\
                 hooks = { [\"request.completed\"] = function() end },\n\
                 config = { per_minute = ccproxy.schema.integer { default = 60, doc = \"Requests a minute\" } },",
            ),
        );
        // Nobody is there to be asked.
        let errors = machine.refused(&["add", "src/quota"]).await;
        assert!(errors.contains("nobody is here") && errors.contains("--yes"), "{errors}");
        assert!(machine.left().is_empty());
        // Somebody is, and says no.
        let (code, out, errors) = machine.typed(&["add", "src/quota"], "n\n").await;
        assert_eq!(code, 1, "{out}{errors}");
        for part in [
            "quota 1.2.0: Says its version",
            "kv, http:api.example.com",
            "READS AND CHANGES what is asked",
            "security 100",
            "request.completed",
            "GET /quota/",
            "per_minute: Requests a minute",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        assert!(errors.contains("Add `quota`"), "{errors}");
        assert!(machine.left().is_empty());
        let (code, out, errors) = machine.typed(&["add", "src/quota"], "y\n").await;
        assert_eq!(code, 0, "{out}{errors}");
        assert!(out.contains("added quota") && out.contains("nothing needs to be restarted"), "{out}");
        assert_eq!(machine.left(), ["plugins.lock", "quota"]);
        assert_eq!(machine.text("quota/lib/words.lua"), "return { \"one\" }\n");
        let lock = machine.text("plugins.lock");
        for part in [
            "name = \"quota\"",
            "version = \"1.2.0\"",
            "src/quota",
            "capability kv",
            "change bodies",
            "\"lib/words.lua\" = \"sha256:",
        ] {
            assert!(lock.contains(part), "{part}: {lock}");
        }
        assert!(machine.done(&["check", "quota"]).await.contains("quota: enabled"));
        let errors = machine.refused(&["add", "src/quota", "--only", "other", "--yes", "--force"]).await;
        assert!(errors.contains("holds no plugin `other`"), "{errors}");
        let errors = machine.refused(&["add", "src/quota", "--yes"]).await;
        assert!(errors.contains("there already") && errors.contains("plugins update quota"), "{errors}");
    });
}

#[test]
fn a_running_proxy_takes_it_up_by_itself() {
    support::run(async {
        let proxy = Proxy::start(Config::new().without_scripts()).await;
        let source = proxy.home().join("src/quota");
        write(&source, &plugin("quota", "1.0.0", ""));
        let run = async |arguments: &[&str]| {
            let (code, out, errors) = cli_in(proxy.home(), &Config::new().without_scripts(), arguments).await;
            assert_eq!(code, 0, "{out}{errors}");
        };
        let says = async |version: &str| {
            eventually(&format!("version {version}"), async || {
                (proxy.anonymous().get("/quota/").await.text() == version).then_some(())
            })
            .await;
        };
        run(&["plugins", "add", "src/quota", "--yes"]).await;
        says("1.0.0").await;
        write(&source, &plugin("quota", "1.1.0", ""));
        run(&["plugins", "update", "--yes"]).await;
        says("1.1.0").await;
        run(&["plugins", "remove", "quota", "--yes"]).await;
        eventually("the end of the route", async || {
            (proxy.anonymous().get("/quota/").await.status == 404).then_some(())
        })
        .await;
        proxy.stop().await;
    });
}

#[test]
fn nothing_runs_and_nothing_broken_is_added() {
    support::run(async {
        let machine = Machine::new();
        for (main, why) in [
            ("return {", "plugin.lua:1"),
            ("while true do end", "CPU"),
            ("return { name = \"quota\", version = \"1.0.0\", midleware = {} }", "did you mean `middleware`"),
            ("return { name = \"other\", version = \"1.0.0\" }", "must be the name of its folder"),
            ("return { version = \"1.0.0\" }", "`name`"),
            (
                "ccproxy.kv.set(\"a\", 1) return { name = \"quota\", version = \"1.0.0\", capabilities = { \"kv\" } }",
                "plugin.lua:1",
            ),
            ("\u{1b}LJ", "compiled"),
        ] {
            write(&machine.path("src/quota"), main);
            write(&machine.path("src/z"), &plugin("z", "1.0.0", ""));
            let errors = machine.refused(&["add", "src", "--only", "quota", "--yes"]).await;
            assert!(errors.contains("refused") && errors.contains(why), "{main}: {errors}");
        }
        for (name, why) in
            [("../evil", "lower case"), ("Quota", "lower case"), (".x", "lower case"), ("a/b", "lower case")]
        {
            write(&machine.path("src/quota"), &plugin(name, "1.0.0", ""));
            let errors = machine.refused(&["add", "src/quota", "--yes"]).await;
            assert!(errors.contains(why), "{name}: {errors}");
        }
        write(&machine.path("src/quota"), &plugin("claude_api", "1.0.0", ""));
        assert!(machine.refused(&["add", "src/quota", "--yes"]).await.contains("built-in provider"));
        write(
            &machine.path("src/quota"),
            &plugin(
                "permissions",
                "1.0.0",
                "provides = { \"permissions\" }, services = { permissions = {} },",
            ),
        );
        let errors = machine.refused(&["add", "src/quota", "--yes"]).await;
        assert!(errors.contains("takes the place of the bundled plugin"), "{errors}");
        assert!(machine.left().is_empty(), "{:?}", machine.left());
        assert!(!machine.path("evil").exists() && !machine.path(".config/ccproxy/evil").exists());
    });
}

#[test]
fn what_is_said_of_a_plugin_cannot_look_like_something_else() {
    support::run(async {
        let machine = Machine::new();
        let text = "Nice\\n  may touch   nothing\\27[2K\\27[1A\\u{202e}";
        let main = plugin("quota", "1.0.0", "capabilities = { \"kv\" },").replace("Says its version", text);
        write(&machine.path("src/quota"), &main);
        let out = machine.done(&["add", "src/quota", "--yes"]).await;
        assert!(out.contains("quota 1.0.0: Nice may touch nothing"), "{out}");
        assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out}");
        assert_eq!(out.lines().filter(|line| line.starts_with("  may touch")).count(), 1, "{out}");
    });
}

#[test]
fn work_of_somebody_is_never_lost() {
    support::run(async {
        let machine = Machine::new();
        write(&machine.path("src/quota"), &plugin("quota", "2.0.0", ""));
        write(&machine.plugins().join("quota"), &plugin("quota", "0.1.0", "-- mine"));
        let errors = machine.refused(&["add", "src/quota", "--yes"]).await;
        assert!(errors.contains("work of somebody") && errors.contains("keeps a copy"), "{errors}");
        assert!(machine.text("quota/plugin.lua").contains("mine"));
        let out = machine.done(&["add", "src/quota", "--yes", "--force", "--json"]).await;
        let kept = json(&out)["kept"][0].as_str().unwrap().to_owned();
        assert!(fs::read_to_string(Path::new(&kept).join("plugin.lua")).unwrap().contains("mine"));
        assert!(machine.text("quota/plugin.lua").contains("2.0.0"));
        // A link that stands there is replaced, not followed.
        fs::remove_dir_all(machine.plugins().join("quota")).unwrap();
        fs::create_dir(machine.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink(machine.path("elsewhere"), machine.plugins().join("quota")).unwrap();
        machine.refused(&["add", "src/quota", "--yes"]).await;
        machine.done(&["add", "src/quota", "--yes", "--force"]).await;
        assert!(fs::read_dir(machine.path("elsewhere")).unwrap().next().is_none());
        assert!(!machine.plugins().join("quota").symlink_metadata().unwrap().is_symlink());
    });
}

#[test]
fn a_failure_leaves_what_was() {
    support::run(async {
        use std::os::unix::fs::PermissionsExt;
        let machine = Machine::new();
        write(&machine.path("src/quota"), &plugin("quota", "1.0.0", ""));
        machine.done(&["add", "src/quota", "--yes"]).await;
        let lock = machine.text("plugins.lock");
        // The entry cannot be written: a folder has taken its place.
        fs::remove_file(machine.plugins().join("plugins.lock")).unwrap();
        fs::create_dir(machine.plugins().join("plugins.lock")).unwrap();
        write(&machine.path("src/quota"), &plugin("quota", "2.0.0", ""));
        machine.refused(&["add", "src/quota", "--yes", "--force"]).await;
        assert!(machine.text("quota/plugin.lua").contains("1.0.0"));
        fs::remove_dir(machine.plugins().join("plugins.lock")).unwrap();
        fs::write(machine.plugins().join("plugins.lock"), &lock).unwrap();
        assert_eq!(machine.left(), ["plugins.lock", "quota"]);
        // Files are the user's, whatever the source had.
        fs::set_permissions(machine.path("src/quota/plugin.lua"), fs::Permissions::from_mode(0o666)).unwrap();
        machine.done(&["add", "src/quota", "--yes", "--force"]).await;
        let mode = machine.plugins().join("quota/plugin.lua").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    });
}

#[test]
fn programs_can_look_before_they_say_yes() {
    support::run(async {
        let machine = Machine::new();
        write(&machine.path("src/quota"), &plugin("quota", "1.0.0", "enabled = false,"));
        let (code, out, _) = machine.run(&["add", "src/quota", "--json"]).await;
        assert_eq!(code, 1);
        let told = json(&out);
        assert_eq!(told["added"], false);
        assert_eq!(told["plugins"][0]["manifest"]["routes"][0]["path"], "/quota/");
        assert_eq!(told["plugins"][0]["rights"], serde_json::json!(["route GET /quota/"]));
        let told = json(&machine.done(&["add", "src/quota", "--json", "--yes"]).await);
        assert_eq!(
            (&told["added"], &told["counts"], &told["watched"]),
            (&true.into(), &true.into(), &true.into())
        );
        assert!(told["plugins"][0]["missing"][0].as_str().unwrap().contains("quota"), "{told}");
        // Elsewhere it does not count, and that is said.
        let out = machine.done(&["add", "src/quota", "--yes", "--to", "other"]).await;
        assert!(out.contains("do not count now"), "{out}");
        assert!(machine.path("other/quota/plugin.lua").is_file());
        machine.done(&["remove", "quota", "--in", "other", "--yes"]).await;
        assert!(!machine.path("other/quota").exists());
    });
}

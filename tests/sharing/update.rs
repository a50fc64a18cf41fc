//! Updates and removals: what is new is shown, what is more is asked about, what was changed by hand stays.

use super::*;

#[test]
fn an_update_shows_what_changes() {
    support::run(async {
        let machine = Machine::new();
        let repository = machine.path("repository");
        write(&repository, &plugin("quota", "1.0.0", ""));
        commit(&repository);
        let url = format!("file://{}@main", repository.display());
        machine.done(&["add", &url, "--yes"]).await;
        assert!(machine.done(&["update"]).await.contains("quota 1.0.0: up to date"));
        write(&repository, &plugin("quota", "1.1.0", ""));
        fs::write(repository.join("lib/more.lua"), "return 1\nreturn 2\n").unwrap();
        fs::remove_file(repository.join("README.md")).unwrap();
        let second = commit(&repository);
        let out = machine.done(&["update", "--check"]).await;
        for part in [
            "quota 1.0.0 -> 1.1.0",
            &second,
            "+ lib/more.lua (+2 -0)",
            "- README.md (+0 -1)",
            "~ plugin.lua (+2 -2)",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        assert!(machine.text("quota/plugin.lua").contains("1.0.0"));
        machine.refused(&["update"]).await;
        let told = json(&machine.done(&["update", "--yes", "--json"]).await);
        assert_eq!(told["plugins"][0]["state"], "updated");
        assert_eq!(told["plugins"][0]["revision"], second.as_str());
        assert!(machine.text("quota/plugin.lua").contains("1.1.0"));
        assert!(!machine.plugins().join("quota/README.md").exists());
        assert_eq!(machine.left(), ["plugins.lock", "quota"]);
        let told = json(&machine.done(&["update", "--check", "--json"]).await);
        assert_eq!(told["plugins"][0]["state"], "up_to_date");
    });
}

#[test]
fn what_wants_more_is_never_let_in_by_a_yes_that_was_given_before() {
    support::run(async {
        let machine = Machine::new();
        let source = machine.path("src/quota");
        for (more, right) in [
            ("capabilities = { \"kv\" },", "capability kv"),
            (
                "middleware = { { layer = \"security\", body = \"read\", request = function() end } },",
                "read bodies",
            ),
            (
                "middleware = { { layer = \"security\", body = \"write\", request = function() end } },",
                "change bodies",
            ),
            (
                "hooks = { [\"provider.request.prepared\"] = function() end },",
                "change what is sent to providers",
            ),
        ] {
            write(&source, &plugin("quota", "1.0.0", ""));
            machine.done(&["add", "src/quota", "--yes", "--force"]).await;
            write(&source, &plugin("quota", "1.1.0", more));
            let out = machine.done(&["update", "--check"]).await;
            assert!(out.contains(&format!("WANTS MORE: {right}")), "{out}");
            let (code, out, _) = machine.run(&["update", "--yes", "--json"]).await;
            assert_eq!(code, 1);
            let told = json(&out);
            assert_eq!(told["plugins"][0]["state"], "refused");
            assert!(told["plugins"][0]["wants"].as_array().unwrap().contains(&right.into()), "{told}");
            assert!(machine.text("quota/plugin.lua").contains("1.0.0"));
        }
        // A person who is asked says no, then yes; `--yes` does not spare the question.
        let (code, _, errors) = machine.typed(&["update", "--yes"], "n\n").await;
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains("let it have what it wants more"), "{errors}");
        let (code, _, errors) = machine.typed(&["update", "--yes"], "y\n").await;
        assert_eq!(code, 0, "{errors}");
        assert!(machine.text("quota/plugin.lua").contains("1.1.0"));
        // A new route too, and what is allowed is remembered.
        let route = plugin("quota", "1.2.0", "").replace(
            "routes = {",
            "routes = { { path = \"/open\", auth = false, handler = function() return {} end },",
        );
        write(&source, &route);
        assert!(machine.refused(&["update", "--yes"]).await.contains("1 of 1"));
        machine.done(&["update", "--yes", "--allow-capabilities"]).await;
        let lock = machine.text("plugins.lock");
        assert!(lock.contains("route without a client key GET /quota/open"), "{lock}");
        write(&source, &plugin("quota", "1.3.0", ""));
        machine.done(&["update", "--yes"]).await;
    });
}

/// Row 41 of the attacks: a file that is not the one that was let in is held.
#[test]
fn what_was_changed_by_hand_stays() {
    support::run(async {
        let machine = Machine::new();
        write(&machine.path("src/quota"), &plugin("quota", "1.0.0", ""));
        machine.done(&["add", "src/quota", "--yes"]).await;
        write(&machine.path("src/quota"), &plugin("quota", "2.0.0", ""));
        for change in ["plugin.lua", "notes.txt", ".hidden"] {
            let path = machine.plugins().join("quota").join(change);
            let before = fs::read(&path).ok();
            fs::write(&path, [before.clone().unwrap_or_default(), b"-- mine".to_vec()].concat()).unwrap();
            let (_, out, errors) = machine.run(&["update", "--yes"]).await;
            assert!(out.contains("changed by hand") && out.contains(change), "{out}{errors}");
            let errors = machine.refused(&["remove", "quota", "--yes"]).await;
            assert!(errors.contains("changed by hand") && errors.contains("--force"), "{errors}");
            match before {
                Some(before) => fs::write(&path, before).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
        }
        fs::write(machine.plugins().join("quota/notes.txt"), "mine").unwrap();
        let out = machine.done(&["update", "--yes", "--force", "--json"]).await;
        let kept = json(&out)["plugins"][0]["kept"].as_str().unwrap().to_owned();
        assert_eq!(fs::read_to_string(Path::new(&kept).join("notes.txt")).unwrap(), "mine");
        assert!(machine.text("quota/plugin.lua").contains("2.0.0"));
        fs::write(machine.plugins().join("quota/notes.txt"), "mine").unwrap();
        let told = json(&machine.done(&["remove", "quota", "--yes", "--force", "--json"]).await);
        let kept = told["kept"][0].as_str().unwrap();
        assert_eq!(fs::read_to_string(Path::new(kept).join("notes.txt")).unwrap(), "mine");
        assert_eq!(machine.left(), [".kept", "plugins.lock"]);
    });
}

#[test]
fn one_that_fails_does_not_hold_up_the_others() {
    support::run(async {
        let machine = Machine::new();
        for name in ["aa", "bb", "cc"] {
            write(&machine.path("src").join(name), &plugin(name, "1.0.0", ""));
        }
        machine.done(&["add", "src", "--only", "aa", "--only", "bb", "--only", "cc", "--yes"]).await;
        write(&machine.path("src/cc"), &plugin("cc", "1.1.0", ""));
        fs::remove_dir_all(machine.path("src/aa")).unwrap();
        write(&machine.path("src/bb"), "return {");
        let (code, out, _) = machine.run(&["update", "--yes", "--json"]).await;
        assert_eq!(code, 1);
        let told = json(&out);
        let states: Vec<&str> = told["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|plugin| plugin["state"].as_str().unwrap())
            .collect();
        assert_eq!(states, ["refused", "refused", "updated"], "{told}");
        // Each still runs as it was.
        assert!(machine.done(&["check"]).await.contains("aa: enabled"));
        // One whose folder is gone comes back.
        fs::remove_dir_all(machine.plugins().join("cc")).unwrap();
        machine.done(&["update", "cc", "--yes"]).await;
        assert!(machine.text("cc/plugin.lua").contains("1.1.0"));
    });
}

#[test]
fn a_removal_is_asked_about_and_knows_its_own() {
    support::run(async {
        let machine = Machine::new();
        write(&machine.path("src/quota"), &plugin("quota", "1.0.0", ""));
        machine.done(&["add", "src/quota", "--yes"]).await;
        write(&machine.plugins().join("mine"), &plugin("mine", "1.0.0", ""));
        let errors = machine.refused(&["remove", "mine", "--yes"]).await;
        assert!(errors.contains("was not put in"), "{errors}");
        let errors = machine.refused(&["remove", "quotas", "--yes"]).await;
        assert!(errors.contains("did you mean `quota`"), "{errors}");
        assert!(machine.refused(&["remove", "quota"]).await.contains("nobody is here"));
        let (code, _, errors) = machine.typed(&["remove", "quota"], "no\n").await;
        assert_eq!(code, 1, "{errors}");
        let (code, out, errors) = machine.typed(&["remove", "quota"], "y\n").await;
        assert_eq!(code, 0, "{out}{errors}");
        assert_eq!(machine.left(), ["mine", "plugins.lock"]);
        assert!(machine.done(&["update"]).await.contains("no plugin was added"));
        fs::write(machine.plugins().join("plugins.lock"), "version = 1\nplugin = 3\n").unwrap();
        let errors = machine.refused(&["update"]).await;
        assert!(errors.contains("plugins.lock") && errors.contains("still run"), "{errors}");
    });
}

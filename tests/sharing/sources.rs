//! The places a plugin can come from: git repositories, archives over HTTP, and what is refused of them.

use super::*;

#[test]
fn a_git_repository_is_read_at_the_revision_that_was_asked_for() {
    support::run(async {
        let machine = Machine::new();
        let repository = machine.path("repository");
        write(&repository, &plugin("quota", "1.0.0", ""));
        let first = commit(&repository);
        git(&repository, &["tag", "v1"]);
        write(&repository, &plugin("quota", "2.0.0", ""));
        commit(&repository);
        let url = format!("file://{}", repository.display());
        for (reference, version) in
            [("", "2.0.0"), ("@v1", "1.0.0"), ("@main", "2.0.0"), (&format!("@{first}"), "1.0.0")]
        {
            let source = format!("{url}{reference}");
            let told = json(&machine.done(&["add", &source, "--yes", "--force", "--json"]).await);
            assert_eq!(told["plugins"][0]["version"], version, "{reference}");
            assert!(machine.text("quota/plugin.lua").contains(version));
            if version == "1.0.0" {
                assert_eq!(told["plugins"][0]["revision"], first.as_str());
            }
        }
        assert_eq!(machine.left(), ["plugins.lock", "quota"]);
        let errors = machine.refused(&["add", &format!("{url}@nothing"), "--yes"]).await;
        assert!(errors.contains("git fetch"), "{errors}");
        let errors = machine.refused(&["add", &format!("{url}@{}", &first[..8]), "--yes"]).await;
        assert!(errors.contains("whole id"), "{errors}");
    });
}

#[test]
fn nothing_of_a_repository_runs_or_is_followed() {
    support::run(async {
        let machine = Machine::new();
        let repository = machine.path("repository");
        write(&repository.join("plugins/quota"), &plugin("quota", "1.0.0", ""));
        write(&repository.join("plugins/other"), &plugin("other", "1.0.0", ""));
        // What would change the bytes, if anything was checked out by the user's settings.
        fs::write(repository.join(".gitattributes"), "*.lua filter=evil text eol=crlf ident\n").unwrap();
        fs::write(repository.join("plugins/quota/id.lua"), "return \"$Id$\"\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", repository.join("plugins/other/link.lua")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", repository.join("link")).unwrap();
        commit(&repository);
        let ran = machine.path("ran");
        let evil = format!(
            "[filter \"evil\"]\n\tsmudge = touch {0} && cat\n[core]\n\thooksPath = {1}\n",
            ran.display(),
            machine.path("hooks").display()
        );
        fs::write(machine.path(".gitconfig"), evil).unwrap();
        fs::create_dir(machine.path("hooks")).unwrap();
        for hook in ["post-checkout", "reference-transaction", "post-merge"] {
            use std::os::unix::fs::PermissionsExt;
            let path = machine.path("hooks").join(hook);
            fs::write(&path, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let url = format!("file://{}", repository.display());
        let errors = machine.refused(&["add", &url, "--yes"]).await;
        assert!(errors.contains("2 plugins: other, quota") && errors.contains("--only"), "{errors}");
        machine.done(&["add", &url, "--only", "quota", "--yes"]).await;
        assert_eq!(machine.text("quota/id.lua"), "return \"$Id$\"\n");
        assert!(!machine.text("quota/plugin.lua").contains('\r'));
        assert!(machine.text("plugins.lock").contains("#plugins/quota"));
        let errors = machine.refused(&["add", &format!("{url}#plugins/other"), "--yes"]).await;
        assert!(errors.contains("symbolic link"), "{errors}");
        let errors = machine.refused(&["add", &url, "--only", "quotas", "--yes"]).await;
        assert!(errors.contains("did you mean `quota`"), "{errors}");
        assert!(!ran.exists());
        // A submodule is no part of a plugin.
        git(
            &repository.join("plugins/quota"),
            &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "inner"],
        );
        commit(&repository);
        let errors = machine.refused(&["add", &format!("{url}#plugins/quota"), "--yes", "--force"]).await;
        assert!(errors.contains("submodule"), "{errors}");
    });
}

#[test]
fn without_git_archives_still_work() {
    support::run(async {
        let mut machine = Machine::new();
        let empty = machine.path("bin");
        fs::create_dir(&empty).unwrap();
        machine.config = Config::new().without_scripts().env("PATH", &empty.display().to_string());
        let errors = machine.refused(&["add", "https://127.0.0.1:1/r", "--yes"]).await;
        assert!(errors.contains("`git` is not there") && errors.contains("archive"), "{errors}");
        write(&machine.path("src/quota"), &plugin("quota", "1.0.0", ""));
        fs::write(machine.path("quota.tgz"), tar(&machine.path("src/quota"), "quota-1.0")).unwrap();
        machine.done(&["add", "quota.tgz", "--yes"]).await;
        assert_eq!(machine.left(), ["plugins.lock", "quota"]);
    });
}

#[test]
fn archives_come_over_http_within_bounds() {
    support::run(async {
        let machine = Machine::new();
        write(&machine.path("src/plugins/quota"), &plugin("quota", "1.0.0", ""));
        write(&machine.path("src/plugins/other"), &plugin("other", "1.0.0", ""));
        let archive = tar(&machine.path("src"), "repository-1.0");
        let server = Upstream::with(move |request| match request.target().as_str() {
            "/a.tar.gz" => Reply::status(200).bytes(&archive),
            "/away.tar.gz" => Reply::status(302).header("location", "http://127.0.0.1:9/a.tar.gz"),
            "/large.tar.gz" => Reply::status(200).claim_length(64 << 20).stall(),
            "/page.tar.gz" => Reply::status(200).bytes("<html>"),
            _ => Reply::status(404),
        })
        .await;
        let url = |name: &str| format!("{}/{name}", server.url());
        let told = json(&machine.done(&["add", &url("a.tar.gz#plugins/quota"), "--yes", "--json"]).await);
        assert_eq!(told["plugins"][0]["name"], "quota");
        assert!(told["plugins"][0]["revision"].as_str().unwrap().starts_with("sha256:"));
        machine.done(&["add", &url("a.tar.gz"), "--only", "other", "--yes"]).await;
        assert_eq!(machine.left(), ["other", "plugins.lock", "quota"]);
        assert!(
            server
                .requests()
                .iter()
                .all(|request| request.header("user-agent").unwrap().starts_with("ccproxy/"))
        );
        for (name, why) in [
            ("away.tar.gz", "not `https`"),
            ("large.tar.gz", "larger than"),
            ("page.tar.gz", "neither a zip file"),
            ("none.zip", "404"),
        ] {
            let errors = machine.refused(&["add", &url(name), "--yes"]).await;
            assert!(errors.contains(why), "{name}: {errors}");
        }
        let errors = machine.refused(&["add", "http://example.com/a.zip", "--yes"]).await;
        assert!(errors.contains("https"), "{errors}");
    });
}

#[test]
fn a_folder_of_an_archive_must_be_called_as_its_plugin() {
    support::run(async {
        let machine = Machine::new();
        write(&machine.path("src/nice"), &plugin("evil", "1.0.0", ""));
        write(&machine.path("src/fine"), &plugin("fine", "1.0.0", ""));
        fs::write(machine.path("a.tgz"), tar(&machine.path("src"), "a")).unwrap();
        let errors = machine.refused(&["add", "a.tgz", "--only", "nice", "--yes"]).await;
        assert!(errors.contains("must be the name of its folder"), "{errors}");
        assert!(machine.left().is_empty());
    });
}

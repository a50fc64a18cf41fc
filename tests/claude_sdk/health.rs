//! What the plugin says of itself, and what asking the CLI for it leaves behind: nothing.

use serde_json::Value;

use super::super::support::{self, Config, eventually, proxy::cli};
use super::{House, gone, lives, one, read};

impl House {
    async fn health(&self) -> Value {
        self.proxy.anonymous().get("/plugins/claude_sdk/health").await.json()
    }

    /// What the CLI was asked about itself.
    fn asked(&self) -> usize {
        read(&self.file("asked")).lines().count()
    }

    /// What it started to answer that.
    async fn children(&self, count: usize) -> Vec<i32> {
        eventually("what the CLI starts", async || {
            let text = read(&self.file("children"));
            let children: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
            (children.len() == count).then_some(children)
        })
        .await
    }
}

#[test]
fn health_says_who_is_logged_in() {
    support::run(async {
        let house = House::new().await;
        let health = house.proxy.anonymous().get("/plugins/claude_sdk/health").await.expect(200).json();
        assert_eq!(health["details"]["cli_version"], "9.9.9");
        assert_eq!(health["details"]["logged_in"], true);
        let house = House::new().await;
        std::fs::write(house.file("logged_out"), "").unwrap();
        let health = house.proxy.anonymous().get("/plugins/claude_sdk/health").await.text();
        assert!(health.contains("not logged in") && health.contains("/login"), "{health}");
    });
}

#[test]
fn a_cli_that_is_slow_to_answer_is_asked_once_and_well_in_the_end() {
    support::run(async {
        let house = House::new().await;
        std::fs::write(house.file("slow"), "").unwrap();
        for _ in 0..2 {
            let health = house.health().await;
            assert_eq!(health["status"], "degraded", "{health}");
            assert!(health["details"]["output"].as_str().unwrap().contains("still being asked"), "{health}");
        }
        std::fs::remove_file(house.file("slow")).unwrap();
        let health = eventually("a version", async || {
            let health = house.health().await;
            health["details"]["cli_version"].is_string().then_some(health)
        })
        .await;
        assert_eq!((&health["status"], &health["details"]["logged_in"]), (&"healthy".into(), &true.into()));
        assert_eq!(house.asked(), 2, "one `--version`, one `auth status`");
        let folder = read(&house.file("asked_in"));
        assert!(folder.trim_end().ends_with("/empty"), "{folder}");
    });
}

#[test]
fn asking_leaves_no_process_behind() {
    support::run(async {
        let house = House::new().await;
        std::fs::write(house.file("strays"), "").unwrap();
        assert_eq!(house.health().await["details"]["cli_version"], "9.9.9");
        for child in house.children(2).await {
            gone(child).await;
        }
        // A wrapper that hangs, in whose place a shell would be killed, and not what it waits for.
        let mut house = House::new().await;
        std::fs::write(house.file("hangs"), "").unwrap();
        for _ in 0..3 {
            assert!(
                house.health().await["details"]["output"].as_str().unwrap().contains("still being asked")
            );
        }
        let children = house.children(2).await;
        assert!(house.asked() == 2 && children.iter().all(|id| lives(*id)));
        house.proxy.terminate();
        house.proxy.ended().await;
        for child in children {
            gone(child).await;
        }
    });
}

#[test]
fn a_folder_that_is_missing_is_told_with_its_setting() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("not/here");
        let house =
            House::configured(|config| config.toml(&format!("plugins.claude_sdk.directory = {missing:?}")))
                .await;
        let shown = missing.display().to_string();
        let log = house.proxy.logged("plugins.claude_sdk.directory").await;
        assert!(log.contains(&shown), "{log}");
        let health = house.proxy.anonymous().get("/plugins/claude_sdk/health").await.expect(503).json();
        assert_eq!(health["status"], "unhealthy");
        let answer = house.proxy.client().post("/claude/sdk/v1/messages", &one("hi")).await.expect(503);
        for told in [&health["details"]["output"], &answer.json()["error"]["message"]] {
            let told = told.as_str().unwrap();
            assert!(told.contains("plugins.claude_sdk.directory") && told.contains(&shown), "{told}");
        }
        // It is looked at each time.
        std::fs::create_dir_all(&missing).unwrap();
        assert_eq!(house.health().await["status"], "healthy");
        house.proxy.client().post("/claude/sdk/v1/messages", &one("hi")).await.expect(200);
        assert_eq!(read(&house.file("folder")).lines().next(), missing.to_str());
    });
}

#[test]
fn settings_that_it_could_not_start_with_are_found_before() {
    support::run(async {
        for (line, part) in [
            ("plugins.claude_sdk.allow = [\"Read\", \"Bash(git log*\"]", "`Bash(git log*` is neither"),
            ("plugins.claude_sdk.command = []", "`plugins.claude_sdk.command` must name a program"),
            ("plugins.claude_sdk.command = [\" \"]", "`plugins.claude_sdk.command` must name a program"),
        ] {
            for (command, expected) in [(["config", "check"], 78), (["plugins", "check"], 1)] {
                let (code, out, errors) = cli(Config::new().toml(line), &command).await;
                assert_eq!(code, expected, "{command:?} {line}: {out}{errors}");
                assert!(format!("{out}{errors}").contains(part), "{command:?} {line}: {out}{errors}");
            }
        }
        let fine = "plugins.claude_sdk.allow = [\"Read\", \"mcp__github__*\", \"Bash(git log (x) *)\"]";
        let (code, out, errors) = cli(Config::new().toml(fine), &["config", "check"]).await;
        assert_eq!(code, 0, "{out}{errors}");
    });
}

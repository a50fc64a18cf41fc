//! Sessions that outlive the proxy: their names are kept, and no words.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::super::support::{self, eventually};
use super::{House, one, read, streamed};

const PATH: &str = "/claude/sdk/mine/v1/messages";
const FILE: &str = ".local/share/ccproxy/plugins/claude_sdk/sessions.json";

/// Waits until the file holds so many sessions.
async fn kept(house: &House, count: usize) -> String {
    let path = house.proxy.home().join(FILE);
    eventually(&format!("{count} sessions in the file"), async || {
        let text = read(&path);
        let sessions: serde_json::Value = serde_json::from_str(&text).ok()?;
        (sessions.as_array()?.len() == count).then_some(text)
    })
    .await
}

#[test]
fn a_session_goes_on_after_a_restart() {
    support::run(async {
        let house = House::new().await;
        house.proxy.client().post(PATH, &one("a word of mine")).await.expect(200);
        let text = kept(&house, 1).await;
        assert!(text.contains("s-fake") && !text.contains("word"), "{text}");
        let path = house.proxy.home().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Killed, and then ended.
        let house = house.again().await;
        house.proxy.client().post(PATH, &one("second")).await.expect(200);
        assert!(house.started()[1].1.contains("--resume=s-fake"), "{:?}", house.started());
        let mut house = house;
        house.proxy.terminate();
        house.proxy.ended().await;
        let house = house.again().await;
        house.proxy.client().post(PATH, &one("third")).await.expect(200);
        assert!(house.started()[2].1.contains("--resume=s-fake"), "{:?}", house.started());
        assert_eq!(house.said().iter().filter(|line| line["message"]["content"].is_array()).count(), 3);
    });
}

#[test]
fn a_turn_that_was_under_way_is_lost_and_what_was_before_it_is_not() {
    support::run(async {
        let house = House::new().await;
        house.proxy.client().post(PATH, &one("first")).await.expect(200);
        kept(&house, 1).await;
        let mut raw = house.proxy.raw().await;
        raw.post(PATH, &streamed("HANG").to_string()).await;
        assert!(raw.until("begun").await);
        let house = house.again().await;
        house.proxy.client().post(PATH, &one("second")).await.expect(200);
        assert!(house.started()[1].1.contains("--resume=s-fake"), "{:?}", house.started());
    });
}

#[test]
fn only_the_same_client_setup_and_time_resume() {
    support::run(async {
        let house = House::configured(|config| {
            config
                .toml("plugins.claude_sdk.resume_ttl = \"2s\"")
                .toml("plugins.claude_sdk.idle_timeout = \"100ms\"")
        })
        .await;
        let client = house.proxy.client();
        client.post(PATH, &one("first")).await.expect(200);
        house.counts("sessions", 0).await;
        // Another prompt is another conversation, and that name is its own from now on.
        let mut other = one("second");
        other["system"] = json!("other");
        client.post(PATH, &other).await.expect(200);
        assert!(!house.started()[1].1.contains("--resume"), "{:?}", house.started());
        // A whole conversation is told whole.
        house.counts("sessions", 0).await;
        let mut whole = other.clone();
        whole["messages"].as_array_mut().unwrap().extend([
            json!({ "role": "assistant", "content": "hello" }),
            json!({ "role": "user", "content": "third" }),
        ]);
        client.post(PATH, &whole).await.expect(200);
        assert!(!house.started()[2].1.contains("--resume"), "{:?}", house.started());
        house.counts("sessions", 0).await;
        // Too old.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        client.post(PATH, &other).await.expect(200);
        assert!(!house.started()[3].1.contains("--resume"), "{:?}", house.started());
    });
}

#[test]
fn a_file_that_makes_no_sense_is_told_and_begun_anew() {
    support::run(async {
        let house = House::new().await;
        house.proxy.client().post(PATH, &one("first")).await.expect(200);
        kept(&house, 1).await;
        let path = house.proxy.home().join(FILE);
        house.proxy.kill();
        std::fs::write(&path, "[{]").unwrap();
        let house = house.again().await;
        house.proxy.client().post(PATH, &one("second")).await.expect(200);
        house.proxy.logged("sessions of the CLI are forgotten").await;
        assert!(!house.started()[1].1.contains("--resume"), "{:?}", house.started());
        kept(&house, 1).await;
    });
}

//! A CLI that crashes, babbles, falls silent or has no login.

use super::super::support::{self, sse};
use super::{House, gone, one, streamed};

const PATH: &str = "/claude/sdk/v1/messages";

#[test]
fn a_crash_in_the_middle_is_told_in_every_format() {
    support::run(async {
        let house = House::new().await;
        let client = house.proxy.client();
        let answer = client.post(PATH, &streamed("CRASH")).await.expect(200);
        assert_eq!(sse::names(&answer.body).last().map(String::as_str), Some("error"), "{}", answer.text());
        assert!(answer.text().contains("ended in the middle"), "{}", answer.text());
        assert!(!answer.text().contains("message_stop"));
        let answer = client.post(PATH, &one("CRASH")).await.expect(502);
        assert_eq!(answer.json()["error"]["type"], "api_error");
        let chat =
            client.post("/claude/sdk/v1/chat/completions", &streamed("CRASH")).await.expect(200).text();
        assert!(chat.contains("\"error\""), "{chat}");
        house.counts("sessions", 0).await;
    });
}

#[test]
fn a_crash_before_the_first_word_is_mended_once() {
    support::run(async {
        let house = House::new().await;
        let answer = house.proxy.client().post(PATH, &one("CRASH_FIRST")).await.expect(200);
        assert_eq!(answer.json()["content"][0]["text"], "again");
        assert_eq!(house.count("processes_recovered").await, 1);
        house.proxy.client().post(PATH, &one("CRASH_ALWAYS")).await.expect(502);
        assert_eq!(house.started().len(), 4);
    });
}

#[test]
fn noise_is_forgiven_and_garbage_is_not() {
    support::run(async {
        let house = House::new().await;
        let client = house.proxy.client();
        client.post(PATH, &one("NOISE")).await.expect(200);
        let told = client.post(PATH, &one("GARBAGE")).await.expect(502).text();
        assert!(told.contains("protocol") && !told.contains("no protocol at all"), "{told}");
        for (id, _) in house.started() {
            gone(id).await;
        }
    });
}

#[test]
fn silence_ends_with_504() {
    support::run(async {
        let house =
            House::configured(|config| config.toml("plugins.claude_sdk.turn_timeout = \"300ms\"")).await;
        let told = house.proxy.client().post(PATH, &one("SILENT")).await.expect(504).text();
        assert!(told.contains("silent"), "{told}");
        let answer = house.proxy.client().post(PATH, &streamed("HANG")).await.expect(200);
        assert_eq!(sse::names(&answer.body).last().map(String::as_str), Some("error"));
        house.counts("sessions", 0).await;
        for (id, _) in house.started() {
            gone(id).await;
        }
    });
}

#[test]
fn a_cli_that_never_gets_ready_ends_with_504() {
    support::run(async {
        let house =
            House::configured(|config| config.toml("plugins.claude_sdk.start_timeout = \"300ms\"")).await;
        std::fs::write(house.file("never_ready"), "").unwrap();
        let told = house.proxy.client().post(PATH, &one("hi")).await.expect(504).text();
        assert!(told.contains("ready"), "{told}");
        gone(house.started()[0].0).await;
    });
}

#[test]
fn the_apis_errors_keep_their_status_and_a_missing_login_has_a_remedy() {
    support::run(async {
        let house = House::new().await;
        let client = house.proxy.client();
        let told = client.post(PATH, &one("LOGGED_OUT")).await.expect(503).text();
        assert!(told.contains("log in with `/login`"), "{told}");
        let limited = client.post(PATH, &one("LIMITED")).await.expect(429);
        assert_eq!(limited.json()["error"]["message"], "slow down");
        assert_eq!(limited.json()["error"]["type"], "rate_limit_error");
    });
}

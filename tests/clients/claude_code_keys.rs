//! Claude Code and whose credential travels: its own in either header, the proxy's, or both doors locked.

use super::claude_code::{Claude, LIMIT, conversation, versions};
use super::{House, text};
use crate::support::upstream::scenes;
use crate::support::{self, Config};

/// What the upstream saw as `x-api-key` and `authorization`.
fn seen(house: &House) -> (Option<String>, Option<String>) {
    let request = &conversation(house)[0];
    (request.header("x-api-key"), request.header("authorization"))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn every_login_reaches_the_right_door() {
    support::run_within(LIMIT, async {
        let token = "server.auth_token = \"house-key-123456\"";
        let held = ("ANTHROPIC_API_KEY", "sk-ant-api03-held");
        for claude in versions() {
            for (what, config, own, expected) in [
                ("a key", Config::new(), ("ANTHROPIC_API_KEY", "sk-own"), (some("sk-own"), None)),
                ("a bearer", Config::new(), ("ANTHROPIC_AUTH_TOKEN", "own"), (None, some("Bearer own"))),
                (
                    "a login",
                    Config::new(),
                    ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-own"),
                    (None, some("Bearer sk-ant-oat01-own")),
                ),
                (
                    "the proxy's key",
                    Config::new().env(held.0, held.1),
                    ("ANTHROPIC_AUTH_TOKEN", "any"),
                    (some(held.1), None),
                ),
                (
                    "the house key as a bearer",
                    Config::new().env(held.0, held.1).toml(token),
                    ("ANTHROPIC_AUTH_TOKEN", "house-key-123456"),
                    (some(held.1), None),
                ),
                (
                    "the house key as a key",
                    Config::new().env(held.0, held.1).toml(token),
                    ("ANTHROPIC_API_KEY", "house-key-123456"),
                    (some(held.1), None),
                ),
            ] {
                // 1.x knows the same two headers; the rest is the proxy's doing.
                if claude == Claude::One && !["a key", "a bearer"].contains(&what) {
                    continue;
                }
                let house = House::configured(scenes::done, config).await;
                let program = claude.at(&house.url("claude")).env(own.0, own.1);
                let answer = program.args(["-p", "hello", "--output-format", "json"]).run().await.json();
                assert_eq!(answer["result"], scenes::DONE, "{claude:?}, {what}: {answer}");
                assert_eq!(seen(&house), expected, "{claude:?}, {what}");
                assert!(
                    !house.proxy.log().contains(own.1),
                    "{claude:?}, {what}: the log shows the credential"
                );
            }
        }
    });
}

#[test]
fn its_own_key_and_the_house_key_together() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let config = Config::new().toml("server.auth_token = \"house-key-123456\"");
            let house = House::configured(scenes::done, config).await;
            let program = claude
                .at(&house.url("claude"))
                .env("ANTHROPIC_API_KEY", "sk-own")
                .env("ANTHROPIC_CUSTOM_HEADERS", "authorization: Bearer house-key-123456");
            let answer = program.args(["-p", "hello", "--output-format", "json"]).run().await.json();
            assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
            assert_eq!(seen(&house), (some("sk-own"), None), "{claude:?}");
        }
    });
}

#[test]
fn a_wrong_house_key_is_refused_with_a_reason() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let config = Config::new().toml("server.auth_token = \"house-key-123456\"");
            let house = House::configured(scenes::done, config).await;
            let program = claude.at(&house.url("claude")).env("ANTHROPIC_AUTH_TOKEN", "wrong");
            let program = program.env("CLAUDE_CODE_MAX_RETRIES", "0");
            let answer = program.args(["-p", "hello", "--output-format", "json"]).run().await.json();
            assert_eq!(answer["is_error"], true, "{claude:?}: {answer}");
            let said = text(&answer["result"]);
            assert!(said.contains("/login") || said.contains("401"), "{claude:?}: {answer}");
            assert!(house.tap.got(b"no valid client key"), "{claude:?}");
            assert!(house.upstream.requests().is_empty(), "{claude:?}");
        }
    });
}

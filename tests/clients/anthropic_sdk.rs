//! The Anthropic SDKs for Python and JavaScript, each scene in both.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::claude_code::LIMIT;
use super::program::Program;
use super::{House, LANGUAGES, Language, script, text};
use crate::support::upstream::{anthropic, scenes};
use crate::support::{self, Config, Proxy, Reply};

/// The script, pointed at the house, with a key of its own; `None` when it is left out.
fn sdk(language: Language, house: &House) -> Option<Program> {
    let program = script(language, "anthropic")?;
    Some(program.env("ANTHROPIC_BASE_URL", &house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own"))
}

/// Plays scenes in every language that is there, and looks at what came of them, a list.
fn play(
    scenes: &[&str],
    make: impl Fn() -> Box<dyn Fn(&support::upstream::Recorded) -> Reply + Send + Sync>,
    check: impl Fn(Language, &Value, &House),
) {
    support::run_within(LIMIT, async {
        for language in LANGUAGES {
            let house = House::new(make()).await;
            let Some(program) = sdk(language, &house) else { continue };
            let output = program.args(scenes).run().await;
            check(language, &output.json(), &house);
            house.bodies_are_untouched();
        }
    });
}

#[test]
fn whole_streamed_counted_and_unknown_things() {
    play(
        &["whole", "stream", "others"],
        || Box::new(scenes::done),
        |language, said, house| {
            let whole = json!({ "text": scenes::DONE, "request_id": "req_scene_1", "remaining": "41" });
            assert_eq!(said[0], whole, "{language:?}");
            let pieces = scenes::DONE.split(' ').count();
            assert_eq!(
                said[1],
                json!({ "text": scenes::DONE, "pieces": pieces, "output": 7 }),
                "{language:?}"
            );
            let others = json!({ "count": 42, "models": ["claude-opus-5-5"], "text": scenes::DONE });
            assert_eq!(said[2], others, "{language:?}");
            let asked = house.upstream.requests();
            // Today's SDKs send the key as a bearer token.
            assert_eq!(asked[0].header("authorization").as_deref(), Some("Bearer sk-ant-api03-own"));
            let targets: Vec<String> = asked.iter().map(|request| request.target()).collect();
            for (target, expected) in
                targets[2..].iter().zip(["/v1/messages/count_tokens", "/v1/models", "/v1/messages"])
            {
                assert!(target.starts_with(expected), "{language:?}: {targets:?}");
            }
            assert_eq!(
                asked[4].header("anthropic-beta").as_deref(),
                Some("a-beta-2026-01-01"),
                "{language:?}"
            );
            assert!(asked[4].json()["a_key_nobody_knows"]["x"].is_array(), "{language:?}");
        },
    );
}

#[test]
fn a_tool_and_signed_thinking_over_two_turns() {
    let input = json!({ "city": "Łódź, or 🦀town" });
    play(
        &["tools"],
        || Box::new(scenes::tool_turn("weather", &input)),
        |language, said, house| {
            let expected = json!({
                "text": scenes::DONE, "input": input, "signature": scenes::SIGNATURE,
                "thinking": "I must look – 考える", "reason": "tool_use",
            });
            assert_eq!(said[0], expected, "{language:?}");
            let back = scenes::results(&house.upstream.requests()[1]).next().unwrap();
            assert_eq!(back["content"], "rain – ☔", "{language:?}");
        },
    );
}

#[test]
fn errors_are_the_api_s_own() {
    let errors = [
        (400, "invalid_request_error", "BadRequestError"),
        (401, "authentication_error", "AuthenticationError"),
        (429, "rate_limit_error", "RateLimitError"),
        (529, "overloaded_error", ""),
    ];
    play(
        &["failures"],
        || {
            Box::new(scenes::first(errors.map(|(status, kind, _)| {
                let reply = Reply::json(status, &anthropic::error(kind, "said the API"));
                scenes::named(reply.header("retry-after", "7"))
            })))
        },
        |language, said, house| {
            for (said, (status, _, name)) in said[0].as_array().unwrap().iter().zip(errors) {
                assert_eq!(said["status"], status, "{language:?}");
                assert!(text(&said["error"]).contains(name), "{language:?}: {said}");
                assert_eq!(said["message"], "said the API", "{language:?}");
                assert_eq!(said["request_id"], "req_scene_1", "{language:?}");
                assert_eq!(said["retry_after"], "7", "{language:?}");
            }
            assert_eq!(house.upstream.requests().len(), 4, "{language:?}: the proxy tried again by itself");
        },
    );
}

#[test]
fn they_try_again_when_the_api_is_busy() {
    play(
        &["whole"],
        || {
            let busy =
                Reply::json(429, &anthropic::error("rate_limit_error", "busy")).header("retry-after", "1");
            let overloaded = Reply::json(529, &anthropic::error("overloaded_error", "full"));
            Box::new(scenes::first([busy, overloaded]))
        },
        |language, said, house| {
            assert_eq!(said[0]["text"], scenes::DONE, "{language:?}");
            let counts: Vec<_> = house
                .upstream
                .requests()
                .iter()
                .map(|request| request.header("x-stainless-retry-count"))
                .collect();
            assert_eq!(counts, ["0", "1", "2"].map(|count| Some(count.to_owned())), "{language:?}");
        },
    );
}

#[test]
fn a_broken_stream_raises() {
    let pause = Duration::from_millis(100);
    let inside = anthropic::text_delta("never whole");
    let event = anthropic::event("error", &anthropic::error("overloaded_error", "Overloaded"));
    let half = || Reply::stream(scenes::half());
    let faults = || {
        [
            ("cut", half().cut()),
            ("reset", half().reset()),
            ("cut inside an event", half().bytes(&inside[..20]).pause(pause).cut()),
            ("clean end too early", half()),
            ("error event", half().pause(pause).bytes(&event)),
        ]
    };
    play(
        &["broken"],
        || Box::new(scenes::first(faults().map(|(_, reply)| reply))),
        |language, said, _| {
            for (said, (what, _)) in said[0].as_array().unwrap().iter().zip(faults()) {
                assert!(said["error"].is_string(), "{language:?}, {what}: it looks whole: {said}");
            }
        },
    );
}

#[test]
fn a_reader_that_leaves_closes_the_upstream() {
    support::run_within(LIMIT, async {
        for language in LANGUAGES {
            let house = House::new(scenes::always(Reply::stream(scenes::half()).stall())).await;
            let Some(program) = sdk(language, &house) else { continue };
            let begun = Instant::now();
            let said = program.args(["leave"]).run().await.json();
            assert_eq!(said[0]["text"], "Half ", "{language:?}");
            house.upstream.request(0).await.closed_after(begun).await;
        }
    });
}

#[test]
fn the_proxy_s_own_key_serves_those_who_have_the_house_key() {
    support::run_within(LIMIT, async {
        for language in LANGUAGES {
            let config = Config::new()
                .env("ANTHROPIC_API_KEY", "sk-ant-api03-held")
                .toml("server.auth_token = \"house-key-123456\"");
            let house = House::configured(scenes::done, config).await;
            let Some(program) = script(language, "anthropic") else { continue };
            let program = program
                .env("ANTHROPIC_BASE_URL", &house.url("claude"))
                .env("ANTHROPIC_API_KEY", "house-key-123456");
            let said = program.args(["whole"]).run().await.json();
            assert_eq!(said[0]["text"], scenes::DONE, "{language:?}");
            let asked = house.upstream.request(0).await;
            assert_eq!(asked.header("x-api-key").as_deref(), Some("sk-ant-api03-held"), "{language:?}");
            assert_eq!(asked.header("authorization"), None, "{language:?}");
        }
    });
}

#[test]
fn the_mock_provider_serves_them_too() {
    support::run_within(LIMIT, async {
        for language in LANGUAGES {
            let proxy = Proxy::start(Config::new()).await;
            let Some(program) = script(language, "anthropic") else { continue };
            let program = program
                .env("ANTHROPIC_BASE_URL", &format!("http://{}/mock", proxy.address()))
                .env("ANTHROPIC_API_KEY", "any");
            let said = program.args(["whole", "stream", "others"]).run().await.json();
            for (number, expected) in ["hello", "hello", "what"].into_iter().enumerate() {
                let heard = format!("The mock provider heard: {expected}");
                assert_eq!(said[number]["text"], heard, "{language:?}: {said}");
            }
        }
    });
}

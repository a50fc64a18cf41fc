//! Claude Code when the API fails: it sees what failed, tries again, and never shows half an answer as whole.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::claude_code::{Claude, LIMIT, conversation, versions};
use super::program::PATIENCE;
use super::{House, text};
use crate::support::upstream::{anthropic, scenes};
use crate::support::{self, Reply, Upstream};

/// An API does not fail in the very packet of its last words.
const PAUSE: Duration = Duration::from_millis(100);

fn error(status: u16, kind: &str, message: &str) -> Reply {
    scenes::named(Reply::json(status, &anthropic::error(kind, message)))
}

/// The first try fails so; the answer must be the whole one.
async fn recovers(claude: Claude, what: &str, fault: Reply) -> House {
    recovers_from(claude, what, [fault]).await
}

/// The same for several tries that fail, one after the other.
async fn recovers_from<const TRIES: usize>(claude: Claude, what: &str, faults: [Reply; TRIES]) -> House {
    let house = House::new(scenes::first(faults)).await;
    let answer = claude.ask(&house, "hello").await;
    assert_eq!(answer["is_error"], false, "{claude:?}, {what}: {answer}");
    assert_eq!(answer["result"], scenes::DONE, "{claude:?}, {what}");
    assert!(conversation(&house).len() >= 2, "{claude:?}, {what}: it did not ask again");
    house
}

#[test]
fn busy_and_overloaded_are_tried_again_when_the_api_says_so() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let begun = Instant::now();
            let busy = || error(429, "rate_limit_error", "Too many").header("retry-after", "2");
            // Twice: 1.x asks for a whole answer at once when a stream is refused, and waits only then.
            recovers_from(claude, "429", [busy(), busy()]).await;
            assert!(begun.elapsed() >= Duration::from_secs(2), "{claude:?} did not see `retry-after`");
            let overloaded = error(529, "overloaded_error", "Overloaded").header("retry-after", "1");
            recovers(claude, "529", overloaded).await;
        }
    });
}

#[test]
fn a_stream_that_breaks_is_asked_for_again() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let failed = anthropic::event("error", &anthropic::error("overloaded_error", "Overloaded"));
            let inside = &anthropic::events("Half")[5];
            recovers(claude, "an error event", Reply::stream(scenes::half()).pause(PAUSE).bytes(failed))
                .await;
            recovers(claude, "a cut between events", Reply::stream(scenes::half()).cut()).await;
            let cut = Reply::stream(scenes::half()).pause(PAUSE).bytes(&inside[..inside.len() / 2]).cut();
            recovers(claude, "a cut inside an event", cut).await;
            recovers(claude, "a clean end too early", Reply::stream(scenes::half())).await;
        }
    });
}

#[test]
fn a_stream_that_always_breaks_is_never_shown_as_an_answer() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let half = || Reply::stream(scenes::half());
            let whole = Reply::json(200, &anthropic::message("Half")).claim_length(900);
            for (what, fault) in [("cut", half().cut()), ("whole", whole.cut())] {
                let house = House::new(scenes::always(fault)).await;
                let program = claude.at(&house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
                let program = program.env("CLAUDE_CODE_MAX_RETRIES", "0");
                let output = program.args(["-p", "hello", "--output-format", "json"]).run().await;
                let answer = output.json();
                assert_eq!(answer["is_error"], true, "{claude:?}, {what}: {answer}");
                assert_eq!(output.code, Some(1), "{claude:?}, {what}");
                assert!(!text(&answer["result"]).starts_with("Half"), "{claude:?}, {what}: {answer}");
            }
        }
    });
}

#[test]
fn without_streams_it_falls_back_to_whole_answers() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let script = |request: &support::upstream::Recorded| {
                if request.wants_stream() {
                    Reply::stream(scenes::half()).cut()
                } else {
                    scenes::named(Reply::json(200, &anthropic::message(scenes::DONE)))
                }
            };
            let house = House::new(script).await;
            let answer = claude.ask(&house, "hello").await;
            assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
            assert!(conversation(&house).iter().any(|request| !request.wants_stream()), "{claude:?}");
            house.bodies_are_untouched();
        }
    });
}

#[test]
fn a_refused_request_is_shown_with_the_words_of_the_api() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            for (status, kind, words) in [
                (400, "invalid_request_error", "messages: the scene does not like it"),
                (401, "authentication_error", "invalid x-api-key"),
            ] {
                let house = House::new(scenes::always(error(status, kind, words))).await;
                let program = claude.at(&house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
                let program = program.env("CLAUDE_CODE_MAX_RETRIES", "0");
                let answer = program.args(["-p", "hello", "--output-format", "json"]).run().await.json();
                assert_eq!(answer["is_error"], true, "{claude:?}, {status}: {answer}");
                let said = text(&answer["result"]);
                let known = said.contains(words) || said.contains("API key") || said.contains("model");
                assert!(known, "{claude:?}, {status}: {said}");
                let body = anthropic::error(kind, words).to_string();
                assert!(house.tap.got(body.as_bytes()), "{claude:?}, {status}: the body changed");
            }
        }
    });
}

#[test]
fn after_a_400_it_asks_for_less_and_goes_on() {
    support::run_within(LIMIT, async {
        if !versions().contains(&Claude::Current) {
            return;
        }
        let beta = "thinking-token-count-2026-05-13";
        let house = House::new(move |request| {
            if request.header("anthropic-beta").unwrap_or_default().contains(beta) {
                error(
                    400,
                    "invalid_request_error",
                    &format!("Unexpected value(s) `{beta}` for the `anthropic-beta` header"),
                )
            } else {
                scenes::done(request)
            }
        })
        .await;
        let answer = Claude::Current.ask(&house, "hello").await;
        assert_eq!(answer["result"], scenes::DONE, "{answer}");
        let betas: Vec<bool> = conversation(&house)
            .iter()
            .map(|request| request.header("anthropic-beta").unwrap_or_default().contains(beta))
            .collect();
        assert_eq!((betas.first(), betas.last()), (Some(&true), Some(&false)), "{betas:?}");
    });
}

#[test]
fn an_upstream_that_is_not_there_is_an_error_it_understands() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let proxy =
                support::Proxy::start(support::Config::new().base_url(&Upstream::refused().await)).await;
            let program = claude.at(&format!("http://{}/claude", proxy.address()));
            let program =
                program.env("ANTHROPIC_API_KEY", "sk-ant-api03-own").env("CLAUDE_CODE_MAX_RETRIES", "0");
            let answer = program.args(["-p", "hello", "--output-format", "json"]).run().await.json();
            assert_eq!(answer["is_error"], true, "{claude:?}: {answer}");
            assert!(text(&answer["result"]).contains("502"), "{claude:?}: {answer}");
        }
    });
}

#[test]
fn a_program_that_is_killed_takes_its_upstream_with_it() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let house = House::new(scenes::always(Reply::stream(scenes::half()).stall())).await;
            let program = claude.at(&house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
            let mut running = program.args(["-p", "hello"]).spawn();
            running.hush();
            support::wait::patiently(PATIENCE, "half an answer", async || {
                house.tap.got(b"must").then_some(())
            })
            .await;
            let asked = conversation(&house)[0].clone();
            let killed = Instant::now();
            running.kill();
            let after = asked.closed_after(killed).await;
            assert!(after < Duration::from_secs(2), "{claude:?}: {after:?}");
        }
    });
}

#[test]
fn an_interrupted_turn_closes_its_upstream_and_the_next_one_works() {
    support::run_within(LIMIT, async {
        if !versions().contains(&Claude::Current) {
            return;
        }
        let house = House::new(scenes::first([Reply::stream(scenes::half()).stall()])).await;
        let flags = ["--output-format", "stream-json", "--input-format", "stream-json", "--verbose"];
        let program = Claude::Current.at(&house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
        let mut running = program.args(flags).spawn();
        let user = |words: &str| -> Value {
            json!({ "type": "user", "message": { "role": "user", "content": words }, "parent_tool_use_id": null, "session_id": "default" })
        };
        running.say(&user("hello")).await;
        support::wait::patiently(PATIENCE, "half an answer", async || house.tap.got(b"must").then_some(()))
            .await;
        let interrupted = Instant::now();
        running.say(&json!({ "type": "control_request", "request_id": "req_1", "request": { "subtype": "interrupt" } })).await;
        let after = conversation(&house)[0].closed_after(interrupted).await;
        assert!(after < Duration::from_secs(2), "{after:?}");
        running.say(&user("once more")).await;
        let whole = running.heard("a whole answer", |line| (line["result"] == scenes::DONE).then_some(()));
        whole.await;
        running.end().await;
    });
}

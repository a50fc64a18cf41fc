//! The Codex CLI, over HTTP and over a websocket, with a key and with a ChatGPT login.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::claude_code::{LIMIT, versions};
use super::program::{Output, Program};
use super::{House, installed};
use crate::support::upstream::{Recorded, responses};
use crate::support::{self, Config, Reply};

/// How it comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Http,
    Websocket,
}

const WAYS: [Way; 2] = [Way::Http, Way::Websocket];
const DONE: &str = "All is done – 🦀";

/// Whether it is installed.
fn there() -> bool {
    installed("node_modules/@openai/codex/bin/codex.js").is_some()
}

/// Pointed at the proxy, with few tries of its own.
fn codex(house: &House, way: Way, login: bool) -> Program {
    let program = Program::new(&installed("node_modules/.bin/node").expect("it is installed"));
    let home = program.home().join("codex");
    std::fs::create_dir(&home).unwrap();
    let credential = if login { "requires_openai_auth = true" } else { "env_key = \"PX_KEY\"" };
    let config = format!(
        "model = \"gpt-5-codex\"\nmodel_provider = \"px\"\n[model_providers.px]\nname = \"px\"\nbase_url = \"{}/v1\"\n\
         wire_api = \"responses\"\n{credential}\nsupports_websockets = {}\nrequest_max_retries = 2\nstream_max_retries = 3\n\
         [features]\napps = false\nplugins = false\n[analytics]\nenabled = false\n",
        house.url("codex"),
        way == Way::Websocket,
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
    if login {
        std::fs::write(home.join("auth.json"), auth().to_string()).unwrap();
    }
    program
        .args([installed("node_modules/@openai/codex/bin/codex.js").expect("it is installed")])
        .env("CODEX_HOME", &home.display().to_string())
        .env("PX_KEY", "own-token")
}

/// A login as the CLI keeps it.
fn auth() -> Value {
    let token = |claims: Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let account =
        json!({ "chatgpt_account_id": "acct-1", "chatgpt_plan_type": "plus", "chatgpt_user_id": "user-1" });
    let claims =
        json!({ "email": "a@b.c", "exp": 4_000_000_000_u64, "https://api.openai.com/auth": account });
    json!({
        "auth_mode": "chatgpt", "OPENAI_API_KEY": null, "last_refresh": "2099-01-01T00:00:00Z",
        "tokens": { "id_token": token(claims.clone()), "access_token": token(claims), "refresh_token": "rt", "account_id": "acct-1" },
    })
}

async fn ask(program: Program) -> Output {
    let flags = [
        "exec",
        "--skip-git-repo-check",
        "--json",
        "--dangerously-bypass-approvals-and-sandbox",
        "say a word",
    ];
    program.args(flags).run().await
}

/// The events of this type that it printed.
fn printed<'o>(output: &'o Output, kind: &str) -> Vec<Value> {
    let lines = output.stdout.lines().filter_map(|line: &'o str| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["type"] == kind).collect()
}

/// What the model said, as it shows it.
fn said(output: &Output) -> Option<String> {
    let items = printed(output, "item.completed");
    let mut texts = items.iter().filter(|line| line["item"]["type"] == "agent_message");
    texts.next_back().and_then(|line| line["item"]["text"].as_str().map(str::to_owned))
}

fn done(seen: &Recorded) -> Reply {
    match seen.target().ends_with("/responses") {
        true => responses::named(Reply::stream(responses::text("resp_done", DONE))),
        false => responses::answer(seen),
    }
}

/// The conversation of a house.
fn turns(house: &House) -> Vec<std::sync::Arc<Recorded>> {
    house.upstream.requests().into_iter().filter(|seen| seen.target().ends_with("/responses")).collect()
}

/// The first answer is this one; the rest is well.
async fn after(way: Way, fault: Reply) -> (House, Output, Duration) {
    let house = House::new(done).await;
    house.upstream.next(fault);
    let begun = Instant::now();
    let output = ask(codex(&house, way, false)).await;
    (house, output, begun.elapsed())
}

#[test]
fn a_word_and_the_header_fields_of_the_session() {
    support::run_within(LIMIT, async {
        for way in WAYS.into_iter().filter(|_| there()) {
            let house = House::new(done).await;
            let output = ask(codex(&house, way, false)).await;
            assert_eq!(said(&output).as_deref(), Some(DONE), "{way:?}: {output:?}");
            assert_eq!(printed(&output, "turn.completed")[0]["usage"]["input_tokens"], 11, "{way:?}");
            assert_eq!(house.tap.got(b"HTTP/1.1 101 "), way == Way::Websocket, "{way:?}");
            let asked = turns(&house);
            assert_eq!(asked.len(), 1, "{way:?}");
            let seen = &asked[0];
            assert_eq!(seen.header("authorization").as_deref(), Some("Bearer own-token"));
            assert!(seen.header("user-agent").unwrap().starts_with("codex_exec/"), "{way:?}");
            for name in
                ["session-id", "thread-id", "x-codex-turn-metadata", "x-codex-window-id", "originator"]
            {
                assert!(seen.header(name).is_some(), "{way:?}: {name}");
            }
            let body = seen.json();
            assert_eq!(
                (&body["model"], &body["stream"], &body["store"]),
                (&json!("gpt-5-codex"), &json!(true), &json!(false))
            );
            if way == Way::Http {
                house.bodies_are_untouched();
            }
        }
    });
}

#[test]
fn a_tool_loop_carries_the_whole_conversation_and_the_turn_s_state() {
    support::run_within(LIMIT, async {
        for way in WAYS.into_iter().filter(|_| there()) {
            let house = House::new(done).await;
            let call = json!({ "cmd": "echo codex-$((40+2))" });
            let events = responses::tool("resp_tool", "call_1", "exec_command", &call);
            house.upstream.next(responses::named(Reply::stream(events)));
            let output = ask(codex(&house, way, false)).await;
            assert_eq!(said(&output).as_deref(), Some(DONE), "{way:?}: {output:?}");
            let asked = turns(&house);
            assert_eq!(asked.len(), 2, "{way:?}");
            let input = asked[1].json()["input"].as_array().unwrap().clone();
            let first = asked[0].json()["input"].as_array().unwrap().clone();
            assert_eq!(input[..first.len()], first[..], "{way:?}: the start of the conversation");
            let kinds: Vec<&str> =
                input[first.len()..].iter().map(|item| item["type"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["reasoning", "message", "function_call", "function_call_output"], "{way:?}");
            assert_eq!(input[first.len()]["encrypted_content"], "c2VhbGVk", "{way:?}");
            assert!(input.last().unwrap()["output"].to_string().contains("codex-42"), "{way:?}");
            assert_eq!(asked[0].header("x-codex-turn-state"), None, "{way:?}");
            assert_eq!(
                asked[1].header("x-codex-turn-state").as_deref(),
                Some(responses::TURN_STATE),
                "{way:?}"
            );
            if way == Way::Http {
                house.bodies_are_untouched();
            }
        }
    });
}

#[test]
fn it_asks_again_when_that_helps() {
    support::run_within(LIMIT, async {
        let events = responses::text("resp_half", "Half an answer");
        for way in WAYS.into_iter().filter(|_| there()) {
            let limit = Reply::json(429, &responses::error("rate_limit_exceeded", "slow down"));
            for (what, fault, wait) in [
                ("429", limit.clone().header("retry-after", "2"), 2),
                ("429 without a time", limit, 0),
                ("500", Reply::json(500, &responses::error("server_error", "oops")), 0),
                ("a cut", Reply::stream(&events[..6]).cut(), 0),
                ("a reset", Reply::stream(&events[..6]).reset(), 0),
                ("an end too early", Reply::stream(&events[..6]), 0),
            ] {
                let (house, output, took) = after(way, fault).await;
                assert_eq!(said(&output).as_deref(), Some(DONE), "{way:?}, {what}: {output:?}");
                assert!(turns(&house).len() >= 2, "{way:?}, {what}");
                assert!(took >= Duration::from_secs(wait), "{way:?}, {what}: it did not wait");
            }
        }
    });
}

#[test]
fn it_is_told_what_does_not_pass() {
    support::run_within(LIMIT, async {
        let usage = json!({ "error": { "type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus", "resets_in_seconds": 9000 } });
        for way in WAYS.into_iter().filter(|_| there()) {
            for (what, fault, words) in [
                (
                    "400",
                    Reply::json(400, &responses::error("invalid_request_error", "no such thing here")),
                    "no such thing here",
                ),
                ("usage", Reply::json(429, &usage), "usage limit"),
                ("overloaded", Reply::stream(responses::failed("server_is_overloaded", "busy")), "capacity"),
            ] {
                let (house, output, _) = after(way, fault).await;
                assert_eq!(said(&output), None, "{way:?}, {what}: {output:?}");
                assert_ne!(output.code, Some(0), "{way:?}, {what}");
                assert!(output.stdout.contains(words), "{way:?}, {what}: {output:?}");
                assert_eq!(turns(&house).len(), 1, "{way:?}, {what}");
            }
        }
    });
}

#[test]
fn without_a_websocket_it_goes_on_over_http_at_once() {
    support::run_within(LIMIT, async {
        if !there() {
            return;
        }
        let house = House::configured(done, Config::new().toml("plugins.codex.websocket = false")).await;
        let begun = Instant::now();
        let output = ask(codex(&house, Way::Websocket, false)).await;
        assert_eq!(said(&output).as_deref(), Some(DONE), "{output:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "it tried again: {:?}", begun.elapsed());
        house.bodies_are_untouched();
    });
}

#[test]
fn a_chatgpt_login_passes_with_its_account() {
    support::run_within(LIMIT, async {
        for way in WAYS.into_iter().filter(|_| there()) {
            let house = House::new(done).await;
            let output = ask(codex(&house, way, true)).await;
            assert_eq!(said(&output).as_deref(), Some(DONE), "{way:?}: {output:?}");
            let seen = &turns(&house)[0];
            assert_eq!(seen.header("chatgpt-account-id").as_deref(), Some("acct-1"), "{way:?}");
            let token = auth()["tokens"]["access_token"].as_str().unwrap().to_owned();
            assert_eq!(seen.header("authorization"), Some(format!("Bearer {token}")), "{way:?}");
            // It asks for the models of its version, and is told what the backend says.
            let models = house.upstream.requests().into_iter().find(|seen| seen.target().contains("/models"));
            assert!(models.is_none_or(|seen| seen.target().contains("client_version=0.")), "{way:?}");
        }
    });
}

#[test]
fn claude_code_works_on_it() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let house = House::new(done).await;
            let input = json!({ "command": "echo from-the-tool", "description": "Says a word" });
            let events = responses::tool("resp_tool", "call_1", "Bash", &input);
            house.upstream.next(responses::named(Reply::stream(events)));
            let program = claude.at(&house.url("codex")).env("ANTHROPIC_AUTH_TOKEN", "own-token");
            let flags = ["-p", "say a word", "--model", "gpt-6.1-sol", "--output-format", "json"];
            let answer = program.args(flags).run().await.json();
            assert_eq!(answer["result"], DONE, "{claude:?}: {answer}");
            let asked = turns(&house);
            let input = asked.iter().find_map(|seen| {
                let items = seen.json()["input"].as_array().cloned().unwrap_or_default();
                items.into_iter().find(|item| item["type"] == "function_call_output")
            });
            assert!(input.expect("a result").to_string().contains("from-the-tool"), "{claude:?}");
            for seen in &asked {
                assert_eq!(seen.header("authorization").as_deref(), Some("Bearer own-token"));
                assert_eq!(
                    (seen.header("anthropic-beta"), seen.header("x-claude-code-session-id")),
                    (None, None)
                );
            }
        }
    });
}

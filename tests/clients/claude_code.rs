//! Claude Code, today's and 1.x: what a healthy API says arrives whole.

use std::time::Duration;

use serde_json::{Value, json};

use super::program::{PATIENCE, Program};
use super::{House, installed, text};
use crate::support::upstream::Gate;
use crate::support::upstream::{anthropic, scenes};
use crate::support::{self, Config, Reply};

/// Both versions, one after the other.
pub const LIMIT: Duration = Duration::from_secs(120);

/// One version of the program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claude {
    Current,
    One,
}

/// The versions that are installed.
pub fn versions() -> Vec<Claude> {
    let all = [Claude::Current, Claude::One];
    all.into_iter().filter(|version| version.program().is_some()).collect()
}

impl Claude {
    fn program(self) -> Option<Program> {
        match self {
            Claude::Current => {
                Some(Program::new(&installed("node_modules/@anthropic-ai/claude-code/bin/claude.exe")?))
            }
            Claude::One => {
                let cli = installed("node_modules/claude-code-1/cli.js")?;
                Some(Program::new(&installed("node_modules/.bin/node")?).args([cli]))
            }
        }
    }

    /// Pointed at `url`, without a credential, with few tries of its own.
    pub fn at(self, url: &str) -> Program {
        self.program()
            .expect("it is installed")
            .env("ANTHROPIC_BASE_URL", url)
            .env("CLAUDE_CODE_MAX_RETRIES", "2")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
    }

    /// Asks one question, as a user with an API key does; the answer is the program's last word.
    pub async fn ask(self, house: &House, prompt: &str) -> Value {
        let program = self.at(&house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
        program.args(["-p", prompt, "--output-format", "json"]).run().await.json()
    }
}

/// The requests of the conversation, without what the program asks for itself.
pub fn conversation(house: &House) -> Vec<std::sync::Arc<support::upstream::Recorded>> {
    house.upstream.requests().into_iter().filter(|request| scenes::conversation(request)).collect()
}

#[test]
fn a_streamed_answer_arrives_and_nothing_is_changed_on_the_way() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let house = House::new(scenes::done).await;
            let answer = claude.ask(&house, "hello").await;
            assert_eq!(answer["is_error"], false, "{claude:?}: {answer}");
            assert_eq!(answer["result"], scenes::DONE, "{claude:?}");
            assert_eq!(answer["usage"]["output_tokens"], 7, "{claude:?}: {answer}");
            let asked = &conversation(&house)[0];
            assert!(asked.wants_stream(), "{claude:?}");
            assert_eq!(asked.target(), "/v1/messages?beta=true");
            assert_eq!(asked.header("x-api-key").as_deref(), Some("sk-ant-api03-own"));
            assert_eq!(asked.header("authorization"), None);
            assert!(asked.header("user-agent").unwrap().starts_with("claude-cli/"), "{claude:?}");
            assert!(asked.header("anthropic-beta").unwrap().contains("claude-code-20250219"), "{claude:?}");
            house.bodies_are_untouched();
            for line in ["request-id: req_scene_1", "anthropic-ratelimit-unified-status: allowed"] {
                assert!(house.tap.got(format!("\r\n{line}\r\n").as_bytes()), "{claude:?}: {line}");
            }
        }
    });
}

#[test]
fn the_front_door_is_as_good_as_the_providers_own_path() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let config =
                Config::new().toml("routing.aliases.fast = [\"one/nobody\", \"claude_api/claude-opus-5-5\"]");
            let gone = format!("providers.one.base_url = \"{}\"", support::Upstream::refused().await);
            let input = json!({ "command": "echo from-the-tool", "description": "Says a word" });
            let house = House::configured(scenes::tool_turn("Bash", &input), config.toml(&gone)).await;
            let ask = async |more: &[&str]| {
                let program = claude.at(&house.front()).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
                program.args(["-p", "hello", "--output-format", "json"]).args(more).run().await.json()
            };
            let answer = ask(&[]).await;
            assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
            house.bodies_are_untouched();
            assert!(conversation(&house)[0].json()["model"].as_str().unwrap().starts_with("claude-"));
            let before = conversation(&house).len();
            // A name that the program has never heard of, whose first candidate is not there.
            let answer = ask(&["--model", "fast"]).await;
            assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
            let asked = &conversation(&house)[before];
            assert_eq!(asked.json()["model"], "claude-opus-5-5");
            assert_eq!(asked.header("x-api-key").as_deref(), Some("sk-ant-api03-own"));
        }
    });
}

#[test]
fn a_tool_is_called_and_its_result_goes_back_with_the_signed_thinking() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let input = json!({ "command": "echo from-the-tool–🦀", "description": "Says a word" });
            let house = House::new(scenes::tool_turn("Bash", &input)).await;
            let answer = claude.ask(&house, "say a word").await;
            assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
            let asked = conversation(&house);
            let second = &asked[1];
            let result = scenes::results(second).next().unwrap();
            assert!(result["content"].to_string().contains("from-the-tool–🦀"), "{claude:?}: {result}");
            assert_eq!(result["tool_use_id"], "toolu_scene_1");
            let blocks = scenes::contents(second);
            let call = blocks.iter().find(|block| block["type"] == "tool_use").unwrap();
            assert_eq!(call["input"]["command"], input["command"], "{claude:?}");
            let thinking = blocks.iter().find(|block| block["type"] == "thinking").unwrap();
            assert_eq!(thinking["signature"], scenes::SIGNATURE, "{claude:?}");
            assert_eq!(thinking["thinking"], "I must look – 考える", "{claude:?}");
            house.bodies_are_untouched();
        }
    });
}

#[test]
fn the_role_system_in_the_middle_and_keys_nobody_knows_pass() {
    support::run_within(LIMIT, async {
        if !versions().contains(&Claude::Current) {
            return;
        }
        let house = House::new(scenes::done).await;
        let answer = Claude::Current.ask(&house, "hello").await;
        assert_eq!(answer["result"], scenes::DONE, "{answer}");
        let body = conversation(&house)[0].json();
        let roles: Vec<&str> =
            body["messages"].as_array().unwrap().iter().map(|message| text(&message["role"])).collect();
        assert!(roles.contains(&"system"), "the client sends none any more, choose another: {roles:?}");
        assert!(body.get("context_management").is_some() && body.get("output_config").is_some());
        house.bodies_are_untouched();
    });
}

#[test]
fn an_image_and_a_count_of_tokens() {
    support::run_within(LIMIT, async {
        if !versions().contains(&Claude::Current) {
            return;
        }
        let house = House::new(scenes::done).await;
        let flags = ["--output-format", "stream-json", "--input-format", "stream-json", "--verbose"];
        let program = Claude::Current.at(&house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
        let mut running = program.args(flags).spawn();
        let data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": data } });
        let content = json!([{ "type": "text", "text": "what is this" }, image]);
        running.say(&json!({ "type": "user", "message": { "role": "user", "content": content }, "parent_tool_use_id": null, "session_id": "default" })).await;
        let result = running.heard("a result", |line| (line["type"] == "result").then(|| line.clone())).await;
        assert_eq!(result["result"], scenes::DONE, "{result}");
        running.say(&json!({ "type": "control_request", "request_id": "req_1", "request": { "subtype": "get_context_usage" } })).await;
        let usage = running
            .heard("an answer to the count", |line| {
                (line["type"] == "control_response").then(|| line.clone())
            })
            .await;
        assert_eq!(usage["response"]["subtype"], "success", "{usage}");
        running.end().await;
        let requests = house.upstream.requests();
        let sent = requests.iter().flat_map(|request| scenes::contents(request));
        assert!(sent.into_iter().any(|block| block["source"]["data"].is_string()), "no image came");
        let counted = requests.iter().find(|request| request.target().contains("/count_tokens"));
        assert_eq!(counted.expect("a count").target(), "/v1/messages/count_tokens?beta=true");
        house.bodies_are_untouched();
    });
}

#[test]
fn a_slow_first_token_is_waited_for() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let (head, token) = (Gate::default(), Gate::default());
            let events = anthropic::events(scenes::DONE);
            let slow = Reply::stream([""]).gate(&head).bytes(&events[0]).bytes(&events[1]).gate(&token);
            let slow = events[2..].iter().fold(slow, |reply, event| reply.bytes(event));
            let house = House::new(scenes::first([slow])).await;
            let answer = claude.ask(&house, "hello");
            let open = async {
                support::wait::patiently(PATIENCE, "the question", async || {
                    conversation(&house).first().cloned()
                })
                .await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                head.open();
                tokio::time::sleep(Duration::from_secs(1)).await;
                token.open();
            };
            let (answer, ()) = tokio::join!(answer, open);
            assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
            assert_eq!(conversation(&house).len(), 1, "{claude:?} asked again");
        }
    });
}

#[test]
fn the_mock_provider_answers_it_without_any_upstream() {
    support::run_within(LIMIT, async {
        for claude in versions() {
            let proxy = support::Proxy::start(support::Config::new()).await;
            let program =
                claude.at(&format!("http://{}/mock", proxy.address())).env("ANTHROPIC_API_KEY", "any");
            let prompt = r#"[mock tool=Bash args={"command":"echo mocked","description":"x"}] go"#;
            let output = program.args(["-p", prompt, "--output-format", "json"]).run().await;
            let answer = output.json();
            assert!(text(&answer["result"]).contains("mocked"), "{claude:?}: {answer}");
        }
    });
}

//! The OpenAI SDKs for Python and JavaScript at the mock provider, and on Claude: Chat Completions and Responses.

use serde_json::{Value, json};

use super::claude_code::LIMIT;
use super::{LANGUAGES, script};
use crate::support::{self, Config, Proxy};

#[test]
fn both_formats_whole_streamed_with_tools_and_when_they_fail() {
    support::run_within(LIMIT, async {
        let proxy = Proxy::start(Config::new()).await;
        play(&format!("http://{}/mock/v1", proxy.address())).await;
    });
}

#[test]
fn both_formats_at_the_front_door() {
    support::run_within(LIMIT, async {
        let proxy = Proxy::start(Config::new().toml("routing.default = [\"mock\"]")).await;
        play(&format!("http://{}/v1", proxy.address())).await;
    });
}

/// The mock, spoken to in Anthropic's format, is the Claude API behind a second proxy: everything is turned twice.
#[test]
fn both_formats_on_claude() {
    support::run_within(LIMIT, async {
        let mock = Proxy::start(Config::new()).await;
        let config = Config::new().base_url(&format!("http://{}/mock", mock.address()));
        let proxy = Proxy::start(config).await;
        play(&format!("http://{}/claude/v1", proxy.address())).await;
    });
}

/// The mock's Responses are the backend: chat is turned into them and back, whole answers are collected.
#[test]
fn both_formats_on_codex() {
    support::run_within(LIMIT, async {
        let mock = Proxy::start(Config::new()).await;
        let base = format!("http://{}/mock/v1", mock.address());
        let config = Config::new().toml(&format!("plugins.codex.base_url = \"{base}\""));
        let proxy = Proxy::start(config).await;
        play(&format!("http://{}/codex/v1", proxy.address())).await;
    });
}

pub(super) async fn play(base: &str) {
    for language in LANGUAGES {
        let Some(program) = script(language, "openai") else { continue };
        let program = program.env("OPENAI_BASE_URL", base).env("OPENAI_API_KEY", "any");
        let (names, checks): (Vec<&str>, Vec<Check>) = SCENES.into_iter().unzip();
        let said = program.args(&names).run().await.json();
        for ((number, name), check) in names.iter().enumerate().zip(checks) {
            check(&said[number], &format!("{language:?}, {name}: {}", said[number]));
        }
    }
}

/// Looks at what came of a scene; the words say which it was.
type Check = fn(&Value, &str);

/// Each scene of the scripts, and what must come of it.
const SCENES: [(&str, Check); 9] = [
    ("chat", whole),
    ("responses", whole),
    ("chat_stream", whole),
    ("responses_stream", |said, what| {
        assert_eq!(said, &json!({ "text": HEARD, "last": "response.completed" }), "{what}");
    }),
    ("chat_tools", tools),
    ("responses_tools", tools),
    ("failure", |said, what| {
        assert_eq!(said, &json!({ "error": "RateLimitError", "status": 429, "retry_after": "1" }), "{what}");
    }),
    ("models", |said, what| {
        let mut models = said["models"].as_array().unwrap().iter().filter_map(Value::as_str);
        // At the front door the provider stands in front.
        assert!(models.any(|model| model.ends_with("mock-small")), "{what}");
    }),
    ("broken", |said, what| {
        let errors = said["errors"].as_array().unwrap();
        assert!(errors.len() == 2 && errors.iter().all(Value::is_string), "it looks whole: {what}");
    }),
];

const HEARD: &str = "The mock provider heard: hello";

fn whole(said: &Value, what: &str) {
    assert_eq!(said, &json!({ "text": HEARD, "total": true }), "{what}");
}

fn tools(said: &Value, what: &str) {
    let text = "The mock provider read the tool's answer: rain";
    assert_eq!(said, &json!({ "tool": "weather", "city": true, "text": text }), "{what}");
}

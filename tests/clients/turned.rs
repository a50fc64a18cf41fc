//! Real clients on providers that do not speak their format: the mock, spoken to in another format, is the server
//! behind a second proxy.

use super::claude_code::{LIMIT, versions};
use super::{LANGUAGES, script, text};
use crate::support::{self, Config, Proxy};

/// A mock, and a proxy that knows it as a server of OpenAI's protocol: by chat, and by Responses.
async fn house() -> (Proxy, Proxy) {
    let mock = Proxy::start(Config::new()).await;
    let base = format!("http://{}/mock/v1", mock.address());
    let tables = format!(
        "[providers.chat]\nbase_url = \"{base}\"\n[providers.responses]\nbase_url = \"{base}\"\nresponses = true\nmessages_via = \"responses\""
    );
    let proxy = Proxy::start(Config::new().toml(&tables)).await;
    (mock, proxy)
}

const SERVERS: [&str; 2] = ["chat", "responses"];

#[test]
fn claude_code_answers_and_calls_tools() {
    support::run_within(LIMIT, async {
        let (_mock, proxy) = house().await;
        for (claude, server) in
            versions().into_iter().flat_map(|claude| SERVERS.map(|server| (claude, server)))
        {
            let url = format!("http://{}/{server}", proxy.address());
            let program = claude.at(&url).env("ANTHROPIC_API_KEY", "any");
            let prompt = r#"[mock tool=Bash args={"command":"echo mocked","description":"x"}] go"#;
            let answer = program.args(["-p", prompt, "--output-format", "json"]).run().await.json();
            assert_eq!(answer["is_error"], false, "{claude:?} on {server}: {answer}");
            let said = "The mock provider read the tool's answer: mocked";
            assert_eq!(text(&answer["result"]), said, "{claude:?} on {server}");
            assert!(answer["usage"]["output_tokens"].as_u64() > Some(0), "{claude:?} on {server}: {answer}");
        }
    });
}

#[test]
fn the_anthropic_sdks_read_answers_and_streams() {
    support::run_within(LIMIT, async {
        let (_mock, proxy) = house().await;
        for (language, server) in
            LANGUAGES.into_iter().flat_map(|language| SERVERS.map(|server| (language, server)))
        {
            let Some(program) = script(language, "anthropic") else { continue };
            let program = program
                .env("ANTHROPIC_BASE_URL", &format!("http://{}/{server}", proxy.address()))
                .env("ANTHROPIC_API_KEY", "any");
            let said = program.args(["whole", "stream"]).run().await.json();
            for number in 0..2 {
                let heard = "The mock provider heard: hello";
                assert_eq!(said[number]["text"], heard, "{language:?} on {server}: {said}");
            }
        }
    });
}

#[test]
fn the_openai_sdks_find_both_formats_where_there_is_only_chat() {
    support::run_within(LIMIT, async {
        let (_mock, proxy) = house().await;
        super::openai_sdk::play(&format!("http://{}/chat/v1", proxy.address())).await;
    });
}

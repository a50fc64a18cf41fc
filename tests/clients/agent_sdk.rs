//! The Claude Agent SDK: the proxy is its API, by key or through the local CLI, and its permission prompt.

use std::time::Duration;

use serde_json::{Value, json};

use super::claude_sdk::House as Behind;
use super::program::Program;
use super::{House, LANGUAGES, script};
use crate::bundled::permissions::config;
use crate::support::upstream::scenes;
use crate::support::{self, Proxy, wait::patiently};

const LIMIT: Duration = Duration::from_secs(300);

/// What is decided about a call, and what the tool, or who refused, then says. Without a decision nobody answers.
fn cases() -> [(Option<Value>, &'static str, bool); 4] {
    [
        (Some(json!({ "decision": "allow" })), "made-it", false),
        (Some(json!({ "decision": "allow", "input": { "command": "echo ed''ited" } })), "edited", false),
        (Some(json!({ "decision": "deny", "message": "not on my machine" })), "not on my machine", true),
        (None, "nobody decided in time", true),
    ]
}

fn input() -> Value {
    // What is printed does not stand in the command.
    json!({ "command": "touch file && echo made''-it", "description": "Makes a file" })
}

/// The task, as a program; `None` when the SDK is not installed.
fn agent(base: &str, proxy: &Proxy) -> Option<Program> {
    super::installed("node_modules/@anthropic-ai/claude-agent-sdk")?;
    let program = script(LANGUAGES[0], "agent")?;
    let prompt = format!("http://{}/mcp/permission/check", proxy.address());
    Some(
        program
            .env("ANTHROPIC_BASE_URL", base)
            .env("ANTHROPIC_API_KEY", "sk-ant-api03-own")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("CLAUDE_CODE_MAX_RETRIES", "1")
            .args([prompt]),
    )
}

/// Runs the task to its end while a person decides, or does not.
async fn decided(agent: Program, proxy: &Proxy, decision: Option<&Value>) -> Value {
    let person = async {
        let client = proxy.client();
        let record = patiently(super::program::PATIENCE, "a request", async || {
            client.get("/permissions").await.expect(200).json()["permissions"].as_array()?.first().cloned()
        });
        let record = record.await;
        if let Some(decision) = decision {
            let path = format!("/permissions/{}/respond", record["id"].as_str().unwrap());
            client.post(&path, decision).await.expect(200);
        }
        record
    };
    let (output, record) = tokio::join!(agent.run(), person);
    assert_eq!((&record["tool"], &record["source"]), (&json!("Bash"), &json!("mcp")), "{record}");
    assert_eq!(record["input"]["command"], input()["command"]);
    output.json()
}

fn is_as_decided(told: &Value, said: &str, refused: bool) {
    let results = told["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{told}");
    assert!(results[0]["content"].to_string().contains(said), "`{said}` in {told}");
    assert_eq!(results[0]["is_error"], refused, "{told}");
    assert_eq!(told["denials"].as_array().map(Vec::len), Some(usize::from(refused)), "{told}");
    assert_eq!((&told["result"], &told["is_error"]), (&json!(scenes::DONE), &json!(false)), "{told}");
}

fn time(decision: Option<&Value>) -> &'static str {
    if decision.is_some() { "40s" } else { "2s" }
}

#[test]
fn its_tools_are_decided_about_over_mcp() {
    support::run_within(LIMIT, async {
        for (decision, said, refused) in cases() {
            let scene = scenes::tool_turn("Bash", &input());
            let house = House::configured(scene, config(time(decision.as_ref()))).await;
            let Some(agent) = agent(&house.url("claude"), &house.proxy) else { return };
            let told = decided(agent, &house.proxy, decision.as_ref()).await;
            is_as_decided(&told, said, refused);
            house.proxy.stop().await;
        }
    });
}

/// Two real CLIs: the SDK's, whose tools run here, asks the one behind `/claude/sdk`, which must run none of them.
#[test]
fn the_local_cli_answers_it_and_its_tools_stay_its_own() {
    support::run_within(LIMIT, async {
        for (decision, said, refused) in cases() {
            let scene = scenes::tool_turn("mcp__client__Bash", &input());
            let permissions = |config: support::Config| {
                config
                    .toml("plugins.permissions.enabled = true")
                    .toml(&format!("plugins.permissions.timeout = {:?}", time(decision.as_ref())))
            };
            let Some(house) = Behind::new(scene, permissions).await else { return };
            let base = format!("http://{}/claude/sdk", house.proxy.address());
            let Some(agent) = agent(&base, &house.proxy) else { return };
            let told = decided(agent, &house.proxy, decision.as_ref()).await;
            is_as_decided(&told, said, refused);
            assert!(house.everything().contains("make a file"));
            assert!(!house.everything().contains("sk-ant-api03-own"));
        }
    });
}

//! Claude Code asks the proxy before it runs a tool: over MCP, and by answers that are held.

use serde_json::{Value, json};

use super::House;
use super::claude_code::{Claude, LIMIT, conversation, versions};
use crate::support::upstream::scenes;
use crate::support::{self, Config, eventually};

fn config() -> Config {
    Config::new().toml("plugins.permissions.enabled = true").toml("plugins.permissions.timeout = \"40s\"")
}

/// Runs the program with the proxy as its prompt tool, and gives its last word.
async fn prompted(claude: Claude, house: &House) -> Value {
    let url = format!("http://{}/mcp/permission/check", house.proxy.address());
    let servers = json!({ "mcpServers": { "px": { "type": "http", "url": url } } }).to_string();
    let program = claude.at(&house.url("claude")).env("ANTHROPIC_API_KEY", "sk-ant-api03-own");
    let words =
        ["-p", "make a file", "--output-format", "json", "--mcp-config", &servers, "--strict-mcp-config"];
    let tool = ["--permission-prompt-tool", "mcp__px__check_permission"];
    program.args(words).args(tool).run().await.json()
}

/// Answers the first request that waits.
async fn decide(house: &House, decision: &Value) -> Value {
    let client = house.proxy.client();
    let waited = support::wait::patiently(super::program::PATIENCE, "a request", async || {
        client.get("/permissions").await.expect(200).json()["permissions"].as_array()?.first().cloned()
    });
    let record = waited.await;
    let path = format!("/permissions/{}/respond", record["id"].as_str().unwrap());
    client.post(&path, decision).await.expect(200);
    record
}

/// What the tool said, as the program told the model.
async fn result(house: &House) -> String {
    eventually("the result of the tool", async || {
        let asked = conversation(house);
        let second = asked.iter().find(|request| scenes::results(request).next().is_some())?;
        scenes::results(second).next().map(|result| result.to_string())
    })
    .await
}

#[test]
fn it_asks_over_mcp_and_does_as_it_is_told() {
    support::run_within(LIMIT * 2, async {
        for claude in versions() {
            for (decision, wanted) in [
                (json!({ "decision": "allow" }), "made-it"),
                (
                    json!({ "decision": "allow", "input": { "command": "touch x && echo ed''ited" } }),
                    "edited",
                ),
                (json!({ "decision": "deny", "message": "not on my machine" }), "not on my machine"),
            ] {
                let input =
                    json!({ "command": "touch file && echo made''-it", "description": "Makes a file" });
                let house = House::configured(scenes::tool_turn("Bash", &input), config()).await;
                let (answer, record) = tokio::join!(prompted(claude, &house), decide(&house, &decision));
                assert_eq!(record["tool"], "Bash", "{claude:?}: {record}");
                assert_eq!(record["input"]["command"], input["command"], "{claude:?}");
                assert_eq!(record["source"], "mcp");
                assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
                let said = result(&house).await;
                assert!(said.contains(wanted), "{claude:?} {decision}: {said}");
                house.proxy.stop().await;
            }
        }
    });
}

#[test]
fn a_held_call_is_passed_or_refused() {
    support::run_within(LIMIT * 2, async {
        for claude in versions() {
            for decision in ["allow", "deny"] {
                let input = json!({ "command": "echo from-the-tool", "description": "Says a word" });
                let config = config().toml("plugins.permissions.hold = true");
                let house = House::configured(scenes::tool_turn("Bash", &input), config).await;
                let body = json!({ "decision": decision });
                let (answer, record) = tokio::join!(claude.ask(&house, "say a word"), decide(&house, &body));
                assert_eq!((&record["tool"], &record["source"]), (&json!("Bash"), &json!("api")), "{record}");
                assert_eq!(answer["is_error"], false, "{claude:?}: {answer}");
                if decision == "allow" {
                    assert_eq!(answer["result"], scenes::DONE, "{claude:?}: {answer}");
                    let said = result(&house).await;
                    assert!(said.contains("from-the-tool"), "{claude:?}: {said}");
                } else {
                    let text = answer["result"].as_str().unwrap();
                    assert!(text.contains("The call of the tool `Bash` was refused"), "{claude:?}: {text}");
                }
                house.proxy.stop().await;
            }
        }
    });
}

//! Tools: the CLI's own, about which the operator decides, and the client's, which come back to it.

use serde_json::{Value, json};

use super::super::support;
use super::{House, gone, lives, one};

const PATH: &str = "/claude/sdk/v1/messages";

/// A plugin that decides: `touch x` becomes `touch y` for the client that is told, everything else is denied.
const PERMISSIONS: &str = r#"
local asked = {}
return {
  name = "permissions", version = "1.0.0", description = "Decides",
  provides = { "permissions" },
  services = { permissions = { check = function(ask)
    asked[#asked + 1] = ask
    if ask.session == "edit" then
      return { decision = "allow", input = { command = "touch y" } }
    end
    return { decision = "deny", message = "not today" }
  end } },
  routes = { { path = "/asked", handler = function() return { json = asked } end } },
}
"#;

async fn text(house: &House, path: &str) -> String {
    let answer = house.proxy.client().post(path, &one("OWN_TOOL")).await.expect(200).json();
    let blocks = answer["content"].as_array().cloned().unwrap_or_default();
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

#[test]
fn tools_are_denied_unless_they_are_allowed() {
    support::run(async {
        let house = House::new().await;
        let told = text(&house, PATH).await;
        assert!(told.ends_with("<tool_result>denied</tool_result>\ndenied"), "{told}");
        assert!(told.starts_with("<tool_use name=\"Bash\">"), "{told}");
        let reason = house.heard("permissionDecisionReason").await.to_string();
        assert!(reason.contains("does not allow"), "{reason}");
        let allowing = |config: support::Config| {
            config
                .toml("plugins.claude_sdk.allow = [\"Bash(touch *)\"]")
                .toml("plugins.claude_sdk.tools = [\"Bash\"]")
                .toml("plugins.claude_sdk.show_tools = \"ignore\"")
        };
        let house = House::configured(allowing).await;
        assert_eq!(text(&house, PATH).await, "ran");
        assert!(house.started()[0].1.contains("--tools Bash "));
    });
}

#[test]
fn a_plugin_decides_when_there_is_one() {
    support::run(async {
        let house = House::configured(|config| {
            config
                .script("permissions", PERMISSIONS)
                .toml("plugins.claude_sdk.allow = [\"Bash\"]")
                .toml("plugins.claude_sdk.show_tools = \"ignore\"")
        })
        .await;
        assert_eq!(text(&house, PATH).await, "denied");
        house.heard("not today").await;
        assert_eq!(text(&house, "/claude/sdk/edit/v1/messages").await, "edited");
        let asked = house.proxy.anonymous().get("/permissions/asked").await.expect(200).json();
        assert_eq!(asked[0]["tool"], "Bash");
        assert_eq!(asked[0]["input"], json!({ "command": "touch x" }));
        assert_eq!(asked[0]["client"], "anonymous");
        assert_eq!(asked[0]["path"], PATH);
        assert_eq!(
            (&asked[1]["session"], &asked[1]["path"]),
            (&json!("edit"), &json!("/claude/sdk/edit/v1/messages"))
        );
    });
}

#[test]
fn the_bundled_permissions_decide_too() {
    support::run(async {
        for (default, told) in [("allow", "ran"), ("deny", "denied")] {
            let house = House::configured(|config| {
                config
                    .toml(&format!("plugins.permissions.default = \"{default}\""))
                    .toml("plugins.claude_sdk.show_tools = \"ignore\"")
            })
            .await;
            assert_eq!(text(&house, PATH).await, told, "{default}");
        }
    });
}

#[test]
fn rules_know_where_a_request_was_sent() {
    support::run(async {
        let house = House::configured(|config| {
            config
                .toml("plugins.permissions.default = \"allow\"")
                .toml("plugins.permissions.rules = [{ action = \"deny\", tool = \"Bash\", path = \"/claude/*/careful/*\" }]")
                .toml("plugins.claude_sdk.show_tools = \"ignore\"")
        })
        .await;
        assert_eq!(text(&house, PATH).await, "ran");
        assert_eq!(text(&house, "/claude/sdk/careful/v1/messages").await, "denied");
    });
}

#[test]
fn when_nobody_decides_in_time_it_is_a_no_unless_the_operator_says_otherwise() {
    support::run(async {
        for (settings, told, reason) in [
            (&["timeout = \"1s\""][..], "denied", "nobody decided in time"),
            (&["timeout = \"1s\"", "on_timeout = \"allow\""][..], "ran", "allow"),
            // The provider's own patience ends first.
            (&["timeout = \"50s\""][..], "denied", "nobody decided in time, so the tool may not run"),
        ] {
            let house = House::configured(|config| {
                let config = config
                    .toml("plugins.permissions.enabled = true")
                    .toml("plugins.claude_sdk.approval_timeout = \"3s\"")
                    .toml("plugins.claude_sdk.show_tools = \"ignore\"");
                settings
                    .iter()
                    .fold(config, |config, line| config.toml(&format!("plugins.permissions.{line}")))
            })
            .await;
            assert_eq!(text(&house, PATH).await, told, "{settings:?}");
            let answer = house.heard("permissionDecision").await.to_string();
            assert!(answer.contains(reason), "{settings:?}: {answer}");
        }
    });
}

fn with_tool(messages: Value) -> Value {
    json!({
        "model": "fake-1", "max_tokens": 50, "messages": messages,
        "tools": [{ "name": "look", "description": "Looks", "input_schema": { "type": "object" } }],
    })
}

fn call() -> Value {
    json!([{ "type": "tool_use", "id": "toolu_client", "name": "look", "input": { "command": "touch x" } }])
}

fn after(result: &str) -> Value {
    with_tool(json!([
        { "role": "user", "content": "CLIENT_TOOL" },
        { "role": "assistant", "content": call() },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_client", "content": result }] },
    ]))
}

#[test]
fn the_clients_tools_come_back_to_it() {
    support::run(async {
        let house = House::new().await;
        let client = house.proxy.client();
        let body = with_tool(json!([{ "role": "user", "content": "CLIENT_TOOL" }]));
        let answer = client.post(PATH, &body).await.expect(200).json();
        assert_eq!(answer["stop_reason"], "tool_use");
        assert_eq!(answer["content"], call());
        house.counts("sessions_waiting", 1).await;
        let answer = client.post(PATH, &after("a result")).await.expect(200).json();
        assert_eq!(answer["content"][0]["text"], "told by the tool");
        let told = house.heard("mcp_response").await;
        let result = &told["response"]["response"]["mcp_response"];
        assert_eq!(result["id"], 9);
        assert_eq!(result["result"]["content"], json!([{ "type": "text", "text": "a result" }]));
        assert_eq!(house.started().len(), 1);
        house.counts("sessions", 0).await;
    });
}

#[test]
fn results_that_come_too_late_begin_anew() {
    support::run(async {
        let house =
            House::configured(|config| config.toml("plugins.claude_sdk.tool_timeout = \"200ms\"")).await;
        let client = house.proxy.client();
        let body = with_tool(json!([{ "role": "user", "content": "CLIENT_TOOL" }]));
        client.post(PATH, &body).await.expect(200);
        gone(house.started()[0].0).await;
        // The whole conversation goes to a fresh process.
        client.post(PATH, &after("late")).await.expect(200);
        assert_eq!(house.started().len(), 2);
        house.heard("late").await;
    });
}

#[test]
fn results_go_to_the_client_that_was_asked() {
    support::run(async {
        let house = House::new().await;
        let body = with_tool(json!([{ "role": "user", "content": "CLIENT_TOOL" }]));
        house.proxy.client().post(PATH, &body).await.expect(200);
        let (id, _) = house.started()[0];
        // Another conversation that happens to name the same call.
        let mut other = after("stolen");
        other["messages"][0]["content"] = "something else".into();
        house.proxy.client().post(PATH, &other).await.expect(200);
        assert!(lives(id));
        assert_eq!(house.started().len(), 2);
        house.counts("sessions_waiting", 1).await;
    });
}

#[test]
fn clients_of_chat_completions_have_tools_too() {
    support::run(async {
        let house = House::new().await;
        let client = house.proxy.client();
        let tools = json!([{ "type": "function", "function": { "name": "look", "parameters": { "type": "object" } } }]);
        let user = json!({ "role": "user", "content": "CLIENT_TOOL" });
        let body = json!({ "model": "fake-1", "tools": tools, "messages": [user] });
        let answer = client.post("/claude/sdk/v1/chat/completions", &body).await.expect(200).json();
        let message = &answer["choices"][0]["message"];
        assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(message["tool_calls"][0]["function"]["name"], "look");
        let result = json!({ "role": "tool", "tool_call_id": "toolu_client", "content": "a result" });
        let body = json!({ "model": "fake-1", "tools": tools, "messages": [user, message, result] });
        let answer = client.post("/claude/sdk/v1/chat/completions", &body).await.expect(200).json();
        assert_eq!(answer["choices"][0]["message"]["content"], "told by the tool");
        assert_eq!(house.started().len(), 1);
    });
}

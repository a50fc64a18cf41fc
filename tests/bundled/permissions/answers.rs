//! Calls in the words of OpenAI's own API: pieces, custom tools, items of the client's.

use super::*;
use crate::support::upstream::openai::{chat_tool_events, chunk};

fn held(rules: &str, upstream: &Upstream) -> Config {
    config("30s")
        .toml("plugins.permissions.hold = true")
        .toml(&format!("plugins.permissions.rules = [{rules}]"))
        .toml(&format!("plugins.openai.base_url = \"{}/v1\"", upstream.url()))
        .toml("plugins.openai.api_key = \"sk-test\"")
}

async fn openai() -> Upstream {
    Upstream::with(crate::support::upstream::openai::answer).await
}

#[test]
fn the_old_function_call_and_custom_tools_are_held_too() {
    support::run(async {
        let upstream = openai().await;
        let rules = r#"{ action = "deny", tool = "old" }, { action = "deny", tool = "raw", arguments = { input = "rm" } }, { action = "allow" }"#;
        let proxy = Proxy::start(held(rules, &upstream)).await;
        let body =
            json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "x" }], "stream": true });
        let finish = |reason: &str| [chunk(&json!({}), Some(reason)), "data: [DONE]\n\n".to_owned()];
        let custom = |input: &str| {
            let call = json!({ "index": 0, "id": "c", "type": "custom", "custom": { "name": "raw", "input": input } });
            chunk(&json!({ "tool_calls": [call] }), None)
        };
        let old = chunk(
            &json!({ "role": "assistant", "function_call": { "name": "old", "arguments": "{}" } }),
            None,
        );
        for (event, reason, kept, told) in [
            (old, "function_call", false, "`old` was refused"),
            (custom("rm -rf"), "tool_calls", false, "`raw` was refused"),
            (custom("ls"), "tool_calls", true, "\"input\":\"ls\""),
        ] {
            upstream.next(Reply::stream([vec![event], finish(reason).to_vec()].concat()));
            let text = proxy.client().post("/openai/v1/chat/completions", &body).await.expect(200).text();
            assert!(text.contains(told), "{text}");
            assert_eq!(text.contains(&format!("\"finish_reason\":\"{reason}\"")), kept, "{text}");
            assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        }
        upstream.next(Reply::stream(chat_tool_events("look", &["{\"a\"", ":1}"])));
        let text = proxy.client().post("/openai/v1/chat/completions", &body).await.expect(200).text();
        assert!(text.contains(r#""arguments":"{\"a\":1}""#) && text.contains("reasoning_content"), "{text}");
        proxy.stop().await;
    });
}

#[test]
fn items_that_the_client_runs_are_held_and_the_providers_own_pass() {
    support::run(async {
        let upstream = openai().await;
        let rules = r#"{ action = "deny", tool = "local_shell_call" }, { action = "deny", tool = "raw" }"#;
        let proxy = Proxy::start(held(rules, &upstream)).await;
        let search = json!({ "type": "web_search_call", "id": "ws_1", "status": "completed" });
        let shell = json!({ "type": "local_shell_call", "id": "ls_1", "call_id": "c1", "status": "completed", "action": { "type": "exec", "command": ["ls"] } });
        let custom =
            json!({ "type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "raw", "input": "x" });
        let mut events = Vec::new();
        let mut add = |kind: &str, mut data: Value| {
            data["type"] = kind.into();
            data["sequence_number"] = events.len().into();
            events.push(format!("event: {kind}\ndata: {data}\n\n"));
        };
        add("response.created", json!({ "response": { "id": "r", "status": "in_progress", "output": [] } }));
        for (index, item) in [&search, &shell, &custom].into_iter().enumerate() {
            add("response.output_item.added", json!({ "output_index": index, "item": item }));
            if item["type"] == "custom_tool_call" {
                add(
                    "response.custom_tool_call_input.delta",
                    json!({ "output_index": index, "item_id": "ct_1", "delta": "x" }),
                );
            }
            add("response.output_item.done", json!({ "output_index": index, "item": item }));
        }
        let response = json!({ "id": "r", "object": "response", "status": "completed", "output": [search, shell, custom] });
        add("response.completed", json!({ "response": response }));
        upstream.next(Reply::stream(events));
        let body = json!({ "model": "gpt-5", "input": "x", "stream": true });
        let answer = proxy.client().post("/openai/v1/responses", &body).await.expect(200);
        let text = answer.text();
        assert!(answer.whole && text.contains("web_search_call"), "{text}");
        assert!(!text.contains("\"local_shell_call\"") && !text.contains("custom_tool_call"), "{text}");
        let last = sse::data(&answer.body).pop().unwrap();
        assert_eq!(last["type"], "response.completed");
        assert_eq!(last["response"]["output"][1]["type"], "message", "{last}");
        let numbers: Vec<u64> =
            sse::data(&answer.body).iter().map(|data| data["sequence_number"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        proxy.stop().await;
    });
}

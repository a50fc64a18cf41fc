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

/// A call of a function, as an item of a response.
fn item(name: &str, arguments: &Value) -> Value {
    json!({ "type": "function_call", "id": "fc_1", "call_id": "c1", "status": "completed", "name": name, "arguments": arguments })
}

const NO_RM: &str = r#"{ action = "deny", tool = "Bash", arguments = { command = "rm" } }, { action = "allow", tool = "Bash" }, { action = "deny" }"#;

fn ls() -> Value {
    item("Bash", &json!("{\"command\":\"ls\"}"))
}

fn rm() -> Value {
    item("Bash", &json!("{\"command\":\"rm -rf /\"}"))
}

/// Events of a stream of a response, each with its number and name.
fn stream_of(events: Vec<(&str, Value)>) -> Vec<String> {
    let events = events.into_iter().enumerate().map(|(number, (kind, mut data))| {
        data["type"] = kind.into();
        data["sequence_number"] = number.into();
        format!("event: {kind}\ndata: {data}\n\n")
    });
    events.collect()
}

fn response(output: &[Value]) -> Value {
    json!({ "response": { "id": "r", "object": "response", "status": "completed", "output": output } })
}

#[test]
fn a_response_that_is_fetched_later_is_held_too() {
    support::run(async {
        let upstream = openai().await;
        let proxy = Proxy::start(held(NO_RM, &upstream)).await;
        let stored = |output: &[Value]| Reply::json(200, &response(output)["response"]);
        upstream.next(stored(&[ls()]));
        let text = proxy.client().get("/openai/v1/responses/r").await.expect(200).text();
        assert!(text.contains("function_call"), "{text}");
        upstream.next(stored(&[rm()]));
        let text = proxy.client().get("/openai/v1/responses/r").await.expect(200).text();
        assert!(text.contains("`Bash` was refused") && !text.contains("rm -rf"), "{text}");
        upstream.next(Reply::stream(stream_of(vec![
            ("response.output_item.added", json!({ "output_index": 0, "item": rm() })),
            ("response.output_item.done", json!({ "output_index": 0, "item": rm() })),
            ("response.completed", response(&[rm()])),
        ])));
        let path = "/openai/v1/responses/r?stream=true&starting_after=0";
        let text = proxy.client().get(path).await.expect(200).text();
        assert!(text.contains("`Bash` was refused") && !text.contains("rm -rf"), "{text}");
        proxy.stop().await;
    });
}

#[test]
fn one_call_id_decides_about_nothing_else() {
    support::run(async {
        let upstream = openai().await;
        let proxy = Proxy::start(held(NO_RM, &upstream)).await;
        let body = |stream: bool| json!({ "model": "gpt-5", "input": "x", "stream": stream });
        let mut nameless = rm();
        nameless.as_object_mut().unwrap().remove("call_id");
        let object = item("Bash", &json!({ "command": "rm -rf /" }));
        for second in [rm(), item("rm", &json!("{}")), nameless.clone(), object] {
            let output = [ls(), second.clone()];
            upstream.next(Reply::json(200, &response(&output)["response"]));
            let whole = proxy.client().post("/openai/v1/responses", &body(false)).await.expect(200).json();
            assert_eq!(whole["output"][0], ls(), "{whole}");
            assert_eq!(whole["output"][1]["type"], "message", "{whole}");
            upstream.next(Reply::stream(stream_of(vec![
                ("response.created", response(&[])),
                ("response.output_item.added", json!({ "output_index": 0, "item": ls() })),
                ("response.output_item.done", json!({ "output_index": 0, "item": ls() })),
                ("response.completed", response(&[second])),
            ])));
            let text = proxy.client().post("/openai/v1/responses", &body(true)).await.expect(200).text();
            assert!(text.contains("was refused") && !text.contains("rm -rf"), "{text}");
        }
        // Pieces that belong to no item, an item that begins as another one, and an answer that is there from
        // the beginning.
        let added = item("rm", &json!(""));
        let piece =
            json!({ "output_index": 7, "item_id": "fc_1", "arguments": "{\"command\":\"rm -rf /\"}" });
        let done = ("response.output_item.done", json!({ "output_index": 0, "item": ls() }));
        for first in [
            ("response.output_item.added", json!({ "output_index": 0, "item": added })),
            ("response.function_call_arguments.done", piece.clone()),
            ("response.created", response(&[rm()])),
        ] {
            let events = vec![first, done.clone(), ("response.completed", response(&[ls()]))];
            upstream.next(Reply::stream(stream_of(events)));
            let text = proxy.client().post("/openai/v1/responses", &body(true)).await.expect(200).text();
            assert!(text.contains("\"function_call\"") && text.contains("response.completed"), "{text}");
            assert!(!text.contains("rm -rf") && !text.contains("\"name\":\"rm\""), "{text}");
        }
        // Whichever of name and `type` a client reads, it reads the same.
        let data = json!({ "type": "response.output_item.done", "output_index": 0, "item": rm() });
        let mut events = vec![format!("event: response.in_progress\ndata: {data}\n\n")];
        let data = json!({ "type": "response.in_progress", "output_index": 0, "item": ls(), "response": {} });
        events.push(format!("event: response.output_item.done\ndata: {data}\n\n"));
        events.extend(stream_of(vec![("response.completed", response(&[]))]));
        upstream.next(Reply::stream(events));
        let text = proxy.client().post("/openai/v1/responses", &body(true)).await.expect(200).text();
        assert!(text.contains("was refused") && !text.contains("rm -rf"), "{text}");
        for event in text.split("\n\n").filter(|event| !event.is_empty()) {
            let name = event.lines().next().unwrap().strip_prefix("event: ").unwrap();
            assert!(event.contains(&format!("\"type\":\"{name}\"")), "{event}");
        }
        // What an item of another kind says beside its action is shown and decided about.
        let more = json!({ "type": "computer_call", "id": "cu_1", "call_id": "c9", "status": "completed", "actions": [{ "type": "type", "text": "rm" }] });
        upstream.next(Reply::json(200, &response(&[more])["response"]));
        let whole = proxy.client().post("/openai/v1/responses", &body(false)).await.expect(200).json();
        assert_eq!(whole["output"][0]["type"], "message", "{whole}");
        proxy.stop().await;
    });
}

#[test]
fn a_chat_says_no_more_than_was_decided_about() {
    support::run(async {
        let upstream = openai().await;
        let rules = format!(r#"{{ action = "deny", arguments = {{ input = "rm" }} }}, {NO_RM}"#);
        let proxy = Proxy::start(held(&rules, &upstream)).await;
        let body = |stream: bool| json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "x" }], "stream": stream });
        let good = json!({ "name": "Bash", "arguments": "{\"command\":\"ls\"}" });
        let bad = json!({ "name": "Bash", "arguments": { "command": "rm -rf /" } });
        let custom = json!({ "name": "Bash", "input": "rm -rf /" });
        let whole = |call: &Value| {
            let choice = json!({ "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null, "tool_calls": [call] } });
            json!({ "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-5", "choices": [choice] })
        };
        for call in [
            json!({ "id": "c", "type": "custom", "function": good, "custom": custom }),
            json!({ "id": "c", "type": "function", "function": good, "custom": custom }),
            json!({ "id": "c", "function": bad }),
        ] {
            upstream.next(Reply::json(200, &whole(&call)));
            let text =
                proxy.client().post("/openai/v1/chat/completions", &body(false)).await.expect(200).text();
            assert!(!text.contains("rm -rf"), "{text}");
            let mut data = whole(&call);
            data["object"] = "chat.completion.chunk".into();
            upstream.next(Reply::stream(vec![format!("data: {data}\n\n"), "data: [DONE]\n\n".to_owned()]));
            let text =
                proxy.client().post("/openai/v1/chat/completions", &body(true)).await.expect(200).text();
            assert!(!text.contains("rm -rf") && text.contains("[DONE]"), "{text}");
        }
        let call = json!({ "index": 0, "id": "c", "type": "function", "function": bad });
        let events = [chunk(&json!({ "tool_calls": [call] }), None), chunk(&json!({}), Some("tool_calls"))];
        upstream.next(Reply::stream(events));
        let text = proxy.client().post("/openai/v1/chat/completions", &body(true)).await.expect(200).text();
        assert!(text.contains("`Bash` was refused") && !text.contains("rm -rf"), "{text}");
        proxy.stop().await;
    });
}

#[test]
fn arguments_that_no_record_can_hold_are_refused() {
    support::run(async {
        let upstream = openai().await;
        let proxy = Proxy::start(held("", &upstream).toml("lua.cpu = \"1s\"")).await;
        // No JSON, and each letter takes six times the room once it is kept as text.
        let function = json!({ "name": "Bash", "arguments": "\u{1}".repeat(200_000) });
        let call = json!({ "index": 0, "id": "c", "type": "function", "function": function });
        let events = [chunk(&json!({ "tool_calls": [call] }), None), chunk(&json!({}), Some("tool_calls"))];
        upstream.next(Reply::stream(events));
        let body =
            json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "x" }], "stream": true });
        let text = proxy.client().post("/openai/v1/chat/completions", &body).await.expect(200).text();
        assert!(text.contains("the arguments are too large to wait for a decision"), "{text}");
        proxy.stop().await;
    });
}

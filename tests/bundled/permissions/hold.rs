//! Tool calls of streamed answers: held, then passed, edited or refused, in every client's format.

use std::collections::BTreeMap;

use super::*;
use crate::support::upstream::anthropic::{block, delta, end, start, stop, tool_events};

fn held(timeout: &str) -> Config {
    config(timeout).toml("plugins.permissions.hold = true")
}

/// The provider's paths for clients of each format.
pub(super) fn target(format: &str) -> &'static str {
    match format {
        "anthropic_messages" => "/claude/v1/messages",
        "openai_chat" => "/claude/v1/chat/completions",
        _ => "/claude/v1/responses",
    }
}

pub(super) fn body(format: &str, stream: bool) -> Value {
    let mut body = question(format, "claude-sonnet-5", stream).1;
    let schema = json!({ "type": "object", "properties": {} });
    body["tools"] = match format {
        "anthropic_messages" => json!([{ "name": "Read", "input_schema": schema }]),
        "openai_chat" => {
            json!([{ "type": "function", "function": { "name": "Read", "parameters": schema } }])
        }
        _ => json!([{ "type": "function", "name": "Read", "parameters": schema }]),
    };
    body
}

/// What a client puts together from a stream: its text, its calls, and why it ended.
#[derive(Debug, Default, PartialEq)]
struct Read {
    text: String,
    calls: Vec<(String, String)>,
    end: String,
}

fn read(format: &str, bytes: &[u8]) -> Read {
    let mut read = Read::default();
    let mut calls: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for data in sse::data(bytes) {
        match format {
            "anthropic_messages" => {
                let index = data["index"].as_u64().unwrap_or_default();
                if data["content_block"]["type"] == "tool_use" {
                    calls.insert(index, (word(&data["content_block"]["name"]), String::new()));
                }
                read.text += &word(&data["delta"]["text"]);
                if let Some(call) = calls.get_mut(&index) {
                    call.1 += &word(&data["delta"]["partial_json"]);
                }
                read.end += &word(&data["delta"]["stop_reason"]);
            }
            "openai_chat" => {
                let choice = &data["choices"][0];
                read.text += &word(&choice["delta"]["content"]);
                for piece in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                    let call = calls.entry(piece["index"].as_u64().unwrap()).or_default();
                    call.0 += &word(&piece["function"]["name"]);
                    call.1 += &word(&piece["function"]["arguments"]);
                }
                read.end += &word(&choice["finish_reason"]);
            }
            _ => match data["type"].as_str().unwrap() {
                "response.output_text.delta" => read.text += &word(&data["delta"]),
                "response.function_call_arguments.delta" => {
                    calls.entry(data["output_index"].as_u64().unwrap()).or_default().1 +=
                        &word(&data["delta"]);
                }
                "response.output_item.done" if data["item"]["type"] == "function_call" => {
                    let call = calls.entry(data["output_index"].as_u64().unwrap()).or_default();
                    call.0 = word(&data["item"]["name"]);
                    assert_eq!(call.1, word(&data["item"]["arguments"]), "{data}");
                }
                "response.completed" => {
                    let items = data["response"]["output"].as_array().unwrap().iter();
                    let items: Vec<&Value> = items.filter(|item| item["type"] == "function_call").collect();
                    let told: Vec<_> =
                        items.iter().map(|item| (word(&item["name"]), word(&item["arguments"]))).collect();
                    assert_eq!(told, calls.values().cloned().collect::<Vec<_>>(), "{data}");
                    read.end = word(&data["response"]["status"]);
                }
                _ => {}
            },
        }
    }
    read.calls = calls.into_values().collect();
    read
}

/// Numbers that only rise, where the format counts its events.
fn counted(format: &str, bytes: &[u8]) {
    if format == "openai_responses" {
        let data = sse::data(bytes);
        let numbers: Vec<u64> = data.iter().map(|data| data["sequence_number"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}

fn ends(format: &str, calls: bool) -> &'static str {
    match (format, calls) {
        ("anthropic_messages", true) => "tool_use",
        ("anthropic_messages", false) => "end_turn",
        ("openai_chat", true) => "tool_calls",
        ("openai_chat", false) => "stop",
        _ => "completed",
    }
}

fn client_ask(proxy: &Proxy, format: &'static str, stream: bool) -> tokio::task::JoinHandle<Answer> {
    let client = proxy.client();
    tokio::spawn(async move { client.post(target(format), &body(format, stream)).await.expect(200) })
}

const WHOLE: &str = "{\"file_path\": \"/etc/hosts\"}";

#[test]
fn a_call_is_passed_edited_or_refused_in_every_format() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(held("30s").upstream(&upstream)).await;
        for format in FORMATS {
            for (decision, input) in
                [("allow", None), ("allow", Some(json!({ "file_path": "/tmp/x" }))), ("deny", None)]
            {
                upstream.next(Reply::stream(tool_events()));
                let asked = client_ask(&proxy, format, true);
                let record = waiting(&proxy).await;
                assert_eq!((&record["tool"], &record["source"]), (&json!("Read"), &json!("api")), "{format}");
                assert_eq!(record["input"]["file_path"], "/etc/hosts", "{format}");
                let mut answer = json!({ "decision": decision });
                if let Some(input) = &input {
                    answer["input"] = input.clone();
                }
                respond(&proxy, &record, &answer).await;
                let answer = asked.await.unwrap();
                assert!(answer.whole, "{format}: {}", answer.text());
                let read = read(format, &answer.body);
                let allowed = decision == "allow";
                let wanted = match &input {
                    Some(input) => input.to_string(),
                    None => WHOLE.to_owned(),
                };
                let calls = if allowed { vec![("Read".to_owned(), wanted)] } else { Vec::new() };
                assert_eq!(read.calls, calls, "{format}: {}", answer.text());
                assert_eq!(read.end, ends(format, allowed), "{format}: {}", answer.text());
                let refused = "[The call of the tool `Read` was refused: a person said no.]";
                let text = format!("I look – ünïcödé 🦀{}", if allowed { "" } else { refused });
                assert_eq!(read.text, text, "{format}");
                counted(format, &answer.body);
                assert!(!sse::names(&answer.body).iter().any(|name| name == "error"), "{}", answer.text());
            }
        }
        proxy.stop().await;
    });
}

#[test]
fn what_comes_before_the_call_is_not_held_and_pings_keep_the_client() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(held("30s").upstream(&upstream)).await;
        for (format, sign) in [
            ("anthropic_messages", "event: ping\ndata: {\"type\":\"ping\"}\n\n"),
            ("openai_chat", ": keep-alive\n\n"),
        ] {
            upstream.next(Reply::stream([tool_events().concat()]));
            let mut raw = proxy.raw().await;
            raw.post(target(format), &body(format, true).to_string()).await;
            assert!(raw.until("🦀").await, "the text is here while the call waits: {}", raw.seen());
            let record = waiting(&proxy).await;
            assert!(raw.until(sign).await, "{format}: {}", raw.seen());
            assert!(!raw.seen().contains("\"Read\""), "{format}: {}", raw.seen());
            respond(&proxy, &record, &json!({ "decision": "allow" })).await;
            let answer = raw.answer().await.unwrap();
            assert!(answer.whole);
            assert_eq!(read(format, &answer.body).calls, [("Read".to_owned(), WHOLE.to_owned())]);
        }
        proxy.stop().await;
    });
}

/// Two calls beside each other, and a text after them.
fn parallel() -> Vec<String> {
    let mut events = vec![start()];
    for (index, name) in ["Read", "Write"].iter().enumerate() {
        let index = u32::try_from(index).unwrap();
        let call = json!({ "type": "tool_use", "id": format!("toolu_{index}"), "name": name, "input": {} });
        events.push(block(index, &call));
        events.push(delta(
            index,
            &json!({ "type": "input_json_delta", "partial_json": format!("{{\"n\":{index}}}") }),
        ));
        events.push(stop(index));
    }
    events.extend(end("tool_use"));
    events
}

#[test]
fn calls_beside_each_other_are_decided_one_by_one() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(
            held("30s")
                .toml("plugins.permissions.rules = [{ action = \"deny\", tool = \"Read\" }, { action = \"allow\", tool = \"Write\" }]")
                .upstream(&upstream),
        )
        .await;
        for format in FORMATS {
            upstream.next(Reply::stream(parallel()));
            let answer = client_ask(&proxy, format, true).await.unwrap();
            let read = read(format, &answer.body);
            assert_eq!(
                read.calls,
                [("Write".to_owned(), "{\"n\":1}".to_owned())],
                "{format}: {}",
                answer.text()
            );
            assert_eq!(read.end, ends(format, true), "{format}");
            assert!(read.text.contains("`Read` was refused: a rule forbids it"), "{format}: {}", read.text);
            counted(format, &answer.body);
            if format == "openai_chat" {
                assert!(answer.text().contains("\"tool_calls\":[{\"function\""), "{}", answer.text());
                assert!(!answer.text().contains("\"index\":1"), "indices have no holes: {}", answer.text());
            }
        }
        proxy.stop().await;
    });
}

#[test]
fn whole_answers_are_decided_about_too() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(held("30s").upstream(&upstream)).await;
        let content = json!([
            { "type": "text", "text": "I look" },
            { "type": "tool_use", "id": "toolu_1", "name": "Read", "input": { "file_path": "a" } },
        ]);
        for format in FORMATS {
            for decision in ["edit", "deny"] {
                let message = support::upstream::anthropic::message_of("tool_use", &content);
                upstream.next(Reply::json(200, &message));
                let asked = client_ask(&proxy, format, false);
                let record = waiting(&proxy).await;
                let answer = match decision {
                    "edit" => json!({ "decision": "allow", "input": { "file_path": "b" } }),
                    _ => json!({ "decision": "deny", "message": "private" }),
                };
                respond(&proxy, &record, &answer).await;
                let whole = asked.await.unwrap().json();
                let text = whole.to_string();
                let (call, reason) = match format {
                    "anthropic_messages" => {
                        (&whole["content"][1]["input"]["file_path"], &whole["stop_reason"])
                    }
                    "openai_chat" => (
                        &whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
                        &whole["choices"][0]["finish_reason"],
                    ),
                    _ => (&whole["output"][1]["arguments"], &whole["status"]),
                };
                assert_eq!(reason, ends(format, decision == "edit"), "{format}: {text}");
                if decision == "edit" {
                    let wanted = if format == "anthropic_messages" { "b" } else { "{\"file_path\":\"b\"}" };
                    assert_eq!(call, wanted, "{format}: {text}");
                } else {
                    assert!(call.is_null() && text.contains("was refused: private"), "{format}: {text}");
                    assert!(
                        !text.contains("tool_use") && !text.contains("function_call"),
                        "{format}: {text}"
                    );
                }
            }
        }
        proxy.stop().await;
    });
}

#[test]
fn large_arguments_come_through_whole_and_too_large_ones_are_refused() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy =
            Proxy::start(held("30s").toml("plugins.permissions.default = \"allow\"").upstream(&upstream))
                .await;
        let events = |pieces: usize| {
            let call = json!({ "type": "tool_use", "id": "toolu_1", "name": "Write", "input": {} });
            let mut events = vec![start(), block(0, &call)];
            let piece = |text: &str| delta(0, &json!({ "type": "input_json_delta", "partial_json": text }));
            events.push(piece("{\"text\":\""));
            events.extend((0..pieces).map(|_| piece(&"x".repeat(100))));
            events.push(piece("\"}"));
            events.push(stop(0));
            events.extend(end("tool_use"));
            events
        };
        for format in FORMATS {
            upstream.next(Reply::stream([events(2000).concat()]));
            let answer = client_ask(&proxy, format, true).await.unwrap();
            let read_call = read(format, &answer.body);
            assert_eq!(read_call.calls.len(), 1, "{format}: {}", read_call.text);
            assert_eq!(read_call.calls[0].1.len(), 200_011, "{format}");
            upstream.next(Reply::stream([events(4000).concat()]));
            let answer = client_ask(&proxy, format, true).await.unwrap();
            let refused = read(format, &answer.body);
            assert!(
                refused.calls.is_empty() && refused.text.contains("max_input"),
                "{format}: {}",
                refused.text
            );
        }
        proxy.stop().await;
    });
}

#[test]
fn a_broken_stream_never_becomes_a_call_and_a_client_that_leaves_frees_the_provider() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(held("30s").upstream(&upstream)).await;
        for format in FORMATS {
            let events = tool_events();
            upstream.next(Reply::stream(events[..events.len() - 4].to_vec()).cut());
            let answer = client_ask(&proxy, format, true).await.unwrap();
            assert!(!answer.text().contains("/etc/ho"), "{format}: {}", answer.text());
        }
        upstream.next(Reply::stream(tool_events()).stall());
        let asked = client_ask(&proxy, "anthropic_messages", true);
        waiting(&proxy).await;
        asked.abort();
        upstream.request(3).await.closed_after(std::time::Instant::now()).await;
        proxy.stop().await;
    });
}

#[test]
fn without_hold_answers_pass_as_they_are() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(config("30s").upstream(&upstream)).await;
        upstream.next(Reply::stream(tool_events()));
        let answer = client_ask(&proxy, "anthropic_messages", true).await.unwrap();
        assert_eq!(answer.text(), tool_events().concat());
        // Nothing of the plugin is on the way of an exchange.
        let order = async |proxy: &Proxy| proxy.status().await["middleware_order"].to_string();
        assert!(!order(&proxy).await.contains("permissions"), "{}", order(&proxy).await);
        let calls = proxy.plugin("permissions").await["stats"]["calls"].clone();
        client_ask(&proxy, "openai_chat", true).await.unwrap();
        assert_eq!(proxy.plugin("permissions").await["stats"]["calls"], calls);
        proxy.stop().await;
        let proxy = Proxy::start(held("30s").upstream(&upstream)).await;
        assert!(order(&proxy).await.contains("permissions"), "{}", order(&proxy).await);
        proxy.stop().await;
    });
}

#[test]
fn a_long_hold_outlasts_the_clocks_for_silence() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = held("30s")
            .toml("upstream.data_idle_timeout = \"1s\"")
            .toml("upstream.first_data_timeout = \"1s\"")
            .toml("server.write_idle_timeout = \"1s\"")
            .toml("server.body_idle_timeout = \"1s\"");
        let proxy = Proxy::start(config.upstream(&upstream)).await;
        for format in FORMATS {
            upstream.next(Reply::stream(tool_events()));
            let mut raw = proxy.raw().await;
            raw.post(target(format), &body(format, true).to_string()).await;
            let record = waiting(&proxy).await;
            // Longer than any of them.
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            respond(&proxy, &record, &json!({ "decision": "allow" })).await;
            let answer = raw.answer().await.unwrap();
            assert!(answer.whole, "{format}");
            let read = read(format, &answer.body);
            assert_eq!(read.calls, [("Read".to_owned(), WHOLE.to_owned())], "{format}");
            assert_eq!(read.end, ends(format, true), "{format}");
        }
        proxy.stop().await;
    });
}

#[test]
fn a_message_says_no_more_than_was_decided_about() {
    support::run(async {
        let upstream = Upstream::start().await;
        let rules = r#"plugins.permissions.rules = [{ action = "deny", arguments = { command = "rm" } }, { action = "allow" }]"#;
        let proxy = Proxy::start(held("30s").toml(rules).upstream(&upstream)).await;
        let call =
            |input: Value| json!({ "type": "tool_use", "id": "toolu_1", "name": "Bash", "input": input });
        let piece = |text: &str| delta(0, &json!({ "type": "input_json_delta", "partial_json": text }));
        let (ls, rm) = ("{\"command\":\"ls\"}", "{\"command\":\"rm -rf /\"}");
        let bad = || call(json!({ "command": "rm -rf /" }));
        let begun = json!({ "type": "message_start", "message": support::upstream::anthropic::message_of("tool_use", &json!([bad()])) });
        let begun = support::upstream::anthropic::event("message_start", &begun);
        let disguised = block(0, &bad()).replace("event: content_block_start", "event: ping");
        let backwards = block(0, &bad()).replace("\"type\":\"content_block_start\"", "\"type\":\"ping\"");
        for (what, events) in [
            ("there from the beginning", vec![begun]),
            ("beside what is streamed", vec![start(), block(0, &bad()), piece(ls), stop(0)]),
            (
                "after its end",
                vec![start(), block(0, &call(json!({}))), piece(ls), stop(0), piece(rm), stop(0)],
            ),
            ("by another name", vec![start(), disguised, stop(0)]),
            ("by another type", vec![start(), backwards, stop(0)]),
        ] {
            upstream.next(Reply::stream([events, end("tool_use").to_vec()].concat()));
            let answer = client_ask(&proxy, "anthropic_messages", true).await.unwrap();
            assert!(answer.whole && answer.text().contains("message_stop"), "{what}: {}", answer.text());
            if what == "by another type" {
                assert!(!answer.text().contains("event: content_block_start"), "{}", answer.text());
            } else {
                assert!(!answer.text().contains("rm -rf"), "{what}: {}", answer.text());
            }
        }
        // Arguments that are there at once are delivered as they are.
        upstream.next(Reply::stream(
            [vec![start(), block(0, &call(json!({ "command": "ls" }))), stop(0)], end("tool_use").to_vec()]
                .concat(),
        ));
        let answer = client_ask(&proxy, "anthropic_messages", true).await.unwrap();
        assert_eq!(read("anthropic_messages", &answer.body).calls, [("Bash".to_owned(), ls.to_owned())]);
        proxy.stop().await;
    });
}

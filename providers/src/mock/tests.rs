use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::{Client, Exchange, Peer, Request};
use ccproxy_core::generation::Generation;
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::*;
use crate::formats::testing::{events, judge, track};

const ROUTES: [&str; 3] = ["messages", "chat_completions", "responses"];

fn format(operation: &str) -> Arc<dyn Format> {
    match operation {
        "messages" | "count_tokens" => Arc::new(AnthropicMessages),
        "responses" => Arc::new(OpenAiResponses),
        _ => Arc::new(OpenAiChat),
    }
}

async fn ask(operation: &'static str, path: &str, body: &Value) -> Answer {
    let request = Request {
        method: Method::POST,
        uri: path.parse().expect("a path"),
        headers: HeaderMap::new(),
        body: Document::new(Bytes::from(body.to_string())),
        params: Vec::new(),
        provider: None,
        model: None,
        stream: false,
        format: None,
    };
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 9)), tls: false, http2: false };
    let generation = Arc::new(Generation::assemble(1, Vec::new(), &[], Vec::new()));
    let exchange = Exchange::begin(peer, Client::anonymous(), generation, request);
    let adapter = Adapter::new(Duration::ZERO);
    let operation = Operation::new(operation, format(operation));
    let outbound = adapter
        .prepare(&exchange, &operation, Document::new(Bytes::from(body.to_string())), true)
        .await
        .expect("prepared");
    adapter.send(&exchange, &operation, outbound).await.expect("an answer")
}

/// Bytes of an answer, and whether it broke off.
async fn bytes(answer: Answer) -> (Vec<u8>, bool) {
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().expect("data")),
            Err(_) => return (bytes, true),
        }
    }
    (bytes, false)
}

async fn whole(operation: &'static str, body: &Value) -> Value {
    let answer = ask(operation, "/", body).await;
    assert!(answer.status.is_success(), "{operation} {body}");
    serde_json::from_slice(&bytes(answer).await.0).expect("JSON")
}

/// A streamed answer; legal and complete, or the test fails.
async fn stream(operation: &'static str, body: &Value) -> Vec<Value> {
    let mut body = body.clone();
    body["stream"] = true.into();
    let answer = ask(operation, "/", &body).await;
    assert!(answer.status.is_success() && answer.is_event_stream());
    let (bytes, broken) = bytes(answer).await;
    assert!(!broken);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert_eq!(judge(&*format(operation), &bytes), Ok(true), "{text}");
    let (complete, boundary, usage) = track(&*format(operation), &[&bytes]);
    assert!(complete && boundary, "{text}");
    assert!(usage.is_some() || operation == "chat_completions", "{text}");
    let data = events(&bytes).into_iter().filter(|event| &event.data[..] != b"[DONE]");
    data.map(|event| serde_json::from_slice(&event.data).expect("JSON")).collect()
}

/// A request in the words of each format.
fn request(operation: &str, prompt: &str, tool: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let mut body = json!({"model": "mock-large"});
    let turn = json!([{"role": "user", "content": prompt}]);
    let tools = match operation {
        "messages" => json!([{"name": "weather", "input_schema": schema}]),
        "responses" => json!([{"type": "function", "name": "weather", "parameters": schema}]),
        _ => json!([{"type": "function", "function": {"name": "weather", "parameters": schema}}]),
    };
    body[if operation == "responses" { "input" } else { "messages" }] = turn;
    if tool {
        body["tools"] = tools;
    }
    body
}

/// The text and the tool calls of a whole answer.
fn said(operation: &str, answer: &Value) -> (String, Vec<(String, Value)>) {
    let parse = |text: &Value| serde_json::from_str(text.as_str().expect("text")).expect("JSON");
    let name = |value: &Value| value.as_str().expect("a name").to_owned();
    match operation {
        "messages" => {
            let blocks = answer["content"].as_array().expect("content");
            let text = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
            (text, calls.map(|call| (name(&call["name"]), call["input"].clone())).collect())
        }
        "responses" => {
            let items = answer["output"].as_array().expect("output");
            let text = items.iter().filter_map(|item| item["content"][0]["text"].as_str()).collect();
            let calls = items.iter().filter(|item| item["type"] == "function_call");
            (text, calls.map(|call| (name(&call["name"]), parse(&call["arguments"]))).collect())
        }
        _ => {
            let message = &answer["choices"][0]["message"];
            let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["function"]);
            let calls = calls.map(|call| (name(&call["name"]), parse(&call["arguments"]))).collect();
            (message["content"].as_str().unwrap_or_default().to_owned(), calls)
        }
    }
}

/// The same of a stream, put together as a client does.
fn gathered(operation: &str, events: &[Value]) -> (String, String) {
    let text = |pointer: &str| {
        events.iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect::<String>()
    };
    match operation {
        "messages" => (text("/delta/text"), text("/delta/partial_json")),
        "responses" => {
            let of = |kind: &str| {
                let deltas = events.iter().filter(|event| event["type"] == kind);
                deltas.filter_map(|event| event["delta"].as_str()).collect::<String>()
            };
            (of("response.output_text.delta"), of("response.function_call_arguments.delta"))
        }
        _ => (text("/choices/0/delta/content"), text("/choices/0/delta/tool_calls/0/function/arguments")),
    }
}

#[tokio::test]
async fn every_format_says_the_same_streamed_or_whole_and_always() {
    for operation in ROUTES {
        let body = request(operation, "hello there é", false);
        let answer = whole(operation, &body).await;
        assert_eq!(answer, whole(operation, &body).await);
        assert_eq!(said(operation, &answer).0, "The mock provider heard: hello there é");
        let streamed = stream(operation, &body).await;
        assert_eq!(gathered(operation, &streamed).0, "The mock provider heard: hello there é");
        let usage = format(operation).usage(answer.to_string().as_bytes()).expect("usage");
        assert!(usage.input_tokens.is_some_and(|tokens| tokens > 1), "{operation}");
        assert_eq!(usage.output_tokens, Some(7), "{operation}");
    }
}

#[tokio::test]
async fn tools_are_called_when_asked_for_and_answered_once() {
    for operation in ROUTES {
        let expected = vec![("weather".to_owned(), json!({"city": "example"}))];
        for prompt in ["please use a tool", "Use the weather tool", "[mock tool=weather]"] {
            let body = request(operation, prompt, true);
            assert_eq!(said(operation, &whole(operation, &body).await), (String::new(), expected.clone()));
            let streamed = gathered(operation, &stream(operation, &body).await);
            assert_eq!(streamed, (String::new(), "{\"city\":\"example\"}".to_owned()), "{operation}");
        }
        let ordered = request(operation, "[mock tool=weather args={\"city\":\"Bern\"} tool=weather]", true);
        let calls = said(operation, &whole(operation, &ordered).await).1;
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].1, json!({"city": "Bern"}));
        stream(operation, &ordered).await;

        assert!(said(operation, &whole(operation, &request(operation, "hello", true)).await).1.is_empty());

        let mut forced = request(operation, "hello", true);
        forced["tool_choice"] = match operation {
            "messages" => json!({"type": "tool", "name": "weather"}),
            "responses" => json!({"type": "function", "name": "weather"}),
            _ => json!({"type": "function", "function": {"name": "weather"}}),
        };
        assert_eq!(said(operation, &whole(operation, &forced).await).1, expected);

        let mut answered = request(operation, "please use a tool", true);
        let (key, turns) = match operation {
            "messages" => (
                "messages",
                json!([
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "rain"}]}]},
                {"role": "system", "content": "a reminder in the middle"}]),
            ),
            "responses" => (
                "input",
                json!([
                {"type": "function_call", "call_id": "t", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "t", "output": "rain"}]),
            ),
            _ => (
                "messages",
                json!([
                {"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "t", "content": "rain"}]),
            ),
        };
        let turns = turns.as_array().expect("turns").clone();
        answered[key].as_array_mut().expect("turns").extend(turns);
        let expected = "The mock provider read the tool's answer: rain".to_owned();
        assert_eq!(said(operation, &whole(operation, &answered).await), (expected, Vec::new()));
    }
}

#[tokio::test]
async fn thinking_comes_first_and_is_counted() {
    let mut body = request("messages", "hi", false);
    body["thinking"] = json!({"type": "adaptive", "display": "omitted"});
    let answer = whole("messages", &body).await;
    assert_eq!(answer["content"][0]["type"], "thinking");
    assert!(stream("messages", &body).await.iter().any(|event| event["delta"]["type"] == "signature_delta"));

    let mut body = request("responses", "hi", false);
    body["reasoning"] = json!({"effort": "low", "summary": "auto"});
    body["include"] = json!(["reasoning.encrypted_content"]);
    let answer = whole("responses", &body).await;
    assert_eq!(answer["output"][0]["type"], "reasoning");
    assert!(answer["output"][0]["encrypted_content"].is_string());
    assert!(answer["usage"]["output_tokens_details"]["reasoning_tokens"].as_u64() > Some(0));
    stream("responses", &body).await;
}

#[tokio::test]
async fn structured_answers_fit_their_schema() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for operation in ROUTES {
        let mut body = request(operation, "hi", false);
        match operation {
            "messages" => {
                body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema}})
            }
            "responses" => {
                body["text"] = json!({"format": {"type": "json_schema", "name": "a", "schema": schema}})
            }
            _ => {
                body["response_format"] =
                    json!({"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})
            }
        }
        assert_eq!(said(operation, &whole(operation, &body).await).0, "{\"n\":1}");
        assert_eq!(gathered(operation, &stream(operation, &body).await).0, "{\"n\":1}");
    }
}

#[tokio::test]
async fn limits_and_stop_sequences_end_the_answer() {
    for (operation, key, pointer, reason) in [
        ("messages", "max_tokens", "/stop_reason", "max_tokens"),
        ("chat_completions", "max_completion_tokens", "/choices/0/finish_reason", "length"),
        ("responses", "max_output_tokens", "/status", "incomplete"),
    ] {
        let mut body = request(operation, "one two three", false);
        body[key] = 2.into();
        let answer = whole(operation, &body).await;
        assert_eq!(answer.pointer(pointer), Some(&json!(reason)));
        assert_eq!(said(operation, &answer).0, "The mock ");
        stream(operation, &body).await;
    }
    let mut body = request("messages", "one two three", false);
    body["stop_sequences"] = json!(["two", "nowhere"]);
    let answer = whole("messages", &body).await;
    assert_eq!(
        (answer["stop_reason"].as_str(), answer["stop_sequence"].as_str()),
        (Some("stop_sequence"), Some("two"))
    );
    assert_eq!(said("messages", &answer).0, "The mock provider heard: one ");
}

#[tokio::test]
async fn orders_are_obeyed() {
    for operation in ROUTES {
        let busy = ask(operation, "/", &request(operation, "[mock status=529 retry-after=7]", false)).await;
        assert_eq!(
            (busy.status.as_u16(), &busy.headers["retry-after"]),
            (529, &"7".parse().expect("a value"))
        );
        assert!(serde_json::from_slice::<Value>(&bytes(busy).await.0).expect("JSON")["error"].is_object());

        let wrong = ask(operation, "/", &request(operation, "[mock stauts=529]", false)).await;
        assert_eq!(wrong.status, 400);

        let many = stream(operation, &request(operation, "[mock chunks=100]", false)).await;
        assert!(many.len() > 100);

        let mut cut = request(operation, "[mock cut=3]", false);
        let (half, broken) = bytes(ask(operation, "/", &cut).await).await;
        assert!(broken && serde_json::from_slice::<Value>(&half).is_err());
        cut["stream"] = true.into();
        let (sent, broken) = bytes(ask(operation, "/", &cut).await).await;
        assert!(broken && events(&sent).len() == 3);
        assert_eq!(judge(&*format(operation), &sent), Ok(false));

        let mut error = request(operation, "[mock error]", false);
        error["stream"] = true.into();
        let (sent, broken) = bytes(ask(operation, "/", &error).await).await;
        assert!(!broken && track(&*format(operation), &[&sent]).0);
        assert_eq!(judge(&*format(operation), &sent), Ok(true));
    }
}

#[tokio::test]
async fn pauses_are_kept() {
    let mut body = request("messages", "[mock wait=30ms delay=4ms text=one]", false);
    body["stream"] = true.into();
    let began = std::time::Instant::now();
    let answer = ask("messages", "/", &body).await;
    assert!(began.elapsed() >= Duration::from_millis(30));
    let began = std::time::Instant::now();
    let sent = events(&bytes(answer).await.0).len() as u32;
    assert!(began.elapsed() >= Duration::from_millis(4) * sent);
}

#[tokio::test]
async fn models_and_tokens() {
    let list = whole("models", &Value::Null).await;
    assert_eq!(list["object"], "list");
    let first = ask("model", "/mock/v1/models/mock-small?x=y", &Value::Null).await;
    assert_eq!(first.status, 200);
    assert_eq!(ask("model", "/mock/v1/models/nope", &Value::Null).await.status, 404);
    let counted = whole("count_tokens", &json!({"model": "m", "messages": []})).await;
    assert_eq!(counted, json!({"input_tokens": 7}));
}

#[tokio::test]
async fn what_is_missing_is_told_in_the_clients_format() {
    for (operation, body) in [
        ("messages", json!({"model": "m"})),
        ("chat_completions", json!({"messages": []})),
        ("responses", json!({"model": "m"})),
        ("messages", json!([1])),
    ] {
        let answer = ask(operation, "/", &body).await;
        assert_eq!(answer.status, 400);
        let told: Value = serde_json::from_slice(&bytes(answer).await.0).expect("JSON");
        assert_eq!(told["error"]["type"], "invalid_request_error");
    }
}

use ccproxy_core::error::Kind as Fault;
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn facts() -> Facts {
    Facts { id: "x1".into(), now: 7 }
}

fn hear(dialogue: &mut Responses, message: &Value) -> Said {
    dialogue.hear(&Bytes::from(message.to_string()), &mut HeaderMap::new(), &facts())
}

/// The body of the request that a message becomes.
fn asked(dialogue: &mut Responses, message: &Value) -> Value {
    match hear(dialogue, message) {
        Said::Ask(body) => value(&body),
        other => panic!("{other:?}"),
    }
}

/// The one message that answers at once.
fn answered(dialogue: &mut Responses, message: &Value) -> Value {
    match hear(dialogue, message) {
        Said::Answer(messages) => value(messages.last().expect("a message")),
        other => panic!("{other:?}"),
    }
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn tell(dialogue: &mut Responses, data: &Value) -> Option<Value> {
    let kind = data["type"].as_str().expect("a type");
    dialogue.event(&Event::new(kind, data.to_string())).map(|message| value(&message))
}

fn answer(dialogue: &mut Responses, id: &str, items: &[Value]) {
    for item in items {
        tell(dialogue, &json!({ "type": "response.output_item.done", "item": item }));
    }
    let done = json!({ "type": "response.completed", "response": { "id": id, "output": [] } });
    assert_eq!(tell(dialogue, &done), Some(done));
    assert!(dialogue.over());
}

fn create(input: &Value) -> Value {
    json!({ "type": "response.create", "model": "m", "input": input })
}

#[test]
fn a_request_is_the_message_without_what_is_about_the_socket() {
    let mut dialogue = Responses::new(1000);
    let text = r#"{"type":"response.create","model":"m", "stream":false,"background":true,"generate":true,"previous_response_id":null,
        "tools":[ ],"n":1.0,"instructions":null,"input":[ {"a":1} , {"b":"ü"} ]}"#;
    let Said::Ask(body) = dialogue.hear(&text.into(), &mut HeaderMap::new(), &facts()) else {
        panic!("no request")
    };
    assert_eq!(
        body,
        r#"{"model":"m","tools":[ ],"n":1.0,"instructions":null,"stream":true,"input":[{"a":1} , {"b":"ü"}]}"#
    );
    let body = asked(&mut dialogue, &create(&json!("hi \"you\"")));
    let part = json!({ "type": "input_text", "text": "hi \"you\"" });
    assert_eq!(body["input"], json!([{ "type": "message", "role": "user", "content": [part] }]));
}

#[test]
fn new_items_come_after_what_was_said() {
    let mut dialogue = Responses::new(1000);
    let warm = answered(
        &mut dialogue,
        &json!({ "type": "response.create", "model": "m", "input": [{ "n": 0 }], "generate": false }),
    );
    assert_eq!((&warm["type"], &warm["response"]["output"]), (&json!("response.completed"), &json!([])));
    let next = |id: &Value, n: u64| json!({ "type": "response.create", "previous_response_id": id, "input": [{ "n": n }] });
    let body = asked(&mut dialogue, &next(&warm["response"]["id"], 1));
    assert_eq!(body, json!({ "stream": true, "input": [{ "n": 0 }, { "n": 1 }] }));
    answer(&mut dialogue, "resp_1", &[json!({ "o": 1 }), json!({ "o": 2 })]);
    let all = json!([{ "n": 0 }, { "n": 1 }, { "o": 1 }, { "o": 2 }, { "n": 2 }]);
    assert_eq!(asked(&mut dialogue, &next(&json!("resp_1"), 2))["input"], all);
    // It broke: the same may be asked again, and nothing of the broken answer is in it.
    tell(&mut dialogue, &json!({ "type": "response.output_item.done", "item": { "o": 3 } }));
    dialogue.broken(&Error::upstream(Fault::BadGateway, "cut"));
    assert_eq!(asked(&mut dialogue, &next(&json!("resp_1"), 2))["input"], all);
    // The terminal event alone may tell the output.
    let done =
        json!({ "type": "response.incomplete", "response": { "id": "resp_2", "output": [{ "o": 4 }] } });
    tell(&mut dialogue, &done);
    let body = asked(&mut dialogue, &next(&json!("resp_2"), 5));
    assert_eq!(body["input"].as_array().expect("items").last(), Some(&json!({ "n": 5 })));
    assert_eq!(body["input"][5], json!({ "o": 4 }));
}

#[test]
fn what_is_not_kept_is_asked_for_again() {
    let mut dialogue = Responses::new(60);
    let unknown = json!({ "type": "response.create", "previous_response_id": "resp_x", "input": [] });
    let refusal = answered(&mut dialogue, &unknown);
    assert_eq!((&refusal["type"], &refusal["status"]), (&json!("error"), &json!(400)));
    assert_eq!(refusal["error"]["code"], "previous_response_not_found");
    assert_eq!(refusal["error"]["param"], "previous_response_id");
    // Too large to be kept.
    asked(&mut dialogue, &create(&json!([{ "text": "x".repeat(80) }])));
    answer(&mut dialogue, "resp_x", &[]);
    assert_eq!(answered(&mut dialogue, &unknown)["error"]["code"], "previous_response_not_found");
    // The oldest go.
    for number in 0..6 {
        asked(&mut dialogue, &create(&json!([{ "n": number }])));
        answer(&mut dialogue, &format!("resp_{number}"), &[]);
    }
    let build = |number: u64| json!({ "type": "response.create", "previous_response_id": format!("resp_{number}"), "input": [] });
    assert_eq!(answered(&mut dialogue, &build(1))["status"], 400);
    assert_eq!(asked(&mut dialogue, &build(2))["input"], json!([{ "n": 2 }]));
    assert_eq!(asked(&mut dialogue, &build(5))["input"], json!([{ "n": 5 }]));
}

proptest! {
    /// Whatever a client or a provider says: no panic, and every message is JSON with a type.
    #[test]
    fn anything_may_be_said(messages in prop::collection::vec(any_message(), 0..12)) {
        let mut dialogue = Responses::new(500);
        for (client, text) in messages {
            let said = match client {
                true => match dialogue.hear(&text.into(), &mut HeaderMap::new(), &facts()) {
                    Said::Answer(said) => said,
                    Said::Ask(body) => {
                        let body = value(&body);
                        prop_assert!(body["input"].is_array() && body["stream"] == true, "{body}");
                        Vec::new()
                    }
                    Said::Nothing => Vec::new(),
                },
                false => dialogue.event(&Event::new("", text)).into_iter().collect(),
            };
            for message in said {
                // What a provider sends passes as it is, where it is no end.
                if client || dialogue.over() {
                    prop_assert!(value(&message)["type"].is_string());
                }
            }
        }
    }
}

/// A message of the client, or an event's data; mostly near to what is right.
fn any_message() -> impl Strategy<Value = (bool, String)> {
    let kind = prop::sample::select(vec![
        "response.create",
        "response.processed",
        "response.completed",
        "response.output_item.done",
        "response.failed",
        "error",
        "x",
    ]);
    let input = prop::sample::select(vec!["[]", "[{\"n\":1}]", "\"text\"", "null", "7", "{}", "[1,[2]]"]);
    let id = prop::sample::select(vec!["null", "\"r\"", "\"resp_x1\"", "7"]);
    let near = (kind, input, id, any::<bool>()).prop_map(|(kind, input, id, generate)| {
        format!("{{\"type\":\"{kind}\",\"input\":{input},\"previous_response_id\":{id},\"generate\":{generate},\"item\":{input},\"response\":{{\"id\":{id},\"output\":{input}}}}}")
    });
    (any::<bool>(), prop_oneof![4 => near, 1 => ".{0,40}"])
}

#[test]
fn what_cannot_be_asked_is_told() {
    let mut dialogue = Responses::new(1000);
    for (message, param) in [
        ("", Value::Null),
        ("[]", Value::Null),
        ("{", Value::Null),
        ("{\"type\":\"response.cancel\"}", Value::Null),
        ("{\"model\":\"m\"}", json!("type")),
        ("{\"type\":\"response.create\",\"input\":7}", json!("input")),
        ("{\"type\":\"response.create\",\"stream_id\":\"a\",\"input\":[]}", json!("stream_id")),
    ] {
        let Said::Answer(said) = dialogue.hear(&message.into(), &mut HeaderMap::new(), &facts()) else {
            panic!("{message}")
        };
        let refusal = value(&said[0]);
        assert_eq!((&refusal["type"], &refusal["status"]), (&json!("error"), &json!(400)), "{message}");
        assert_eq!(refusal["error"]["type"], "invalid_request_error", "{message}");
        assert_eq!(refusal["error"]["param"], param, "{message}");
    }
    assert_eq!(
        hear(&mut dialogue, &json!({ "type": "response.processed", "response_id": "r" })),
        Said::Nothing
    );
}

#[test]
fn every_failure_has_a_status() {
    let mut dialogue = Responses::new(1000);
    let limit = json!({ "error": { "type": "usage_limit_reached", "resets_in_seconds": 60 } });
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static("3"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("set-cookie", HeaderValue::from_static("a=b"));
    let refused =
        value(&dialogue.refused(StatusCode::TOO_MANY_REQUESTS, &headers, &limit.to_string().into()));
    assert_eq!(
        refused,
        json!({ "type": "error", "status": 429, "error": limit["error"], "headers": { "retry-after": "3" } })
    );
    let refused = value(&dialogue.refused(StatusCode::UNAUTHORIZED, &headers, &"{\"detail\":\"no\"}".into()));
    assert_eq!(refused["error"]["message"], "no");
    assert_eq!(refused["error"]["type"], "authentication_error");
    let refused = value(&dialogue.refused(StatusCode::BAD_GATEWAY, &headers, &"<html>".into()));
    assert_eq!(refused["error"]["message"], "the provider answered 502");

    asked(&mut dialogue, &create(&json!([])));
    let event = wire::error_event(&Error::upstream(Fault::BadGateway, "cut"), 4);
    let mut decoder = ccproxy_core::sse::Decoder::new();
    decoder.feed(event);
    let event = decoder.pull().expect("whole").expect("an event");
    let told = value(&dialogue.event(&event).expect("a message"));
    assert_eq!((&told["status"], &told["error"]["message"]), (&json!(500), &json!("cut")));
    assert!(dialogue.over());
    let own = json!({ "type": "error", "status": 429, "error": { "code": "x" } });
    asked(&mut dialogue, &create(&json!([])));
    assert_eq!(tell(&mut dialogue, &own), Some(own));
    assert_eq!(value(&dialogue.broken(&Error::upstream(Fault::GatewayTimeout, "slow")))["status"], 504);
}

#[test]
fn comments_and_what_follows_the_end_are_not_told() {
    let mut dialogue = Responses::new(1000);
    asked(&mut dialogue, &create(&json!([])));
    assert_eq!(dialogue.event(&Event::new("", "[DONE]")), None);
    let delta = json!({ "type": "response.output_text.delta", "delta": "x" });
    assert_eq!(tell(&mut dialogue, &delta), Some(delta.clone()));
    answer(&mut dialogue, "r", &[]);
    assert_eq!(tell(&mut dialogue, &delta), None);
}

#[test]
fn a_whole_answer_becomes_events() {
    let mut dialogue = Responses::new(1000);
    asked(&mut dialogue, &create(&json!([{ "n": 1 }])));
    let body = json!({ "id": "r", "object": "response", "status": "completed", "output": [{ "o": 1 }] });
    let told: Vec<Value> =
        dialogue.whole(&body.to_string().into()).iter().map(|message| value(message)).collect();
    assert_eq!(
        told[0],
        json!({ "type": "response.output_item.done", "sequence_number": 0, "output_index": 0, "item": { "o": 1 } })
    );
    assert_eq!((&told[1]["type"], &told[1]["response"]), (&json!("response.completed"), &body));
    let next = json!({ "type": "response.create", "previous_response_id": "r", "input": [] });
    assert_eq!(asked(&mut dialogue, &next)["input"], json!([{ "n": 1 }, { "o": 1 }]));
    for garbage in ["", "{}", "<html>", "[]"] {
        let told = dialogue.whole(&garbage.into());
        assert_eq!(value(&told[0])["status"], 502, "{garbage}");
    }
}

#[test]
fn header_fields_go_both_ways() {
    let mut dialogue = Responses::new(1000);
    let mut upgrade = HeaderMap::new();
    upgrade.insert("openai-beta", HeaderValue::from_static("assistants=v2, responses_websockets=2026-02-06"));
    upgrade.insert("x-codex-window-id", HeaderValue::from_static("old"));
    upgrade.insert("x-codex-turn-state", HeaderValue::from_static("first"));
    dialogue.opened(&mut upgrade);
    assert_eq!(upgrade["openai-beta"], "assistants=v2");
    let mut ask = |turn: &str| {
        let mut headers = upgrade.clone();
        let metadata = json!({
            "turn_id": turn, "x-codex-window-id": "new", "x-codex-else": "no", "authorization": "no",
            "ws_request_header_traceparent": "00-1", "ws_request_header_authorization": "Bearer stolen",
            "ws_request_header_x_openai_internal_codex_responses_lite": "true", "x-codex-bad": "a\nb",
        });
        let message = json!({ "type": "response.create", "input": [], "client_metadata": metadata });
        dialogue.hear(&Bytes::from(message.to_string()), &mut headers, &facts());
        let mut answer = HeaderMap::new();
        answer.insert(
            "x-codex-turn-state",
            HeaderValue::from_str(&format!("state of {turn}")).expect("a value"),
        );
        answer.insert("content-type", HeaderValue::from_static("text/event-stream"));
        let told = dialogue.begin(&answer).map(|message| value(&message));
        let state = json!({ "x-codex-turn-state": format!("state of {turn}") });
        assert_eq!(told, Some(json!({ "type": "response.metadata", "headers": state })));
        headers
    };
    let headers = ask("a");
    assert_eq!(headers["x-codex-turn-state"], "first");
    assert_eq!(
        (&headers["x-codex-window-id"], &headers["traceparent"]),
        (&HeaderValue::from_static("new"), &HeaderValue::from_static("00-1"))
    );
    assert_eq!(headers["x-openai-internal-codex-responses-lite"], "true");
    assert!(!headers.contains_key("authorization") && !headers.contains_key("x-codex-else"));
    assert_eq!(headers["accept"], "text/event-stream");
    assert_eq!(ask("a")["x-codex-turn-state"], "state of a");
    // Another turn has a state of its own.
    assert!(!ask("b").contains_key("x-codex-turn-state"));
    assert_eq!(ask("b")["x-codex-turn-state"], "state of b");
    ask("");
    assert!(!ask("").contains_key("x-codex-turn-state"), "no turn is named");
    assert_eq!(dialogue.begin(&HeaderMap::new()), None);
}

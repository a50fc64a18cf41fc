//! Answers as the Anthropic API gives them.

use serde_json::{Value, json};

use super::{Recorded, Reply};

/// What a healthy API answers to a request of any of its routes.
pub fn answer(request: &Recorded) -> Reply {
    let target = request.target();
    let path = target.split('?').next().unwrap_or_default();
    let reply = if path.ends_with("/count_tokens") {
        Reply::json(200, &json!({ "input_tokens": 42 }))
    } else if path.ends_with("/v1/models") {
        Reply::json(200, &models())
    } else if request.wants_stream() {
        Reply::stream(events("Hello from upstream"))
    } else {
        Reply::json(200, &message("Hello from upstream"))
    };
    reply.header("request-id", "req_upstream_1").header("anthropic-ratelimit-unified-status", "allowed")
}

/// A whole message with one text.
pub fn message(text: &str) -> Value {
    message_of("end_turn", &json!([{ "type": "text", "text": text }]))
}

/// A whole message with these blocks.
pub fn message_of(stop_reason: &str, content: &Value) -> Value {
    json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-opus-5-5",
        "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": { "input_tokens": 11, "output_tokens": 7 },
    })
}

/// The models list.
pub fn models() -> Value {
    json!({
        "data": [{ "type": "model", "id": "claude-opus-5-5", "display_name": "Claude Opus 5.5", "created_at": "2026-01-01T00:00:00Z" }],
        "has_more": false, "first_id": "claude-opus-5-5", "last_id": "claude-opus-5-5",
    })
}

/// An error body.
pub fn error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_upstream_1" })
}

/// A stream with one text, one event a piece.
pub fn events(text: &str) -> Vec<String> {
    let mut events = vec![
        start(),
        event("ping", &json!({ "type": "ping" })),
        block(0, &json!({ "type": "text", "text": "" })),
    ];
    events.extend(words(text).map(|word| delta(0, &json!({ "type": "text_delta", "text": word }))));
    events.push(stop(0));
    events.extend(end("end_turn"));
    events
}

/// A stream as a thinking model with tools gives it: thinking with its signature, text, a tool call.
pub fn tool_events() -> Vec<String> {
    let mut events = vec![start(), block(0, &json!({ "type": "thinking", "thinking": "", "signature": "" }))];
    events.push(delta(0, &json!({ "type": "thinking_delta", "thinking": "Where is the file? – in /etc" })));
    events.push(delta(0, &json!({ "type": "signature_delta", "signature": "EqQBCgIYAhIkYm9ndXM=" })));
    events.push(stop(0));
    events.push(block(1, &json!({ "type": "text", "text": "" })));
    events.extend(
        words("I look – ünïcödé 🦀").map(|word| delta(1, &json!({ "type": "text_delta", "text": word }))),
    );
    events.push(stop(1));
    events.push(block(2, &json!({ "type": "tool_use", "id": "toolu_01", "name": "Read", "input": {} })));
    for part in ["", "{\"file_path\"", ": \"/etc/ho", "sts\"}"] {
        events.push(delta(2, &json!({ "type": "input_json_delta", "partial_json": part })));
    }
    events.push(stop(2));
    events.extend(end("tool_use"));
    events
}

/// One event on the wire.
pub fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// `message_start`
pub fn start() -> String {
    let mut message = message("");
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    message["usage"] = json!({ "input_tokens": 11, "output_tokens": 1 });
    event("message_start", &json!({ "type": "message_start", "message": message }))
}

/// A text delta of the first block.
pub fn text_delta(text: &str) -> String {
    delta(0, &json!({ "type": "text_delta", "text": text }))
}

/// `content_block_start`
pub fn block(index: u32, block: &Value) -> String {
    event(
        "content_block_start",
        &json!({ "type": "content_block_start", "index": index, "content_block": block }),
    )
}

/// `content_block_delta`
pub fn delta(index: u32, delta: &Value) -> String {
    event("content_block_delta", &json!({ "type": "content_block_delta", "index": index, "delta": delta }))
}

/// `content_block_stop`
pub fn stop(index: u32) -> String {
    event("content_block_stop", &json!({ "type": "content_block_stop", "index": index }))
}

/// `message_delta` with the reason, and `message_stop`
pub fn end(reason: &str) -> [String; 2] {
    let delta = json!({
        "type": "message_delta",
        "delta": { "stop_reason": reason, "stop_sequence": null },
        "usage": { "output_tokens": 7 },
    });
    [event("message_delta", &delta), event("message_stop", &json!({ "type": "message_stop" }))]
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

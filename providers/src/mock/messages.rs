//! The mock in Anthropic Messages.

use ccproxy_core::sse::Event;
use serde_json::{Value, json};

use super::ask::{Ask, Choice, Tool, last_text, texts};
use super::reply::{Call, Finish, Reply};
use super::stream::event;

/// A signature as opaque as a real one: base64 of `mock`.
const SIGNATURE: &str = "bW9jaw==";

/// Reads a request.
pub(super) fn ask(body: &Value, bytes: &[u8]) -> Result<Ask, String> {
    let messages = body["messages"].as_array().ok_or("messages: field required")?;
    let user = || messages.iter().rev().filter(|message| message["role"] == "user");
    // A message may hold results and text; a result at the end of the turn is what counts.
    let last = user().next().map(|message| &message["content"]);
    let result = last.and_then(Value::as_array).and_then(|blocks| {
        let result = blocks.iter().rev().find(|block| block["type"] == "tool_result")?;
        Some(last_text(&result["content"]).unwrap_or_default().to_owned())
    });
    let tool = |tool: &Value| {
        let deferred = tool["defer_loading"] == true;
        let name = tool["name"].as_str().filter(|_| !deferred && tool["input_schema"].is_object())?;
        Some(Tool { name: name.to_owned(), schema: tool["input_schema"].clone() })
    };
    let format = [&body["output_config"]["format"], &body["output_format"]];
    Ok(Ask {
        prompt: user().find_map(|message| last_text(&message["content"])).unwrap_or_default().to_owned(),
        tool_result: result,
        tools: body["tools"].as_array().into_iter().flatten().filter_map(tool).collect(),
        choice: match body["tool_choice"]["type"].as_str() {
            Some("none") => Choice::None,
            Some("any") => Choice::Any,
            Some("tool") => {
                Choice::Named(body["tool_choice"]["name"].as_str().unwrap_or_default().to_owned())
            }
            _ => Choice::Auto,
        },
        thinking: matches!(body["thinking"]["type"].as_str(), Some("enabled" | "adaptive")),
        schema: format.iter().find_map(|format| format.get("schema")).cloned(),
        max_tokens: body["max_tokens"].as_u64(),
        stop: texts(&body["stop_sequences"]),
        ..Ask::new(body, bytes)?
    })
}

/// The whole answer.
pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let mut content = Vec::new();
    if !reply.thinking.is_empty() {
        let thinking = reply.thinking.concat();
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": SIGNATURE}));
    }
    if !reply.text.is_empty() {
        content.push(json!({"type": "text", "text": reply.text.concat()}));
    }
    for (place, call) in reply.calls.iter().enumerate() {
        content.push(tool_use(ask, place, call, call.arguments.clone()));
    }
    let mut message = message(ask);
    message["content"] = Value::Array(content);
    let (reason, sequence) = stop(&reply.finish);
    message["stop_reason"] = reason.into();
    message["stop_sequence"] = sequence.into();
    message["usage"]["output_tokens"] = reply.output_tokens().into();
    message
}

/// The same as a stream.
pub(super) fn events(ask: &Ask, reply: &Reply) -> Vec<Event> {
    let mut events = vec![
        event(&json!({"type": "message_start", "message": message(ask)})),
        event(&json!({"type": "ping"})),
    ];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        events.push(event(&json!({"type": "content_block_start", "index": index, "content_block": start})));
        for delta in deltas {
            events.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        events.push(event(&json!({"type": "content_block_stop", "index": index})));
        index += 1;
    };
    if !reply.thinking.is_empty() {
        let mut deltas: Vec<Value> =
            reply.thinking.iter().map(|piece| json!({"type": "thinking_delta", "thinking": piece})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": SIGNATURE}));
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
    }
    if !reply.text.is_empty() {
        let deltas = reply.text.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect();
        block(json!({"type": "text", "text": ""}), deltas);
    }
    for (place, call) in reply.calls.iter().enumerate() {
        let pieces = call.pieces();
        let deltas =
            pieces.iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
        block(tool_use(ask, place, call, json!({})), deltas);
    }
    let (reason, sequence) = stop(&reply.finish);
    events.push(event(&json!({
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": sequence},
        "usage": {"output_tokens": reply.output_tokens()},
    })));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

/// The message before it has content.
fn message(ask: &Ask) -> Value {
    json!({
        "id": format!("msg_mock{:016x}", ask.digest),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": ask.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
            "service_tier": "standard",
        },
    })
}

fn tool_use(ask: &Ask, place: usize, call: &Call, input: Value) -> Value {
    let id = format!("toolu_mock{:016x}{place:02}", ask.digest);
    json!({"type": "tool_use", "id": id, "name": call.name, "input": input})
}

fn stop(finish: &Finish) -> (&'static str, Option<&str>) {
    match finish {
        Finish::Stop => ("end_turn", None),
        Finish::Length => ("max_tokens", None),
        Finish::Sequence(sequence) => ("stop_sequence", Some(sequence)),
        Finish::Tools => ("tool_use", None),
    }
}

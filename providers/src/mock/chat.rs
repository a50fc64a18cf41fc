//! The mock in OpenAI Chat Completions.

use ccproxy_core::sse::Event;
use serde_json::{Value, json};

use super::ask::{Ask, Choice, Tool, last_text, texts};
use super::reply::{Call, Finish, Reply};
use super::stream::CREATED;

/// Reads a request.
pub(super) fn ask(body: &Value, bytes: &[u8]) -> Result<Ask, String> {
    let messages = body["messages"].as_array().ok_or("missing required parameter: `messages`")?;
    let mut user = messages.iter().rev().filter(|message| message["role"] == "user");
    let result = messages.last().filter(|message| message["role"] == "tool");
    let tool = |tool: &Value| {
        let function = &tool["function"];
        let name = function["name"].as_str()?;
        Some(Tool { name: name.to_owned(), schema: parameters(&function["parameters"]) })
    };
    let choice = &body["tool_choice"];
    Ok(Ask {
        prompt: user.find_map(|message| last_text(&message["content"])).unwrap_or_default().to_owned(),
        tool_result: result.map(|message| last_text(&message["content"]).unwrap_or_default().to_owned()),
        tools: body["tools"].as_array().into_iter().flatten().filter_map(tool).collect(),
        choice: match (choice.as_str(), choice["function"]["name"].as_str()) {
            (_, Some(name)) => Choice::Named(name.to_owned()),
            (Some("none"), _) => Choice::None,
            (Some("required"), _) => Choice::Any,
            _ => Choice::Auto,
        },
        schema: match body["response_format"]["type"].as_str() {
            Some("json_object") => Some(Value::Bool(true)),
            Some("json_schema") => body["response_format"]["json_schema"].get("schema").cloned(),
            _ => None,
        },
        max_tokens: body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64()),
        stop: texts(&body["stop"]),
        ..Ask::new(body, bytes)?
    })
}

/// A function without parameters takes an empty object.
pub(super) fn parameters(schema: &Value) -> Value {
    if schema.is_object() { schema.clone() } else { json!({"type": "object"}) }
}

/// The whole answer.
pub(super) fn whole(ask: &Ask, reply: &Reply) -> Value {
    let content = if reply.calls.is_empty() { Value::from(reply.text.concat()) } else { Value::Null };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
    if !reply.calls.is_empty() {
        let calls = reply.calls.iter().enumerate();
        message["tool_calls"] =
            calls.map(|(place, call)| tool_call(ask, place, call, &call.arguments())).collect();
    }
    let mut answer = frame(ask, "chat.completion");
    answer["choices"] =
        json!([{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(&reply.finish)}]);
    answer["usage"] = usage(ask, reply);
    answer
}

/// The same as a stream. The usage chunk comes when `stream_options.include_usage` asks for it.
pub(super) fn events(ask: &Ask, reply: &Reply, body: &Value) -> Vec<Event> {
    let with_usage = body["stream_options"]["include_usage"] == true;
    let mut events = Vec::new();
    let mut push = |choices: Value, usage: Value| {
        let mut chunk = frame(ask, "chat.completion.chunk");
        chunk["choices"] = choices;
        if with_usage {
            chunk["usage"] = usage;
        }
        events.push(Event::new("", chunk.to_string()));
    };
    let choice = |delta: Value, reason: Option<&str>| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]);
    let start = if reply.calls.is_empty() { json!("") } else { Value::Null };
    push(choice(json!({"role": "assistant", "content": start, "refusal": null}), None), Value::Null);
    for piece in &reply.text {
        push(choice(json!({ "content": piece }), None), Value::Null);
    }
    for (place, call) in reply.calls.iter().enumerate() {
        let mut first = tool_call(ask, place, call, "");
        first["index"] = place.into();
        push(choice(json!({ "tool_calls": [first] }), None), Value::Null);
        for piece in call.pieces() {
            let delta = json!({"tool_calls": [{"index": place, "function": {"arguments": piece}}]});
            push(choice(delta, None), Value::Null);
        }
    }
    push(choice(json!({}), Some(finish(&reply.finish))), Value::Null);
    if with_usage {
        push(json!([]), usage(ask, reply));
    }
    events.push(Event::new("", "[DONE]"));
    events
}

/// What a whole answer and a chunk have in common.
fn frame(ask: &Ask, object: &str) -> Value {
    json!({
        "id": format!("chatcmpl-mock{:016x}", ask.digest),
        "object": object,
        "created": CREATED,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
        "choices": [],
    })
}

fn tool_call(ask: &Ask, place: usize, call: &Call, arguments: &str) -> Value {
    json!({
        "id": format!("call_mock{:016x}{place:02}", ask.digest),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    })
}

fn usage(ask: &Ask, reply: &Reply) -> Value {
    json!({
        "prompt_tokens": ask.input_tokens,
        "completion_tokens": reply.output_tokens(),
        "total_tokens": ask.input_tokens + reply.output_tokens(),
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reply.thinking_tokens()},
    })
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

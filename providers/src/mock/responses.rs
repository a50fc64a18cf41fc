//! The mock in OpenAI Responses.

use ccproxy_core::sse::Event;
use serde_json::{Value, json};

use super::ask::{Ask, Choice, Tool, last_text};
use super::chat::parameters;
use super::reply::{Finish, Reply};
use super::stream::{CREATED, event};

/// Reads a request.
pub(super) fn ask(body: &Value, bytes: &[u8]) -> Result<Ask, String> {
    let input = &body["input"];
    let items = match input {
        Value::String(_) => &[],
        Value::Array(items) => items.as_slice(),
        _ => return Err("missing required parameter: `input`".into()),
    };
    let prompt = match input.as_str() {
        Some(text) => Some(text),
        None => items
            .iter()
            .rev()
            .filter(|item| item["role"] == "user")
            .find_map(|item| last_text(&item["content"])),
    };
    let result = items.last().and_then(|item| {
        let is_output = item["type"].as_str().is_some_and(|kind| kind.ends_with("_call_output"));
        is_output.then(|| last_text(&item["output"]).unwrap_or_default().to_owned())
    });
    let tool = |tool: &Value| {
        let name = tool["name"].as_str().filter(|_| tool["type"] == "function")?;
        Some(Tool { name: name.to_owned(), schema: parameters(&tool["parameters"]) })
    };
    let choice = &body["tool_choice"];
    let format = &body["text"]["format"];
    Ok(Ask {
        prompt: prompt.unwrap_or_default().to_owned(),
        tool_result: result,
        tools: body["tools"].as_array().into_iter().flatten().filter_map(tool).collect(),
        choice: match (choice.as_str(), choice["name"].as_str()) {
            (_, Some(name)) => Choice::Named(name.to_owned()),
            (Some("none"), _) => Choice::None,
            (Some("required"), _) => Choice::Any,
            _ => Choice::Auto,
        },
        thinking: body["reasoning"]["summary"].is_string(),
        schema: match format["type"].as_str() {
            Some("json_object") => Some(Value::Bool(true)),
            Some("json_schema") => format.get("schema").cloned(),
            _ => None,
        },
        max_tokens: body["max_output_tokens"].as_u64(),
        ..Ask::new(body, bytes)?
    })
}

/// The whole answer.
pub(super) fn whole(ask: &Ask, reply: &Reply, body: &Value) -> Value {
    let items = items(ask, reply, body).into_iter().map(|item| item.done).collect();
    response(ask, body, status(reply), items, Some(reply))
}

/// The same as a stream, every event numbered.
pub(super) fn events(ask: &Ask, reply: &Reply, body: &Value) -> Vec<Event> {
    let begun = response(ask, body, "in_progress", Vec::new(), None);
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    let mut output = Vec::new();
    for (index, item) in items(ask, reply, body).into_iter().enumerate() {
        let mut push = |mut data: Value| {
            data["output_index"] = index.into();
            events.push(data);
        };
        push(json!({"type": "response.output_item.added", "item": item.added}));
        for mut inner in item.inner {
            inner["item_id"] = item.done["id"].clone();
            push(inner);
        }
        push(json!({"type": "response.output_item.done", "item": item.done}));
        output.push(item.done);
    }
    let status = status(reply);
    let ended = response(ask, body, status, output, Some(reply));
    events.push(json!({"type": format!("response.{status}"), "response": ended}));
    for (number, data) in events.iter_mut().enumerate() {
        data["sequence_number"] = number.into();
    }
    events.iter().map(event).collect()
}

/// One output item: as it opens, what fills it, as it ends.
struct Item {
    added: Value,
    inner: Vec<Value>,
    done: Value,
}

fn items(ask: &Ask, reply: &Reply, body: &Value) -> Vec<Item> {
    let mut items = Vec::new();
    if !reply.thinking.is_empty() {
        items.push(reasoning(ask, reply, body));
    }
    if reply.calls.is_empty() {
        items.push(message(ask, reply));
    }
    for (place, call) in reply.calls.iter().enumerate() {
        let digest = ask.digest;
        let item = |status: &str, arguments: &str| {
            json!({
                "id": format!("fc_mock{digest:016x}{place:02}"),
                "type": "function_call",
                "status": status,
                "arguments": arguments,
                "call_id": format!("call_mock{digest:016x}{place:02}"),
                "name": call.name,
            })
        };
        let arguments = call.arguments();
        let mut inner: Vec<Value> = call
            .pieces()
            .iter()
            .map(|piece| json!({"type": "response.function_call_arguments.delta", "delta": piece}))
            .collect();
        inner.push(json!({
            "type": "response.function_call_arguments.done",
            "name": call.name,
            "arguments": arguments,
        }));
        items.push(Item { added: item("in_progress", ""), inner, done: item("completed", &arguments) });
    }
    items
}

fn message(ask: &Ask, reply: &Reply) -> Item {
    let text = reply.text.concat();
    let part = |text: &str| json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text});
    let item = |status: &str, content: Vec<Value>| {
        json!({
            "id": format!("msg_mock{:016x}", ask.digest),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        })
    };
    let mut inner =
        vec![json!({"type": "response.content_part.added", "content_index": 0, "part": part("")})];
    for piece in &reply.text {
        inner.push(json!({
            "type": "response.output_text.delta",
            "content_index": 0,
            "delta": piece,
            "logprobs": [],
        }));
    }
    inner.push(json!({
        "type": "response.output_text.done",
        "content_index": 0,
        "text": text,
        "logprobs": [],
    }));
    inner.push(json!({"type": "response.content_part.done", "content_index": 0, "part": part(&text)}));
    Item { added: item("in_progress", Vec::new()), inner, done: item(status(reply), vec![part(&text)]) }
}

fn reasoning(ask: &Ask, reply: &Reply, body: &Value) -> Item {
    let text = reply.thinking.concat();
    let wanted = body["include"].as_array().into_iter().flatten();
    let encrypted = wanted.into_iter().any(|name| name == "reasoning.encrypted_content");
    let part = |text: &str| json!({"type": "summary_text", "text": text});
    let item = |summary: Vec<Value>| {
        let mut item =
            json!({"id": format!("rs_mock{:016x}", ask.digest), "type": "reasoning", "summary": summary});
        if encrypted {
            // Opaque to clients; base64 of `mock`.
            item["encrypted_content"] = "bW9jaw==".into();
        }
        item
    };
    let mut inner =
        vec![json!({"type": "response.reasoning_summary_part.added", "summary_index": 0, "part": part("")})];
    for piece in &reply.thinking {
        inner.push(
            json!({"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": piece}),
        );
    }
    inner.push(json!({"type": "response.reasoning_summary_text.done", "summary_index": 0, "text": text}));
    inner.push(
        json!({"type": "response.reasoning_summary_part.done", "summary_index": 0, "part": part(&text)}),
    );
    Item { added: item(Vec::new()), inner, done: item(vec![part(&text)]) }
}

/// The response object; `reply` once its usage is known.
fn response(ask: &Ask, body: &Value, status: &str, output: Vec<Value>, reply: Option<&Reply>) -> Value {
    let said = |key: &str, default: Value| match &body[key] {
        Value::Null => default,
        value => value.clone(),
    };
    let incomplete = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    json!({
        "id": format!("resp_mock{:016x}", ask.digest),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": incomplete,
        "instructions": said("instructions", Value::Null),
        "max_output_tokens": said("max_output_tokens", Value::Null),
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": said("parallel_tool_calls", json!(true)),
        "previous_response_id": said("previous_response_id", Value::Null),
        "reasoning": said("reasoning", json!({"effort": null, "summary": null})),
        "store": said("store", json!(true)),
        "temperature": said("temperature", json!(1.0)),
        "text": said("text", json!({"format": {"type": "text"}})),
        "tool_choice": said("tool_choice", json!("auto")),
        "tools": said("tools", json!([])),
        "top_p": said("top_p", json!(1.0)),
        "truncation": said("truncation", json!("disabled")),
        "usage": reply.map(|reply| usage(ask, reply)),
        "user": null,
        "metadata": said("metadata", json!({})),
    })
}

fn usage(ask: &Ask, reply: &Reply) -> Value {
    json!({
        "input_tokens": ask.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": reply.output_tokens(),
        "output_tokens_details": {"reasoning_tokens": reply.thinking_tokens()},
        "total_tokens": ask.input_tokens + reply.output_tokens(),
    })
}

fn status(reply: &Reply) -> &'static str {
    if reply.finish == Finish::Length { "incomplete" } else { "completed" }
}

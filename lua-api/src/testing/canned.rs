//! Answers of providers, in whichever format they are asked: what a test need not write out.
//!
//! Shapes: <https://docs.anthropic.com/en/api/messages>, <https://platform.openai.com/docs/api-reference>.

use bytes::Bytes;
use ccproxy_core::sse::Event;
use serde_json::{Value, json};

/// What a provider is made to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Speech {
    /// Pieces of text; each is an event of its own in a stream.
    pub(super) text: Vec<String>,
    /// Calls of tools: name and arguments.
    pub(super) tools: Vec<(String, Value)>,
}

/// The bytes of an answer, and whether they are a stream. What is not a question to a model gets a fitting trifle.
pub(super) fn answer(path: &str, asked: &Value, speech: &Speech) -> (Bytes, bool) {
    let model = asked["model"].as_str().unwrap_or("model");
    let stream = asked["stream"].as_bool().unwrap_or(false);
    let told = if path.ends_with("/messages") {
        Told::Messages
    } else if path.ends_with("/chat/completions") {
        Told::Chat
    } else if path.ends_with("/responses") {
        Told::Responses
    } else {
        return (trifle(path).to_string().into(), false);
    };
    if !stream {
        return (told.whole(model, speech).to_string().into(), false);
    }
    let mut bytes = Vec::new();
    told.events(model, speech).iter().for_each(|event| bytes.extend_from_slice(&event.raw));
    (bytes.into(), true)
}

fn trifle(path: &str) -> Value {
    if path.ends_with("/count_tokens") || path.ends_with("/input_tokens") {
        return json!({ "input_tokens": 7 });
    }
    if path.ends_with("/models") {
        return json!({ "object": "list", "data": [] });
    }
    json!({})
}

enum Told {
    Messages,
    Chat,
    Responses,
}

impl Told {
    fn whole(&self, model: &str, speech: &Speech) -> Value {
        let text = speech.text.concat();
        let called = !speech.tools.is_empty();
        match self {
            Told::Messages => {
                let mut content = Vec::new();
                if !text.is_empty() {
                    content.push(json!({ "type": "text", "text": text }));
                }
                for (number, (name, input)) in speech.tools.iter().enumerate() {
                    content.push(json!({ "type": "tool_use", "id": format!("toolu_{number}"), "name": name, "input": input }));
                }
                json!({
                    "id": "msg_test", "type": "message", "role": "assistant", "model": model, "content": content,
                    "stop_reason": if called { "tool_use" } else { "end_turn" }, "stop_sequence": null,
                    "usage": { "input_tokens": 10, "output_tokens": 5 },
                })
            }
            Told::Chat => {
                let mut message = json!({ "role": "assistant", "content": text });
                if called {
                    message["tool_calls"] = chat_calls(speech).collect();
                }
                json!({
                    "id": "chatcmpl-test", "object": "chat.completion", "created": 1_767_225_600, "model": model,
                    "choices": [{ "index": 0, "message": message, "finish_reason": chat_end(speech) }],
                    "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 },
                })
            }
            Told::Responses => response(model, "completed", items(speech)),
        }
    }

    fn events(&self, model: &str, speech: &Speech) -> Vec<Event> {
        match self {
            Told::Messages => messages(model, speech),
            Told::Chat => chat(model, speech),
            Told::Responses => responses(model, speech),
        }
    }
}

fn named(data: Value) -> Event {
    Event::new(data["type"].as_str().unwrap_or_default(), data.to_string())
}

fn messages(model: &str, speech: &Speech) -> Vec<Event> {
    let mut events = vec![named(json!({ "type": "message_start", "message": {
        "id": "msg_test", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 10, "output_tokens": 1 } } }))];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        events.push(named(json!({ "type": "content_block_start", "index": index, "content_block": start })));
        for delta in deltas {
            events.push(named(json!({ "type": "content_block_delta", "index": index, "delta": delta })));
        }
        events.push(named(json!({ "type": "content_block_stop", "index": index })));
        index += 1;
    };
    if !speech.text.is_empty() {
        let deltas = speech.text.iter().map(|text| json!({ "type": "text_delta", "text": text })).collect();
        block(json!({ "type": "text", "text": "" }), deltas);
    }
    for (number, (name, input)) in speech.tools.iter().enumerate() {
        block(
            json!({ "type": "tool_use", "id": format!("toolu_{number}"), "name": name, "input": {} }),
            vec![json!({ "type": "input_json_delta", "partial_json": input.to_string() })],
        );
    }
    let reason = if speech.tools.is_empty() { "end_turn" } else { "tool_use" };
    events.push(named(json!({ "type": "message_delta",
        "delta": { "stop_reason": reason, "stop_sequence": null }, "usage": { "output_tokens": 5 } })));
    events.push(named(json!({ "type": "message_stop" })));
    events
}

fn chat_calls(speech: &Speech) -> impl Iterator<Item = Value> {
    speech.tools.iter().enumerate().map(|(number, (name, input))| {
        json!({ "index": number, "id": format!("call_{number}"), "type": "function",
            "function": { "name": name, "arguments": input.to_string() } })
    })
}

fn chat_end(speech: &Speech) -> &'static str {
    if speech.tools.is_empty() { "stop" } else { "tool_calls" }
}

fn chat(model: &str, speech: &Speech) -> Vec<Event> {
    let chunk = |choices: Value, usage: Value| {
        let data = json!({ "id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1_767_225_600,
            "model": model, "choices": choices, "usage": usage });
        Event::new("", data.to_string())
    };
    let choice = |delta: Value, end: Value| json!([{ "index": 0, "delta": delta, "finish_reason": end }]);
    let mut events =
        vec![chunk(choice(json!({ "role": "assistant", "content": "" }), Value::Null), Value::Null)];
    for text in &speech.text {
        events.push(chunk(choice(json!({ "content": text }), Value::Null), Value::Null));
    }
    for call in chat_calls(speech) {
        events.push(chunk(choice(json!({ "tool_calls": [call] }), Value::Null), Value::Null));
    }
    events.push(chunk(choice(json!({}), chat_end(speech).into()), Value::Null));
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
    events.push(chunk(json!([]), usage));
    events.push(Event::new("", "[DONE]"));
    events
}

fn response(model: &str, status: &str, output: Vec<Value>) -> Value {
    json!({
        "id": "resp_test", "object": "response", "created_at": 1_767_225_600, "status": status, "model": model,
        "output": output, "error": null, "incomplete_details": null, "parallel_tool_calls": true, "tools": [],
        "tool_choice": "auto", "metadata": {},
        "usage": if status == "completed" {
            json!({ "input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
                "input_tokens_details": { "cached_tokens": 0 }, "output_tokens_details": { "reasoning_tokens": 0 } })
        } else { Value::Null },
    })
}

fn items(speech: &Speech) -> Vec<Value> {
    let mut items = Vec::new();
    if !speech.text.is_empty() {
        items.push(json!({ "type": "message", "id": "msg_test", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": speech.text.concat(), "annotations": [] }] }));
    }
    for (number, (name, input)) in speech.tools.iter().enumerate() {
        items.push(json!({ "type": "function_call", "id": format!("fc_{number}"), "call_id": format!("call_{number}"),
            "name": name, "arguments": input.to_string(), "status": "completed" }));
    }
    items
}

fn responses(model: &str, speech: &Speech) -> Vec<Event> {
    let mut told = Vec::new();
    told.push(json!({ "type": "response.created", "response": response(model, "in_progress", vec![]) }));
    for (index, item) in items(speech).into_iter().enumerate() {
        let id = item["id"].clone();
        let mut begun = item.clone();
        begun["status"] = "in_progress".into();
        let is_text = item["type"] == "message";
        begun[if is_text { "content" } else { "arguments" }] = if is_text { json!([]) } else { "".into() };
        told.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun }));
        if is_text {
            let part = |text: String| json!({ "type": "output_text", "text": text, "annotations": [] });
            let at = |kind: &str| json!({ "type": kind, "item_id": id, "output_index": index, "content_index": 0 });
            let with = |mut event: Value, key: &str, value: Value| {
                event[key] = value;
                event
            };
            told.push(with(at("response.content_part.added"), "part", part(String::new())));
            for text in &speech.text {
                told.push(with(at("response.output_text.delta"), "delta", text.as_str().into()));
            }
            told.push(with(at("response.output_text.done"), "text", speech.text.concat().into()));
            told.push(with(at("response.content_part.done"), "part", part(speech.text.concat())));
        } else {
            let arguments = item["arguments"].clone();
            told.push(json!({ "type": "response.function_call_arguments.delta", "item_id": id, "output_index": index, "delta": arguments }));
            told.push(json!({ "type": "response.function_call_arguments.done", "item_id": id, "output_index": index, "arguments": arguments }));
        }
        told.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
    }
    told.push(
        json!({ "type": "response.completed", "response": response(model, "completed", items(speech)) }),
    );
    told.into_iter()
        .enumerate()
        .map(|(number, mut event)| {
            event["sequence_number"] = number.into();
            named(event)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_in_the_format_it_is_asked_in() {
        let speech =
            Speech { text: vec!["Hel".into(), "lo".into()], tools: vec![("Bash".into(), json!({"a": 1}))] };
        let told = |path: &str, stream: bool| {
            let (bytes, streamed) = answer(path, &json!({ "model": "m", "stream": stream }), &speech);
            assert_eq!(streamed, stream);
            String::from_utf8(bytes.to_vec()).expect("text")
        };
        assert!(told("/v1/messages", false).contains(r#""text":"Hello""#));
        assert!(
            told("/v1/messages", true)
                .ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
        );
        assert!(told("/v1/chat/completions", true).ends_with("data: [DONE]\n\n"));
        assert!(told("/v1/responses", true).contains("event: response.completed\n"));
        assert_eq!(answer("/v1/messages/count_tokens", &json!({}), &speech).0, r#"{"input_tokens":7}"#);
    }
}

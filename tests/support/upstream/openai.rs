//! Answers as OpenAI's API gives them, in both of its formats.

use serde_json::{Value, json};

use super::{Recorded, Reply};

/// What a healthy API answers to a request of any of its routes.
pub fn answer(request: &Recorded) -> Reply {
    answer_at(&request.target(), request)
}

/// The same, at another path than the request's.
pub fn answer_at(target: &str, request: &Recorded) -> Reply {
    let reply = match target.split('?').next().unwrap_or_default().rsplit("/v1").next() {
        Some("/chat/completions") if request.wants_stream() => {
            Reply::stream(chat_events("Hello from upstream"))
        }
        Some("/chat/completions") => Reply::json(200, &chat("Hello from upstream")),
        Some("/responses") if request.wants_stream() => Reply::stream(response_events("Hello from upstream")),
        Some("/responses") => Reply::json(200, &response("Hello from upstream")),
        Some("/responses/input_tokens") => {
            Reply::json(200, &json!({ "object": "response.input_tokens", "input_tokens": 4242 }))
        }
        Some("/models") => {
            Reply::json(200, &json!({ "object": "list", "data": [{ "id": "gpt-5", "object": "model" }] }))
        }
        _ => Reply::json(404, &error("invalid_request_error", &format!("Invalid URL ({target})"))),
    };
    reply.header("x-request-id", "req_upstream_1").header("x-ratelimit-remaining-requests", "99")
}

/// An error body.
pub fn error(kind: &str, message: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
}

/// A whole chat completion.
pub fn chat(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "gpt-5",
        "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null,
            "message": { "role": "assistant", "content": text, "refusal": null, "annotations": [] } }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
            "prompt_tokens_details": { "cached_tokens": 4 } },
    })
}

/// A streamed one, with usage in a chunk of its own.
pub fn chat_events(text: &str) -> Vec<String> {
    let mut events = vec![chunk(&json!({ "role": "assistant", "content": "" }), None)];
    events.extend(text.split_inclusive(' ').map(|word| chunk(&json!({ "content": word }), None)));
    events.extend(chat_end("stop"));
    events
}

/// A streamed tool call after a word, as a chat model with tools gives it.
pub fn chat_tool_events(name: &str, arguments: &[&str]) -> Vec<String> {
    let call = |call: Value| chunk(&json!({ "tool_calls": [call] }), None);
    let mut events = vec![
        chunk(&json!({ "role": "assistant", "content": null, "reasoning_content": "I should look" }), None),
        chunk(&json!({ "content": "I look" }), None),
        call(
            json!({ "index": 0, "id": "call_1", "type": "function", "function": { "name": name, "arguments": "" } }),
        ),
    ];
    events
        .extend(arguments.iter().map(|part| call(json!({ "index": 0, "function": { "arguments": part } }))));
    events.extend(chat_end("tool_calls"));
    events
}

fn chat_end(reason: &str) -> [String; 3] {
    let usage = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "gpt-5", "choices": [],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
    });
    [chunk(&json!({}), Some(reason)), format!("data: {usage}\n\n"), "data: [DONE]\n\n".to_owned()]
}

/// One chunk.
pub fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "gpt-5",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }], "usage": null,
    });
    format!("data: {chunk}\n\n")
}

/// A whole response.
pub fn response(text: &str) -> Value {
    let item = json!({
        "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
        "content": [{ "type": "output_text", "text": text, "annotations": [] }],
    });
    response_of("completed", &json!([item]))
}

pub fn response_of(status: &str, output: &Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": status, "model": "gpt-5",
        "output": output, "error": null, "incomplete_details": null,
        "usage": { "input_tokens": 11, "input_tokens_details": { "cached_tokens": 4 }, "output_tokens": 7,
            "output_tokens_details": { "reasoning_tokens": 2 }, "total_tokens": 18 },
    })
}

/// A streamed one: a thought, then a text.
pub fn response_events(text: &str) -> Vec<String> {
    let mut events = Events(Vec::new());
    let empty = json!([]);
    events.add("response.created", json!({ "response": response_of("in_progress", &empty) }));
    events.add("response.in_progress", json!({ "response": response_of("in_progress", &empty) }));
    let thought = |summary: Value| json!({ "id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": "c2VhbGVk" });
    let part = json!({ "type": "summary_text", "text": "I greet" });
    let place = json!({ "item_id": "rs_1", "output_index": 0, "summary_index": 0 });
    events.add("response.output_item.added", json!({ "output_index": 0, "item": thought(empty.clone()) }));
    events.at(
        &place,
        "response.reasoning_summary_part.added",
        json!({ "part": { "type": "summary_text", "text": "" } }),
    );
    events.at(&place, "response.reasoning_summary_text.delta", json!({ "delta": "I greet" }));
    events.at(&place, "response.reasoning_summary_text.done", json!({ "text": "I greet" }));
    events.at(&place, "response.reasoning_summary_part.done", json!({ "part": part }));
    events.add("response.output_item.done", json!({ "output_index": 0, "item": thought(json!([part])) }));
    let place = json!({ "item_id": "msg_1", "output_index": 1, "content_index": 0 });
    let whole = &response(text)["output"][0];
    events.add(
        "response.output_item.added",
        json!({ "output_index": 1, "item": {
        "id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": [] } }),
    );
    events.at(
        &place,
        "response.content_part.added",
        json!({ "part": { "type": "output_text", "text": "", "annotations": [] } }),
    );
    for word in text.split_inclusive(' ') {
        events.at(&place, "response.output_text.delta", json!({ "delta": word }));
    }
    events.at(&place, "response.output_text.done", json!({ "text": text }));
    events.at(&place, "response.content_part.done", json!({ "part": whole["content"][0] }));
    events.add("response.output_item.done", json!({ "output_index": 1, "item": whole }));
    let output = json!([thought(json!([part])), whole]);
    events.add("response.completed", json!({ "response": response_of("completed", &output) }));
    events.0
}

/// Events with their numbers.
struct Events(Vec<String>);

impl Events {
    fn add(&mut self, name: &str, data: Value) {
        self.at(&json!({}), name, data);
    }

    fn at(&mut self, place: &Value, name: &str, data: Value) {
        let mut whole = json!({ "type": name, "sequence_number": self.0.len() });
        for more in [place, &data] {
            whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        self.0.push(format!("event: {name}\ndata: {whole}\n\n"));
    }
}

//! Answers as the Responses API and the ChatGPT backend give them: streams, always.

use serde_json::{Value, json};

use super::{Recorded, Reply};

/// What the answer's head tells Codex.
pub const TURN_STATE: &str = "turn-state-1";

/// What a healthy backend answers to a request of any of its routes.
pub fn answer(request: &Recorded) -> Reply {
    match request.target().split('?').next().unwrap_or_default() {
        "/codex/models" => Reply::json(200, &models()).header("etag", "\"models-1\""),
        "/codex/responses" => named(Reply::stream(text("resp_1", "Hello from upstream"))),
        other => Reply::json(404, &json!({ "detail": format!("no {other}") })),
    }
}

/// The header fields of a good answer.
pub fn named(reply: Reply) -> Reply {
    reply
        .header("x-codex-turn-state", TURN_STATE)
        .header("x-codex-primary-used-percent", "12.5")
        .header("x-request-id", "req_upstream_1")
}

/// The list in the CLI's shape.
pub fn models() -> Value {
    json!({ "models": [{ "slug": "gpt-6.1-sol", "display_name": "GPT-6.1 Sol", "supported_in_api": true, "priority": 1 }] })
}

/// A stream with one text, one event a piece.
pub fn text(id: &str, text: &str) -> Vec<String> {
    let mut stream = Stream::new(id);
    stream.message(text);
    stream.completed()
}

/// A stream with thinking, a text and a call of a tool.
pub fn tool(id: &str, call: &str, name: &str, arguments: &Value) -> Vec<String> {
    let mut stream = Stream::new(id);
    stream.thought("I must look");
    stream.message("I look");
    stream.call(call, name, &arguments.to_string());
    stream.completed()
}

/// An error body.
pub fn error(kind: &str, message: &str) -> Value {
    json!({ "error": { "type": kind, "message": message, "code": kind, "param": null } })
}

/// A stream that ends as failed.
pub fn failed(code: &str, message: &str) -> Vec<String> {
    let mut stream = Stream::new("resp_failed");
    let response = json!({
        "id": "resp_failed", "object": "response", "status": "failed", "output": [],
        "error": { "code": code, "message": message },
    });
    stream.event("response.failed", json!({ "response": response }));
    stream.events
}

/// A stream in the making: numbered events, items with all their parts.
struct Stream {
    id: String,
    events: Vec<String>,
    output: Vec<Value>,
}

impl Stream {
    fn new(id: &str) -> Stream {
        let mut stream = Stream { id: id.to_owned(), events: Vec::new(), output: Vec::new() };
        for kind in ["response.created", "response.in_progress"] {
            let response = stream.response("in_progress");
            stream.event(kind, json!({ "response": response }));
        }
        stream
    }

    fn event(&mut self, kind: &str, mut data: Value) {
        data["type"] = kind.into();
        data["sequence_number"] = self.events.len().into();
        self.events.push(format!("event: {kind}\ndata: {data}\n\n"));
    }

    fn response(&self, status: &str) -> Value {
        // The backend leaves the output out of what it says at the end.
        json!({ "id": self.id, "object": "response", "created_at": 1_795_000_000, "status": status, "model": "gpt-6.1-sol",
            "output": [], "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
            "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0 })
    }

    fn item(&mut self, item: &Value, added: &Value, parts: &[(&str, Value)]) {
        let index = self.output.len();
        self.event("response.output_item.added", json!({ "output_index": index, "item": added }));
        for (kind, data) in parts {
            let mut data = data.clone();
            data["output_index"] = index.into();
            data["item_id"] = item["id"].clone();
            self.event(kind, data);
        }
        self.event("response.output_item.done", json!({ "output_index": index, "item": item }));
        self.output.push(item.clone());
    }

    fn message(&mut self, text: &str) {
        let id = format!("msg_{}", self.output.len());
        let part =
            |text: &str| json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
        let item = |status: &str, content: Value| json!({ "type": "message", "id": id, "role": "assistant", "status": status, "content": content });
        let mut parts =
            vec![("response.content_part.added", json!({ "content_index": 0, "part": part("") }))];
        for word in text.split_inclusive(' ') {
            parts.push((
                "response.output_text.delta",
                json!({ "content_index": 0, "delta": word, "logprobs": [] }),
            ));
        }
        parts
            .push(("response.output_text.done", json!({ "content_index": 0, "text": text, "logprobs": [] })));
        parts.push(("response.content_part.done", json!({ "content_index": 0, "part": part(text) })));
        self.item(&item("completed", json!([part(text)])), &item("in_progress", json!([])), &parts);
    }

    fn thought(&mut self, text: &str) {
        let part = json!({ "type": "summary_text", "text": text });
        let item =
            json!({ "type": "reasoning", "id": "rs_1", "summary": [part], "encrypted_content": "c2VhbGVk" });
        let added = json!({ "type": "reasoning", "id": "rs_1", "summary": [] });
        let parts = [
            (
                "response.reasoning_summary_part.added",
                json!({ "summary_index": 0, "part": { "type": "summary_text", "text": "" } }),
            ),
            ("response.reasoning_summary_text.delta", json!({ "summary_index": 0, "delta": text })),
            ("response.reasoning_summary_text.done", json!({ "summary_index": 0, "text": text })),
            ("response.reasoning_summary_part.done", json!({ "summary_index": 0, "part": part })),
        ];
        self.item(&item, &added, &parts);
    }

    fn call(&mut self, call: &str, name: &str, arguments: &str) {
        let item = |status: &str, arguments: &str| json!({ "type": "function_call", "id": "fc_1", "call_id": call, "name": name, "arguments": arguments, "status": status });
        let (start, end) = arguments.split_at(arguments.len() / 2);
        let parts = [
            ("response.function_call_arguments.delta", json!({ "delta": start })),
            ("response.function_call_arguments.delta", json!({ "delta": end })),
            ("response.function_call_arguments.done", json!({ "arguments": arguments })),
        ];
        self.item(&item("completed", arguments), &item("in_progress", ""), &parts);
    }

    fn completed(mut self) -> Vec<String> {
        let mut response = self.response("completed");
        response["usage"] = json!({
            "input_tokens": 11, "input_tokens_details": { "cached_tokens": 4 },
            "output_tokens": 7, "output_tokens_details": { "reasoning_tokens": 2 }, "total_tokens": 18,
        });
        self.event("response.completed", json!({ "response": response }));
        self.events
    }
}

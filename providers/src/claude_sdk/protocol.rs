//! The CLI's stream-json protocol: one JSON object a line, each way. As run with Claude Code 2.1; kinds of lines
//! that are not known are left alone, as its SDKs do.

use bytes::{Buf, Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line that is read, in bytes: a line holds a whole message, images included.
pub(super) const LONGEST: usize = 64 << 20;
/// The name of the hook that is called before each tool.
const HOOK: &str = "pre_tool_use";
/// How the CLI calls the server with the client's tools.
pub(super) const SERVER: &str = "client";

/// What the CLI says.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// It asks; an answer is owed.
    Request { id: String, request: Value },
    /// It takes such a question back.
    Cancel(String),
    /// It answers one of ours.
    Response { id: String, failed: Option<String>, response: Value },
    /// An event of the model's stream, as the API sent it.
    Stream(Value),
    /// A message of the conversation that the CLI made: results of its tools.
    User(Value),
    /// A turn is over.
    Result(Value),
    /// A turn begins; the id of the conversation.
    Init(String),
    /// Something else, which is fine.
    Other,
    /// No JSON.
    Garbage,
}

impl Line {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Ok(mut line) = serde_json::from_slice::<Value>(bytes) else { return Line::Garbage };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // Of a helper that the model started, which has a conversation of its own.
        let inner = line["parent_tool_use_id"].is_string();
        match line["type"].as_str().unwrap_or_default() {
            "control_request" => {
                Line::Request { id: text(&line["request_id"]), request: take(&mut line, "request") }
            }
            "control_cancel_request" => Line::Cancel(text(&line["request_id"])),
            "control_response" => {
                let mut answer = take(&mut line, "response");
                let failed = (answer["subtype"] == "error").then(|| text(&answer["error"]));
                Line::Response {
                    id: text(&answer["request_id"]),
                    failed,
                    response: take(&mut answer, "response"),
                }
            }
            "stream_event" if !inner => Line::Stream(take(&mut line, "event")),
            "user" if !inner => Line::User(take(&mut line, "message")),
            "result" => Line::Result(line),
            "system" if line["subtype"] == "init" => Line::Init(text(&line["session_id"])),
            _ if line.is_object() => Line::Other,
            _ => Line::Garbage,
        }
    }
}

/// What stands at a key, taken out; null when nothing does. (An index to be written to panics on a number.)
pub(super) fn take(value: &mut Value, key: &str) -> Value {
    value.get_mut(key).map(Value::take).unwrap_or_default()
}

/// A control request of ours.
fn request(id: &str, request: Value) -> Value {
    json!({"type": "control_request", "request_id": id, "request": request})
}

/// The first line: the system prompt, whether there are tools of the client's, and that each tool is asked about.
/// The prompt goes this way and not as an argument, which every user of the machine could read.
pub(super) fn initialize(id: &str, system: &str, tools: bool, patience: u64) -> Value {
    let hook = json!({"matcher": null, "hookCallbackIds": [HOOK], "timeout": patience});
    let servers: &[&str] = if tools { &[SERVER] } else { &[] };
    request(
        id,
        json!({"subtype": "initialize", "hooks": {"PreToolUse": [hook]}, "systemPrompt": system, "sdkMcpServers": servers}),
    )
}

/// How much the model may think; 0 is not at all.
pub(super) fn thinking(id: &str, tokens: u64) -> Value {
    request(id, json!({"subtype": "set_max_thinking_tokens", "max_thinking_tokens": tokens}))
}

/// Stops the turn.
pub(super) fn interrupt(id: &str) -> Value {
    request(id, json!({"subtype": "interrupt"}))
}

/// Words of the user. `ask` is whether the model answers them, or they are only put into the conversation; a
/// `result` comes either way.
pub(super) fn user(content: &Value, ask: bool) -> Value {
    let mut line = json!({
        "type": "user",
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": null,
        "session_id": "default",
    });
    if !ask {
        line["shouldQuery"] = false.into();
    }
    line
}

/// Words the model said before.
pub(super) fn assistant(content: &Value) -> Value {
    json!({
        "type": "assistant",
        "message": {"role": "assistant", "content": content},
        "parent_tool_use_id": null,
        "session_id": "default",
    })
}

/// An answer to a question of the CLI's.
pub(super) fn answer(id: &str, response: Value) -> Value {
    json!({"type": "control_response", "response": {"subtype": "success", "request_id": id, "response": response}})
}

/// A refusal to answer.
pub(super) fn refuse(id: &str, why: &str) -> Value {
    json!({"type": "control_response", "response": {"subtype": "error", "request_id": id, "error": why}})
}

/// Cuts lines out of a stream. May be dropped while it waits and loses nothing.
pub(super) struct Lines<R> {
    from: R,
    buffer: BytesMut,
    /// Up to here the buffer holds no line end.
    seen: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Lines { from, buffer: BytesMut::new(), seen: 0 }
    }

    /// The next line without its end; `None` at the end of the stream. A line that is too long is an error.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[self.seen..]) {
                let line = self.buffer.split_to(self.seen + end);
                self.buffer.advance(1);
                self.seen = 0;
                return Ok(Some(line.freeze()));
            }
            self.seen = self.buffer.len();
            if self.seen > LONGEST {
                return Err(std::io::Error::other("a line is too long"));
            }
            self.buffer.reserve(16 << 10);
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_wherever_bytes_are() {
        let text = b"{\"a\":1}\n\n  x\n{\"type\":\"result\"}\nhalf";
        for size in 1..text.len() {
            let chunks: Vec<std::io::Result<&[u8]>> = text.chunks(size).map(Ok).collect();
            let mut builder = Vec::new();
            for chunk in chunks {
                builder.push(chunk.expect("bytes"));
            }
            let (mut write, read) = tokio::io::duplex(size);
            let bytes: Vec<Vec<u8>> = builder.into_iter().map(<[u8]>::to_vec).collect();
            let writer = tokio::spawn(async move {
                for part in bytes {
                    tokio::io::AsyncWriteExt::write_all(&mut write, &part).await.expect("written");
                }
            });
            let mut lines = Lines::new(read);
            let mut found = Vec::new();
            while let Some(line) = lines.next().await.expect("a line") {
                found.push(line);
            }
            writer.await.expect("done");
            assert_eq!(found, ["{\"a\":1}", "", "  x", "{\"type\":\"result\"}"]);
        }
    }

    #[test]
    fn lines_are_told_apart_wherever_their_type_stands() {
        for (line, expected) in [
            (
                r#"{"is_error":false,"type":"result"}"#,
                Line::Result(json!({"is_error": false, "type": "result"})),
            ),
            (r#"{"type":"stream_event","event":{"type":"ping"}}"#, Line::Stream(json!({"type": "ping"}))),
            (r#"{"type":"stream_event","event":{},"parent_tool_use_id":"t"}"#, Line::Other),
            (r#"{"type":"system","subtype":"init","session_id":"s"}"#, Line::Init("s".into())),
            (r#"{"type":"brand_new"}"#, Line::Other),
            (r#"{"type":"control_cancel_request","request_id":"r"}"#, Line::Cancel("r".into())),
            ("", Line::Garbage),
            ("[1]", Line::Garbage),
            ("7", Line::Garbage),
            (r#"{"type":"stream_event"}"#, Line::Stream(Value::Null)),
            (
                r#"{"type":"control_response","response":7}"#,
                Line::Response { id: String::new(), failed: None, response: Value::Null },
            ),
            ("Warning: something", Line::Garbage),
        ] {
            assert_eq!(Line::read(line.as_bytes()), expected, "{line}");
        }
        let failed =
            r#"{"type":"control_response","response":{"subtype":"error","request_id":"r","error":"no"}}"#;
        let expected = Line::Response { id: "r".into(), failed: Some("no".into()), response: Value::Null };
        assert_eq!(Line::read(failed.as_bytes()), expected);
    }
}

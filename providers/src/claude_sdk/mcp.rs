//! The client's tools, offered to the CLI as an MCP server that lives in this process: its messages come and go as
//! control requests. <https://modelcontextprotocol.io/specification/2025-11-25>

use serde_json::{Value, json};

use super::protocol::SERVER;

/// What the CLI asks of the server.
pub(super) enum Asked {
    /// Answered at once.
    Answer(Value),
    /// A call of a tool, which the client has to answer: the tool's id, and the message's.
    Call { tool_use_id: String, id: Value },
}

/// The name under which the model knows a tool of the client.
pub(super) fn inner_name(name: &str) -> String {
    format!("mcp__{SERVER}__{name}")
}

/// The client's own name of a tool; `None` when the tool is none of the client's.
pub(super) fn outer_name(name: &str) -> Option<&str> {
    name.strip_prefix("mcp__")?.strip_prefix(SERVER)?.strip_prefix("__")
}

/// Reads a message; `tools` are the client's, as MCP spells them.
pub(super) fn ask(message: &Value, tools: &[Value]) -> Asked {
    let id = message["id"].clone();
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "ccproxy", "version": env!("CARGO_PKG_VERSION")},
        }),
        "tools/list" => json!({ "tools": tools }),
        "tools/call" => match message["params"]["_meta"]["claudecode/toolUseId"].as_str() {
            Some(tool_use_id) => return Asked::Call { tool_use_id: tool_use_id.to_owned(), id },
            None => return Asked::Answer(failure(&id, -32602, "the call does not say which it is")),
        },
        "ping" => json!({}),
        // Notifications want an answer too, which the CLI drops.
        method if method.starts_with("notifications/") => json!({}),
        _ => return Asked::Answer(failure(&id, -32601, "there is no such method here")),
    };
    Asked::Answer(success(&id, result))
}

/// The answer to a call: what the client's `tool_result` block says.
pub(super) fn called(id: &Value, block: &Value) -> Value {
    let content: Vec<Value> = match &block["content"] {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.iter().map(content).collect(),
        _ => Vec::new(),
    };
    success(id, json!({"content": content, "isError": block["is_error"] == true}))
}

/// A block of a result: text, an image; of the rest its JSON as text.
fn content(block: &Value) -> Value {
    let source = &block["source"];
    match block["type"].as_str() {
        Some("text") => json!({"type": "text", "text": block["text"]}),
        Some("image") if source["type"] == "base64" => {
            json!({"type": "image", "data": source["data"], "mimeType": source["media_type"]})
        }
        _ => json!({"type": "text", "text": block.to_string()}),
    }
}

fn success(id: &Value, result: Value) -> Value {
    json!({"mcp_response": {"jsonrpc": "2.0", "id": id, "result": result}})
}

fn failure(id: &Value, code: i32, message: &str) -> Value {
    json!({"mcp_response": {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_in_and_come_out() {
        assert_eq!(inner_name("get_weather"), "mcp__client__get_weather");
        assert_eq!(outer_name("mcp__client__get__x"), Some("get__x"));
        assert_eq!(outer_name("Bash"), None);
        assert_eq!(outer_name("mcp__github__x"), None);
    }

    #[test]
    fn answers_what_it_knows() {
        let answered = |message: Value| match ask(&message, &[json!({"name": "t"})]) {
            Asked::Answer(answer) => answer["mcp_response"].clone(),
            Asked::Call { tool_use_id, .. } => json!(tool_use_id),
        };
        assert_eq!(answered(json!({"method": "tools/list", "id": 1}))["result"]["tools"][0]["name"], "t");
        assert_eq!(answered(json!({"method": "resources/list", "id": 2}))["error"]["code"], -32601);
        assert_eq!(answered(json!({"method": "notifications/initialized"}))["result"], json!({}));
        assert_eq!(answered(json!({"method": "tools/call", "id": 3, "params": {}}))["error"]["code"], -32602);
        let call =
            json!({"method": "tools/call", "id": 3, "params": {"_meta": {"claudecode/toolUseId": "toolu"}}});
        assert_eq!(answered(call), "toolu");
    }

    #[test]
    fn results_become_content() {
        let image =
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}});
        let block =
            json!({"content": [{"type": "text", "text": "a"}, image, {"type": "x"}], "is_error": true});
        let result = called(&json!(7), &block)["mcp_response"].clone();
        assert_eq!(result["id"], 7);
        assert_eq!(result["result"]["isError"], true);
        assert_eq!(result["result"]["content"][1]["mimeType"], "image/png");
        assert_eq!(result["result"]["content"][2]["text"], r#"{"type":"x"}"#);
        assert_eq!(called(&json!(1), &json!({}))["mcp_response"]["result"]["content"], json!([]));
    }
}

//! A request, read into what the CLI can be told: the whole conversation, the system prompt, the client's tools.
//! What it cannot be told is refused where its loss would change the meaning, and named in a header elsewhere.

use std::sync::Arc;

use ccproxy_core::document::Document;
use ccproxy_core::transform::Loss;
use serde_json::{Map, Value, json};

use super::digest::digest;
use super::mcp;
use super::protocol::take;

/// Longest name of a model that is passed on.
const LONGEST_MODEL: usize = 128;
/// Longest name of a tool, so that it fits with what is put before it.
const LONGEST_TOOL: usize = 100;
/// Wishes of a request that the CLI has no word for.
const DEAF: [&str; 8] = [
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "service_tier",
    "container",
    "context_management",
];

/// A request.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Where the request was sent.
    pub(super) path: Arc<str>,
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) system: String,
    /// What was said, in turns: user, assistant, ..., user.
    pub(super) turns: Vec<Turn>,
    /// The client's tools, as MCP spells them.
    pub(super) tools: Vec<Value>,
    /// Tokens to think with; 0 is none.
    pub(super) thinking: u64,
}

/// One turn.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) assistant: bool,
    /// Its blocks.
    pub(super) content: Vec<Value>,
}

impl Conversation {
    /// From a body of Anthropic Messages that was sent to this path; or what is wrong with it, for the client.
    pub(super) fn read(path: &str, body: &[u8]) -> Result<Self, String> {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
            return Err("the body must be a JSON object".into());
        };
        let model = model(&body)?;
        let mut system = body.get("system").map(text_of).unwrap_or_default();
        let turns = turns(body.get_mut("messages").map(Value::take), &mut system)?;
        if body.get("output_config").is_some_and(|config| !config["format"].is_null()) {
            return Err(
                "the Claude Code CLI cannot be held to a format of output; take `output_config.format` \
                        out, or use a provider that speaks the API itself"
                    .into(),
            );
        }
        let tools = tools(&body)?;
        let thinking = match body.get("thinking").and_then(|thinking| thinking["type"].as_str()) {
            Some("enabled") => body["thinking"]["budget_tokens"].as_u64().unwrap_or(1024),
            Some("adaptive") => 16_000,
            _ => 0,
        };
        let stream = body.get("stream").is_some_and(|stream| stream == true);
        Ok(Conversation { path: path.into(), model, stream, system, turns, tools, thinking })
    }

    /// What a process was set up with, so that another request may go on in it.
    pub(super) fn setup(&self) -> u64 {
        digest(&(&self.model, &self.system, self.thinking, json!(self.tools).to_string()))
    }

    /// Of each turn a number that is the same when the client says it again.
    pub(super) fn digests(&self) -> Vec<u64> {
        self.turns.iter().map(Turn::digest).collect()
    }

    /// The results of tools that the last turn consists of; `None` when there is anything else in it.
    pub(super) fn results(&self) -> Option<&[Value]> {
        let last = &self.turns.last()?.content;
        last.iter().all(|block| block["type"] == "tool_result").then_some(&last[..])
    }
}

/// The fields of a body that do nothing.
pub(super) fn lost(body: &Document) -> Vec<Loss> {
    let why = "the Claude Code CLI has no word for it";
    let root = body.root();
    let has = |field: &&str| root.as_ref().is_some_and(|root| root.key(field).is_some());
    DEAF.iter().copied().filter(|field| has(field)).map(|field| Loss { field: field.into(), why }).collect()
}

/// It becomes an argument of the CLI, so it must look like a name.
fn model(body: &Map<String, Value>) -> Result<String, String> {
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/@[]".contains(letter);
    match model {
        "" => Err("`model` is missing".into()),
        _ if model.len() <= LONGEST_MODEL && !model.starts_with('-') && model.chars().all(plain) => {
            Ok(model.into())
        }
        _ => Err("`model` is no name of a model".into()),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            texts.join("\n\n")
        }
        _ => String::new(),
    }
}

fn turns(messages: Option<Value>, system: &mut String) -> Result<Vec<Turn>, String> {
    let Some(Value::Array(messages)) = messages else { return Err("`messages` must be a list".into()) };
    let mut turns: Vec<Turn> = Vec::new();
    for (place, mut message) in messages.into_iter().enumerate() {
        let wrong = |what: &str| format!("`messages[{place}]` {what}");
        let content = match take(&mut message, "content") {
            Value::String(text) => vec![json!({"type": "text", "text": text})],
            Value::Array(blocks) if blocks.iter().all(Value::is_object) => blocks,
            _ => return Err(wrong("has no `content` that is text or a list of blocks")),
        };
        let assistant = match message["role"].as_str() {
            Some("assistant") => true,
            Some("user") => false,
            // Instructions ahead of everything belong to the system prompt; later ones stay in their place.
            Some("system") if turns.is_empty() => {
                let text = text_of(&Value::Array(content));
                *system = if system.is_empty() { text } else { format!("{system}\n\n{text}") };
                continue;
            }
            Some("system") => {
                let text =
                    format!("<system-reminder>\n{}\n</system-reminder>", text_of(&Value::Array(content)));
                push(&mut turns, false, vec![json!({"type": "text", "text": text})]);
                continue;
            }
            _ => return Err(wrong("has a `role` that is neither `user` nor `assistant`")),
        };
        push(&mut turns, assistant, content.into_iter().filter_map(|block| said(block, assistant)).collect());
    }
    match (turns.first(), turns.last()) {
        (Some(first), Some(last)) if !first.assistant && !last.assistant => Ok(turns),
        (_, Some(last)) if last.assistant => {
            Err("the last message must be the user's: the Claude Code CLI cannot go on with a begun answer"
                .into())
        }
        (Some(_), _) => Err("the first message must be the user's".into()),
        _ => Err("`messages` holds nothing to answer".into()),
    }
}

fn push(turns: &mut Vec<Turn>, assistant: bool, mut content: Vec<Value>) {
    match turns.last_mut() {
        _ if content.is_empty() => {}
        Some(last) if last.assistant == assistant => last.content.append(&mut content),
        _ => turns.push(Turn { assistant, content }),
    }
}

/// A block as the CLI takes it; `None` when nothing is left of it.
fn said(mut block: Value, assistant: bool) -> Option<Value> {
    // The CLI sets marks of its own, and the API takes only four.
    if let Some(block) = block.as_object_mut() {
        block.remove("cache_control");
    }
    match block["type"].as_str().unwrap_or_default() {
        "text" => {
            let text = block["text"].as_str().filter(|text| !text.is_empty())?;
            // The CLI would run it as a command of its own.
            if !assistant && text.starts_with('/') {
                block["text"] = format!(" {text}").into();
            }
        }
        "tool_use" if assistant => {
            block["name"] = mcp::inner_name(block["name"].as_str().unwrap_or_default()).into();
        }
        // Without its signature the API refuses it.
        "thinking" if block["signature"].as_str().is_none_or(str::is_empty) => return None,
        // The CLI's own tools, as this provider shows them.
        "mcp_tool_use" => {
            let text = format!("<tool_use name={}>{}</tool_use>", block["name"], block["input"]);
            block = json!({"type": "text", "text": text});
        }
        "mcp_tool_result" => {
            let text = format!("<tool_result>{}</tool_result>", text_of(&block["content"]));
            block = json!({"type": "text", "text": text});
        }
        _ => {}
    }
    Some(block)
}

fn tools(body: &Map<String, Value>) -> Result<Vec<Value>, String> {
    match body.get("tool_choice").and_then(|choice| choice["type"].as_str()) {
        Some("none") => return Ok(Vec::new()),
        Some(choice @ ("any" | "tool")) => {
            return Err(format!(
                "the Claude Code CLI cannot be forced to call a tool (`tool_choice` is `{choice}`); use `auto`, or a \
                 provider that speaks the API itself"
            ));
        }
        _ => {}
    }
    let Some(tools) = body.get("tools").filter(|tools| !tools.is_null()) else { return Ok(Vec::new()) };
    let Some(tools) = tools.as_array() else { return Err("`tools` must be a list".into()) };
    tools.iter().map(tool).collect()
}

fn tool(tool: &Value) -> Result<Value, String> {
    let name = tool["name"].as_str().unwrap_or_default();
    if !matches!(tool["type"].as_str(), None | Some("custom")) {
        return Err(format!(
            "the tool {} is run by the API itself, which the Claude Code CLI cannot be asked for; the operator can \
             offer the CLI's own tools with `plugins.claude_sdk.tools`",
            tool["type"]
        ));
    }
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || name.len() > LONGEST_TOOL || !name.chars().all(plain) {
        return Err(format!("a tool's `name` must be 1 to {LONGEST_TOOL} letters, digits, `-` and `_`"));
    }
    let schema = match &tool["input_schema"] {
        Value::Object(schema) => Value::Object(schema.clone()),
        _ => json!({"type": "object"}),
    };
    Ok(json!({
        "name": name,
        "description": tool["description"].as_str().unwrap_or_default(),
        "inputSchema": schema,
        // So that calls of one answer do not wait for one another: they all go to the client together.
        "annotations": {"readOnlyHint": true},
        "_meta": {"anthropic/alwaysLoad": true},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Conversation, String> {
        Conversation::read("/v1/messages", body.to_string().as_bytes())
    }

    fn with(messages: Value) -> Result<Conversation, String> {
        read(json!({"model": "m", "messages": messages}))
    }

    #[test]
    fn the_whole_conversation_is_read() {
        let conversation = read(json!({
            "model": "claude-opus-5-5", "max_tokens": 5, "stream": true, "temperature": 0.5,
            "system": [{"type": "text", "text": "A", "cache_control": {}}, {"type": "text", "text": "B"}],
            "tools": [{"name": "look", "description": "d", "input_schema": {"type": "object"}}],
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "messages": [
                {"role": "user", "content": "/clear"},
                {"role": "user", "content": [{"type": "image", "source": {}, "cache_control": {}}, {"type": "text", "text": ""}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "x"},
                    {"type": "thinking", "thinking": "x", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
                {"role": "system", "content": "mind"},
            ],
        }))
        .expect("a conversation");
        assert_eq!(conversation.system, "A\n\nB");
        assert_eq!((conversation.thinking, conversation.stream), (2048, true));
        let turns: Vec<_> =
            conversation.turns.iter().map(|turn| (turn.assistant, turn.content.len())).collect();
        assert_eq!(turns, [(false, 2), (true, 2), (false, 2)]);
        assert_eq!(conversation.turns[0].content[0]["text"], " /clear");
        assert_eq!(conversation.turns[0].content[1], json!({"type": "image", "source": {}}));
        assert_eq!(conversation.turns[1].content[1]["name"], "mcp__client__look");
        assert_eq!(conversation.tools[0]["inputSchema"], json!({"type": "object"}));
        assert!(conversation.results().is_none());
    }

    #[test]
    fn what_the_cli_cannot_do_is_refused() {
        let user = json!([{"role": "user", "content": "x"}]);
        let refused = |more: Value| {
            let mut body = json!({"model": "m", "messages": user});
            body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
            read(body).expect_err("refused")
        };
        assert!(refused(json!({"tool_choice": {"type": "any"}})).contains("forced"));
        assert!(
            refused(json!({"tools": [{"type": "web_search_20250305", "name": "w"}]})).contains("web_search")
        );
        assert!(refused(json!({"tools": [{"name": "a b"}]})).contains("name"));
        assert!(refused(json!({"tools": 5})).contains("list"));
        assert!(refused(json!({"output_config": {"format": {"type": "json_schema"}}})).contains("format"));
        for model in ["", "--dangerously-skip-permissions", "a b", "a\nb", &"x".repeat(200)] {
            assert!(refused(json!({"model": model})).contains("model"), "{model}");
        }
        for (messages, word) in [
            (json!([]), "nothing"),
            (json!("x"), "list"),
            (json!([{"role": "user"}]), "content"),
            (json!([{"role": "tool", "content": "x"}]), "role"),
            (json!([{"role": "assistant", "content": "x"}]), "last"),
            (json!([{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}]), "first"),
            (json!([{"role": "user", "content": [5]}]), "content"),
            (json!([7]), "content"),
        ] {
            let told = with(messages.clone()).expect_err("refused");
            assert!(told.contains(word), "{messages}: {told}");
        }
        assert!(Conversation::read("/v1/messages", b"[]").is_err());
    }

    #[test]
    fn what_does_nothing_is_named() {
        let body = Document::new(r#"{"temperature": 1, "max_tokens": 5, "model": "m"}"#.into());
        let fields: Vec<String> = lost(&body).into_iter().map(|loss| loss.field).collect();
        assert_eq!(fields, ["max_tokens", "temperature"]);
        assert!(lost(&Document::default()).is_empty());
    }
}

//! A request as the mock understands it, whatever its format.

use serde_json::Value;

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) stream: bool,
    /// The last text of the last user message that has one.
    pub(super) prompt: String,
    /// What the last tool returned, when the conversation ends with that.
    pub(super) tool_result: Option<String>,
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Choice,
    pub(super) thinking: bool,
    /// The schema that the answer must fit; `true` stands for any object.
    pub(super) schema: Option<Value>,
    pub(super) max_tokens: Option<u64>,
    pub(super) stop: Vec<String>,
    /// One token for every four bytes of the body.
    pub(super) input_tokens: u64,
    /// The same for the same body; ids are made of it.
    pub(super) digest: u64,
}

/// A tool that the client runs.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
}

/// Whether tools are to be called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Choice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

impl Ask {
    /// What every format says in the same words.
    pub(super) fn new(body: &Value, bytes: &[u8]) -> Result<Self, String> {
        let model = body["model"].as_str().ok_or("`model` is missing or not a string")?;
        Ok(Ask {
            model: model.to_owned(),
            stream: body["stream"].as_bool().unwrap_or(false),
            input_tokens: count_tokens(bytes),
            digest: digest(bytes),
            ..Ask::default()
        })
    }
}

/// One token for every four bytes, at least one.
pub(super) fn count_tokens(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).div_ceil(4).max(1)
}

/// A string, or the last text part of a list of parts.
pub(super) fn last_text(content: &Value) -> Option<&str> {
    match content {
        Value::String(text) => Some(text),
        Value::Array(parts) => parts.iter().rev().find_map(|part| part["text"].as_str()),
        _ => None,
    }
}

/// The texts of a list, or a text alone.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(String::from).collect(),
        _ => Vec::new(),
    }
}

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>: short, and the same on every machine.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

//! The list of models: the backend has it in the Codex CLI's shape, other clients want OpenAI's.

use bytes::Bytes;
use ccproxy_core::body::Answer;
use ccproxy_core::document::{Json, Kind};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};

/// Whose shape the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Codex,
    OpenAi,
}

impl Shape {
    /// The CLI tells its version in the query, and itself in the header.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let asks =
            uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("client_version=")));
        let is_codex =
            |name: &str| headers.get(name).is_some_and(|value| value.as_bytes().starts_with(b"codex"));
        match asks || is_codex("originator") || is_codex("user-agent") {
            true => Shape::Codex,
            false => Shape::OpenAi,
        }
    }

    /// What is known without the backend: the configured names. The CLI's entries say much more than a name, so
    /// that it gets none, and goes by what it knows itself.
    pub(super) fn fallback(self, names: &[String]) -> Answer {
        let value = match self {
            Shape::Codex => json!({ "models": [] }),
            Shape::OpenAi => list(names.iter().map(|name| model(name, None))),
        };
        let mut answer = Answer::json(StatusCode::OK, &value);
        answer.headers.insert("x-ccproxy-models", HeaderValue::from_static("configured"));
        answer
    }
}

/// The backend's list in OpenAI's shape; as it is when it has that shape already, `None` when it is no list.
pub(super) fn convert(body: &Bytes) -> Option<Bytes> {
    let json = Json::whole(body)?;
    if json.key("data").is_some_and(|data| data.kind() == Kind::Array) {
        return Some(body.clone());
    }
    let models = json.key("models").filter(|models| models.kind() == Kind::Array)?;
    let entries = models.children()?.filter_map(|(_, entry)| {
        let text = |key: &str| entry.key(key).and_then(|value| value.as_str());
        let name = text("slug").or_else(|| text("id"))?;
        Some(model(&name, text("display_name").as_deref()))
    });
    Some(list(entries).to_string().into())
}

/// What was true of the backend's bytes only.
pub(super) fn forget_bytes(headers: &mut HeaderMap) {
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::ETAG, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

fn list(models: impl Iterator<Item = Value>) -> Value {
    json!({ "object": "list", "data": models.collect::<Vec<_>>() })
}

fn model(id: &str, name: Option<&str>) -> Value {
    let mut model = json!({ "id": id, "object": "model", "created": 0, "owned_by": "openai" });
    if let Some(name) = name {
        model["display_name"] = name.into();
    }
    model
}

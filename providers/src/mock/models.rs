//! The models the mock claims to have. Each entry has the keys of both vendors, so either's client reads it.

use serde_json::{Value, json};

use super::stream::CREATED;

const MODELS: [&str; 3] = ["mock-small", "mock-large", "mock-thinking"];

/// The list.
pub(super) fn list() -> Value {
    let data: Vec<Value> = MODELS.iter().map(|id| model(id)).collect();
    json!({
        "object": "list",
        "data": data,
        "has_more": false,
        "first_id": MODELS[0],
        "last_id": MODELS[MODELS.len() - 1],
    })
}

/// One of them.
pub(super) fn find(id: &str) -> Option<Value> {
    MODELS.iter().find(|known| **known == id).map(|id| model(id))
}

fn model(id: &str) -> Value {
    json!({
        "id": id,
        "object": "model",
        "type": "model",
        "created": CREATED,
        "created_at": "2023-11-14T22:13:20Z",
        "owned_by": "ccproxy",
        "display_name": id,
    })
}

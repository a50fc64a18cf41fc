//! A model as OpenAI's clients and as Anthropic's read it:
//! <https://platform.openai.com/docs/api-reference/models>, <https://docs.anthropic.com/en/api/models-list>.

use http::HeaderMap;
use serde_json::{Map, Value, json};

/// When an alias was made: nobody knows.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Whose list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    OpenAi,
    Anthropic,
}

/// One model of the list.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// `provider/model`, or an alias.
    pub(super) id: String,
    owner: String,
    /// As its provider wrote it.
    entry: Map<String, Value>,
}

/// What a provider calls a model of its list.
pub(super) fn id(entry: &Map<String, Value>) -> &str {
    entry.get("id").and_then(Value::as_str).unwrap_or_default()
}

impl Model {
    /// An entry of a provider's list.
    pub(super) fn of(provider: &str, entry: &Map<String, Value>) -> Self {
        let id = format!("{provider}/{}", id(entry));
        Model { id, owner: provider.to_owned(), entry: entry.clone() }
    }

    /// A name of the configuration's own.
    pub(super) fn alias(name: &str) -> Self {
        Model { id: name.to_owned(), owner: "ccproxy".to_owned(), entry: Map::new() }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.entry.get(key).and_then(Value::as_str)
    }
}

impl Shape {
    /// Anthropic's clients name the version of its API; everybody else reads OpenAI's.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("anthropic-version") { Shape::Anthropic } else { Shape::OpenAi }
    }

    /// The whole list.
    pub(super) fn list(self, models: &[Model]) -> Value {
        let data: Vec<Value> = models.iter().map(|model| self.entry(model)).collect();
        match self {
            Shape::OpenAi => json!({ "object": "list", "data": data }),
            Shape::Anthropic => json!({
                "data": data,
                "has_more": false,
                "first_id": models.first().map(|model| &model.id),
                "last_id": models.last().map(|model| &model.id),
            }),
        }
    }

    /// One entry. What a provider told in the client's own shape stays, whatever it is.
    pub(super) fn entry(self, model: &Model) -> Value {
        match self {
            Shape::OpenAi => {
                let own = model.entry.get("object").is_some_and(|object| object == "model");
                let mut entry = if own { model.entry.clone() } else { Map::new() };
                let created = model.entry.get("created").and_then(Value::as_u64);
                let created = created.or_else(|| seconds(model.text("created_at")?));
                entry.insert("id".into(), model.id.as_str().into());
                entry.insert("object".into(), "model".into());
                entry.insert("created".into(), created.unwrap_or_default().into());
                entry.entry("owned_by").or_insert_with(|| model.owner.as_str().into());
                if let Some(name) = model.text("display_name") {
                    entry.insert("display_name".into(), name.into());
                }
                Value::Object(entry)
            }
            Shape::Anthropic => {
                let own = model.entry.get("type").is_some_and(|kind| kind == "model");
                let mut entry = if own { model.entry.clone() } else { Map::new() };
                let name = model.text("display_name").or_else(|| model.text("name")).unwrap_or(&model.id);
                let created = model.text("created_at").map(str::to_owned);
                let created = created.or_else(|| date(model.entry.get("created")?.as_i64()?));
                entry.insert("type".into(), "model".into());
                entry.insert("id".into(), model.id.as_str().into());
                entry.insert("display_name".into(), name.into());
                entry.insert("created_at".into(), created.unwrap_or_else(|| EPOCH.to_owned()).into());
                Value::Object(entry)
            }
        }
    }
}

/// Seconds since 1970 of a date such as `2026-01-01T00:00:00Z`.
fn seconds(date: &str) -> Option<u64> {
    let moment: jiff::Timestamp = date.parse().ok()?;
    moment.as_second().try_into().ok()
}

fn date(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(entry: Value) -> Model {
        match entry {
            Value::Object(entry) => Model::of("one", &entry),
            _ => Model::alias("fast"),
        }
    }

    #[test]
    fn each_shape_from_the_other_and_from_its_own() {
        let openai = json!({ "id": "gpt", "object": "model", "created": 1_767_225_600, "owned_by": "system", "context": 9 });
        let anthropic = json!({ "type": "model", "id": "claude", "display_name": "Claude", "created_at": "2026-01-01T00:00:00Z", "max_tokens": 9 });
        let entry = |shape: Shape, from: &Value| shape.entry(&model(from.clone()));
        assert_eq!(
            entry(Shape::OpenAi, &openai),
            json!({ "id": "one/gpt", "object": "model", "created": 1_767_225_600, "owned_by": "system", "context": 9 })
        );
        assert_eq!(
            entry(Shape::OpenAi, &anthropic),
            json!({ "id": "one/claude", "object": "model", "created": 1_767_225_600, "owned_by": "one", "display_name": "Claude" })
        );
        assert_eq!(
            entry(Shape::Anthropic, &anthropic),
            json!({ "type": "model", "id": "one/claude", "display_name": "Claude", "created_at": "2026-01-01T00:00:00Z", "max_tokens": 9 })
        );
        assert_eq!(
            entry(Shape::Anthropic, &openai),
            json!({ "type": "model", "id": "one/gpt", "display_name": "one/gpt", "created_at": "2026-01-01T00:00:00Z" })
        );
        assert_eq!(
            entry(Shape::Anthropic, &Value::Null),
            json!({ "type": "model", "id": "fast", "display_name": "fast", "created_at": EPOCH })
        );
        assert_eq!(
            entry(Shape::OpenAi, &Value::Null),
            json!({ "id": "fast", "object": "model", "created": 0, "owned_by": "ccproxy" })
        );
    }

    #[test]
    fn strange_entries_become_whole_ones() {
        let strange = json!({ "id": "x", "created": "soon", "created_at": "yesterday", "display_name": 7 });
        let entry = Shape::OpenAi.entry(&model(strange.clone()));
        assert_eq!(entry["created"], 0);
        let entry = Shape::Anthropic.entry(&model(strange));
        assert_eq!(entry["display_name"], "one/x");
        assert_eq!(Shape::Anthropic.list(&[])["first_id"], Value::Null);
    }
}

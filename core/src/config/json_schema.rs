//! The schema as JSON Schema 2020-12, for editors and other tools.

use serde_json::{Map, Value, json};

use super::{Field, FieldKind, Schema};

impl Schema {
    /// A complete document. It describes what a user may write, not what it becomes.
    pub fn json_schema(&self, title: &str) -> Value {
        let mut document = Map::new();
        document.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        document.insert("title".to_owned(), json!(title));
        document.extend(self.object());
        Value::Object(document)
    }

    fn object(&self) -> Map<String, Value> {
        let properties: Map<String, Value> = self
            .fields
            .iter()
            .map(|field| (field.name.clone(), Value::Object(field.json_schema())))
            .collect();
        let required: Vec<&str> =
            self.fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
        let mut object = map(json!({ "type": "object", "properties": properties }));
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
        object.insert("additionalProperties".to_owned(), json!(self.open));
        object
    }
}

impl Field {
    fn json_schema(&self) -> Map<String, Value> {
        let mut schema = self.kind.json_schema();
        if !self.doc.is_empty() {
            schema.insert("description".to_owned(), json!(self.doc));
        }
        if let Some(default) = &self.default {
            schema.insert("default".to_owned(), default.clone());
        }
        schema
    }
}

impl FieldKind {
    fn json_schema(&self) -> Map<String, Value> {
        match self {
            FieldKind::Any => Map::new(),
            FieldKind::Boolean => map(json!({ "type": "boolean" })),
            FieldKind::Integer { min, max } => bounds(json!({ "type": "integer" }), *min, *max),
            FieldKind::Number { min, max } => bounds(json!({ "type": "number" }), *min, *max),
            FieldKind::String { min_length, pattern } => {
                let mut schema = map(json!({ "type": "string" }));
                schema.extend(min_length.map(|least| ("minLength".to_owned(), json!(least))));
                schema.extend(pattern.as_ref().map(|pattern| ("pattern".to_owned(), json!(pattern))));
                schema
            }
            FieldKind::Enum(values) => map(json!({ "type": "string", "enum": values })),
            FieldKind::Duration { min, max } => {
                let text =
                    json!({ "type": "string", "pattern": "^ *([0-9.]+ *|([0-9.]+(us|ms|s|m|h|d) *)+)$" });
                either(bounds(json!({ "type": "number", "minimum": 0 }), *min, *max), text)
            }
            FieldKind::Size { min, max } => {
                let text = json!({ "type": "string", "pattern": "^ *[0-9.]+ *([KkMmGg][Ii]?)?[Bb]? *$" });
                either(bounds(json!({ "type": "integer", "minimum": 0 }), *min, *max), text)
            }
            FieldKind::Url => map(json!({ "type": "string", "format": "uri", "pattern": "^https?://" })),
            FieldKind::ProxyUrl => {
                map(json!({ "type": "string", "format": "uri", "pattern": "^(http|socks5h?)://" }))
            }
            FieldKind::Path => map(json!({ "type": "string", "minLength": 1 })),
            FieldKind::Secret => map(json!({ "type": "string", "writeOnly": true })),
            FieldKind::List(of) => map(json!({ "type": "array", "items": of.json_schema() })),
            FieldKind::Map(of) => map(json!({ "type": "object", "additionalProperties": of.json_schema() })),
            FieldKind::Table(schema) => schema.object(),
        }
    }
}

fn either(number: Map<String, Value>, text: Value) -> Map<String, Value> {
    map(json!({ "anyOf": [number, text] }))
}

fn bounds<T: serde::Serialize>(schema: Value, min: Option<T>, max: Option<T>) -> Map<String, Value> {
    let mut schema = map(schema);
    schema.extend(min.map(|min| ("minimum".to_owned(), json!(min))));
    schema.extend(max.map(|max| ("maximum".to_owned(), json!(max))));
    schema
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

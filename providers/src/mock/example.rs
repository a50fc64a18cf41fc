//! A value that fits a JSON schema, always the same: tool arguments and structured answers are made of it.

use serde_json::{Map, Value, json};

/// Deepest nesting that is made; what lies deeper is null.
const MAX_DEPTH: usize = 12;

/// An example of `schema`. References lead into the same schema.
pub(super) fn example(schema: &Value) -> Value {
    let mut budget = 1000;
    make(schema, schema, 0, &mut budget)
}

fn make(schema: &Value, root: &Value, depth: usize, budget: &mut usize) -> Value {
    if depth > MAX_DEPTH || *budget == 0 {
        return Value::Null;
    }
    *budget -= 1;
    let made = |inner: &Value, budget: &mut usize| make(inner, root, depth + 1, budget);
    for key in ["const", "default"] {
        if let Some(value) = schema.get(key) {
            return value.clone();
        }
    }
    for key in ["enum", "examples"] {
        if let Some(value) = schema[key].get(0) {
            return value.clone();
        }
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        return made(target, budget);
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(choices) = schema[key].as_array() {
            let chosen = choices.iter().find(|choice| choice["type"] != "null").or(choices.first());
            return chosen.map_or(Value::Null, |chosen| made(chosen, budget));
        }
    }
    match kind(schema) {
        "object" => object(schema, |inner| made(inner, budget)),
        "array" => {
            let count = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 8);
            (0..count).map(|_| made(&schema["items"], budget)).collect()
        }
        "string" => Value::from(string(schema)),
        "integer" => Value::from(schema["minimum"].as_i64().unwrap_or(1)),
        "number" => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
        "boolean" => Value::from(true),
        _ => Value::Null,
    }
}

/// The first type that is not null; without any, what the other keys suggest.
fn kind(schema: &Value) -> &str {
    let named = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        other => other.as_str(),
    };
    match named {
        Some(name) => name,
        None if schema.get("properties").is_some() => "object",
        None if schema.get("items").is_some() => "array",
        None if schema.is_object() => "string",
        None => "null",
    }
}

/// The required properties, or all when the schema does not say.
fn object(schema: &Value, mut made: impl FnMut(&Value) -> Value) -> Value {
    let mut object = Map::new();
    let Some(properties) = schema["properties"].as_object() else { return Value::Object(object) };
    let required = schema["required"].as_array();
    for (name, inner) in properties {
        if required.is_none_or(|required| required.iter().any(|wanted| wanted == name)) {
            object.insert(name.clone(), made(inner));
        }
    }
    Value::Object(object)
}

fn string(schema: &Value) -> String {
    let text = match schema["format"].as_str() {
        Some("date") => "2026-01-01",
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("time") => "00:00:00Z",
        Some("email") => "someone@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("ipv4") => "192.0.2.1",
        _ => "example",
    };
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX).min(4096) as usize;
    let least = schema["minLength"].as_u64().unwrap_or(0).min(4096) as usize;
    let length = text.len().max(least).min(most);
    text.chars().cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_fit_their_schemas() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["c", "f"]},
                "days": {"type": "integer", "minimum": 3},
                "when": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/when"}]},
                "tags": {"type": "array", "items": {"type": ["null", "string"], "maxLength": 3}},
                "unasked": {"type": "string"},
            },
            "required": ["city", "unit", "days", "when", "tags"],
            "$defs": {"when": {"type": "string", "format": "date"}},
        });
        let expected =
            json!({"city": "example", "unit": "c", "days": 3, "when": "2026-01-01", "tags": ["exa"]});
        assert_eq!(example(&schema), expected);
        assert_eq!(example(&json!({"properties": {"a": {"type": "boolean"}}})), json!({"a": true}));
        assert_eq!(example(&json!({})), json!("example"));
        assert_eq!(example(&json!(null)), Value::Null);
    }

    #[test]
    fn endless_schemas_end() {
        let list = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "other": {"$ref": "#"}}});
        assert!(example(&list).to_string().len() < 100_000);
        let wide = json!({"type": "array", "minItems": 1_000_000_000, "items": {"$ref": "#"}});
        assert!(example(&wide).to_string().len() < 100_000);
        assert_eq!(example(&json!({"$ref": "#/nowhere"})), json!("example"));
    }
}

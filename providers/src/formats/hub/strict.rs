//! Whether a schema may bind at OpenAI. Anthropic's binding schemas may leave properties optional; OpenAI's strict
//! ones must not, and say that their objects are closed:
//! <https://platform.openai.com/docs/guides/structured-outputs> ("all fields must be required").

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Raw;

/// Keywords whose value is a schema, or a list of them.
const INNER: [&str; 2] = ["items", "anyOf"];
/// Keywords whose value names schemas.
const NAMED: [&str; 3] = ["properties", "$defs", "definitions"];

/// The schema as OpenAI binds it, closed where it does not say; `None` when it cannot bind.
pub(in crate::formats) fn binding<'s>(schema: &'s Raw<'_>) -> Option<Cow<'s, str>> {
    let mut value = serde_json::from_str::<Value>(schema.as_str()).ok()?;
    let mut changed = false;
    close(&mut value, &mut changed).then(|| match changed {
        true => value.to_string().into(),
        false => schema.as_str().into(),
    })
}

fn close(value: &mut Value, changed: &mut bool) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().all(|item| close(item, changed)),
        Value::Object(schema) => close_schema(schema, changed),
        _ => true,
    }
}

fn close_schema(schema: &mut Map<String, Value>, changed: &mut bool) -> bool {
    if schema.get("type").is_some_and(|kind| kind == "object") || schema.contains_key("properties") {
        match schema.get("additionalProperties") {
            Some(more) if *more != Value::Bool(false) => return false,
            Some(_) => {}
            None => {
                schema.insert("additionalProperties".into(), false.into());
                *changed = true;
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        let needed = |name: &String| required.is_some_and(|names| names.iter().any(|needed| needed == name));
        let properties = schema.get("properties").and_then(Value::as_object);
        if !properties.is_none_or(|properties| properties.keys().all(needed)) {
            return false;
        }
    }
    for key in INNER {
        if schema.get_mut(key).is_some_and(|inner| !close(inner, changed)) {
            return false;
        }
    }
    NAMED.iter().all(|key| match schema.get_mut(*key) {
        Some(Value::Object(named)) => named.values_mut().all(|inner| close(inner, changed)),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_without_optional_properties_bind() {
        let closed = r#"{ "type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#;
        for (schema, expected) in [
            (closed, Some(closed)),
            (
                r#"{"properties":{"a":{}},"required":["a"]}"#,
                Some(r#"{"properties":{"a":{}},"required":["a"],"additionalProperties":false}"#),
            ),
            (r#"{"type":"object","properties":{"a":{},"b":{}},"required":["a"]}"#, None),
            (r#"{"type":"object","properties":{},"additionalProperties":true}"#, None),
            (r#"{"type":"array","items":{"type":"object","properties":{"a":{}}}}"#, None),
            (r##"{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"properties":{"b":{}}}}}"##, None),
            (r#"{"type":"string"}"#, Some(r#"{"type":"string"}"#)),
        ] {
            assert_eq!(binding(&Raw::owned(schema.into())).as_deref(), expected, "{schema}");
        }
    }
}

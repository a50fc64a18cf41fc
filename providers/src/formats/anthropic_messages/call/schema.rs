//! Schemas as Claude's structured outputs take them: objects are closed, and some limits are not known
//! (<https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs>, "JSON Schema limitations"). A
//! schema that fits passes as it was written.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::formats::hub::{Losses, Raw};

/// Keywords that are refused.
const REFUSED: [&str; 11] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];
/// Keywords whose value is a schema, or a list of them.
const INNER: [&str; 5] = ["items", "anyOf", "oneOf", "allOf", "not"];
/// Keywords whose value names schemas.
const NAMED: [&str; 3] = ["properties", "$defs", "definitions"];

/// The schema, changed only where it must be.
pub(super) fn fit<'s>(schema: &'s Raw<'_>, losses: &mut Losses) -> Cow<'s, str> {
    let Ok(mut value) = serde_json::from_str::<Value>(schema.as_str()) else { return schema.as_str().into() };
    let mut changed = false;
    fit_value(&mut value, &mut changed, losses);
    if changed { value.to_string().into() } else { schema.as_str().into() }
}

fn fit_value(value: &mut Value, changed: &mut bool, losses: &mut Losses) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fit_value(item, changed, losses)),
        Value::Object(schema) => fit_schema(schema, changed, losses),
        _ => {}
    }
}

fn fit_schema(schema: &mut Map<String, Value>, changed: &mut bool, losses: &mut Losses) {
    for key in REFUSED {
        if schema.shift_remove(key).is_some() {
            *changed = true;
            losses.add(format!("response_format.schema.{key}"), "Claude's structured outputs do not know it");
        }
    }
    if schema.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 1) {
        schema.shift_remove("minItems");
        *changed = true;
        losses.add("response_format.schema.minItems", "Claude's structured outputs know 0 and 1 only");
    }
    let object = schema.get("type").is_some_and(|kind| kind == "object") || schema.contains_key("properties");
    if object && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        if schema.get("additionalProperties").is_some_and(|other| other != &Value::Bool(true)) {
            losses
                .add("response_format.schema.additionalProperties", "Claude's structured outputs are closed");
        }
        schema.insert("additionalProperties".into(), false.into());
        *changed = true;
    }
    for key in INNER {
        if let Some(inner) = schema.get_mut(key) {
            fit_value(inner, changed, losses);
        }
    }
    for key in NAMED {
        if let Some(Value::Object(named)) = schema.get_mut(key) {
            named.values_mut().for_each(|inner| fit_value(inner, changed, losses));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(schema: &str) -> (String, String) {
        let mut losses = Losses::default();
        let fitted = fit(&Raw::owned(schema.into()), &mut losses).into_owned();
        let lost = losses.take().into_iter().map(|loss| loss.field).collect::<Vec<_>>().join(",");
        (fitted, lost)
    }

    #[test]
    fn what_fits_passes_as_it_was_written() {
        let schema = r#"{ "type":"object","properties":{"minimum":{"type":"number","default":1.0}},"additionalProperties":false }"#;
        assert_eq!(fitted(schema), (schema.into(), String::new()));
    }

    #[test]
    fn objects_are_closed_and_unknown_limits_go() {
        let (schema, lost) = fitted(
            r#"{"type":"object","properties":{"a":{"type":"integer","minimum":0},"b":{"anyOf":[{"type":"object","properties":{}},{"type":"null"}]}}}"#,
        );
        let expected = r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"anyOf":[{"type":"object","properties":{},"additionalProperties":false},{"type":"null"}]}},"additionalProperties":false}"#;
        assert_eq!((schema.as_str(), lost.as_str()), (expected, "response_format.schema.minimum"));
    }
}

//! The settings of a plugin as types of their own, so that an editor completes `plugin.config.per_minute`.

use std::fmt::Write;

use ccproxy_core::config::{Field, FieldKind, Schema};

/// A stub for one plugin: `<name>.Config` with its settings, and `<name>.Self`, which is the `plugin` that its
/// handlers get.
#[must_use]
pub fn settings_stub(plugin: &str, schema: &Schema) -> String {
    let mut tables = String::new();
    let mut config =
        format!("--- The settings of `{plugin}`: `[plugins.{plugin}]`.\n---@class {plugin}.Config\n");
    fields(&format!("{plugin}.Config"), schema, &mut config, &mut tables);
    format!(
        "---@meta {plugin}.config\n\n{tables}{config}\n\
         --- What the handlers of `{plugin}` get: `---@param plugin {plugin}.Self` says so to an editor.\n\
         ---@class {plugin}.Self: ccproxy.Self\n---@field config {plugin}.Config\n"
    )
}

fn fields(class: &str, schema: &Schema, out: &mut String, tables: &mut String) {
    for field in &schema.fields {
        let kind = spell(&format!("{class}.{}", field.name), &field.kind, tables);
        // What is neither required nor has a default may be absent.
        let absent = if field.required || field.default.is_some() { "" } else { "?" };
        let _ = writeln!(out, "---@field {}{absent} {kind}{}", field.name, words(field));
    }
    if schema.open {
        out.push_str("---@field [string] any\n");
    }
}

fn words(field: &Field) -> String {
    let unit = match field.kind {
        FieldKind::Duration { .. } => "Seconds.",
        FieldKind::Size { .. } => "Bytes.",
        _ => "",
    };
    let doc = field.doc.replace('\n', " ");
    let parts: Vec<&str> = [doc.as_str(), unit].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!(" {}", parts.join(" ")) }
}

/// The type that a handler reads. Tables become classes of their own, written to `tables`.
fn spell(path: &str, kind: &FieldKind, tables: &mut String) -> String {
    match kind {
        FieldKind::Any => "any".to_owned(),
        FieldKind::Boolean => "boolean".to_owned(),
        FieldKind::Integer { .. } | FieldKind::Size { .. } => "integer".to_owned(),
        FieldKind::Number { .. } | FieldKind::Duration { .. } => "number".to_owned(),
        FieldKind::String { .. }
        | FieldKind::Url
        | FieldKind::ProxyUrl
        | FieldKind::Path
        | FieldKind::Secret => "string".to_owned(),
        FieldKind::Enum(values) => {
            let quoted = values.iter().map(|value| format!("{value:?}"));
            let list = quoted.collect::<Vec<_>>().join("|");
            if list.is_empty() { "string".to_owned() } else { list }
        }
        FieldKind::List(of) => {
            let of = spell(path, of, tables);
            if of.contains('|') { format!("({of})[]") } else { format!("{of}[]") }
        }
        FieldKind::Map(of) => format!("table<string, {}>", spell(path, of, tables)),
        FieldKind::Table(schema) => {
            let mut class = format!("---@class {path}\n");
            fields(path, schema, &mut class, tables);
            let _ = writeln!(tables, "{class}");
            path.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str, kind: FieldKind, default: Option<serde_json::Value>) -> Field {
        Field { name: name.to_owned(), doc: format!("The {name}"), kind, default, required: false }
    }

    #[test]
    fn settings_become_types() {
        let rule = Schema {
            fields: vec![field("tool", FieldKind::String { min_length: None, pattern: None }, None)],
            open: false,
        };
        let schema = Schema {
            fields: vec![
                field("per_minute", FieldKind::Integer { min: None, max: None }, Some(json!(60))),
                field("every", FieldKind::Duration { min: None, max: None }, None),
                field("mode", FieldKind::Enum(vec!["a".into(), "b".into()]), Some(json!("a"))),
                field("rules", FieldKind::List(Box::new(FieldKind::Table(rule))), Some(json!([]))),
            ],
            open: true,
        };
        let expected = r#"---@meta limits.config

---@class limits.Config.rules
---@field tool? string The tool

--- The settings of `limits`: `[plugins.limits]`.
---@class limits.Config
---@field per_minute integer The per_minute
---@field every? number The every Seconds.
---@field mode "a"|"b" The mode
---@field rules limits.Config.rules[] The rules
---@field [string] any

--- What the handlers of `limits` get: `---@param plugin limits.Self` says so to an editor.
---@class limits.Self: ccproxy.Self
---@field config limits.Config
"#;
        assert_eq!(settings_stub("limits", &schema), expected);
    }
}

//! A schema as text for people: an annotated TOML file, a table in Markdown, one value.

use std::fmt::Write;

use serde_json::Value;

use super::convert::without_password;
use super::kind::join;
use super::units::{duration_text, parse_duration, parse_size, size_text};
use super::{Field, FieldKind, Schema};

/// The schema as a TOML file in which every setting is commented out and shows its default.
pub fn toml_text(schema: &Schema) -> String {
    let mut text = String::new();
    table(&mut text, schema, "");
    text
}

fn table(text: &mut String, schema: &Schema, prefix: &str) {
    let inner = |field: &&Field| matches!(&field.kind, FieldKind::Table(inner) if !inner.fields.is_empty());
    for field in schema.fields.iter().filter(|field| !inner(field)) {
        setting(text, field);
    }
    for field in schema.fields.iter().filter(inner) {
        let key = join(prefix, &field.name);
        if let FieldKind::Table(inner) = &field.kind {
            // A table that must have something in it cannot stand empty.
            let mark = if inner.fields.iter().any(|field| field.required) { "#" } else { "" };
            comment(text, &field.doc);
            let _ = writeln!(text, "{mark}[{key}]\n");
            table(text, inner, &key);
        }
    }
}

fn setting(text: &mut String, field: &Field) {
    comment(text, &field.doc);
    let value = match &field.default {
        Some(default) => value_text(&field.kind, default),
        None => field.kind.example(),
    };
    let note = if field.default.is_none() { "  # not set by default" } else { "" };
    let _ = writeln!(text, "#{} = {value}{note}\n", field.name);
}

fn comment(text: &mut String, doc: &str) {
    for line in doc.lines() {
        let _ = writeln!(text, "# {line}");
    }
}

/// The settings under `prefix` as a table in Markdown.
pub fn markdown(schema: &Schema, prefix: &str) -> String {
    let mut text = "| key | kind | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for (key, field) in schema.leaves() {
        let default = match &field.default {
            Some(default) => format!("`{}`", value_text(&field.kind, default)),
            None if field.required => "required".to_owned(),
            None => String::new(),
        };
        let doc = field.doc.replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {} | {default} | {doc} |", join(prefix, &key), field.kind.name());
    }
    text
}

/// A value as a user would write it in TOML. A secret is shown as `"..."`, a URL without its password.
pub fn value_text(kind: &FieldKind, value: &Value) -> String {
    match (kind, value) {
        (FieldKind::Secret, Value::String(text)) if text.starts_with("env:") || text.starts_with("file:") => {
            quoted(text)
        }
        (FieldKind::Secret, _) => "\"...\"".to_owned(),
        (FieldKind::Url | FieldKind::ProxyUrl, Value::String(url)) => quoted(&without_password(url)),
        (FieldKind::Duration { .. }, value) => {
            match value.as_f64().or_else(|| parse_duration(value.as_str()?)) {
                Some(seconds) => quoted(&duration_text(seconds)),
                None => plain(value),
            }
        }
        (FieldKind::Size { .. }, value) => match value.as_u64().or_else(|| parse_size(value.as_str()?)) {
            Some(bytes) => quoted(&size_text(bytes)),
            None => plain(value),
        },
        (FieldKind::List(of), Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| value_text(of, item)).collect();
            format!("[{}]", items.join(", "))
        }
        (FieldKind::Map(of), Value::Object(map)) => {
            inline(map.iter().map(|(key, item)| (key.as_str(), value_text(of, item))))
        }
        (FieldKind::Table(schema), Value::Object(map)) => inline(map.iter().map(|(key, item)| {
            let kind = schema.field(key).map_or(&FieldKind::Any, |field| &field.kind);
            (key.as_str(), value_text(kind, item))
        })),
        (_, value) => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => inline(map.iter().map(|(key, item)| (key.as_str(), plain(item)))),
        scalar => scalar.to_string(),
    }
}

fn inline<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> String {
    let bare =
        |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let entries = entries.map(|(key, value)| match key {
        key if !key.is_empty() && bare(key) => format!("{key} = {value}"),
        key => format!("{} = {value}", quoted(key)),
    });
    let entries: Vec<String> = entries.collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

/// Every escape of a JSON string is one of TOML; only DEL needs one that JSON does not write.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

impl FieldKind {
    /// A value to show where there is no default.
    fn example(&self) -> String {
        match self {
            FieldKind::Boolean => "false".to_owned(),
            FieldKind::Integer { min, .. } => min.unwrap_or(0).to_string(),
            FieldKind::Number { min, .. } => format!("{:?}", min.unwrap_or(0.0)),
            FieldKind::Enum(values) => quoted(values.first().map_or("", String::as_str)),
            FieldKind::Duration { min, .. } => quoted(&duration_text(min.unwrap_or(30.0))),
            FieldKind::Size { min, .. } => quoted(&size_text(min.unwrap_or(1 << 20))),
            FieldKind::Url => quoted("https://example.com"),
            FieldKind::ProxyUrl => quoted("socks5h://127.0.0.1:1080"),
            FieldKind::Path => quoted("/path/to/file"),
            FieldKind::Secret => quoted("env:NAME"),
            FieldKind::List(_) => "[]".to_owned(),
            FieldKind::Map(_) | FieldKind::Table(_) => "{}".to_owned(),
            FieldKind::Any | FieldKind::String { .. } => quoted(""),
        }
    }
}

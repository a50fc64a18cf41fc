//! One value against one kind.

use std::borrow::Cow;

use http::Uri;
use serde_json::{Map, Number, Value};

use super::kind::{join, nearest};
use super::units::{parse_duration, parse_size, seconds_in_range};
use super::validate::{Check, any};
use super::{Content, FieldKind, Node, Problem, Severity, secret};

impl Check<'_> {
    /// The value as the house uses it; `None` when a problem was reported.
    pub(super) fn value(&mut self, kind: &FieldKind, node: &Node, key: &str) -> Option<Value> {
        self.hidden(kind, node, key);
        let before = self.problems.len();
        let value = match kind {
            FieldKind::Any => Some(any(node)),
            FieldKind::List(of) => return self.list(of, kind, node, key),
            FieldKind::Map(of) => return self.map(of, kind, node, key),
            FieldKind::Table(schema) => {
                let Some(table) = as_table(node) else { return self.refuse(kind, node, key) };
                return Some(Value::Object(self.table(schema, Some(&table), key)));
            }
            FieldKind::Secret => self.secret(node, key),
            FieldKind::Path => self.path(node),
            scalar => convert(scalar, node),
        };
        if value.is_none() && self.problems.len() == before {
            return self.refuse(kind, node, key);
        }
        value
    }

    /// A mistake in a value that a stronger layer replaced has no effect today: a warning. Secrets are not
    /// looked up for that.
    fn hidden(&mut self, kind: &FieldKind, node: &Node, key: &str) {
        if *kind == FieldKind::Secret {
            return;
        }
        for under in &node.hidden {
            let before = self.problems.len();
            self.value(kind, under, key);
            for problem in self.problems[before..].iter_mut().filter(|problem| problem.is_error()) {
                problem.severity = Severity::Warning;
                problem.message += &format!("; it has no effect now, because {} is stronger", node.origin);
            }
        }
    }

    fn refuse(&mut self, kind: &FieldKind, node: &Node, key: &str) -> Option<Value> {
        let found = match kind {
            FieldKind::Secret => "this value".to_owned(),
            FieldKind::Url | FieldKind::ProxyUrl => {
                format!("`{}`", without_password(node.content.text().unwrap_or("this value")))
            }
            _ => node.shown(),
        };
        let problem =
            Problem::error(&node.origin, key, format!("found {found}, expected {}", kind.expected()));
        let meant = match (kind, node.content.text()) {
            (FieldKind::Enum(values), Some(text)) => nearest(text, values.iter().map(String::as_str)),
            _ => None,
        };
        self.problems.push(match meant {
            Some(meant) => problem.with_hint(format!("did you mean `{meant}`")),
            None => problem,
        });
        None
    }

    fn list(&mut self, of: &FieldKind, kind: &FieldKind, node: &Node, key: &str) -> Option<Value> {
        let items = match as_list(node) {
            Some(items) => items,
            None => return self.refuse(kind, node, key),
        };
        let values =
            items.iter().enumerate().map(|(index, item)| self.value(of, item, &format!("{key}[{index}]")));
        values.collect::<Vec<_>>().into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
    }

    fn map(&mut self, of: &FieldKind, kind: &FieldKind, node: &Node, key: &str) -> Option<Value> {
        let Some(table) = as_table(node) else { return self.refuse(kind, node, key) };
        let mut values = Map::new();
        let mut whole = true;
        for (name, item) in table.table().into_iter().flatten() {
            match self.value(of, item, &join(key, name)) {
                Some(value) => {
                    values.insert(name.clone(), value);
                }
                None => whole = false,
            }
        }
        whole.then_some(Value::Object(values))
    }

    fn secret(&mut self, node: &Node, key: &str) -> Option<Value> {
        let text = node.content.text()?;
        let base = node.origin.file().and_then(|file| file.parent());
        match secret::resolve(text, self.environment, base) {
            Ok(secret) => Some(Value::String(secret)),
            Err(message) => {
                self.problems.push(Problem::error(&node.origin, key, message));
                None
            }
        }
    }

    /// Paths in a file start from the folder of that file, others from the working folder.
    fn path(&self, node: &Node) -> Option<Value> {
        let text = node.content.text().filter(|text| !text.trim().is_empty() && !text.contains('\0'))?;
        let base = node.origin.file().and_then(|file| file.parent());
        let path = self.environment.path(text, base);
        Some(Value::String(path.to_string_lossy().into_owned()))
    }
}

impl Content {
    /// The text, when it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

fn convert(kind: &FieldKind, node: &Node) -> Option<Value> {
    let Content::Scalar(value) = &node.content else { return None };
    let loose = node.origin.is_text();
    match kind {
        FieldKind::Boolean => {
            value.as_bool().or_else(|| flag(value.as_str().filter(|_| loose)?)).map(Value::Bool)
        }
        FieldKind::Integer { min, max } => {
            let number = value.as_i64().or_else(|| value.as_str().filter(|_| loose)?.trim().parse().ok())?;
            within(number, *min, *max).then(|| Value::from(number))
        }
        FieldKind::Number { min, max } => {
            let number = value.as_f64().or_else(|| value.as_str().filter(|_| loose)?.trim().parse().ok())?;
            let exact = value.as_number().cloned().or_else(|| Number::from_f64(number))?;
            within(number, *min, *max).then_some(Value::Number(exact))
        }
        FieldKind::String { min_length, pattern } => {
            let text = value.as_str()?;
            let long = min_length.is_none_or(|least| text.chars().count() >= least);
            let matching = pattern.as_ref().is_none_or(|pattern| matches(pattern, text));
            (long && matching).then(|| Value::from(text))
        }
        FieldKind::Enum(values) => {
            let text = value.as_str()?;
            let exact = values.iter().find(|name| *name == text);
            let found = exact.or_else(|| values.iter().find(|name| name.eq_ignore_ascii_case(text)))?;
            Some(Value::String(found.clone()))
        }
        FieldKind::Duration { min, max } => {
            let seconds =
                value.as_f64().and_then(seconds_in_range).or_else(|| parse_duration(value.as_str()?))?;
            within(seconds, *min, *max).then(|| Value::from(seconds))
        }
        FieldKind::Size { min, max } => {
            let bytes = value.as_u64().or_else(|| parse_size(value.as_str()?))?;
            within(bytes, *min, *max).then(|| Value::from(bytes))
        }
        FieldKind::Url => url(value, &["http", "https"]),
        FieldKind::ProxyUrl => url(value, &["http", "socks5", "socks5h"]),
        _ => None,
    }
}

/// A URL of one of these schemes, with a host.
fn url(value: &Value, schemes: &[&str]) -> Option<Value> {
    let uri: Uri = value.as_str()?.parse().ok()?;
    let known = uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then(|| value.clone())
}

fn within<T: PartialOrd>(value: T, min: Option<T>, max: Option<T>) -> bool {
    min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
}

/// A pattern that does not compile matches nothing; [`super::Schema::faults`] reports it.
fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The items of a list; text from the environment may be `a,b` or JSON.
fn as_list(node: &Node) -> Option<Vec<Node>> {
    let text = match &node.content {
        Content::List(items) => return Some(items.clone()),
        Content::Scalar(Value::String(text)) if node.origin.is_text() => text.trim(),
        _ => return None,
    };
    if text.starts_with('[') {
        let items: Vec<Value> = serde_json::from_str(text).ok()?;
        return Some(items.iter().map(|item| Node::of(item, &node.origin)).collect());
    }
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    Some(words.map(|word| Node::of(&Value::from(word), &node.origin)).collect())
}

/// The node when it is a table; text from the environment may be one in JSON.
pub(super) fn as_table(node: &Node) -> Option<Cow<'_, Node>> {
    match &node.content {
        Content::Table(_) => Some(Cow::Borrowed(node)),
        Content::Scalar(Value::String(text)) if node.origin.is_text() => {
            let map: Map<String, Value> = serde_json::from_str(text).ok()?;
            Some(Cow::Owned(Node::of(&Value::Object(map), &node.origin)))
        }
        _ => None,
    }
}

/// A URL as it may be shown: the part before `@` may hold a password.
pub fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}...{}", &url[..start], &url[start + at..]),
        None => url.to_owned(),
    }
}

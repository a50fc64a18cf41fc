//! What a kind of setting expects, in words, and how close a misspelt name is to a known one.

use super::units::{duration_text, size_text};
use super::{Field, FieldKind, Schema};

impl FieldKind {
    /// What is expected, as the end of "expected ...".
    pub fn expected(&self) -> String {
        match self {
            FieldKind::Any => "any value".to_owned(),
            FieldKind::Boolean => "`true` or `false`".to_owned(),
            FieldKind::Integer { min, max } => {
                format!("a whole number{}", range(*min, *max, |n| n.to_string()))
            }
            FieldKind::Number { min, max } => format!("a number{}", range(*min, *max, |n| n.to_string())),
            FieldKind::String { pattern: Some(pattern), .. } => format!("text that matches `{pattern}`"),
            FieldKind::String { min_length: Some(least), .. } => {
                format!("text of at least {least} characters")
            }
            FieldKind::String { .. } => "text".to_owned(),
            FieldKind::Enum(values) => {
                let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                format!("one of {}", quoted.join(", "))
            }
            FieldKind::Duration { min, max } => {
                format!("a duration such as `30s` or `5m`{}", range(*min, *max, duration_text))
            }
            FieldKind::Size { min, max } => format!("a size such as `16MiB`{}", range(*min, *max, size_text)),
            FieldKind::Url => "an http or https URL".to_owned(),
            FieldKind::ProxyUrl => "an http, socks5 or socks5h URL".to_owned(),
            FieldKind::Path => "a path".to_owned(),
            FieldKind::Secret => "a credential: text, `env:NAME` or `file:/path`".to_owned(),
            FieldKind::List(of) => format!("a list, each item {}", of.expected()),
            FieldKind::Map(of) => format!("a table, each value {}", of.expected()),
            FieldKind::Table(_) => "a table".to_owned(),
        }
    }

    /// One word for tables of settings.
    pub fn name(&self) -> String {
        match self {
            FieldKind::Any => "any".to_owned(),
            FieldKind::Boolean => "boolean".to_owned(),
            FieldKind::Integer { .. } => "integer".to_owned(),
            FieldKind::Number { .. } => "number".to_owned(),
            FieldKind::String { .. } => "string".to_owned(),
            FieldKind::Enum(_) => "enum".to_owned(),
            FieldKind::Duration { .. } => "duration".to_owned(),
            FieldKind::Size { .. } => "size".to_owned(),
            FieldKind::Url => "url".to_owned(),
            FieldKind::ProxyUrl => "proxy url".to_owned(),
            FieldKind::Path => "path".to_owned(),
            FieldKind::Secret => "secret".to_owned(),
            FieldKind::List(of) => format!("list of {}", of.name()),
            FieldKind::Map(of) => format!("map of {}", of.name()),
            FieldKind::Table(_) => "table".to_owned(),
        }
    }
}

fn range<T: Copy>(min: Option<T>, max: Option<T>, text: impl Fn(T) -> String) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!(" from {} to {}", text(min), text(max)),
        (Some(min), None) => format!(" of at least {}", text(min)),
        (None, Some(max)) => format!(" of at most {}", text(max)),
        (None, None) => String::new(),
    }
}

impl Schema {
    /// Every setting with its full key, tables opened, in declared order.
    pub fn leaves(&self) -> Vec<(String, &Field)> {
        let mut leaves = Vec::new();
        self.collect("", &mut leaves);
        leaves
    }

    fn collect<'a>(&'a self, prefix: &str, leaves: &mut Vec<(String, &'a Field)>) {
        for field in &self.fields {
            let key = join(prefix, &field.name);
            match &field.kind {
                FieldKind::Table(schema) if !schema.fields.is_empty() => schema.collect(&key, leaves),
                _ => leaves.push((key, field)),
            }
        }
    }

    /// The known key that an unknown one at `prefix` was probably meant to be: a misspelt neighbour, or
    /// the same word somewhere else.
    pub(super) fn nearest(&self, prefix: &str, unknown: &str) -> Option<String> {
        let table = self.at(prefix)?;
        let names = table.fields.iter().map(|field| field.name.as_str());
        if let Some(name) = nearest(unknown, names) {
            return Some(join(prefix, name));
        }
        let leaves = self.leaves();
        let elsewhere = leaves.iter().find(|(key, _)| key.rsplit('.').next() == Some(unknown));
        elsewhere.map(|(key, _)| key.clone())
    }

    fn at(&self, path: &str) -> Option<&Schema> {
        path.split('.').filter(|key| !key.is_empty()).try_fold(self, |schema, key| {
            match &schema.field(key)?.kind {
                FieldKind::Table(table) => Some(table),
                _ => None,
            }
        })
    }
}

/// The candidate that is at most a third of the word away, or else the first that begins with it.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_ascii_lowercase().replace('-', "_");
    let most = (word.chars().count() / 3).max(1);
    let candidates: Vec<&str> = candidates.collect();
    let scored = candidates.iter().map(|name| (strsim::damerau_levenshtein(&folded, name), *name));
    let close = scored.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance);
    let begun = || candidates.iter().find(|name| folded.len() >= 3 && name.starts_with(&folded)).copied();
    close.map(|(_, name)| name).or_else(begun)
}

/// Two parts of a key.
pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

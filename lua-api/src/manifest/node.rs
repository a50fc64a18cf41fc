//! A table of the manifest with its key path: reads typed fields and remembers which keys are known.

use std::cell::RefCell;
use std::time::Duration;

use ccproxy_core::config::units::parse_size;
use ccproxy_core::middleware::BodyAccess;
use mlua::{Function, Lua, Table, Value};

use super::MAX_ITEMS;
use crate::args::duration_of;
use crate::data;

/// Everything found wrong so far.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<String>>);

impl Problems {
    pub(super) fn take(self) -> Vec<String> {
        self.0.into_inner()
    }
}

/// A table and where it stands.
pub(super) struct Node<'a> {
    pub(super) lua: &'a Lua,
    table: Table,
    path: String,
    known: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

/// Largest `args` in bytes of JSON.
const MAX_ARGS: usize = 64 << 10;

/// Most problems that are told.
const MAX_PROBLEMS: usize = 32;

impl<'a> Node<'a> {
    pub(super) fn root(lua: &'a Lua, table: &Table, problems: &'a Problems) -> Self {
        Node::new(lua, table.clone(), String::new(), problems)
    }

    fn new(lua: &'a Lua, table: Table, path: String, problems: &'a Problems) -> Self {
        Node { lua, table, path, known: RefCell::default(), problems }
    }

    /// Where a key of this table stands.
    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a problem with a key.
    pub(super) fn problem(&self, key: &str, text: impl AsRef<str>) {
        let mut problems = self.problems.0.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(crate::fault::clip(format!("`{}`: {}", self.at(key), text.as_ref())));
        }
    }

    /// The value of a key, which is known from now on.
    pub(super) fn value(&self, key: &'static str) -> Value {
        #[cfg(test)]
        crate::witness::note(&self.path, || key.to_owned());
        self.known.borrow_mut().push(key);
        self.table.raw_get(key).unwrap_or(Value::Nil)
    }

    /// A key that must not be there, and why.
    pub(super) fn forbidden(&self, key: &'static str, why: &str) {
        if !self.table.raw_get(key).unwrap_or(Value::Nil).is_nil() {
            self.known.borrow_mut().push(key);
            self.problem(key, why);
        }
    }

    fn typed<T>(&self, key: &'static str, wanted: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.value(key);
        if value.is_nil() {
            return None;
        }
        let found = read(&value);
        if found.is_none() {
            self.problem(key, format!("expected {wanted}, got {}", value.type_name()));
        }
        found
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.typed(key, "a string of at most 4 KiB", text_of)
    }

    pub(super) fn required_text(&self, key: &'static str) -> String {
        let text = self.text(key);
        if text.is_none() && self.value(key).is_nil() {
            self.problem(key, "is missing");
        }
        text.unwrap_or_default()
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.typed(key, "a boolean", Value::as_boolean)
    }

    pub(super) fn integer(&self, key: &'static str) -> Option<i64> {
        self.typed(key, "a whole number", integer_of)
    }

    pub(super) fn number(&self, key: &'static str) -> Option<f64> {
        self.typed(key, "a number", |value| {
            value.as_number().or_else(|| value.as_integer().map(|n| n as f64))
        })
    }

    pub(super) fn function(&self, key: &'static str) -> Option<Function> {
        self.typed(key, "a function", |value| value.as_function().cloned())
    }

    pub(super) fn required_function(&self, key: &'static str) -> Option<Function> {
        let function = self.function(key);
        if function.is_none() && self.value(key).is_nil() {
            self.problem(key, "is missing: a function");
        }
        function
    }

    pub(super) fn table(&self, key: &'static str) -> Option<Table> {
        self.typed(key, "a table", |value| value.as_table().cloned())
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.typed(key, "a time span such as `\"30s\"` or a number of seconds", duration_of)
    }

    pub(super) fn size(&self, key: &'static str) -> Option<u64> {
        self.typed(key, "a size such as `\"8MiB\"` or a number of bytes", |value| match value {
            Value::String(text) => parse_size(&text.to_str().ok()?),
            other => integer_of(other).and_then(|number| u64::try_from(number).ok()),
        })
    }

    /// One of several words.
    pub(super) fn choice(&self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text(key)?;
        let found = words.iter().find(|word| **word == text);
        if found.is_none() {
            self.problem(key, format!("`{text}` is none of `{}`", words.join("`, `")));
        }
        found.copied()
    }

    /// The permission for bodies.
    pub(super) fn body_access(&self) -> BodyAccess {
        match self.choice("body", &["none", "read", "write"]) {
            Some("read") => BodyAccess::Read,
            Some("write") => BodyAccess::Write,
            _ => BodyAccess::None,
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Vec<String> {
        let Some(table) = self.table(key) else { return Vec::new() };
        let mut texts = Vec::new();
        self.each(&table, key, |place, value| match text_of(&value) {
            Some(text) => texts.push(text),
            None => self.problem(key, format!("item {place} is a {}, not a string", value.type_name())),
        });
        texts
    }

    /// A list of tables.
    pub(super) fn nodes(&self, key: &'static str) -> Vec<Node<'a>> {
        let Some(table) = self.table(key) else { return Vec::new() };
        let mut nodes = Vec::new();
        self.each(&table, key, |place, value| match value {
            Value::Table(table) => {
                let path = format!("{}[{place}]", self.at(key));
                nodes.push(Node::new(self.lua, table, path, self.problems));
            }
            other => self.problem(key, format!("item {place} is a {}, not a table", other.type_name())),
        });
        nodes
    }

    fn each(&self, table: &Table, key: &'static str, mut item: impl FnMut(usize, Value)) {
        let length = table.raw_len();
        let entries = table.pairs::<Value, Value>().take(length + 1).count();
        if entries != length || length > MAX_ITEMS {
            return self.problem(key, format!("expected a list of at most {MAX_ITEMS} items"));
        }
        for place in 1..=length {
            item(place, table.raw_get(place).unwrap_or(Value::Nil));
        }
    }

    /// A table inside this one.
    pub(super) fn child(&self, key: &'static str) -> Option<Node<'a>> {
        let table = self.table(key)?;
        Some(self.inner(key, table))
    }

    /// A table found under a key.
    pub(super) fn inner(&self, key: &str, table: Table) -> Node<'a> {
        Node::new(self.lua, table, self.at(key), self.problems)
    }

    /// The entries of a map, sorted by key.
    pub(super) fn entries(&self, key: &'static str) -> Vec<(String, Value)> {
        let Some(table) = self.table(key) else { return Vec::new() };
        let mut entries = Vec::new();
        for pair in table.pairs::<Value, Value>().take(MAX_ITEMS).flatten() {
            match text_of(&pair.0) {
                Some(name) => entries.push((name, pair.1)),
                None => self.problem(key, "its keys must be strings"),
            }
        }
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        entries
    }

    /// Plain data, as JSON and as a read-only Lua value.
    pub(super) fn args(&self, key: &'static str) -> (serde_json::Value, Value) {
        let value = self.value(key);
        if value.is_nil() {
            return (serde_json::Value::Null, Value::Nil);
        }
        match data::to_value(self.lua, &value, MAX_ARGS) {
            Ok(json) => {
                if let Value::Table(table) = &value
                    && let Err(error) = crate::sandbox::freeze(table, &mut Default::default())
                {
                    self.problem(key, error.to_string());
                }
                (json, value)
            }
            Err(refused) => {
                self.problem(key, refused.to_string());
                (serde_json::Value::Null, Value::Nil)
            }
        }
    }

    /// Keys that nothing asked for are mistakes.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.table.pairs::<Value, Value>().take(MAX_ITEMS).flatten() {
            match text_of(&key) {
                Some(name) if known.contains(&name.as_str()) => {}
                Some(name) => match nearest(&name, known.iter().copied()) {
                    Some(near) => self.problem(&name, format!("unknown key; did you mean `{near}`?")),
                    None => self.problem(&name, "unknown key"),
                },
                None => self.problem("[..]", format!("a {} is no key here", key.type_name())),
            }
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    let text = value.as_string()?;
    (text.as_bytes().len() <= 4 << 10).then(|| text.to_str().ok().map(|text| text.to_owned())).flatten()
}

fn integer_of(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
        _ => None,
    }
}

/// The word most like `name`, when one is like enough.
pub(crate) fn nearest<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|word| (strsim::damerau_levenshtein(name, word), word))
        .filter(|(distance, word)| *distance <= word.len().max(3) / 3)
        .min()
        .map(|(_, word)| word)
}

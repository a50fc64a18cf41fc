//! TOML text to a tree that knows the line and column of every key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::{Content, Node, Origin, Problem};

/// Reads TOML. What could be read is returned beside everything that is wrong with the text.
pub fn read_toml(text: &str, path: &Path) -> (Node, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let reader = Reader { text, path: Arc::from(path) };
    let (table, errors) = DeTable::parse_recoverable(text);
    let problems = errors.iter().map(|error| {
        let origin = reader.origin(error.span().unwrap_or_default());
        Problem::error(&origin, "", format!("not valid TOML: {}", error.message()))
    });
    let problems = problems.collect();
    let origin = reader.origin(0..0);
    (Node { origin, content: reader.table(table.get_ref()), ..Node::default() }, problems)
}

struct Reader<'a> {
    text: &'a str,
    path: Arc<Path>,
}

impl Reader<'_> {
    /// Line and column of a place, both from 1.
    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Origin::File { path: self.path.clone(), line, column }
    }

    fn table(&self, table: &DeTable<'_>) -> Content {
        let mut nodes = BTreeMap::new();
        for (key, value) in table {
            let (origin, content) = (self.origin(key.span()), self.content(value.get_ref()));
            let node = Node { origin, content, ..Node::default() };
            nodes.insert(key.get_ref().to_string(), node);
        }
        Content::Table(nodes)
    }

    fn content(&self, value: &DeValue<'_>) -> Content {
        match value {
            DeValue::String(text) => Content::Scalar(Value::String(text.to_string())),
            DeValue::Integer(number) => Content::Scalar(integer(number.as_str(), number.radix())),
            DeValue::Float(number) => Content::Scalar(float(number.as_str())),
            DeValue::Boolean(flag) => Content::Scalar(Value::Bool(*flag)),
            DeValue::Datetime(time) => Content::Scalar(Value::String(time.to_string())),
            DeValue::Array(items) => {
                let nodes = items.iter().map(|item| Node {
                    origin: self.origin(item.span()),
                    content: self.content(item.get_ref()),
                    hidden: Vec::new(),
                });
                Content::List(nodes.collect())
            }
            DeValue::Table(table) => self.table(table),
        }
    }
}

/// A whole number; one that does not fit stays text, and is refused where a number is expected.
fn integer(digits: &str, radix: u32) -> Value {
    match (i64::from_str_radix(digits, radix), u64::from_str_radix(digits, radix)) {
        (Ok(number), _) => Value::from(number),
        (_, Ok(number)) => Value::from(number),
        _ => Value::String(digits.to_owned()),
    }
}

/// A number; infinities and NaN have no place in JSON and stay text.
fn float(digits: &str) -> Value {
    let number = digits.parse().ok().and_then(serde_json::Number::from_f64);
    number.map_or_else(|| Value::String(digits.to_owned()), Value::Number)
}

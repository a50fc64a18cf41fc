//! Values that know where they came from.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Origin;

/// A value and its origin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Where it came from. For a setting of a file: the place of its key.
    pub origin: Origin,
    /// The value.
    pub content: Content,
    /// The values that this one replaced, weakest first: a mistake in one of them is told too.
    pub hidden: Vec<Node>,
}

/// A value whose parts have origins of their own.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text, a number, true, false or nothing.
    Scalar(Value),
    /// Values in order.
    List(Vec<Node>),
    /// Values by key.
    Table(BTreeMap<String, Node>),
}

impl Default for Content {
    fn default() -> Self {
        Content::Table(BTreeMap::new())
    }
}

impl Node {
    /// An item of a list.
    pub fn item(&self, index: usize) -> Option<&Node> {
        match &self.content {
            Content::List(items) => items.get(index),
            _ => None,
        }
    }

    /// Where what may be there came from; the default, when it is not.
    pub fn origin_of(node: Option<&Node>) -> Origin {
        node.map_or(Origin::Default, |node| node.origin.clone())
    }

    /// An empty table that nobody set.
    pub fn empty() -> Self {
        Node::default()
    }

    /// A plain value, all of it from one place.
    pub fn of(value: &Value, origin: &Origin) -> Self {
        let content = match value {
            Value::Array(items) => Content::List(items.iter().map(|item| Node::of(item, origin)).collect()),
            Value::Object(map) => {
                Content::Table(map.iter().map(|(key, item)| (key.clone(), Node::of(item, origin))).collect())
            }
            scalar => Content::Scalar(scalar.clone()),
        };
        Node { origin: origin.clone(), content, hidden: Vec::new() }
    }

    /// The value at a path of keys.
    pub fn get(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.table()?.get(*key))
    }

    /// Its keys, when it is a table.
    pub fn table(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.content {
            Content::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Sets the value at a path of keys; tables on the way are made, other values on the way give way.
    pub fn set(&mut self, path: &[String], value: Node) {
        let [key, rest @ ..] = path else {
            self.merge(value);
            return;
        };
        if !matches!(self.content, Content::Table(_)) {
            self.replace(Node { origin: value.origin.clone(), ..Node::default() });
        }
        if let Content::Table(table) = &mut self.content {
            let fresh = || Node { origin: value.origin.clone(), ..Node::default() };
            table.entry(key.clone()).or_insert_with(fresh).set(rest, value);
        }
    }

    /// Takes the value at a path of keys away.
    pub fn remove(&mut self, path: &[&str]) -> Option<Node> {
        let (key, rest) = path.split_first()?;
        match &mut self.content {
            Content::Table(table) if rest.is_empty() => table.remove(*key),
            Content::Table(table) => table.get_mut(*key)?.remove(rest),
            _ => None,
        }
    }

    /// Lays another value over this one: tables are merged key by key, everything else is replaced.
    pub fn merge(&mut self, mut over: Node) {
        match (&mut self.content, std::mem::take(&mut over.content)) {
            (Content::Table(under), Content::Table(above)) => {
                for (key, node) in above {
                    under.entry(key).or_default().merge(node);
                }
                if self.origin == Origin::Default {
                    self.origin = over.origin;
                }
            }
            (_, content) => self.replace(Node { content, ..over }),
        }
    }

    /// Puts another value in this one's place, and keeps this one as hidden when somebody wrote it.
    fn replace(&mut self, over: Node) {
        let mut under = std::mem::replace(self, over);
        let mut hidden = std::mem::take(&mut under.hidden);
        // An empty table is the place that was made for the value, not a value.
        if under.origin != Origin::Default && under.content != Content::default() {
            hidden.push(under);
        }
        hidden.append(&mut self.hidden);
        self.hidden = hidden;
    }

    /// The value without origins.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Node::value).collect()),
            Content::Table(table) => {
                Value::Object(table.iter().map(|(key, node)| (key.clone(), node.value())).collect())
            }
        }
    }

    /// What a message calls it; long text is cut.
    pub(super) fn shown(&self) -> String {
        match &self.content {
            Content::Scalar(Value::String(text)) if text.chars().count() > 40 => {
                format!("`{}...`", text.chars().take(40).collect::<String>().escape_debug())
            }
            Content::Scalar(Value::String(text)) => format!("`{}`", text.escape_debug()),
            Content::Scalar(value) => format!("`{value}`"),
            Content::List(_) => "a list".to_owned(),
            Content::Table(_) => "a table".to_owned(),
        }
    }
}

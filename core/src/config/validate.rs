//! A tree of values against a schema: the values as the house uses them, and everything that is wrong.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::convert::as_table;
use super::kind::join;
use super::{Content, Environment, Field, FieldKind, Node, Origin, Problem, Schema};

impl Schema {
    /// Checks a whole configuration. What is wrong is replaced by its default, so that one run finds
    /// every problem. Durations become seconds, sizes bytes, secrets the text they stand for.
    pub fn validate(&self, node: &Node, environment: &Environment) -> (Value, Vec<Problem>) {
        self.validate_at("", node, environment)
    }

    /// As [`Schema::validate`], for a table that stands under `prefix` (such as `plugins.access_log`).
    pub fn validate_at(&self, prefix: &str, node: &Node, environment: &Environment) -> (Value, Vec<Problem>) {
        let mut check = Check { root: self, prefix, environment, problems: Vec::new() };
        let table = as_table(node);
        if table.is_none() {
            let message = format!("found {}, expected a table", node.shown());
            check.problems.push(Problem::error(&node.origin, prefix, message));
        }
        let value = check.table(self, table.as_deref(), prefix);
        check.problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        (Value::Object(value), check.problems)
    }

    /// What is wrong with the schema itself: defaults that do not fit, names given twice, bad patterns.
    pub fn faults(&self) -> Vec<String> {
        let environment = Environment::default();
        let mut faults = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            if self.fields[..index].iter().any(|other| other.name == field.name) {
                faults.push(format!("`{}` is declared twice", field.name));
            }
            if let FieldKind::Table(schema) = &field.kind {
                faults
                    .extend(schema.faults().into_iter().map(|fault| format!("in `{}`: {fault}", field.name)));
            }
            if let FieldKind::String { pattern: Some(pattern), .. } = &field.kind
                && let Err(error) = regex::Regex::new(pattern)
            {
                faults.push(format!("`{}`: the pattern is not a regular expression: {error}", field.name));
                continue;
            }
            let mut check = Check { root: self, prefix: "", environment: &environment, problems: Vec::new() };
            check.default(field, &field.name);
            faults.extend(
                check
                    .problems
                    .iter()
                    .map(|problem| format!("default of `{}`: {}", field.name, problem.message)),
            );
        }
        faults
    }
}

/// One run over a tree.
pub(super) struct Check<'a> {
    pub(super) root: &'a Schema,
    pub(super) prefix: &'a str,
    pub(super) environment: &'a Environment,
    pub(super) problems: Vec<Problem>,
}

impl Check<'_> {
    pub(super) fn table(&mut self, schema: &Schema, node: Option<&Node>, prefix: &str) -> Map<String, Value> {
        let nodes = self.entries(schema, node, prefix);
        let mut values = Map::new();
        for field in &schema.fields {
            let key = join(prefix, &field.name);
            let given =
                nodes.get(field.name.as_str()).filter(|node| node.content != Content::Scalar(Value::Null));
            let value = match given {
                Some(node) => self.given(field, node, &key),
                None => self.absent(field, node, &key),
            };
            if let Some(value) = value {
                values.insert(field.name.clone(), value);
            }
        }
        if schema.open {
            let others = nodes.iter().filter(|(name, _)| schema.field(name).is_none());
            values.extend(others.map(|(name, node)| ((*name).to_owned(), any(node))));
        }
        values
    }

    /// The entries by the name of their field; unknown ones are reported, or kept when the table is open.
    fn entries<'n>(
        &mut self,
        schema: &Schema,
        node: Option<&'n Node>,
        prefix: &str,
    ) -> BTreeMap<&'n str, &'n Node>
    where
        Self: 'n,
    {
        let mut entries = BTreeMap::new();
        for (name, child) in node.and_then(Node::table).into_iter().flatten() {
            let known = schema.field(name).is_some();
            if known || schema.open {
                entries.insert(name.as_str(), child);
            } else {
                child.hidden.iter().chain([child]).for_each(|child| self.unknown(name, child, prefix));
            }
        }
        entries
    }

    fn unknown(&mut self, name: &str, node: &Node, prefix: &str) {
        let key = join(prefix, name);
        let inside = prefix.strip_prefix(self.prefix).unwrap_or(prefix).trim_start_matches('.');
        let hint = match self.root.nearest(inside, name) {
            Some(nearest) => format!("did you mean `{}`", join(self.prefix, &nearest)),
            None => "`ccproxy config schema` lists every key".to_owned(),
        };
        // A variable may belong to another program: it is named, and left alone.
        let problem = match node.origin {
            Origin::Environment(_) => Problem::warning(&node.origin, key, "unknown setting, left out"),
            _ => Problem::error(&node.origin, key, "unknown key"),
        };
        self.problems.push(problem.with_hint(hint));
    }

    fn given(&mut self, field: &Field, node: &Node, key: &str) -> Option<Value> {
        self.value(&field.kind, node, key).or_else(|| self.default(field, key))
    }

    fn absent(&mut self, field: &Field, table: Option<&Node>, key: &str) -> Option<Value> {
        match &field.kind {
            _ if field.required => {
                let origin = table.map_or(Origin::Default, |table| table.origin.clone());
                let message = format!("must be set: expected {}", field.kind.expected());
                self.problems.push(Problem::error(&origin, key, message));
                None
            }
            // A table whose fields all have defaults, or may be absent, is there without being written.
            FieldKind::Table(schema) if field.default.is_none() => {
                let complete = !schema.fields.iter().any(|inner| inner.required);
                complete.then(|| Value::Object(self.table(schema, None, key)))
            }
            _ => self.default(field, key),
        }
    }

    /// The default. A credential that its default does not find is absent rather than wrong.
    fn default(&mut self, field: &Field, key: &str) -> Option<Value> {
        let default = field.default.as_ref()?;
        let before = self.problems.len();
        let value = self.value(&field.kind, &Node::of(default, &Origin::Default), key);
        if field.kind == FieldKind::Secret {
            self.problems.truncate(before);
        }
        value
    }
}

/// A value that nothing describes. Text from the environment is JSON when it reads as JSON.
pub(super) fn any(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(Value::String(text)) if node.origin.is_text() => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        Content::Table(table) => {
            Value::Object(table.iter().map(|(key, node)| (key.clone(), any(node))).collect())
        }
        Content::List(items) => Value::Array(items.iter().map(any).collect()),
        Content::Scalar(value) => value.clone(),
    }
}

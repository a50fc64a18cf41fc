//! Environment variables as settings: `SERVER__PORT`, `PLUGINS__ACCESS_LOG__FORMAT`, `DISABLED_PLUGINS`.

use ccproxy_core::config::{Environment, Field, FieldKind, Node, Origin, Schema};
use serde_json::Value;

/// Variables whose name is not that of the setting.
const NAMED: [(&str, &str); 2] = [("CCPROXY_DATA_DIR", "data_dir"), ("CCPROXY_LOG_LEVEL", "logging.level")];

/// Top-level settings that have a variable of their own name. The others' names belong to other programs too.
const TOP: [&str; 3] = ["enable_plugins", "enabled_plugins", "disabled_plugins"];

/// The layer of the variables; `below` has what stands under it. A variable that is empty is not set.
/// Case does not matter in names; `__` stands between the parts.
pub(super) fn layer(environment: &Environment, schema: &Schema, below: &Node) -> Node {
    let mut layer = Node::empty();
    for (name, text) in environment.iter().filter(|(_, text)| !text.trim().is_empty()) {
        if let Some(path) = path(name, schema, below) {
            let origin = Origin::Environment(name.into());
            layer.set(&path, value(&path, text, &origin, schema));
        }
    }
    layer
}

/// The setting that a variable stands for, when it stands for one of ours.
fn path(name: &str, schema: &Schema, below: &Node) -> Option<Vec<String>> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, key)) = NAMED.iter().find(|(known, _)| *known == name) {
        return Some(key.split('.').map(str::to_owned).collect());
    }
    if TOP.contains(&lower.as_str()) {
        return Some(vec![lower]);
    }
    let parts: Vec<&str> = name.split("__").collect();
    let [section, rest @ ..] = parts.as_slice() else { return None };
    let section = section.to_ascii_lowercase();
    let table = matches!(schema.field(&section), Some(Field { kind: FieldKind::Table(_), .. }));
    let whole = !rest.is_empty() && rest.iter().all(|part| !part.is_empty());
    (table && whole).then(|| keys(section, rest, below))
}

/// The keys of a path. A part that is all upper case means the lower case key; one that differs from a
/// key which is already there only by case means that key.
fn keys(section: String, rest: &[&str], below: &Node) -> Vec<String> {
    let mut node = below.get(&[&section]);
    let mut keys = vec![section];
    for part in rest {
        let here = node.and_then(Node::table).into_iter().flatten();
        let known = here.map(|(key, _)| key).find(|key| key.eq_ignore_ascii_case(part)).cloned();
        let shouted = !part.bytes().any(|byte| byte.is_ascii_lowercase());
        let key =
            known.unwrap_or_else(|| if shouted { part.to_ascii_lowercase() } else { (*part).to_owned() });
        node = node.and_then(|node| node.get(&[&key]));
        keys.push(key);
    }
    keys
}

/// The value; where a table is expected the text is one in JSON.
fn value(path: &[String], text: &str, origin: &Origin, schema: &Schema) -> Node {
    let plugin = matches!(path, [section, _] if section == "plugins" || section == "providers");
    let table = plugin || matches!(described(path, schema), Some(FieldKind::Table(_)));
    let parsed = if table { serde_json::from_str(text).ok() } else { None };
    match parsed {
        Some(value @ Value::Object(_)) => Node::of(&value, origin),
        _ => Node::of(&Value::from(text), origin),
    }
}

fn described<'a>(path: &[String], schema: &'a Schema) -> Option<&'a FieldKind> {
    let (first, rest) = path.split_first()?;
    let kind = &schema.field(first)?.kind;
    match (kind, rest) {
        (kind, []) => Some(kind),
        (FieldKind::Table(inner), rest) => described(rest, inner),
        _ => None,
    }
}

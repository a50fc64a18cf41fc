//! The API as a standard library for selene: which functions there are, and what they take.

use std::fmt::Write;

use super::Reference;
use super::item::{Function, Item, Name};
use super::kind::Kind;

/// What test files have beside it; its stub, `types/test.lua`, is no part of the host API.
const TESTS: &str = "  test:
    args:
      - type: string
      - type: function
  test.skip:
    args:
      - type: string
      - type: function
";

/// The text of the file. The dialect's own functions come from selene's `luau`.
pub(super) fn write(reference: &Reference) -> String {
    let mut out = "# The `ccproxy` table for selene, made from the stubs beside this file.\nbase: luau\nname: ccproxy\nglobals:\n".to_owned();
    for item in reference.items() {
        match item {
            Item::Value { path, .. } => {
                let _ = writeln!(out, "  {path}:\n    property: read-only");
            }
            Item::Function(function) => write_function(&mut out, reference, function),
            _ => {}
        }
    }
    out.push_str(TESTS);
    out
}

fn write_function(out: &mut String, reference: &Reference, function: &Function) {
    let Name::Path(path) = &function.name else { return };
    if function.arguments.is_empty() {
        let _ = writeln!(out, "  {path}:\n    args: []");
        return;
    }
    let _ = writeln!(out, "  {path}:\n    args:");
    for argument in &function.arguments {
        let kind = if argument.name == "..." { "..." } else { checked(reference, &argument.kind) };
        let _ = writeln!(out, "      - type: {}", if kind == "..." { "\"...\"" } else { kind });
        if argument.optional || argument.name == "..." {
            let _ = writeln!(out, "        required: false");
        }
    }
}

/// The type that selene checks a value against.
fn checked(reference: &Reference, kind: &Kind) -> &'static str {
    match kind {
        Kind::Named(name) => match name.as_str() {
            "string" => "string",
            "number" | "integer" => "number",
            "boolean" => "bool",
            "table" => "table",
            name => match alias(reference, name) {
                Some(kind) => checked(reference, kind),
                // Options are written as a table; handles are not.
                None if is_table(reference, name) => "table",
                None => "any",
            },
        },
        Kind::Map(..) | Kind::List(_) | Kind::Record(_) | Kind::Indexed(..) => "table",
        Kind::Function(..) => "function",
        Kind::Literal(_) => "string",
        Kind::Maybe(_) => "any",
        Kind::Union(kinds) => {
            let mut each = kinds.iter().map(|kind| checked(reference, kind));
            let first = each.next().unwrap_or("any");
            if each.all(|kind| kind == first) { first } else { "any" }
        }
    }
}

fn alias<'a>(reference: &'a Reference, name: &str) -> Option<&'a Kind> {
    reference.items().find_map(|item| match item {
        Item::Alias { name: known, kind, .. } if known == name => Some(kind),
        _ => None,
    })
}

/// Whether a class is one of options: it has fields, and no methods.
fn is_table(reference: &Reference, name: &str) -> bool {
    let of = |function: &Function| matches!(&function.name, Name::Method { class, .. } if class == name);
    let has_methods = reference.functions().any(of);
    reference
        .class(name)
        .is_some_and(|class| !has_methods && (!class.fields.is_empty() || class.parent.is_some()))
}

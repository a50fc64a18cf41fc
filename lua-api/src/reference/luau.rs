//! The API as a Luau definition file: what `luau-lsp --definitions` reads.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Reference;
use super::item::{Class, Function, Item, Name, Text};
use super::kind::{Argument, Kind};

/// The text of the file.
pub(super) fn write(reference: &Reference) -> String {
    let mut out =
        "-- The `ccproxy` table and its types for luau-lsp, made from the stubs beside this file.\n"
            .to_owned();
    for item in reference.items() {
        match item {
            Item::Class(class) if !class.namespace => write_class(&mut out, reference, class),
            Item::Alias { name, kind, text } => {
                words(&mut out, text, "");
                let _ = writeln!(out, "export type {} = {}", type_name(name), spell(kind));
            }
            _ => {}
        }
    }
    words(&mut out, &Text::default(), "");
    let _ = writeln!(out, "declare ccproxy: {}", table(&tree(reference), "").trim_end());
    out
}

/// What stands in the `ccproxy` table: a member, or a table of them.
enum Node<'a> {
    Table(BTreeMap<&'a str, Node<'a>>),
    Member(String, &'a Text),
}

fn tree(reference: &Reference) -> BTreeMap<&str, Node<'_>> {
    let mut root = BTreeMap::new();
    for item in reference.items() {
        let (path, kind, text) = match item {
            Item::Value { path, kind, text } => (path, spell(kind), text),
            Item::Function(Function { name: Name::Path(path), .. }) => {
                let Item::Function(function) = item else { continue };
                (path, signature(function, None), &function.text)
            }
            _ => continue,
        };
        let mut parts = path.split('.').skip(1).peekable();
        let mut place = &mut root;
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                place.insert(part, Node::Member(kind, text));
                break;
            }
            let inner = place.entry(part).or_insert_with(|| Node::Table(BTreeMap::new()));
            match inner {
                Node::Table(table) => place = table,
                Node::Member(..) => break,
            }
        }
    }
    root
}

fn table(nodes: &BTreeMap<&str, Node<'_>>, indent: &str) -> String {
    let inner = format!("{indent}\t");
    let mut out = "{\n".to_owned();
    for (name, node) in nodes {
        match node {
            Node::Table(nodes) => {
                let _ = writeln!(out, "{inner}{name}: {},", table(nodes, &inner).trim_end());
            }
            Node::Member(kind, text) => {
                words(&mut out, text, &inner);
                let _ = writeln!(out, "{inner}{name}: {kind},");
            }
        }
    }
    let _ = writeln!(out, "{indent}}}");
    out
}

fn write_class(out: &mut String, reference: &Reference, class: &Class) {
    let methods: Vec<&Function> = reference.functions().filter(|function| is_of(function, class)).collect();
    words(out, &class.text, "");
    let name = type_name(&class.name);
    if class.fields.is_empty() && methods.is_empty() && class.index.is_none() && class.parent.is_none() {
        // Nothing can be done with it but to hand it on.
        let _ = writeln!(out, "declare class {name} end");
        return;
    }
    let parent = class.parent.as_deref().map(|parent| format!("{} & ", type_name(parent)));
    let _ = writeln!(out, "export type {name} = {}{{", parent.unwrap_or_default());
    for field in &class.fields {
        let comment = if field.words.is_empty() { String::new() } else { format!(" -- {}", field.words) };
        let kind = if field.optional { optional(&field.kind) } else { spell(&field.kind) };
        let _ = writeln!(out, "\t{}: {kind},{comment}", field.name);
    }
    for method in methods {
        words(out, &method.text, "\t");
        let Name::Method { name: called, .. } = &method.name else { continue };
        let _ = writeln!(out, "\t{called}: {},", signature(method, Some(&name)));
    }
    if let Some((key, value)) = &class.index {
        let _ = writeln!(out, "\t[{}]: {},", spell(key), spell(value));
    }
    out.push_str("}\n");
}

fn is_of(function: &Function, class: &Class) -> bool {
    matches!(&function.name, Name::Method { class: of, .. } if *of == class.name)
}

fn words(out: &mut String, text: &Text, indent: &str) {
    if indent.is_empty() {
        out.push('\n');
    }
    for line in &text.words {
        let _ = writeln!(out, "{indent}{}", format!("--- {line}").trim_end());
    }
}

/// `ccproxy.kv.Options` as a name of Luau.
fn type_name(name: &str) -> String {
    let capital = |part: &str| part.get(..1).unwrap_or_default().to_uppercase() + part.get(1..).unwrap_or("");
    name.split('.').map(capital).collect()
}

fn signature(function: &Function, this: Option<&str>) -> String {
    let generics: Vec<&str> = function.generics.iter().map(|(name, _)| &**name).collect();
    let generics = if generics.is_empty() { String::new() } else { format!("<{}>", generics.join(", ")) };
    let mut arguments: Vec<String> = this.map(|this| format!("self: {this}")).into_iter().collect();
    arguments.extend(function.arguments.iter().map(argument));
    let results: Vec<String> = function.results.iter().map(|(kind, name, _)| result(kind, name)).collect();
    format!("{generics}({}) -> {}", arguments.join(", "), pack(&results))
}

fn argument(argument: &Argument) -> String {
    let Argument { name, optional: left_out, kind } = argument;
    match name.as_str() {
        "..." => format!("...{}", spell(kind)),
        _ if *left_out => format!("{name}: {}", optional(kind)),
        _ => format!("{name}: {}", spell(kind)),
    }
}

fn result(kind: &Kind, name: &str) -> String {
    if name == "..." { format!("...{}", spell(kind)) } else { spell(kind) }
}

fn pack(results: &[String]) -> String {
    match results {
        [one] => one.clone(),
        many => format!("({})", many.join(", ")),
    }
}

fn optional(kind: &Kind) -> String {
    match kind {
        Kind::Maybe(_) => spell(kind),
        Kind::Named(name) if name == "any" => "any".to_owned(),
        Kind::Union(_) | Kind::Function(..) => format!("({})?", spell(kind)),
        _ => format!("{}?", spell(kind)),
    }
}

fn spell(kind: &Kind) -> String {
    match kind {
        Kind::Named(name) => match name.as_str() {
            "integer" => "number".to_owned(),
            "table" => "{ [any]: any }".to_owned(),
            name if name.contains('.') => type_name(name),
            name => name.to_owned(),
        },
        Kind::Map(key, value) | Kind::Indexed(key, value) => {
            format!("{{ [{}]: {} }}", spell(key), spell(value))
        }
        Kind::List(of) => format!("{{ {} }}", spell(of)),
        Kind::Union(kinds) => {
            let one = |kind: &Kind| match kind {
                Kind::Function(..) => format!("({})", spell(kind)),
                _ => spell(kind),
            };
            kinds.iter().map(one).collect::<Vec<_>>().join(" | ")
        }
        Kind::Maybe(kind) => optional(kind),
        Kind::Literal(text) => format!("\"{text}\""),
        Kind::Record(fields) => {
            format!("{{ {} }}", fields.iter().map(argument).collect::<Vec<_>>().join(", "))
        }
        Kind::Function(arguments, results) => {
            let arguments: Vec<String> = arguments.iter().map(argument).collect();
            let results: Vec<String> = results.iter().map(spell).collect();
            format!("({}) -> {}", arguments.join(", "), pack(&results))
        }
    }
}

//! The API as a page to read: `docs/lua-api.md`.

use std::fmt::Write;

use super::Reference;
use super::item::{Class, Function, Item, Name, Page, Text};
use super::kind::Kind;

const OPENING: &str = "\
# The host API

Everything that a script can call, with an example a function: the `ccproxy` table first, then the handles that handlers are
given, then the tables that scripts write. This page is made from the stubs in `lua-api/types/`, which editors read; a test
runs the examples and holds every function and parameter against the running host. How plugins are built is told in
[plugin-authoring.md](plugin-authoring.md).

A wrong argument raises an error that names it. What fails in the world (a host that is down, a full store) gives `nil, err`,
where `err` is a [`ccproxy.Error`](#ccproxyerror-1). `name?` may be left out. `-- =>` shows what a line gives.
";

/// The text of the page.
pub(super) fn write(reference: &Reference) -> String {
    let mut out = OPENING.to_owned();
    let (modules, rest): (Vec<&Page>, Vec<&Page>) =
        reference.pages.iter().partition(|page| !matches!(page.name.as_str(), "ccproxy" | "body"));
    let general = rest.iter().filter(|page| page.name == "ccproxy");
    out.push_str("\n| part | what it is for |\n| --- | --- |\n");
    for page in &modules {
        let title = title(page);
        let words = about(page).words.first().cloned().unwrap_or_default();
        let first = words.split(". ").next().unwrap_or_default().trim_end_matches(['.', ':']).to_owned();
        let _ = writeln!(out, "| [`{title}`](#{}) | {first} |", anchor(&title));
    }
    out.push_str("\n## ccproxy\n");
    for page in general.clone() {
        values_and_functions(&mut out, page);
    }
    for page in &modules {
        let _ = writeln!(out, "\n## {}\n", title(page));
        if page.items.iter().any(|item| matches!(item, Item::Class(class) if class.namespace)) {
            paragraph(&mut out, about(page));
        }
        values_and_functions(&mut out, page);
        for class in classes(page) {
            write_class(&mut out, reference, class);
        }
    }
    out.push_str("\n## Handles and tables\n");
    for page in rest {
        for item in &page.items {
            match item {
                Item::Class(class) if !class.namespace => write_class(&mut out, reference, class),
                Item::Alias { name, kind, text } => {
                    let _ = writeln!(out, "\n### {name}\n");
                    paragraph(&mut out, text);
                    let _ = writeln!(out, "`{kind}`");
                }
                _ => {}
            }
        }
    }
    out
}

/// `ccproxy.kv`; pages whose functions stand in the `ccproxy` table itself are called by the first of them.
fn title(page: &Page) -> String {
    let namespace = page.items.iter().find_map(|item| match item {
        Item::Class(class) if class.namespace => Some(class.name.clone()),
        _ => None,
    });
    namespace.unwrap_or_else(|| format!("ccproxy.{}", page.name))
}

/// The words about a namespace, or about the first function where there is none.
fn about(page: &Page) -> &Text {
    static NOTHING: Text = Text { words: Vec::new(), example: Vec::new() };
    let found = page.items.iter().find_map(|item| match item {
        Item::Class(class) if class.namespace => Some(&class.text),
        _ => None,
    });
    let first = page.items.iter().find_map(|item| match item {
        Item::Function(function) => Some(&function.text),
        _ => None,
    });
    found.or(first).unwrap_or(&NOTHING)
}

fn classes(page: &Page) -> impl Iterator<Item = &Class> {
    page.items.iter().filter_map(|item| match item {
        Item::Class(class) if !class.namespace && !class.fields.is_empty() => Some(class),
        _ => None,
    })
}

fn values_and_functions(out: &mut String, page: &Page) {
    for item in &page.items {
        match item {
            Item::Value { path, kind, text } => {
                let _ = writeln!(out, "\n### {path}\n\n`{kind}`\n");
                paragraph(out, text);
            }
            Item::Function(function) if matches!(function.name, Name::Path(_)) => {
                write_function(out, function)
            }
            _ => {}
        }
    }
}

fn write_function(out: &mut String, function: &Function) {
    let called = function.called();
    let names = function
        .arguments
        .iter()
        .map(|argument| format!("{}{}", argument.name, if argument.optional { "?" } else { "" }));
    // A page of one function has its name as the heading.
    if !out.ends_with(&format!("\n## {called}\n\n")) {
        let _ = writeln!(out, "\n### {called}\n");
    }
    let _ = writeln!(out, "`{called}({})`", names.collect::<Vec<_>>().join(", "));
    if !function.text.words.is_empty() {
        out.push('\n');
        paragraph(out, &function.text);
    }
    let mut lines = Vec::new();
    for (argument, about) in function.arguments.iter().zip(&function.about) {
        lines.push(line(&argument.name, &argument.kind, about));
    }
    for (kind, name, words) in &function.results {
        let name = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        let words = if words.is_empty() { String::new() } else { format!(": {words}") };
        lines.push(format!("- gives{name} `{kind}`{words}"));
    }
    if !lines.is_empty() {
        let _ = writeln!(out, "\n{}", lines.join("\n"));
    }
    if !function.text.example.is_empty() {
        let _ = writeln!(out, "\n```lua\n{}\n```", function.text.example.join("\n"));
    }
}

fn write_class(out: &mut String, reference: &Reference, class: &Class) {
    let _ = writeln!(out, "\n### {}\n", class.name);
    paragraph(out, &class.text);
    if let Some(parent) = &class.parent {
        let _ = writeln!(out, "It has the fields of [`{parent}`](#{}) too.", anchor(parent));
    }
    if !class.fields.is_empty() {
        out.push('\n');
    }
    for field in &class.fields {
        let name = format!("{}{}", field.name, if field.optional { "?" } else { "" });
        let _ = writeln!(out, "{}", line(&name, &field.kind, &field.words));
    }
    let of =
        |function: &&Function| matches!(&function.name, Name::Method { class: of, .. } if *of == class.name);
    for method in reference.functions().filter(of) {
        write_function(out, method);
    }
}

fn line(name: &str, kind: &Kind, words: &str) -> String {
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    format!("- `{name}` `{kind}`{words}")
}

fn paragraph(out: &mut String, text: &Text) {
    if !text.words.is_empty() {
        let _ = writeln!(out, "{}", text.words.join("\n"));
    }
}

/// The name under which a heading is found in the page.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

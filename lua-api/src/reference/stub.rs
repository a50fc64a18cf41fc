//! Reads a stub: the part of LuaCATS that ours are written in. Anything else is an error, so that nothing is
//! lost on the way to the other outputs.

use std::collections::HashMap;
use std::fmt;

use super::item::{Class, Field, Function, Item, Name, Page, Text};
use super::kind::{Argument, Kind};

/// A line of a stub that was not understood.
#[derive(Debug)]
pub struct BadStub {
    /// The stub.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl fmt::Display for BadStub {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.lua:{}: cannot read `{}`", self.file, self.line, self.text)
    }
}

impl std::error::Error for BadStub {}

/// The lines above a declaration.
#[derive(Default)]
struct Above {
    text: Text,
    in_example: bool,
    class: Option<Class>,
    alias: Option<(String, Vec<Kind>)>,
    kind: Option<Kind>,
    generics: Vec<(String, Option<Kind>)>,
    arguments: Vec<Argument>,
    about: Vec<String>,
    results: Vec<(Kind, String, String)>,
}

/// Reads the stub of this name.
pub(super) fn read(name: &str, text: &str) -> Result<Page, BadStub> {
    let mut items = Vec::new();
    let mut above = Above::default();
    // `local Headers = {}` below a class.
    let mut locals = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let known = if let Some(comment) = line.strip_prefix("---") {
            // A second type below the first has no words of its own.
            let opens = comment.starts_with("@class ") || comment.starts_with("@alias ");
            if opens && (above.class.is_some() || above.alias.is_some()) {
                above.end(&mut items);
            }
            above.comment(comment).is_some()
        } else if line.is_empty() {
            above.end(&mut items);
            true
        } else {
            std::mem::take(&mut above).code(line, &mut items, &mut locals).is_some()
        };
        if !known {
            return Err(BadStub { file: name.to_owned(), line: at + 1, text: line.to_owned() });
        }
    }
    above.end(&mut items);
    Ok(Page { name: name.to_owned(), items })
}

impl Above {
    /// A line that begins with `---`, without that.
    fn comment(&mut self, comment: &str) -> Option<()> {
        if self.in_example || !comment.starts_with(['@', '|']) {
            self.words(comment.strip_prefix(' ').unwrap_or(comment));
            return Some(());
        }
        if let Some(option) = comment.strip_prefix('|') {
            let (kind, rest) = Kind::read(option)?;
            self.alias.as_mut()?.1.push(kind);
            return rest.trim().is_empty().then_some(());
        }
        let (tag, rest) = comment.split_once(' ')?;
        match tag {
            "@meta" => {}
            "@class" => self.class = Some(self.class(rest)?),
            "@field" => {
                let field = field(rest, self.class.as_mut()?)?;
                self.class.as_mut()?.fields.extend(field);
            }
            "@alias" => {
                let (name, kinds) = match rest.split_once(' ') {
                    Some((name, kind)) => (name, vec![whole(kind)?]),
                    None => (rest, Vec::new()),
                };
                self.alias = Some((name.to_owned(), kinds));
            }
            "@type" => self.kind = Some(whole(rest)?),
            "@generic" => {
                let (name, bound) = match rest.split_once(": ") {
                    Some((name, bound)) => (name, Some(whole(bound)?)),
                    None => (rest, None),
                };
                self.generics.push((name.to_owned(), bound));
            }
            "@param" => {
                let (name, rest) = rest.split_once(' ')?;
                let (kind, words) = Kind::read(rest)?;
                let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
                self.arguments.push(Argument { name: name.to_owned(), optional, kind });
                self.about.push(words.trim().to_owned());
            }
            "@return" => {
                let (kind, rest) = Kind::read(rest)?;
                let (name, words) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
                self.results.push((kind, name.to_owned(), words.to_owned()));
            }
            _ => return None,
        }
        Some(())
    }

    /// A line of Markdown.
    fn words(&mut self, line: &str) {
        match line {
            "```lua" => self.in_example = true,
            "```" => self.in_example = false,
            line if self.in_example => self.text.example.push(line.to_owned()),
            line => self.text.words.push(line.to_owned()),
        }
    }

    fn class(&mut self, rest: &str) -> Option<Class> {
        let rest = rest.strip_prefix("(exact) ").unwrap_or(rest);
        let (name, parent) = rest.split_once(": ").unwrap_or((rest, ""));
        let mut class = Class {
            name: name.to_owned(),
            parent: None,
            index: None,
            fields: Vec::new(),
            text: std::mem::take(&mut self.text),
            namespace: false,
        };
        if !parent.is_empty() {
            match whole(parent)? {
                Kind::Named(parent) => class.parent = Some(parent),
                Kind::Indexed(key, value) => class.index = Some((*key, *value)),
                _ => return None,
            }
        }
        Some(class)
    }

    /// What stands above nothing is a type.
    fn end(&mut self, items: &mut Vec<Item>) {
        let above = std::mem::take(self);
        items.extend(above.class.map(Item::Class));
        if let Some((name, mut kinds)) = above.alias {
            let kind = if kinds.len() == 1 { kinds.pop() } else { Some(Kind::Union(kinds)) };
            items.extend(kind.map(|kind| Item::Alias { name, kind, text: above.text }));
        }
    }

    /// What stands above a line of code.
    fn code(mut self, line: &str, items: &mut Vec<Item>, locals: &mut HashMap<String, String>) -> Option<()> {
        if let Some(local) = line.strip_prefix("local ").and_then(|line| line.strip_suffix(" = {}")) {
            locals.insert(local.to_owned(), self.class.as_ref()?.name.clone());
            self.end(items);
        } else if let Some(path) = line.strip_suffix(" = {}") {
            let mut class = self.class.take()?;
            class.namespace = true;
            if class.name != path {
                return None;
            }
            items.push(Item::Class(class));
        } else if let Some(head) = line.strip_prefix("function ").and_then(|line| line.strip_suffix(") end"))
        {
            let (path, names) = head.split_once('(')?;
            let declared: Vec<&str> = names.split(", ").filter(|name| !name.is_empty()).collect();
            if declared != self.arguments.iter().map(|argument| &*argument.name).collect::<Vec<_>>() {
                return None;
            }
            let name = match path.split_once(':') {
                Some((local, name)) => {
                    Name::Method { class: locals.get(local)?.clone(), name: name.to_owned() }
                }
                None => Name::Path(path.to_owned()),
            };
            items.push(Item::Function(Function {
                name,
                generics: self.generics,
                arguments: self.arguments,
                about: self.about,
                results: self.results,
                text: self.text,
            }));
        } else {
            let (path, _) = line.split_once(" = ")?;
            items.push(Item::Value { path: path.to_owned(), kind: self.kind?, text: self.text });
        }
        Some(())
    }
}

/// `name? kind words`, or `[key] kind`, which is the class's index.
fn field(rest: &str, class: &mut Class) -> Option<Option<Field>> {
    if let Some(rest) = rest.strip_prefix('[') {
        let (key, value) = rest.split_once("] ")?;
        class.index = Some((whole(key)?, whole(value)?));
        return Some(None);
    }
    let (name, rest) = rest.split_once(' ')?;
    let (kind, words) = Kind::read(rest)?;
    let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
    Some(Some(Field { name: name.to_owned(), optional, kind, words: words.trim().to_owned() }))
}

/// A type and nothing behind it.
fn whole(text: &str) -> Option<Kind> {
    Kind::read(text).filter(|(_, rest)| rest.trim().is_empty()).map(|(kind, _)| kind)
}

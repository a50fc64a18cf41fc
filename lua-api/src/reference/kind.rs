//! Types as the stubs spell them: `string|fun(a: integer): boolean`, `table<string, T>`, `T[]`, `{ a?: T }`.

use std::fmt;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `string`, `ccproxy.Error`, a type parameter.
    Named(String),
    /// `table<K, V>`
    Map(Box<Kind>, Box<Kind>),
    /// `T[]`
    List(Box<Kind>),
    /// One of them.
    Union(Vec<Kind>),
    /// `T?`
    Maybe(Box<Kind>),
    /// `"text"`
    Literal(String),
    /// `{ name: T }`
    Record(Vec<Argument>),
    /// `{ [K]: V }`
    Indexed(Box<Kind>, Box<Kind>),
    /// `fun(...): ...`
    Function(Vec<Argument>, Vec<Kind>),
}

/// A name with a type: a parameter, or a field of a record. `...` is the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// `timeout`
    pub name: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// Its type.
    pub kind: Kind,
}

impl Kind {
    /// The type at the beginning of a text, and what stands behind it.
    pub(super) fn read(text: &str) -> Option<(Kind, &str)> {
        let mut reader = Reader { rest: text };
        let kind = reader.union()?;
        Some((kind, reader.rest))
    }

    fn named(name: &str) -> Kind {
        Kind::Named(name.to_owned())
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Takes a mark, with the blanks before it.
    fn mark(&mut self, mark: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(mark) else { return false };
        self.rest = rest;
        true
    }

    fn name(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '.');
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        if name.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(name)
    }

    fn union(&mut self) -> Option<Kind> {
        let mut kinds = vec![self.postfix()?];
        while self.mark("|") {
            kinds.push(self.postfix()?);
        }
        if kinds.len() > 1 { Some(Kind::Union(kinds)) } else { kinds.pop() }
    }

    fn postfix(&mut self) -> Option<Kind> {
        let mut kind = self.primary()?;
        // Directly behind the type: `string ?` would be a description.
        loop {
            if let Some(rest) = self.rest.strip_prefix("[]") {
                self.rest = rest;
                kind = Kind::List(Box::new(kind));
            } else if let Some(rest) = self.rest.strip_prefix('?') {
                self.rest = rest;
                kind = Kind::Maybe(Box::new(kind));
            } else {
                return Some(kind);
            }
        }
    }

    fn primary(&mut self) -> Option<Kind> {
        if self.mark("(") {
            let kind = self.union()?;
            return self.mark(")").then_some(kind);
        }
        if self.mark("\"") {
            let (text, rest) = self.rest.split_once('"')?;
            self.rest = rest;
            return Some(Kind::Literal(text.to_owned()));
        }
        if self.mark("{") {
            if self.mark("[") {
                let key = self.union()?;
                let value = (self.mark("]") && self.mark(":")).then(|| self.union()).flatten()?;
                return self.mark("}").then(|| Kind::Indexed(Box::new(key), Box::new(value)));
            }
            return Some(Kind::Record(self.arguments("}")?));
        }
        match self.name()? {
            "fun" => {
                let arguments = self.mark("(").then(|| self.arguments(")")).flatten()?;
                let results = if self.mark(":") { self.results()? } else { Vec::new() };
                Some(Kind::Function(arguments, results))
            }
            "table" if self.rest.starts_with('<') => {
                self.mark("<");
                let key = self.union()?;
                let value = self.mark(",").then(|| self.union()).flatten()?;
                self.mark(">").then(|| Kind::Map(Box::new(key), Box::new(value)))
            }
            name => Some(Kind::named(name)),
        }
    }

    /// `name?: kind, ...: kind` up to the closing mark.
    fn arguments(&mut self, end: &str) -> Option<Vec<Argument>> {
        let mut list = Vec::new();
        while !self.mark(end) {
            if !list.is_empty() && !self.mark(",") {
                return None;
            }
            let name = self.name()?.to_owned();
            let optional = self.mark("?");
            let kind = if self.mark(":") { self.union()? } else { Kind::named("any") };
            list.push(Argument { name, optional, kind });
        }
        Some(list)
    }

    /// `A, B`, or `(name: A, name: B)`.
    fn results(&mut self) -> Option<Vec<Kind>> {
        let before = self.rest;
        if self.mark("(") {
            let named = self.arguments(")").filter(|list| list.iter().all(|one| !one.name.contains('.')));
            if let Some(list) = named.filter(|list| list.len() > 1) {
                return Some(list.into_iter().map(|one| one.kind).collect());
            }
            self.rest = before;
        }
        let mut kinds = vec![self.union()?];
        while self.mark(",") {
            kinds.push(self.union()?);
        }
        Some(kinds)
    }
}

/// As LuaCATS spells it.
impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |kinds: &[Kind], between: &str| {
            kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
        };
        let named =
            |arguments: &[Argument]| arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Kind::Named(name) => write!(out, "{name}"),
            Kind::Literal(text) => write!(out, "\"{text}\""),
            Kind::Map(key, value) => write!(out, "table<{key}, {value}>"),
            Kind::List(kind) => match **kind {
                Kind::Union(_) | Kind::Function(..) => write!(out, "({kind})[]"),
                _ => write!(out, "{kind}[]"),
            },
            Kind::Maybe(kind) => match **kind {
                Kind::Union(_) | Kind::Function(..) => write!(out, "({kind})?"),
                _ => write!(out, "{kind}?"),
            },
            Kind::Union(kinds) => write!(out, "{}", list(kinds, "|")),
            Kind::Record(fields) => write!(out, "{{ {} }}", named(fields)),
            Kind::Indexed(key, value) => write!(out, "{{ [{key}]: {value} }}"),
            Kind::Function(arguments, results) if results.is_empty() => {
                write!(out, "fun({})", named(arguments))
            }
            Kind::Function(arguments, results) => {
                write!(out, "fun({}): {}", named(arguments), list(results, ", "))
            }
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = if self.optional { "?" } else { "" };
        write!(out, "{}{optional}: {}", self.name, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_they_are_spelled() {
        for text in [
            "string",
            "string|number|nil",
            "ccproxy.Error?",
            "(string|integer)[]",
            "table<string, ccproxy.schema.Field>",
            "table<string, table<string, fun(...: any): any>>",
            "{ id: string }",
            "{ [string]: string? }",
            "fun(req: ccproxy.Request, args?: table): ccproxy.Reply?",
            "fun(self?: ccproxy.http.Answer): any, ccproxy.Error?",
            "\"one\"|\"per_core\"",
        ] {
            let (kind, rest) = Kind::read(text).expect(text);
            assert_eq!((kind.to_string().as_str(), rest), (text, ""));
        }
    }

    #[test]
    fn what_follows_a_type_is_left() {
        for (text, kind, rest) in [
            ("string? Can be set.", "string?", " Can be set."),
            ("string value", "string", " value"),
            ("fun(): (a: string, b: number)", "fun(): string, number", ""),
            ("fun(): (integer|string)?, any", "fun(): (integer|string)?, any", ""),
            ("(fun(): A?, B?)", "fun(): A?, B?", ""),
        ] {
            let read = Kind::read(text).expect(text);
            assert_eq!((read.0.to_string().as_str(), read.1), (kind, rest), "{text}");
        }
        for bad in ["", "|a", "{ a b }", "table<string", "fun(", "\"open"] {
            assert_eq!(Kind::read(bad), None, "{bad}");
        }
    }
}

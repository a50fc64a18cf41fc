//! The rules: host functions that exist, rights that are asked for, handlers that take what they get.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ccproxy_core::middleware::BodyAccess;
use ccproxy_core::plugin::Manifest;

use super::Finding;
use super::token::{Kind, Token, tokens};
use crate::manifest::nearest;
use crate::reference::{Item, Name, Reference, STUBS};

/// Namespaces that need a right, and how it begins.
const RIGHTS: [(&str, &str); 3] = [("kv", "kv"), ("file", "files"), ("http", "http")];

/// Handlers, and what each gets at most.
const HANDLERS: [(&str, &[&str]); 11] = [
    ("request", &["req", "plugin", "args"]),
    ("response", &["req", "res", "plugin", "args"]),
    ("event", &["req", "ev", "plugin", "args"]),
    ("chunk", &["req", "bytes", "plugin", "args"]),
    ("around", &["req", "next", "plugin", "args"]),
    ("handler", &["req", "plugin"]),
    ("run", &["what it is for", "plugin"]),
    ("setup", &["plugin", "previous"]),
    ("snapshot", &["plugin"]),
    ("health", &["plugin"]),
    ("shutdown", &["plugin"]),
];

/// Looks at every file. The capabilities are known once the plugin could be declared.
pub(super) fn check(files: &BTreeMap<String, String>, capabilities: Option<&[String]>) -> Vec<Finding> {
    let known = Known::read();
    let mut findings = Vec::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for (file, source) in files {
        let tokens = tokens(source);
        for chain in chains(&tokens, source) {
            findings.extend(known.judge(file, source, &chain));
            let namespace = chain.names.first().map_or("", |(name, _)| name);
            let Some((_, right)) = RIGHTS.iter().find(|(known, _)| *known == namespace) else { continue };
            let first_use = used.insert(right);
            let has = |list: &[String]| list.iter().any(|own| own.split(':').next() == Some(right));
            if first_use && capabilities.is_some_and(|list| !has(list)) {
                let wanted = if *right == "http" { "http:<host>" } else { right };
                let told = format!(
                    "`ccproxy.{namespace}` needs the capability `{wanted}`; add it to `capabilities` in the manifest"
                );
                findings.push(Finding::at(file, source, &chain.bytes, true, told));
            }
        }
        if file == crate::script::MAIN {
            findings.extend(arity(file, source, &tokens));
        }
    }
    for own in capabilities.unwrap_or_default() {
        let right = own.split(':').next().unwrap_or_default();
        let is_known = RIGHTS.iter().any(|(_, known)| *known == right);
        if is_known && !used.contains(right) {
            findings.push(unused(files, own, right));
        } else if !is_known && right != "wire" {
            let hint = nearest(right, ["kv", "files", "http", "wire"].into_iter());
            let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            findings.push(about_capability(
                files,
                own,
                true,
                format!("there is no capability `{own}`{hint}"),
            ));
        }
    }
    findings
}

fn unused(files: &BTreeMap<String, String>, own: &str, right: &str) -> Finding {
    let namespace = RIGHTS.iter().find(|(_, known)| *known == right).map_or("", |(namespace, _)| namespace);
    let told = format!("the capability `{own}` is not used: nothing here names `ccproxy.{namespace}`");
    about_capability(files, own, false, told)
}

/// Where the manifest asks for it.
fn about_capability(files: &BTreeMap<String, String>, own: &str, error: bool, told: String) -> Finding {
    let main = crate::script::MAIN;
    let source = files.get(main).map_or("", String::as_str);
    let tokens = tokens(source);
    let quoted = |token: &&Token| {
        let text = token.text(source);
        token.kind == Kind::Text && text.len() == own.len() + 2 && text[1..].starts_with(own)
    };
    match tokens.iter().find(quoted) {
        Some(token) => Finding::at(main, source, &token.at, error, told),
        None => Finding { error, ..Finding::whole(main, told) },
    }
}

/// `ccproxy.a.b`: the names behind the table, and all of its bytes.
struct Chain<'s> {
    names: Vec<(&'s str, Range<usize>)>,
    bytes: Range<usize>,
}

fn chains<'s>(tokens: &[Token], source: &'s str) -> Vec<Chain<'s>> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text(source) == text);
    let aliases = aliases(tokens, source);
    let mut chains = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let field = index > 0 && (is(index - 1, ".") || is(index - 1, ":"));
        let name = token.text(source);
        if token.kind != Kind::Name || field || (name != "ccproxy" && !aliases.contains(name)) {
            continue;
        }
        let (mut names, mut at) = (Vec::new(), index + 1);
        while names.len() < 2
            && is(at, ".")
            && let Some(name) = tokens.get(at + 1).filter(|token| token.kind == Kind::Name)
        {
            names.push((name.text(source), name.at.clone()));
            at += 2;
        }
        if let Some((_, last)) = names.last() {
            let bytes = token.at.start..last.end;
            chains.push(Chain { names, bytes });
        }
    }
    chains
}

/// Other names of the table: `local c = ccproxy`.
fn aliases<'s>(tokens: &[Token], source: &'s str) -> BTreeSet<&'s str> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text(source));
    let bound = (0..tokens.len()).filter(|at| {
        text(*at) == "local"
            && text(at + 2) == "="
            && text(at + 3) == "ccproxy"
            && !matches!(text(at + 4), "." | "[" | ":" | "(")
    });
    bound.filter_map(|at| tokens.get(at + 1)).map(|token| token.text(source)).collect()
}

/// `req.body:set(...)` where nothing in the manifest asks for bodies.
pub(super) fn bodies(source: &str, manifest: &Manifest) -> Option<Finding> {
    let none = |access: &BodyAccess| *access == BodyAccess::None;
    // Handlers of routes get bodies without asking.
    let unasked = manifest.routes.is_empty()
        && manifest.middleware.iter().all(|spec| none(&spec.body))
        && manifest.hooks.iter().all(|spec| none(&spec.body));
    if !unasked {
        return None;
    }
    let tokens = tokens(source);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text(source));
    let at = (0..tokens.len()).find(|at| {
        tokens[*at].kind == Kind::Name
            && matches!(text(*at), "req" | "res")
            && text(at + 1) == "."
            && text(at + 2) == "body"
            && text(at + 3) == ":"
    })?;
    let told =
        "no handler may touch bodies: give the middleware or hook `body = \"read\"` or `body = \"write\"`";
    let bytes = tokens[at].at.start..tokens[at + 2].at.end;
    Some(Finding::at(crate::script::MAIN, source, &bytes, true, told.to_owned()))
}

/// What the `ccproxy` table has.
struct Known {
    /// `kv`, `null`, `error`.
    first: BTreeSet<String>,
    /// `kv.get`, of namespaces alone.
    second: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    fn read() -> Known {
        let mut known = Known { first: BTreeSet::new(), second: BTreeMap::new() };
        let reference = Reference::read(STUBS).map(|reference| reference.pages).unwrap_or_default();
        for item in reference.iter().flat_map(|page| &page.items) {
            match item {
                Item::Function(function) => {
                    if let Name::Path(path) = &function.name {
                        known.add(path);
                    }
                }
                Item::Value { path, .. } => known.add(path),
                Item::Class(class) if class.namespace => known.add(&class.name),
                _ => {}
            }
        }
        known
    }

    fn add(&mut self, path: &str) {
        let mut parts = path.split('.').skip(1);
        let Some(first) = parts.next() else { return };
        self.first.insert(first.to_owned());
        if let Some(second) = parts.next() {
            self.second.entry(first.to_owned()).or_default().insert(second.to_owned());
        }
    }

    fn judge(&self, file: &str, source: &str, chain: &Chain<'_>) -> Option<Finding> {
        let (first, _) = chain.names.first()?;
        let missing = |path: String, near: Option<String>| {
            let hint = near.map(|near| format!("; did you mean `ccproxy.{near}`?")).unwrap_or_default();
            Some(Finding::at(file, source, &chain.bytes, true, format!("there is no `ccproxy.{path}`{hint}")))
        };
        if self.first.is_empty() {
            return None;
        }
        if !self.first.contains(*first) {
            let near = nearest(first, self.first.iter().map(String::as_str)).map(str::to_owned);
            return missing((*first).to_owned(), near);
        }
        let (second, _) = chain.names.get(1)?;
        let members = self.second.get(*first)?;
        if members.contains(*second) {
            return None;
        }
        let near = nearest(second, members.iter().map(String::as_str)).map(|near| format!("{first}.{near}"));
        missing(format!("{first}.{second}"), near)
    }
}

/// `request = function(a, b, c, d)` with more than it gets.
fn arity(file: &str, source: &str, tokens: &[Token]) -> Vec<Finding> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text(source));
    let mut findings = Vec::new();
    for index in 0..tokens.len() {
        let Some((name, most)) = HANDLERS.iter().find(|(name, _)| *name == text(index)) else { continue };
        let before = if index == 0 { "" } else { text(index - 1) };
        let in_table = matches!(before, "{" | "," | ";");
        if !in_table || text(index + 1) != "=" || text(index + 2) != "function" || text(index + 3) != "(" {
            continue;
        }
        let inside = (index + 4..tokens.len()).take_while(|at| text(*at) != ")");
        let names: Vec<usize> = inside.filter(|at| tokens[*at].kind == Kind::Name).collect();
        if let Some(extra) = names.get(most.len()) {
            let told =
                format!("`{name}` gets {} at most ({}): this is always nil", most.len(), most.join(", "));
            findings.push(Finding::at(file, source, &tokens[*extra].at, true, told));
        }
    }
    findings
}

/// Where a key of the manifest is written: the last name of `` tasks[1].every `` before an `=`, and of several the one whose
/// number the path tells, as far as it can be told.
pub(super) fn key(source: &str, path: &str) -> Option<Range<usize>> {
    let last = path.rsplit('.').next()?.split('[').next()?;
    let last = path.rsplit_once("[\"").and_then(|(_, rest)| rest.strip_suffix("\"]")).unwrap_or(last);
    let tokens = tokens(source);
    let named = |index: &usize| {
        let token = &tokens[*index];
        let next = tokens.get(index + 1).map_or("", |token| token.text(source));
        let name = token.kind == Kind::Name && token.text(source) == last && next == "=";
        let quoted =
            token.kind == Kind::Text && token.text(source).trim_matches(['"', '\'']) == last && next == "]";
        name || quoted
    };
    let number = path
        .rsplit_once('.')
        .and_then(|(parent, _)| parent.rsplit_once('['))
        .and_then(|(_, rest)| rest.trim_end_matches(']').parse::<usize>().ok());
    let places: Vec<usize> = (0..tokens.len()).filter(named).collect();
    let place = number.and_then(|number| places.get(number - 1)).or(places.first())?;
    Some(tokens[*place].at.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str, capabilities: &[&str]) -> Vec<(usize, usize, String)> {
        let files = BTreeMap::from([("plugin.lua".to_owned(), source.to_owned())]);
        let rights: Vec<String> = capabilities.iter().map(|right| (*right).to_owned()).collect();
        let findings = check(&files, Some(&rights));
        findings
            .into_iter()
            .map(|finding| {
                let place = finding.place.map_or((0, 0), |place| (place.line, place.column));
                (place.0, place.1, finding.message)
            })
            .collect()
    }

    #[test]
    fn functions_that_are_not_there_are_found_with_the_nearest() {
        let found = told("local x = 1\n  ccproxy.kv.gett('x')\nccproxy.lgo.info('y')", &["kv"]);
        assert_eq!(
            found[0],
            (2, 3, "there is no `ccproxy.kv.gett`; did you mean `ccproxy.kv.get`?".to_owned())
        );
        assert_eq!((found[1].0, found[1].1), (3, 1));
        assert!(found[1].2.contains("`ccproxy.log`"), "{found:?}");
        let found = told("local c = ccproxy\nc.kv.gett('x')\nlocal d = ccproxy.log d.infoo()", &["kv"]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].1), (2, 1));
        let fine = "ccproxy.kv.get('x') local k = ccproxy.kv k.anything() return ccproxy.null, x.ccproxy.odd, ccproxy.schema.integer {}";
        assert_eq!(told(fine, &["kv"]), []);
        assert_eq!(told("-- ccproxy.odd()\nlocal s = 'ccproxy.odd()' .. [[ccproxy.odd]]", &[]), []);
    }

    #[test]
    fn rights_are_asked_for_and_used() {
        let found = told("ccproxy.http.get('x')\nccproxy.http.get('y')", &[]);
        assert_eq!(found.len(), 1, "once: {found:?}");
        assert!(found[0].2.contains("`http:<host>`"), "{found:?}");
        let found = told(
            "return { capabilities = { 'files', 'http:a.example', 'kw', 'wire' } }",
            &["files", "http:a.example", "kw", "wire"],
        );
        let messages: Vec<&str> = found.iter().map(|(_, _, message)| message.as_str()).collect();
        assert_eq!(messages.len(), 3, "{messages:?}");
        assert!(
            messages[0].contains("`files` is not used")
                && messages[1].contains("`http:a.example` is not used")
        );
        assert!(messages[2].contains("did you mean `kv`") && found[2].1 > 40, "{found:?}");
    }

    #[test]
    fn handlers_with_too_many_arguments_are_found() {
        let found = told(
            "return { { request = function(req, plugin, args, more) end, run = function(a, b) end } }",
            &[],
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].2.starts_with("`request` gets 3 at most"), "{found:?}");
        assert_eq!(found[0].1, 50);
    }

    #[test]
    fn keys_are_found_in_the_text() {
        let source = "return { name = 'x', tasks = { { every = '1s' }, { every = 'soon' } }, hooks = { ['a.b'] = 1 } }";
        let at = |path: &str| key(source, path).map(|bytes| bytes.start);
        assert_eq!(at("name"), Some(9));
        assert_eq!(at("tasks[2].every"), source.rfind("every"));
        assert_eq!(at("hooks[\"a.b\"]"), source.find("'a.b'"));
        assert_eq!(at("nothing"), None);
    }
}

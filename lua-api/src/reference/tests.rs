//! The stubs against the host: every function, every parameter, every option, every key of a manifest, and
//! every example.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ccproxy_core::body::Answer;
use ccproxy_core::middleware::{Flow, Next};
use mlua::{Lua, Table, Value};

use super::item::{Function, Item, Name};
use super::kind::Kind;
use super::{LUAU, Reference, SELENE, STUBS};
use crate::witness;

fn reference() -> Reference {
    Reference::read(STUBS).unwrap_or_else(|bad| panic!("{bad}"))
}

/// Compares a file with what is made of the stubs, or writes it when `UPDATE_GOLDEN` is set.
fn stands(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, made).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "{} is not what the stubs say; UPDATE_GOLDEN=1 writes it anew", path.display());
}

#[test]
fn the_files_are_what_the_stubs_say() {
    let reference = reference();
    stands("types/ccproxy.d.luau", &reference.luau());
    stands("types/ccproxy.yml", &reference.selene());
    stands("../docs/lua-api.md", &reference.markdown());
}

#[test]
fn every_function_is_explained_and_shown() {
    for function in reference().functions() {
        assert!(!function.text.words.is_empty(), "{} has no words", function.called());
        assert!(!function.text.example.is_empty(), "{} has no example", function.called());
    }
}

#[test]
fn every_type_that_is_named_is_there() {
    let reference = reference();
    let mut known: BTreeSet<String> =
        ["string", "number", "integer", "boolean", "nil", "any", "table", "false"].map(str::to_owned).into();
    for item in reference.items() {
        match item {
            Item::Class(class) => known.insert(class.name.clone()),
            Item::Alias { name, .. } => known.insert(name.clone()),
            _ => continue,
        };
    }
    let spelled = |kind: &Kind, generics: &[(String, Option<Kind>)]| {
        let text = kind.to_string();
        // Names of arguments stand before a colon, texts in quotes.
        let names = text.split(|letter: char| !letter.is_alphanumeric() && !"._\"".contains(letter));
        for name in names.filter(|name| !name.is_empty() && !name.contains(['"']) && *name != "...") {
            let argument = text.contains(&format!("{name}:")) || text.contains(&format!("{name}?:"));
            let generic = generics.iter().any(|(known, _)| known == name);
            assert!(known.contains(name) || generic || argument || name == "fun", "`{name}` in `{text}`");
        }
    };
    for item in reference.items() {
        match item {
            Item::Class(class) => class.fields.iter().for_each(|field| spelled(&field.kind, &[])),
            Item::Alias { kind, .. } | Item::Value { kind, .. } => spelled(kind, &[]),
            Item::Function(function) => {
                function.arguments.iter().for_each(|argument| spelled(&argument.kind, &function.generics));
                function.results.iter().for_each(|(kind, ..)| spelled(kind, &function.generics));
            }
        }
    }
}

/// What the stubs declare in the `ccproxy` table, and whether it is a function.
fn declared(reference: &Reference) -> BTreeMap<String, bool> {
    let item = |item: &Item| match item {
        Item::Value { path, .. } => Some((path.clone(), false)),
        Item::Function(Function { name: Name::Path(path), .. }) => Some((path.clone(), true)),
        _ => None,
    };
    reference.items().filter_map(item).collect()
}

fn present(path: &str, table: &Table, found: &mut BTreeMap<String, bool>) {
    for pair in table.pairs::<String, Value>() {
        let (name, value) = pair.expect("a named member");
        let path = format!("{path}.{name}");
        match value {
            // A null is no table to look into.
            Value::Table(inner) => present(&path, &inner, found),
            value => {
                found.insert(path, value.is_function());
            }
        }
    }
}

#[tokio::test]
async fn the_table_of_a_running_plugin_is_the_one_that_is_declared() {
    let lua = crate::api::tests::bare(&["kv", "files"]);
    let table: Table = lua.globals().get("ccproxy").expect("the table");
    let mut found = BTreeMap::new();
    present("ccproxy", &table, &mut found);
    assert_eq!(found, declared(&reference()));
}

/// The Luau file, as far as a VM without its type checker can tell: it parses.
#[test]
fn the_luau_definitions_are_luau() {
    let mut text = String::new();
    for line in LUAU.lines() {
        match line.strip_prefix("declare ") {
            Some(class) if class.starts_with("class ") => {
                let name = class.trim_start_matches("class ").trim_end_matches(" end");
                text.push_str(&format!("export type {name} = any\n"));
            }
            Some(value) => text.push_str(&format!("local {value}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    Lua::new().load(text).set_name("=ccproxy.d.luau").into_function().expect("it parses");
}

/// A linter reads lists and words; each function stands there once.
#[test]
fn the_selene_library_has_every_function() {
    for (path, _) in declared(&reference()) {
        assert_eq!(SELENE.matches(&format!("\n  {path}:\n")).count(), 1, "{path}");
    }
}

/// Runs an example. A line `x -- => y` is an expression and its values.
fn checked(example: &[String]) -> String {
    let line = |line: &String| match line.split_once(" -- => ") {
        Some((got, wanted)) => format!("same(table.pack({got}), table.pack({wanted}), [==[{got}]==])\n"),
        None => format!("{line}\n"),
    };
    example.iter().map(line).collect()
}

const SAME: &str = r#"
local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for key, value in a do
    if key ~= "n" and not equal(value, b[key]) then return false end
  end
  for key in b do
    if key ~= "n" and a[key] == nil then return false end
  end
  return true
end
local function same(got, wanted, text)
  -- What is not shown is nil or does not matter.
  while got.n > wanted.n do got[got.n] = nil got.n = got.n - 1 end
  if not equal(got, wanted) then
    error(text .. " gave " .. ccproxy.json.encode(ccproxy.json.array(got)))
  end
end
"#;

/// How a plugin is built around the example of a method.
fn plugin(function: &Function) -> String {
    let example = checked(&function.text.example);
    let class = match &function.name {
        Name::Method { class, .. } => class.as_str(),
        Name::Path(_) => "",
    };
    let moment = match class {
        "ccproxy.Response" => "around = function(req, next)",
        _ => "request = function(req, plugin)",
    };
    format!(
        "{SAME} {moment_start} {example} end }} }} }}",
        moment_start = format_args!(
            "return {{ name = 't', version = '1.0.0', capabilities = {{ 'kv', 'files' }}, middleware = {{ {{ layer = 'security', body = 'write', {moment}"
        )
    )
}

/// The examples of the `ccproxy` table, each in a VM of its own with a server that answers.
async fn run_plain(function: &Function, path: &str) {
    let (lua, base) = crate::api::tests::served().await;
    let example = checked(&function.text.example).replace("https://api.example.com", &base);
    let text = format!("{SAME}\n{example}");
    if let Err(error) = lua.load(text).set_name(format!("={path}")).exec_async().await {
        panic!("the example of {path}: {error}");
    }
}

async fn run_method(function: &Function) {
    let called = function.called();
    let bench = crate::tests::start_in(&crate::tests::engine(), &plugin(function)).await;
    let exchange = crate::tests::exchange();
    let middleware = bench.runtime.middleware(0).expect("a middleware");
    let flow = match called.as_str() {
        "response:read" => {
            let next = Next::new(|| {
                Box::pin(async { Ok(Answer::bytes(http::StatusCode::OK, "text/plain", "hello".into())) })
            });
            middleware.around(&exchange, next).await.map(Some)
        }
        _ => middleware.request(&exchange).get().await.map(|flow| match flow {
            Flow::Answer(answer) => Some(answer),
            _ => None,
        }),
    };
    let answer =
        flow.unwrap_or_else(|error| panic!("the example of {called}: {}", crate::tests::log(&error)));
    if called == "stream:send" {
        let text = crate::tests::body(answer.expect("a stream")).await;
        assert_eq!(text, "event: tick\ndata: {\"count\":1}\n\ndata: bye\n\n");
    } else if called == "stream:comment" {
        // It goes on until the client leaves; the first piece is enough to see it.
        let mut body = answer.expect("a stream").body;
        let first = std::future::poll_fn(|context| {
            http_body::Body::poll_frame(std::pin::Pin::new(&mut body), context)
        });
        let frame = first.await.expect("a piece").expect("bytes").into_data().expect("data");
        assert_eq!(frame, ": still here\n\n");
    }
}

/// The arguments that a function looked at while its example ran, and the options that it knows, are the ones
/// that are described.
#[tokio::test]
async fn every_example_runs_and_every_parameter_is_described() {
    let reference = reference();
    for function in reference.functions() {
        witness::take();
        let called = function.called();
        match &function.name {
            Name::Path(path) => run_plain(function, path).await,
            Name::Method { .. } => run_method(function).await,
        }
        let own = called.trim_start_matches("ccproxy.").to_owned();
        // A method of a pattern is the function of the module, with the pattern as argument 1.
        let (who, shift) = match own.strip_prefix("pattern:") {
            Some(name) => (format!("re.{name}"), 1),
            None => (own, 0),
        };
        let seen: BTreeSet<String> =
            witness::take().into_iter().filter(|(by, _)| *by == who).map(|(_, what)| what).collect();
        let mut described = BTreeSet::new();
        for (at, argument) in function.arguments.iter().enumerate() {
            let place = at + 1 + shift;
            if argument.name != "..." {
                described.insert(place.to_string());
            }
            for option in options(&reference, &argument.kind) {
                described.insert(format!("{place}.{option}"));
            }
        }
        let missing: Vec<_> = described.difference(&seen).collect();
        let rest = function.arguments.iter().position(|argument| argument.name == "...");
        let known = |what: &&String| {
            let place = what.parse::<usize>().unwrap_or(0);
            (shift == 1 && place == 1) || rest.is_some_and(|rest| place > rest)
        };
        let undescribed: Vec<_> = seen.difference(&described).filter(|what| !known(what)).collect();
        assert!(missing.is_empty(), "{called} does not look at {missing:?}");
        assert!(undescribed.is_empty(), "{called} takes {undescribed:?}, which its stub does not say");
    }
}

/// The options that an argument may have: the fields of its class, with those of the classes above.
fn options(reference: &Reference, kind: &Kind) -> Vec<String> {
    match kind {
        Kind::Record(fields) => fields.iter().map(|field| field.name.clone()).collect(),
        Kind::Named(name) if name.ends_with("Options") || name == "ccproxy.http.Request" => {
            let Some(class) = reference.class(name) else { return Vec::new() };
            let above = class.parent.as_ref().map(|parent| options(reference, &Kind::Named(parent.clone())));
            class.fields.iter().map(|field| field.name.clone()).chain(above.unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    }
}

fn fields(reference: &Reference, class: &str) -> BTreeSet<String> {
    let name = format!("ccproxy.{class}");
    let class = reference.class(&name).unwrap_or_else(|| panic!("no {name}"));
    let methods = reference.functions().filter_map(|function| match &function.name {
        Name::Method { class, name: method } if *class == name => Some(method.clone()),
        _ => None,
    });
    class.fields.iter().map(|field| field.name.clone()).chain(methods).collect()
}

#[test]
fn handles_have_the_fields_that_are_described() {
    let reference = reference();
    for (class, known) in crate::handle::fields() {
        let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
        assert_eq!(known, fields(&reference, class), "{class}");
    }
}

/// A manifest with a table of each kind, and what the host looked for in each.
#[test]
fn the_manifest_has_the_keys_that_are_described() {
    let reference = reference();
    witness::take();
    let text = "return { name = 't', version = '1.0.0', provides = { 's' }, services = { s = { f = function() end } },
        middleware = { { layer = 'security', when = {}, request = function() end } },
        hooks = { ['request.completed'] = { run = function() end } },
        routes = { { path = '/', handler = function() end } },
        tasks = { { name = 'a', every = '1m', run = function() end } },
        commands = { { name = 'a', run = function() end } },
        oauth_provider = { name = 'p', display_name = 'P' },
        limits = {} }";
    crate::tests::declare_in(&crate::tests::engine(), &[("plugin.lua", text)]).expect("a sound manifest");
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (place, key) in witness::take() {
        seen.entry(place).or_default().insert(key);
    }
    for (place, class) in [
        ("", "Plugin"),
        ("middleware[1]", "Middleware"),
        ("middleware[1].when", "When"),
        ("hooks[\"request.completed\"]", "Hook"),
        ("routes[1]", "Route"),
        ("tasks[1]", "Task"),
        ("commands[1]", "Command"),
        ("oauth_provider", "OAuthProvider"),
        ("limits", "Limits"),
    ] {
        let Some(keys) = seen.get(place) else { panic!("nothing was read at `{place}`: {:?}", seen.keys()) };
        assert_eq!(*keys, fields(&reference, class), "{class}");
    }
}

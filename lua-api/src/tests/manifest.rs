//! Manifest tables: what is read, and what is said about mistakes.

use std::time::Duration;

use ccproxy_core::hooks::Kind;
use ccproxy_core::middleware::{BodyAccess, OnError, RouteKind};
use ccproxy_core::plugin::{PluginFactory, PluginKind};

use super::{declare_in, engine, manifest};

fn problems(fields: &str) -> String {
    match declare_in(&engine(), &[("plugin.lua", &manifest(fields))]) {
        Ok(_) => "none".to_owned(),
        Err(problems) => problems.join("\n"),
    }
}

#[test]
fn a_full_table_becomes_a_manifest() {
    let source = manifest(
        r#"description = "all of it", dependencies = { "a" }, requires = { "b" }, optional_requires = { "c" },
        capabilities = { "kv", "http:api.example.com" }, enabled = false,
        config = { limit = ccproxy.schema.integer { default = 3, min = 1, doc = "how many" } },
        middleware = {
            { layer = "security", priority = -5, request = function() end },
            { name = "log", layer = 250, body = "read", on_error = "closed", args = { a = { 1, 2 } },
              when = { routes = { "plugin" }, methods = { "post" }, models = { "gpt-*" }, stream = true,
                       status = { "5xx" } },
              response = function() end, event = function() end },
        },
        hooks = { ["request.completed"] = function() end,
                  ["custom.x"] = { priority = 10, run = function() end } },
        routes = { { path = "/status/{id}", tags = { "t" }, auth = false, handler = function() end } },
        tasks = { { name = "sweep", every = "1m30s", timeout = 5, at_start = true, jitter = 0, backoff = "1h", run = function() end },
                  { name = "plain", every = "1m", run = function() end } },
        commands = { { name = "show", summary = "shows", run = function() end } },
        auth_commands = { { name = "login", run = function() end } },
        services = { greeter = { hello = function() end } },
        limits = { cpu = "10ms", memory = "8MiB", wall = 1, log_rate = 10 }"#,
    );
    let factory = declare_in(&engine(), &[("plugin.lua", &source)]).expect("a sound table");
    let read = factory.manifest();
    assert_eq!((read.name.as_str(), read.version.as_str()), ("t", "1.0.0"));
    assert!(read.dormant && read.kind == PluginKind::System);
    assert_eq!(read.provides, ["greeter"]);
    assert_eq!(read.config.fields[0].name, "limit");
    let [first, second] = &read.middleware[..] else { panic!("two middleware") };
    assert_eq!((first.layer, first.priority, first.on_error), (100, -5, OnError::Closed));
    assert_eq!(first.name, "security");
    assert_eq!((second.layer, second.body, second.on_error), (250, BodyAccess::Read, OnError::Closed));
    assert_eq!(second.when.routes, [RouteKind::Plugin]);
    assert_eq!(second.when.methods, ["POST"]);
    assert_eq!(second.args, serde_json::json!({ "a": [1, 2] }));
    assert!(second.moments.response && second.moments.event && !second.moments.request);
    let hooks: Vec<_> = read.hooks.iter().map(|hook| (hook.event, hook.priority)).collect();
    assert_eq!(hooks, [(Kind::Custom, 10), (Kind::RequestCompleted, 500)]);
    assert_eq!(read.routes[0].full_path(), "/t/status/{id}");
    assert!(!read.routes[0].auth);
    assert_eq!(read.tasks[0].every, Duration::from_secs(90));
    assert_eq!((read.tasks[0].jitter, read.tasks[0].backoff), (0.0, Duration::from_secs(3600)));
    assert_eq!((read.tasks[1].jitter, read.tasks[1].backoff), (0.1, Duration::from_secs(300)));
    assert!(first.guards && second.guards, "security, and one that says itself that it is closed");
    assert_eq!(read.routes[0].tags, ["t"]);
    assert_eq!(read.commands[0].summary, "shows");
    assert_eq!(read.auth_commands[0].name, "login");
}

#[test]
fn every_mistake_is_told_with_its_path() {
    let cases = [
        ("middlewear = {}", "`middlewear`: unknown key; did you mean `middleware`?"),
        ("zzz = 1", "`zzz`: unknown key"),
        (
            "middleware = { { layer = 'securty', request = function() end } }",
            "`middleware[1].layer`: `securty` is none of `security`",
        ),
        ("middleware = { { layer = 99, request = function() end } }", "`99` is not from 100 to 599"),
        ("middleware = { { layer = 'security' } }", "`middleware[1].request`: a middleware needs"),
        ("middleware = { { layer = 'security', request = 1 } }", "expected a function, got integer"),
        ("middleware = { { layer = 'routing', chunk = function() end } }", "needs `body"),
        (
            "middleware = { { layer = 'routing', request = function() end, when = { status = { '5xx' } } } }",
            "there is no status yet",
        ),
        (
            "middleware = { { layer = 'routing', response = function() end, when = { status = { '9xx' } } } }",
            "`9xx` is no status",
        ),
        ("hooks = { ['request.complete'] = function() end }", "did you mean `request.completed`?"),
        ("tasks = { { name = 'x', every = 0.5, run = function() end } }", "`tasks[1].every`: a task needs"),
        ("tasks = { { name = 'x', every = 5 } }", "`tasks[1].run`: is missing"),
        ("routes = { { path = 'x', handler = function() end } }", "`routes[1].path`: `x` is no path"),
        ("routes = { { path = '/../x', handler = function() end } }", "is no path"),
        ("routes = { { path = '/x', methd = 'GET', handler = function() end } }", "did you mean `method`?"),
        ("commands = { { name = 'A B', run = function() end } }", "use lower case letters"),
        ("provides = { 'x' }", "`provides`: `x` has no functions in `services`"),
        ("services = { x = { y = 1 } }", "`x.y` is a integer, not a function"),
        ("limits = { memory = '1GiB' }", "may only lower"),
        ("limits = { cpu = '1h' }", "may only lower"),
        ("instances = 'many'", "is none of `one`, `per_core`"),
        ("instances = 'per_core', snapshot = function() end", "no one state"),
        ("config = { X = ccproxy.schema.string {} }", "`config`: "),
        ("config = { x = 5 }", "use a builder"),
        ("dependencies = 'a'", "`dependencies`: expected a table, got string"),
        ("dependencies = { 'a newest' }", "`newest` does not say which versions"),
        ("tasks = { { name = 'x', every = 5, jitter = 2, run = function() end } }", "is not from 0 to 1"),
        (
            "routes = { { path = '/*rest', handler = function() end } }",
            "write the rest of a path as `{*rest}`",
        ),
        ("dependencies = { 1 }", "item 1 is a integer, not a string"),
        ("capabilities = { [2] = 'kv' }", "expected a list"),
    ];
    for (fields, words) in cases {
        let told = problems(fields);
        assert!(told.contains(words), "{fields}\n{told}\nshould hold {words}");
    }
    assert_eq!(problems("zzz = 1, yyy = 2").lines().count(), 2, "all of them, not the first");
}

#[test]
fn a_main_chunk_that_is_no_declaration_is_told_what_is_wrong() {
    let huge = format!("return {{ name = 't', version = '1.0.0', description = '{}' }}", "x".repeat(10_000));
    let cases = [
        ("return 5", "must return the table of the plugin, not a integer"),
        ("return {", "plugin.lua:1: Expected"),
        ("error('early')", "plugin.lua:1: early"),
        ("\n\nlocal x = y.z", "plugin.lua:3: attempt to index nil"),
        ("while true do end", "CPU"),
        ("return ('x'):rep(2^28)", "memory"),
        ("ccproxy.kv.get('x') return {}", "while the manifest is read"),
        ("return { name = 'u', version = '1.0.0' }", "must be the name of its folder, `t`"),
        ("return { name = 't' }", "`version`: is missing"),
        ("return { name = 't', version = 'new' }", "is no version"),
        (&huge, "a string of at most 4 KiB"),
    ];
    for (source, words) in cases {
        let told = match declare_in(&engine(), &[("plugin.lua", source)]) {
            Ok(_) => "none".to_owned(),
            Err(problems) => problems.join("\n"),
        };
        assert!(told.contains(words), "{source:.60}\n{told}\nshould hold {words}");
    }
}

#[test]
fn the_fingerprint_is_that_of_the_sources() {
    let declared = |extra: &str| {
        let files = [("plugin.lua", manifest("")), ("lib.lua", extra.to_owned())];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        declare_in(&engine(), &files).expect("a sound table").fingerprint()
    };
    assert_eq!(declared("return 1"), declared("return 1"));
    assert_ne!(declared("return 1"), declared("return 2"));
}

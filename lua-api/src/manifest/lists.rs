//! Hooks, routes, tasks, commands and services of a manifest.

use std::collections::BTreeMap;
use std::time::Duration;

use ccproxy_core::hooks::Kind;
use ccproxy_core::middleware::BodyAccess;
use ccproxy_core::plugin::{
    AuthCommandSpec, CommandSpec, HookSpec, Manifest, RouteSpec, RouteTarget, TaskSpec,
};
use http::Method;
use mlua::{Function, Value};

use super::node::{Node, nearest};

/// The methods that the server takes.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// The priority of a hook that names none.
const HOOK_PRIORITY: i32 = 500;

/// How long a task may run when it says nothing.
const TASK_TIMEOUT: Duration = Duration::from_secs(60);

/// How much earlier or later a task may run when it says nothing: a tenth of its interval.
const JITTER: f64 = 0.1;

/// The longest wait after failures of a task that says nothing.
const BACKOFF: Duration = Duration::from_secs(300);

/// The map of listeners, sorted by event name.
pub(super) fn hooks(root: &Node<'_>, manifest: &mut Manifest) -> Vec<(Function, BodyAccess)> {
    let mut functions = Vec::new();
    for (name, value) in root.entries("hooks") {
        let Some(event) = Kind::parse(&name) else {
            let known = Kind::ALL.iter().map(|(_, name)| *name);
            let hint = nearest(&name, known).map(|near| format!("; did you mean `{near}`?"));
            root.problem("hooks", format!("no event is called `{name}`{}", hint.unwrap_or_default()));
            continue;
        };
        let (run, priority, body) = match value {
            Value::Function(run) => (Some(run), HOOK_PRIORITY, BodyAccess::None),
            Value::Table(table) => {
                let node = root.inner(&format!("hooks[\"{name}\"]"), table);
                let priority = node.integer("priority").unwrap_or(i64::from(HOOK_PRIORITY));
                let run = node.required_function("run");
                let body = node.body_access();
                node.finish();
                (run, i32::try_from(priority).unwrap_or(HOOK_PRIORITY), body)
            }
            other => {
                root.problem("hooks", format!("`{name}` is a {}, not a function", other.type_name()));
                continue;
            }
        };
        if let Some(run) = run {
            manifest.hooks.push(HookSpec { event, name, priority, body });
            functions.push((run, body));
        }
    }
    functions
}

/// The list of routes.
pub(super) fn routes(root: &Node<'_>, manifest: &mut Manifest) -> Vec<Function> {
    let mut functions = Vec::new();
    for node in root.nodes("routes") {
        let method = node.text("method").unwrap_or_else(|| "GET".to_owned()).to_ascii_uppercase();
        let known = METHODS.iter().find(|known| known.as_str() == method);
        let method = known.cloned().unwrap_or_else(|| {
            let names = METHODS.each_ref().map(Method::as_str).join("`, `");
            node.problem("method", format!("`{}` is none of `{names}`", method.escape_debug()));
            Method::GET
        });
        let prefix = node.text("prefix").unwrap_or_else(|| format!("/{}", manifest.name));
        let path = node.text("path").unwrap_or_default();
        for (key, text) in [("prefix", &prefix), ("path", &path)] {
            let fine =
                text.is_empty() || (text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()));
            if text.split('/').any(|part| part.starts_with('*')) {
                node.problem(key, format!("`{text}`: write the rest of a path as `{{*rest}}`"));
            } else if !fine || text.contains("..") || text.contains("//") || text.contains(['?', '#', '\\']) {
                node.problem(key, format!("`{}` is no path such as `/status/{{id}}`", text.escape_debug()));
            }
        }
        let spec = RouteSpec {
            method,
            prefix,
            path,
            tags: tags(&node, &manifest.name),
            summary: node.text("summary").unwrap_or_default(),
            auth: node.boolean("auth").unwrap_or(true),
            landing: false,
            private: false,
            target: RouteTarget::Handler,
        };
        let whole = spec.full_path();
        if manifest.routes.iter().any(|known| known.method == spec.method && known.full_path() == whole) {
            node.problem("path", format!("there is another route `{} {whole}`", spec.method));
        }
        if let Some(handler) = node.required_function("handler") {
            manifest.routes.push(spec);
            functions.push(handler);
        }
        node.finish();
    }
    functions
}

/// The tags of a route in the API description; without any the plugin's own.
fn tags(node: &Node<'_>, plugin: &str) -> Vec<String> {
    let tags = node.texts("tags");
    if tags.is_empty() { vec![format!("plugin-{}", plugin.replace('_', "-"))] } else { tags }
}

/// The list of tasks.
pub(super) fn tasks(root: &Node<'_>, manifest: &mut Manifest) -> Vec<(Function, Value)> {
    let mut functions = Vec::new();
    for node in root.nodes("tasks") {
        let (args, lua_args) = node.args("args");
        let name = node.required_text("name");
        if manifest.tasks.iter().any(|task| task.name == name) {
            node.problem("name", format!("there is another task `{name}`"));
        }
        let every = node.duration("every");
        if every.is_none_or(|every| every < Duration::from_secs(1)) {
            node.problem("every", "a task needs a time span of at least a second, such as `\"1m\"`");
        }
        let spec = TaskSpec {
            name,
            every: every.unwrap_or(TASK_TIMEOUT),
            enabled: node.boolean("enabled").unwrap_or(true),
            at_start: node.boolean("at_start").unwrap_or(false),
            timeout: node.duration("timeout").unwrap_or(TASK_TIMEOUT),
            jitter: jitter(&node),
            backoff: node.duration("backoff").unwrap_or(BACKOFF),
            args,
        };
        if let Some(run) = node.required_function("run") {
            manifest.tasks.push(spec);
            functions.push((run, lua_args));
        }
        node.finish();
    }
    functions
}

fn jitter(node: &Node<'_>) -> f64 {
    let jitter = node.number("jitter").unwrap_or(JITTER);
    if !(0.0..=1.0).contains(&jitter) {
        node.problem("jitter", format!("`{jitter}` is not from 0 to 1"));
    }
    jitter
}

/// The list of commands.
pub(super) fn commands(root: &Node<'_>, manifest: &mut Manifest) -> Vec<Function> {
    let read = named(root, "commands");
    let (specs, functions): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    manifest.commands = specs.into_iter().map(|(name, summary)| CommandSpec { name, summary }).collect();
    functions
}

/// The list of commands under `ccproxy auth`.
pub(super) fn auth_commands(root: &Node<'_>, manifest: &mut Manifest) -> Vec<Function> {
    let read = named(root, "auth_commands");
    let (specs, functions): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    manifest.auth_commands =
        specs.into_iter().map(|(name, summary)| AuthCommandSpec { name, summary }).collect();
    functions
}

fn named(root: &Node<'_>, key: &'static str) -> Vec<((String, String), Function)> {
    let mut all = Vec::new();
    for node in root.nodes(key) {
        let name = node.required_text("name");
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if !name.bytes().all(plain) || name.starts_with('-') {
            node.problem("name", "use lower case letters, digits, `-` and `_`");
        }
        let summary = node.text("summary").unwrap_or_default();
        if let Some(run) = node.required_function("run") {
            all.push(((name, summary), run));
        }
        node.finish();
    }
    all
}

/// The services with their functions. Each is provided; each that is provided must be there.
pub(super) fn services(
    root: &Node<'_>,
    manifest: &mut Manifest,
) -> BTreeMap<String, BTreeMap<String, Function>> {
    let mut services = BTreeMap::new();
    for (name, value) in root.entries("services") {
        let Value::Table(table) = value else {
            root.problem(
                "services",
                format!("`{name}` is a {}, not a table of functions", value.type_name()),
            );
            continue;
        };
        let mut functions = BTreeMap::new();
        for (key, value) in table.pairs::<String, Value>().take(super::MAX_ITEMS).flatten() {
            match value {
                Value::Function(function) => {
                    functions.insert(key, function);
                }
                other => root.problem(
                    "services",
                    format!("`{name}.{key}` is a {}, not a function", other.type_name()),
                ),
            }
        }
        if !manifest.provides.contains(&name) {
            manifest.provides.push(name.clone());
        }
        services.insert(name, functions);
    }
    for name in &manifest.provides {
        if !services.contains_key(name) {
            root.problem("provides", format!("`{name}` has no functions in `services`"));
        }
    }
    services
}

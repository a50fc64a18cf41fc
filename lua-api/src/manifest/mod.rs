//! The table that `plugin.lua` returns, read into the house's [`Manifest`] and the functions behind it.
//!
//! The same reading happens twice: in a throw-away VM, where only the declaration is kept, and in the
//! VM that the plugin lives in, where the functions are.

mod lists;
mod middleware;
mod node;
pub(crate) mod oauth;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::middleware::BodyAccess;
use ccproxy_core::oauth::Speaks;
use ccproxy_core::plugin::{Manifest, PluginKind};
use ccproxy_core::registry::Need;
use mlua::{Function, Lua, Table, Value};

use crate::api;
use crate::host::Limits;
use node::{Node, Problems};

pub(crate) use node::nearest;
pub(crate) use oauth::OAuthHandlers;

/// Everything a script says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    /// As the registry sees it.
    pub(crate) manifest: Manifest,
    /// The engine's limits, lowered where the script asks for it.
    pub(crate) limits: Limits,
    /// How much longer than its limit a call may take, because it waits for somebody.
    pub(crate) patience: Duration,
    /// Whether it may live in several VMs at once.
    pub(crate) per_core: bool,
    /// What it says to its OAuth provider itself.
    pub(crate) oauth: Speaks,
}

/// The functions behind the declaration, at the places of their declarations.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) middleware: Vec<Moments>,
    /// Listeners, with what they may do with bodies.
    pub(crate) hooks: Vec<(Function, BodyAccess)>,
    pub(crate) routes: Vec<Function>,
    pub(crate) tasks: Vec<(Function, Value)>,
    /// Commands, then auth commands.
    pub(crate) commands: Vec<Function>,
    pub(crate) services: BTreeMap<String, BTreeMap<String, Function>>,
    pub(crate) oauth: OAuthHandlers,
    pub(crate) setup: Option<Function>,
    pub(crate) snapshot: Option<Function>,
    pub(crate) health: Option<Function>,
    pub(crate) shutdown: Option<Function>,
}

/// The functions of one middleware.
pub(crate) struct Moments {
    /// Whether it is in force with this configuration.
    pub(crate) enabled: Option<Function>,
    pub(crate) request: Option<Function>,
    pub(crate) response: Option<Function>,
    pub(crate) event: Option<Function>,
    pub(crate) chunk: Option<Function>,
    pub(crate) around: Option<Function>,
    /// Its `args`, read-only.
    pub(crate) args: Value,
}

/// Longest that a plugin may ask to wait on top of its limit.
const MOST_PATIENCE: Duration = Duration::from_secs(3600);

/// Longest list in a manifest.
const MAX_ITEMS: usize = 256;

/// Reads the table. `Err` holds every problem found, each with the path of its key.
pub(crate) fn read(
    lua: &Lua,
    name: &Arc<str>,
    limits: &Limits,
    table: &Table,
) -> Result<(Declaration, Handlers), Vec<String>> {
    let problems = Problems::default();
    let root = Node::root(lua, table, &problems);
    let mut manifest = Manifest { kind: PluginKind::System, ..Manifest::default() };
    identity(&root, name, &mut manifest);
    let moments = middleware::read(&root, &mut manifest);
    let hooks = lists::hooks(&root, &mut manifest);
    let routes = lists::routes(&root, &mut manifest);
    let tasks = lists::tasks(&root, &mut manifest);
    let mut commands = lists::commands(&root, &mut manifest);
    commands.extend(lists::auth_commands(&root, &mut manifest));
    let services = lists::services(&root, &mut manifest);
    let oauth = oauth::read(&root, &mut manifest);
    let handlers = Handlers {
        middleware: moments,
        hooks,
        routes,
        tasks,
        commands,
        services,
        oauth,
        setup: root.function("setup"),
        snapshot: root.function("snapshot"),
        health: root.function("health"),
        shutdown: root.function("shutdown"),
    };
    let per_core = root.choice("instances", &["one", "per_core"]).is_some_and(|choice| choice == "per_core");
    if per_core && handlers.snapshot.is_some() {
        root.problem("snapshot", "a plugin with `instances = \"per_core\"` has no one state to hand over");
    }
    let patience = match root.duration("patience") {
        Some(patience) if patience > MOST_PATIENCE => {
            root.problem("patience", "is at most an hour");
            MOST_PATIENCE
        }
        patience => patience.unwrap_or_default(),
    };
    let (limits, oauth) = (lower(&root, limits), handlers.oauth.speaks());
    let declaration = Declaration { manifest, limits, patience, per_core, oauth };
    root.finish();
    let problems = problems.take();
    if problems.is_empty() { Ok((declaration, handlers)) } else { Err(problems) }
}

fn identity(root: &Node<'_>, name: &Arc<str>, manifest: &mut Manifest) {
    match root.text("name") {
        Some(given) if given == **name => manifest.name = given,
        Some(given) => {
            root.problem("name", format!("`{given}` must be the name of its folder, `{name}`"));
        }
        None => root.problem("name", format!("is missing; it must be `{name}`")),
    }
    match root.text("version") {
        Some(version) if is_version(&version) => manifest.version = version,
        Some(version) => root.problem("version", format!("`{version}` is no version; write it as `1.0.0`")),
        None => root.problem("version", "is missing; write it as `1.0.0`"),
    }
    manifest.dormant = root.boolean("enabled") == Some(false);
    manifest.description = root.text("description").unwrap_or_default();
    manifest.dependencies = root.texts("dependencies");
    for dependency in &manifest.dependencies {
        if let Err(why) = Need::parse(dependency) {
            root.problem("dependencies", why);
        }
    }
    manifest.provides = root.texts("provides");
    manifest.requires = root.texts("requires");
    manifest.optional_requires = root.texts("optional_requires");
    manifest.capabilities = root.texts("capabilities");
    if let Some(config) = root.table("config") {
        match api::schema::read(root.lua, &config) {
            Ok(schema) => manifest.config = schema,
            Err(error) => root.problem("config", crate::fault::cause_text(&error)),
        }
    }
}

/// Digits and dots, and what semantic versions allow after them.
fn is_version(text: &str) -> bool {
    let (core, _) = text.split_once(['-', '+']).unwrap_or((text, ""));
    let parts: Vec<&str> = core.split('.').collect();
    text.len() <= 64
        && (2..=3).contains(&parts.len())
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn lower(root: &Node<'_>, limits: &Limits) -> Limits {
    let mut limits = limits.clone();
    let Some(node) = root.child("limits") else { return limits };
    let too_much = |key: &str| node.problem(key, "may only lower the limit of the configuration");
    match node.duration("cpu") {
        Some(cpu) if cpu <= limits.cpu => limits.cpu = cpu,
        Some(_) => too_much("cpu"),
        None => {}
    }
    match node.duration("wall") {
        Some(wall) if wall <= limits.wall => limits.wall = wall,
        Some(_) => too_much("wall"),
        None => {}
    }
    for (key, limit) in [("memory", &mut limits.memory), ("output", &mut limits.output)] {
        match node.size(key) {
            Some(size) if size <= *limit as u64 => *limit = size as usize,
            Some(_) => node.problem(key, "may only lower the limit of the configuration"),
            None => {}
        }
    }
    match node.integer("log_rate") {
        Some(rate) if (0..=i64::from(limits.log_rate)).contains(&rate) => limits.log_rate = rate as u32,
        Some(_) => too_much("log_rate"),
        None => {}
    }
    node.finish();
    limits
}

//! What a plugin says about itself before anything of it runs.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::Schema;
use crate::hooks;
use crate::middleware::{BodyAccess, Moments, OnError, RouteKind, When};
use crate::provider::Operation;

/// The declaration of a plugin.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Unique; lower case letters, digits and underscores.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// One line.
    pub description: String,
    /// Plugins that must run first: `name`, or with a version `name >=1.2, <2`.
    pub dependencies: Vec<String>,
    /// Services it offers to other plugins.
    pub provides: Vec<String>,
    /// Services it cannot do without.
    pub requires: Vec<String>,
    /// Services it uses when they are there.
    pub optional_requires: Vec<String>,
    /// What kind of plugin it is.
    pub kind: PluginKind,
    /// Where it came from.
    pub source: Source,
    /// Whether it sleeps until the configuration mentions it: a table of its own, `enabled_plugins`, a flag.
    pub dormant: bool,
    /// Patterns of the models it serves, for requests to the front door that name no provider.
    pub models: Vec<String>,
    /// Patterns of the credentials that only this provider issues: they are handed to nobody else.
    pub credential_marks: Vec<String>,
    /// What it may touch: `kv`, `http`, `events`, ... with their arguments (`http:api.example.com`).
    pub capabilities: Vec<String>,
    /// Its settings, under `[plugins.<name>]`.
    pub config: Schema,
    /// Middleware, in declared order.
    pub middleware: Vec<MiddlewareSpec>,
    /// Routes.
    pub routes: Vec<RouteSpec>,
    /// Background tasks.
    pub tasks: Vec<TaskSpec>,
    /// Event listeners.
    pub hooks: Vec<HookSpec>,
    /// `ccproxy x <plugin> <name>`.
    pub commands: Vec<CommandSpec>,
    /// `ccproxy auth <name>`.
    pub auth_commands: Vec<AuthCommandSpec>,
    /// The OAuth provider it brings, for the credentials part of the house.
    pub oauth_provider: Option<OAuthProviderSpec>,
}

/// What kind of plugin it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginKind {
    /// Speaks to a provider.
    Provider,
    /// Brings an OAuth provider.
    AuthProvider,
    /// Everything else.
    #[default]
    System,
}

/// Where a plugin came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Compiled into the binary.
    #[default]
    Native,
    /// A script embedded in the binary.
    Bundled,
    /// A folder on disk.
    Folder(PathBuf),
}

/// One middleware.
#[derive(Clone, Debug)]
pub struct MiddlewareSpec {
    /// For logs and status; by default the layer's name.
    pub name: String,
    /// 100 to 599: the named layers are the hundreds.
    pub layer: u16,
    /// Inside the layer: lower is further out. Ties go by plugin name, then declared order.
    pub priority: i32,
    /// Which moments it has.
    pub moments: Moments,
    /// Which exchanges it is for.
    pub when: When,
    /// What it may do with bodies.
    pub body: BodyAccess,
    /// What its failure means.
    pub on_error: OnError,
    /// Whether exchanges are refused, too, while its plugin cannot start: a closed middleware of the layers
    /// `security` and `routing`, and one of any layer that says itself that it is closed.
    pub guards: bool,
    /// Handed to it as they are.
    pub args: Value,
}

/// One route.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// The method.
    pub method: Method,
    /// Before every route of the plugin: `/claude`, `/rate_limit`.
    pub prefix: String,
    /// After the prefix; `{name}` is a parameter.
    pub path: String,
    /// For the API description.
    pub tags: Vec<String>,
    /// One line for the API description.
    pub summary: String,
    /// Whether the client key is asked for (when the server has one). True unless written otherwise.
    pub auth: bool,
    /// Whether other sites may send a browser here, as a login does that comes back. The page then judges by itself
    /// whether what came belongs to anything, and it is never shown inside of another page.
    pub landing: bool,
    /// Whether its bodies, and the secrets of its queries, are no plugin's to see.
    pub private: bool,
    /// What answers.
    pub target: RouteTarget,
}

/// What answers a route.
#[derive(Clone, Debug)]
pub enum RouteTarget {
    /// The plugin's provider.
    Provider(Operation),
    /// The provider that the front door chooses for each request, which has this operation.
    Choose(Operation),
    /// The plugin's handler, by its place in `routes`.
    Handler,
}

impl RouteSpec {
    /// Prefix and path.
    pub fn full_path(&self) -> String {
        format!("{}{}", self.prefix, self.path)
    }

    /// What kind of route it is.
    pub fn kind(&self) -> RouteKind {
        match self.target {
            RouteTarget::Provider(_) | RouteTarget::Choose(_) => RouteKind::Provider,
            RouteTarget::Handler => RouteKind::Plugin,
        }
    }
}

/// One background task.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// Unique in the plugin.
    pub name: String,
    /// From the end of one run to the start of the next, before jitter. At least a second.
    pub every: Duration,
    /// Whether it runs by itself.
    pub enabled: bool,
    /// Whether the first run is at once.
    pub at_start: bool,
    /// A run that takes longer fails.
    pub timeout: Duration,
    /// The part of the interval by which runs come earlier or later at random, from 0 to 1.
    pub jitter: f64,
    /// The longest wait after failures, each of which doubles it. Never shorter than the interval.
    pub backoff: Duration,
    /// Handed to it as they are.
    pub args: Value,
}

/// One listener.
#[derive(Clone, Debug)]
pub struct HookSpec {
    /// Which event.
    pub event: hooks::Kind,
    /// The full name, for `custom.*`.
    pub name: String,
    /// Lower hears first. 500 by default.
    pub priority: i32,
    /// What it may do with the body of a request that is ready to be sent.
    pub body: BodyAccess,
}

/// A command of the plugin's own.
#[derive(Clone, Debug, Serialize)]
pub struct CommandSpec {
    /// Its name.
    pub name: String,
    /// One line of help.
    pub summary: String,
}

/// A command under `ccproxy auth`.
#[derive(Clone, Debug, Serialize)]
pub struct AuthCommandSpec {
    /// Its name.
    pub name: String,
    /// One line of help.
    pub summary: String,
}

/// The OAuth provider a plugin brings.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OAuthProviderSpec {
    /// As on the command line: `claude-api`.
    pub name: String,
    /// For people: `Claude API`.
    pub display_name: String,
    /// Whether the flow uses PKCE.
    pub supports_pkce: bool,
    /// Whether tokens can be refreshed.
    pub supports_refresh: bool,
    /// Where it answers and what it wants to hear, under the names of `[oauth.<name>]`, where the plugin itself does
    /// not speak to it. No secret stands here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub endpoints: Map<String, Value>,
}

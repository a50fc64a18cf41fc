//! The typed settings of a run: the core's, and the program's own.

use std::path::PathBuf;
use std::sync::Arc;

use ccproxy_core::config::{Environment, Node, Problem};
use ccproxy_core::settings::{self, Section};
use ccproxy_lua::host::Limits;
use ccproxy_providers::balancer::{self, Pools};
use ccproxy_providers::oauth::{self, Servers};
use ccproxy_providers::vault::Sealing;
use serde_json::Value;
use tracing::level_filters::LevelFilter;

/// Everything the program is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Listening, upstream, plugins, data folder.
    pub(crate) core: settings::Settings,
    /// What the proxy says about itself.
    pub(crate) logging: Logging,
    /// Where plugins are looked for.
    pub(crate) discovery: Discovery,
    /// What scripts may use.
    pub(crate) lua: Lua,
    /// Bytes that are kept of answers to clients of Responses.
    pub(crate) memory: usize,
    /// How logins are stored.
    pub(crate) sealing: Sealing,
    /// Where people log in.
    pub(crate) oauth: Servers,
    /// Which providers have several credentials.
    pub(crate) pools: Pools,
}

/// What the proxy says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logging {
    /// How much.
    pub(crate) level: LevelFilter,
    /// In which form.
    pub(crate) format: LogFormat,
    /// Appended to, instead of standard error.
    pub(crate) file: Option<PathBuf>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// `Pretty` on a terminal, `Plain` elsewhere.
    #[default]
    Auto,
    /// With colours.
    Pretty,
    /// Without colours.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Where plugins are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// Folders, nearest first.
    pub(crate) directories: Vec<PathBuf>,
    /// Whether `./scripts` counts, once trusted.
    pub(crate) local: bool,
}

/// What scripts may use.
#[derive(Clone, Debug)]
pub(crate) struct Lua {
    /// For each plugin.
    pub(crate) limits: Limits,
    /// Whether changed files are loaded again.
    pub(crate) watch: bool,
}

impl Settings {
    /// The settings in a value that was validated against [`super::schema()`]; `node` is the value as written.
    pub(super) fn read(value: &Value, node: &Node, environment: Arc<Environment>) -> (Self, Vec<Problem>) {
        let (core, mut problems) = settings::Settings::from_validated(value, node, environment);
        let (oauth, more) = oauth::read(&value["oauth"], node.get(&["oauth"]));
        problems.extend(more);
        let (pools, more) = balancer::read(&value["credential_balancer"], node.get(&["credential_balancer"]));
        problems.extend(more);
        let discovery = Section(&value["plugin_discovery"]);
        let settings = Settings {
            core,
            logging: Logging::read(&Section(&value["logging"])),
            discovery: Discovery {
                directories: discovery.texts("directories").into_iter().map(PathBuf::from).collect(),
                local: discovery.flag("local"),
            },
            sealing: Sealing::read(&value["credentials"]),
            oauth,
            pools,
            lua: Lua::read(&Section(&value["lua"])),
            memory: Section(&value["responses"]).count("memory"),
        };
        (settings, problems)
    }
}

impl Logging {
    fn read(section: &Section<'_>) -> Self {
        let level = section.text("level").and_then(|level| level.parse().ok());
        let format = match section.text("format").as_deref() {
            Some("pretty") => LogFormat::Pretty,
            Some("plain") => LogFormat::Plain,
            Some("json") => LogFormat::Json,
            _ => LogFormat::Auto,
        };
        Logging { level: level.unwrap_or(LevelFilter::INFO), format, file: section.path("file") }
    }
}

impl Lua {
    fn read(section: &Section<'_>) -> Self {
        let limits = Limits {
            cpu: section.duration("cpu"),
            wall: section.duration("wall"),
            memory: section.count("memory"),
            output: section.count("output"),
            log_rate: section.count("log_rate").try_into().unwrap_or(u32::MAX),
        };
        Lua { limits, watch: section.flag("watch") }
    }
}

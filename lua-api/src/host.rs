//! What the host knows about the plugin whose script it serves: identity, rights, limits, services.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::plugin::PluginContext;

/// One plugin seen from inside its VM. Every function of the `ccproxy` table holds one.
pub struct Host {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// What its manifest says it may touch.
    pub capabilities: Capabilities,
    /// What it may use up.
    pub limits: Limits,
    /// Absolute paths that the operator wrote into settings of kind `path`: the plugin may write there too.
    pub paths: Vec<String>,
    /// The house's services; `None` while the manifest is read, when only `schema`, `error` and the
    /// constants exist.
    pub context: Option<PluginContext>,
}

/// The rights in a manifest: a name alone (`kv`), or a name with an argument (`http:api.example.com`).
#[derive(Clone, Debug, Default)]
pub struct Capabilities(BTreeMap<String, Vec<String>>);

impl Capabilities {
    /// Reads the manifest's list.
    pub fn new(list: &[String]) -> Self {
        let mut rights: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for item in list {
            let (name, argument) = item.split_once(':').unwrap_or((item, ""));
            let arguments = rights.entry(name.to_owned()).or_default();
            if !argument.is_empty() {
                arguments.push(argument.to_owned());
            }
        }
        Capabilities(rights)
    }

    /// Whether the right was asked for.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The arguments of a right: the hosts of `http`.
    pub fn arguments(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// What a script may use up. A manifest may only lower them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Running Lua in one call of a handler; waiting does not count.
    pub cpu: Duration,
    /// A handler from call to return, waiting included.
    pub wall: Duration,
    /// Memory of the VM in bytes.
    pub memory: usize,
    /// Bytes a single value from the script may have: bodies, events, log fields.
    pub output: usize,
    /// Log lines a second.
    pub log_rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            cpu: Duration::from_millis(50),
            wall: Duration::from_secs(30),
            memory: 32 << 20,
            output: 8 << 20,
            log_rate: 100,
        }
    }
}

/// The files of a plugin, read once: relative path with `/` to text.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Where they were read, for error messages; `None` when embedded in the binary.
    pub folder: Option<PathBuf>,
    /// The texts.
    pub files: BTreeMap<String, String>,
}

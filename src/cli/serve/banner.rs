//! What `serve` says when it is ready: addresses, providers and their credentials, plugins, what was left out.

use std::fmt;

use ccproxy_core::generation::Generation;
use ccproxy_core::plugin::PluginKind;
use ccproxy_core::provider::Credential;
use ccproxy_core::registry::Entry;
use ccproxy_core::router::Target;
use ccproxy_core::server::Server;
use serde::Serialize;

use crate::config::{FileState, LeftOut, Loaded};

/// Everything that is said.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Banner {
    version: &'static str,
    /// URLs.
    addresses: Vec<String>,
    /// Whether clients must send a key.
    key_required: bool,
    /// Configuration files that count.
    files: Vec<String>,
    /// Where every provider is found by the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    front_door: Option<String>,
    providers: Vec<Provider>,
    plugins: Vec<Plugin>,
    warnings: Vec<String>,
    left_out: Vec<LeftOut>,
}

#[derive(Clone, Debug, Serialize)]
struct Provider {
    name: String,
    /// Its URL on the first address.
    url: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<Credential>,
}

#[derive(Clone, Debug, Serialize)]
struct Plugin {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Banner {
    /// The first address as a URL.
    pub(crate) fn address(&self) -> &str {
        self.addresses.first().map_or("", String::as_str)
    }

    /// What is true now.
    pub(crate) fn of(server: &Server, generation: &Generation, loaded: &Loaded) -> Self {
        let scheme = if server.tls() { "https" } else { "http" };
        let addresses: Vec<String> =
            server.addresses().iter().map(|address| format!("{scheme}://{address}")).collect();
        let base = addresses.first().cloned().unwrap_or_default();
        let (providers, plugins): (Vec<_>, Vec<_>) =
            generation.entries.iter().partition(|entry| entry.manifest.kind == PluginKind::Provider);
        let chooses = generation.router.routes().any(|route| matches!(route.target, Target::Choose(_)));
        let read = loaded.files.iter().filter(|file| file.state == FileState::Read);
        Banner {
            version: env!("CARGO_PKG_VERSION"),
            addresses,
            key_required: loaded.settings.core.server.asks_for_a_key(),
            files: read.map(|file| file.path.display().to_string()).collect(),
            front_door: chooses.then(|| format!("{base}/v1")),
            providers: providers.iter().map(|entry| Provider::of(entry, &base)).collect(),
            plugins: plugins.iter().map(|entry| Plugin::of(entry)).collect(),
            warnings: generation.warnings.clone(),
            left_out: loaded.left_out.clone(),
        }
    }
}

impl Provider {
    fn of(entry: &Entry, base: &str) -> Self {
        let prefix = entry.manifest.routes.first().map_or("", |route| route.prefix.as_str());
        let provider = entry.runtime.as_ref().and_then(|runtime| runtime.provider());
        Provider {
            name: entry.manifest.name.clone(),
            url: format!("{base}{prefix}"),
            state: entry.state.word(),
            reason: entry.state.reason().map(str::to_owned),
            credential: provider.map(|provider| provider.credential()),
        }
    }

    fn line(&self) -> String {
        match (&self.credential, &self.reason) {
            (Some(credential), _) if credential.hint.is_empty() => credential.kind.to_owned(),
            (Some(credential), _) => credential.hint.clone(),
            (None, Some(reason)) => format!("{}: {reason}", self.state),
            (None, None) => self.state.to_owned(),
        }
    }
}

impl Plugin {
    fn of(entry: &Entry) -> Self {
        Plugin {
            name: entry.manifest.name.clone(),
            state: entry.state.word(),
            reason: entry.state.reason().map(str::to_owned),
        }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ccproxy {}", self.version)?;
        for address in &self.addresses {
            writeln!(f, "listening on {address}")?;
        }
        if self.key_required {
            writeln!(f, "clients must send the key, as a bearer token or as `x-api-key`")?;
        }
        for file in &self.files {
            writeln!(f, "configured by {file}")?;
        }
        if let Some(front_door) = &self.front_door {
            writeln!(f, "\nevery provider, by the model: {front_door}  (`ccproxy models` lists them)")?;
        }
        section(
            f,
            "providers",
            self.providers
                .iter()
                .filter(|one| one.state != "disabled")
                .map(|one| (one.name.as_str(), format!("{}  {}", one.url, one.line()))),
        )?;
        let providers = self.providers.iter();
        off(f, "providers", providers.map(|one| (one.name.as_str(), one.state, one.reason.as_deref())))?;
        let active: Vec<&str> =
            self.plugins.iter().filter(|one| one.state == "active").map(|one| one.name.as_str()).collect();
        if !active.is_empty() {
            writeln!(f, "\nplugins: {}", active.join(", "))?;
        }
        off(
            f,
            "plugins",
            self.plugins.iter().map(|one| (one.name.as_str(), one.state, one.reason.as_deref())),
        )?;
        let other = self.plugins.iter().filter(|one| !matches!(one.state, "active" | "disabled"));
        section(
            f,
            "plugins that are not well",
            other.map(|one| {
                (one.name.as_str(), format!("{}: {}", one.state, one.reason.as_deref().unwrap_or_default()))
            }),
        )?;
        section(f, "warnings", self.warnings.iter().map(|warning| ("-", warning.clone())))?;
        let left_out = self
            .left_out
            .iter()
            .map(|item| ("-", format!("`{}`: {}; {}", item.path.display(), item.reason, item.remedy)));
        section(f, "left out", left_out)
    }
}

/// The names of those that are off, or nothing: those that sleep, and those that something switched off.
fn off<'a>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    all: impl Iterator<Item = (&'a str, &'static str, Option<&'a str>)>,
) -> fmt::Result {
    let (asleep, off): (Vec<_>, Vec<_>) = all
        .filter(|(_, state, _)| *state == "disabled")
        .partition(|(.., reason)| reason.is_none_or(|reason| reason.starts_with("off by default")));
    let names = |all: &[(&str, _, _)]| all.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    if !asleep.is_empty() {
        let asleep = names(&asleep);
        writeln!(f, "\n{what} that are off (`plugins.<name>.enabled = true` turns one on): {asleep}")?;
    }
    if !off.is_empty() {
        let off = names(&off);
        writeln!(f, "\n{what} that are switched off (`ccproxy plugins list` says by what): {off}")?;
    }
    Ok(())
}

/// A title and its lines, or nothing.
fn section<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    lines: impl Iterator<Item = (&'a str, String)>,
) -> fmt::Result {
    let lines: Vec<(&str, String)> = lines.collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    if !lines.is_empty() {
        writeln!(f, "\n{title}:")?;
    }
    for (name, text) in lines {
        let indent = format!("\n{:indent$}", "", indent = width + 4);
        writeln!(f, "  {name:width$}  {}", text.replace('\n', &indent))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_sees_where_what_and_how() {
        let credential = |hint: &str| {
            Some(Credential { kind: "passthrough", present: false, hint: hint.to_owned(), login: None })
        };
        let banner = Banner {
            version: "0.1.0",
            addresses: vec!["http://127.0.0.1:8000".to_owned()],
            key_required: false,
            files: Vec::new(),
            front_door: Some("http://127.0.0.1:8000/v1".to_owned()),
            providers: vec![
                Provider {
                    name: "mock".to_owned(),
                    url: "http://127.0.0.1:8000/mock".to_owned(),
                    state: "active",
                    reason: None,
                    credential: credential("needs none"),
                },
                Provider {
                    name: "groq".to_owned(),
                    url: "http://127.0.0.1:8000/groq".to_owned(),
                    state: "disabled",
                    reason: Some("off by default".to_owned()),
                    credential: None,
                },
            ],
            plugins: vec![
                Plugin { name: "access_log".to_owned(), state: "active", reason: None },
                Plugin {
                    name: "broken".to_owned(),
                    state: "failed",
                    reason: Some("plugin.lua:3: oops".to_owned()),
                },
                Plugin { name: "request_id".to_owned(), state: "disabled", reason: None },
            ],
            warnings: Vec::new(),
            left_out: Vec::new(),
        };
        let expected = "ccproxy 0.1.0\nlistening on http://127.0.0.1:8000\n\n\
                        every provider, by the model: http://127.0.0.1:8000/v1  (`ccproxy models` lists them)\n\nproviders:\n  mock  http://127.0.0.1:8000/mock  needs none\n\
                        \nproviders that are off (`plugins.<name>.enabled = true` turns one on): groq\n\
                        \nplugins: access_log\n\nplugins that are off (`plugins.<name>.enabled = true` turns one on): request_id\n\
                        \nplugins that are not well:\n  broken  failed: plugin.lua:3: oops\n";
        assert_eq!(banner.to_string(), expected);
    }
}

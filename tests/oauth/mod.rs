//! Logins: how they begin, how they stay fresh, who uses them, and what never happens to them.

mod command_line;
mod keyring;
mod odd_answers;
mod plugin;
mod proxied;
mod race;
mod signals;
mod store;
mod used;
mod web;

use std::path::Path;
use std::sync::Arc;

use ccproxy_core::oauth::Tokens;
use ccproxy_core::secret::Secret;
use ccproxy_providers::oauth::{Logins, Network, read};
use ccproxy_providers::vault::{Sealing, Vault};
use serde_json::{Value, json};

/// The identity provider of these settings under a name, and a vault in a folder that no keyring seals.
pub(super) fn logins(name: &str, settings: &Value, data_dir: &Path) -> Arc<Logins> {
    let (servers, problems) = read(&json!({ name: settings }), None);
    assert_eq!(problems, []);
    let vault = Vault::new(data_dir, Sealing::read(&json!({ "seal": "off" })));
    Logins::new(servers, &vault, Network::default())
}

/// Tokens as a login would have brought them.
pub(super) fn tokens((access, refresh): (String, String)) -> Tokens {
    let mut tokens = Tokens::new(Secret::new(access)).living(std::time::Duration::from_secs(3600));
    tokens.refresh = Some(Secret::new(refresh));
    tokens
}

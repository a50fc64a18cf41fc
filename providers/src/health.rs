//! What providers say about themselves when they are asked how they are.

use ccproxy_core::plugin::{Health, HealthStatus};
use ccproxy_core::pool::Pool;
use ccproxy_core::provider::Credential;

use crate::detection::Cli;

/// A provider that answers at `base_url`; `trouble` is what keeps a credential that is there from working, and
/// `detects` whether it looks for an installed CLI.
pub(crate) fn of(credential: Credential, trouble: Option<String>, base_url: &str, detects: bool) -> Health {
    let health = match (credential.kind, trouble) {
        ("none", _) => Health::warn(credential.hint.clone()),
        ("oauth", None) if !credential.present => Health::warn(credential.hint.clone()),
        (_, Some(trouble)) => Health::warn(trouble),
        _ => Health::pass(),
    };
    health
        .with("type", "provider")
        .with("initialized", true)
        .with("has_adapter", true)
        .with("has_detection", detects)
        .with("has_credentials", credential.present)
        .with("credential", credential.kind)
        .with("credential_hint", credential.hint)
        .with("base_url", base_url)
}

/// The same, with the credentials that take turns.
pub(crate) fn with_pool(health: Health, pool: Option<Pool>) -> Health {
    let Some(pool) = pool else { return health };
    let health = match pool.members.iter().any(|member| matches!(member.state, "in_use" | "standby")) {
        true => health,
        false => Health { status: HealthStatus::Warn, output: "every credential rests".to_owned(), ..health },
    };
    health.with("pool", serde_json::to_value(pool).unwrap_or_default())
}

/// The same, with the CLI that was found.
pub(crate) fn with_cli(health: Health, cli: Option<Cli>) -> Health {
    health
        .with("cli_version", cli.as_ref().and_then(|cli| cli.version.clone()))
        .with("cli_path", cli.map(|cli| cli.path.display().to_string()))
}

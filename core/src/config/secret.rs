//! Credentials that a configuration points at rather than holds.

use std::path::Path;

use super::Environment;

/// Longest credential file that is read.
const MOST: u64 = 64 << 10;

/// The text that a secret stands for: itself, `env:NAME`, or `file:/path`. The error never holds the secret.
pub(super) fn resolve(text: &str, environment: &Environment, base: Option<&Path>) -> Result<String, String> {
    if let Some(name) = text.strip_prefix("env:") {
        let value = environment.get(name).map(str::trim).filter(|value| !value.is_empty());
        return value.map(str::to_owned).ok_or_else(|| format!("environment variable `{name}` is not set"));
    }
    if let Some(name) = text.strip_prefix("file:") {
        return read(&environment.path(name, base));
    }
    match text.trim() {
        "" => Err("the secret is empty".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let length = std::fs::metadata(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    if !length.is_file() || length.len() > MOST {
        return Err(format!("`{shown}` is not a file of at most {MOST} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    match text.trim() {
        "" => Err(format!("`{shown}` is empty")),
        secret => Ok(secret.to_owned()),
    }
}

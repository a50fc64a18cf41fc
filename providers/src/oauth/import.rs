//! Logins of other programs, read once. Nothing is ever written to their files.

use std::path::{Path, PathBuf};

use ccproxy_core::oauth::{Failure, Reason, Tokens};
use ccproxy_core::secret::Secret;
use serde_json::Value;
use zeroize::Zeroizing;

use super::whose;

/// Largest file that is read.
const LARGEST: u64 = 1 << 20;

/// The file of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The program.
    pub program: &'static str,
    /// Where it keeps its login.
    pub path: PathBuf,
}

impl Source {
    /// Where the program keeps it whose logins this identity provider hands out. `variable` reads the environment.
    pub fn of(provider: &str, home: &Path, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Source> {
        let (program, moved, usual, file) = match provider {
            "claude-api" => ("Claude Code", "CLAUDE_CONFIG_DIR", ".claude", ".credentials.json"),
            "codex" => ("Codex", "CODEX_HOME", ".codex", "auth.json"),
            _ => return None,
        };
        let folder = variable(moved).unwrap_or_else(|| home.join(usual));
        Some(Source { program, path: folder.join(file) })
    }
}

/// Reads the login out of the file of another program.
pub fn import(provider: &str, source: &Source) -> Result<Tokens, Failure> {
    let shown = source.path.display();
    let cannot = |why: &str| Failure::new(Reason::NoLogin, format!("`{shown}` {why}"));
    let data =
        std::fs::metadata(&source.path).map_err(|error| cannot(&format!("cannot be read: {error}")))?;
    if !data.is_file() || data.len() > LARGEST {
        return Err(cannot("is no file of a login"));
    }
    let bytes = std::fs::read(&source.path).map_err(|error| cannot(&format!("cannot be read: {error}")))?;
    let file: Value = serde_json::from_slice(&Zeroizing::new(bytes)).map_err(|_| cannot("holds no JSON"))?;
    let tokens = if provider == "codex" { codex(&file) } else { claude(&file) };
    tokens.ok_or_else(|| cannot(&format!("holds no login; log in with {} first", source.program)))
}

fn claude(file: &Value) -> Option<Tokens> {
    let login = &file["claudeAiOauth"];
    let mut tokens = Tokens::new(secret(&login["accessToken"])?);
    tokens.refresh = secret(&login["refreshToken"]);
    let scopes = login["scopes"].as_array().into_iter().flatten();
    tokens.scopes = scopes.filter_map(|scope| Some(scope.as_str()?.to_owned())).collect();
    tokens.expires_at = login["expiresAt"].as_u64().map(|milliseconds| milliseconds / 1000);
    tokens.account.plan = login["subscriptionType"].as_str().map(str::to_owned);
    Some(tokens)
}

fn codex(file: &Value) -> Option<Tokens> {
    let login = &file["tokens"];
    let mut tokens = Tokens::new(secret(&login["access_token"])?);
    tokens.refresh = secret(&login["refresh_token"]);
    tokens.id = secret(&login["id_token"]);
    tokens.expires_at = whose::claims(&tokens.access).and_then(|claims| claims.get("exp")?.as_u64());
    tokens.account = whose::of_answer(super::server::Whose::OpenAi, &serde_json::Map::new(), &tokens);
    if let Some(account) = login["account_id"].as_str() {
        tokens.account.id = Some(account.to_owned());
    }
    Some(tokens)
}

fn secret(value: &Value) -> Option<Secret> {
    value.as_str().filter(|text| !text.is_empty()).map(Secret::new)
}

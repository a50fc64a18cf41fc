//! Forty-two secrets, each in its own place, and the search for them everywhere else.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Where each stands.
pub const PLACES: [&str; 42] = [
    "server.auth_token in a file",
    "claude_api.api_key in the environment",
    "openai.api_key in a file",
    "providers.lan.api_key in the configuration",
    "providers.kimi.api_key as a bearer token",
    "mistral.api_key by env:",
    "providers.lan.headers",
    "upstream proxy in HTTP_PROXY",
    "a client's bearer token",
    "a client's x-api-key",
    "a client's cookie",
    "a client's proxy-authorization",
    "a client's x-amz-security-token",
    "a client's x-github-token",
    "a client's sec-websocket-protocol",
    "a query's api_key",
    "a query's access_token",
    "a query's key",
    "a body that is no JSON",
    "a body of the wrong type for an OAuth route",
    "an unknown field of an OAuth route",
    "a refused client key",
    "an answer's set-cookie",
    "an answer's authentication-info",
    "the OAuth client secret",
    "the authorization code",
    "the first access token",
    "the first refresh token",
    "the ID token",
    "the second access token",
    "the second refresh token",
    "another field of a token answer",
    "the device code",
    "the access token of a device",
    "the refresh token of a device",
    "a forged state",
    "a code brought by hand",
    "the GitHub token of Copilot",
    "Copilot's exchanged token",
    "a plugin's secret setting",
    "a plugin's OAuth client secret",
    "the key that seals logins",
];

/// The secret of a place.
pub fn secret(place: &str) -> String {
    let number =
        PLACES.iter().position(|known| *known == place).unwrap_or_else(|| panic!("no place `{place}`"));
    // No word of it is in the product, and none is part of another.
    format!("plant{number:02}zq{}", "7xk9".repeat(6 + number % 3))
}

/// Everything that was shown or written, with a name for each.
#[derive(Default)]
pub struct Found(Vec<(String, String)>);

impl Found {
    /// Keeps a text.
    pub fn add(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.0.push((what.into(), text.into()));
    }

    /// Keeps every file below a folder but those that `but` names: part of the path.
    pub fn folder(&mut self, folder: &Path, but: &[&str]) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let shown = path.display().to_string();
            if but.iter().any(|part| shown.contains(part)) {
                continue;
            }
            match path.is_dir() {
                true => self.folder(&path, but),
                false => {
                    let bytes = std::fs::read(&path).unwrap_or_default();
                    self.add(shown, String::from_utf8_lossy(&bytes));
                }
            }
        }
    }

    /// How much there is.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(_, text)| text.len()).sum()
    }

    /// Whether a text is there: what is searched must be what was meant.
    pub fn holds(&self, text: &str) -> bool {
        self.0.iter().any(|(_, found)| found.contains(text))
    }

    /// No secret is in any of it, as it is or in base64; `more` are secrets that were made while it ran.
    pub fn assert_clean(&self, more: &[(String, String)]) {
        let planted = PLACES.iter().map(|place| ((*place).to_owned(), secret(place)));
        let mut leaks = Vec::new();
        for (place, secret) in planted.chain(more.iter().cloned()) {
            assert!(secret.len() >= 24, "{place} is too short to search for");
            let inner = &secret[..secret.len() - secret.len() % 3];
            let forms = [secret.clone(), STANDARD.encode(inner), URL_SAFE_NO_PAD.encode(inner)];
            for (what, text) in &self.0 {
                if let Some(at) = forms.iter().find_map(|form| text.find(form.as_str())) {
                    let start =
                        (0..=at.saturating_sub(160)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                    leaks.push(format!(
                        "{place} in {what}: ...{}",
                        text[start..].chars().take(260).collect::<String>()
                    ));
                }
            }
        }
        assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    }
}

//! What a file holds: the tokens of an account, and whether they still buy new ones.

use ccproxy_core::oauth::{Account, Failure, Tokens};
use ccproxy_core::secret::Secret;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Id;

/// The form of the file.
const VERSION: u64 = 1;

/// The names of what is known of tokens.
const NAMES: [&str; 8] = [
    "access_token",
    "refresh_token",
    "id_token",
    "token_type",
    "scopes",
    "obtained_at",
    "expires_at",
    "account",
];

/// What is kept of an account.
#[derive(Clone, Debug)]
pub struct Record {
    /// The tokens, never blanked: not by a refusal either.
    pub tokens: Tokens,
    /// Set when the server took the refresh token no more.
    pub needs_login: Option<NeedsLogin>,
    /// Counts the saves.
    pub generation: u64,
    /// Fields of a later version of this program.
    more: Map<String, Value>,
}

/// Why only another login helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsLogin {
    /// In the server's words, or ours.
    pub reason: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

impl Record {
    /// Of tokens that a login brought.
    pub fn new(tokens: Tokens) -> Self {
        Record { tokens, needs_login: None, generation: 0, more: Map::new() }
    }

    /// The same account with the tokens of a refresh.
    pub fn refreshed(&self, fresh: Tokens) -> Self {
        Record { tokens: fresh.after(&self.tokens), needs_login: None, ..self.clone() }
    }

    /// The same tokens, which buy no others any more.
    pub fn refused(self, needs: NeedsLogin) -> Self {
        Record { needs_login: Some(needs), ..self }
    }

    /// Reads a file that has been opened.
    pub(super) fn read(bytes: &[u8], id: &Id) -> Result<Self, Failure> {
        let broken = |why: &str| {
            let told = format!(
                "the file of {id} {why}; copy `{}.json.previous` back over it, which is what was there before, or remove \
                 both with `{}`",
                id.account(),
                id.logout_command()
            );
            Failure::storage(told)
        };
        let Ok(Value::Object(mut file)) = serde_json::from_slice(bytes) else {
            return Err(broken("is damaged: it holds no JSON object"));
        };
        if file.remove("version").and_then(|version| version.as_u64()).is_none_or(|version| version > VERSION)
        {
            return Err(broken("was written by a later version of ccproxy"));
        }
        let whose = |file: &mut Map<String, Value>, key: &str, wanted: &str| match file.remove(key) {
            Some(Value::String(name)) => name == wanted,
            _ => false,
        };
        if !whose(&mut file, "provider", id.provider()) || !whose(&mut file, "account", id.account()) {
            return Err(broken("belongs to another account"));
        }
        let Some(Value::Object(tokens)) = file.remove("tokens") else {
            return Err(broken("is damaged: it holds no tokens"));
        };
        let tokens = read_tokens(tokens).ok_or_else(|| broken("is damaged: it holds no access token"))?;
        let generation = file.remove("generation").and_then(|count| count.as_u64()).unwrap_or_default();
        let needs_login = file.remove("needs_login").and_then(|value| serde_json::from_value(value).ok());
        Ok(Record { tokens, needs_login, generation, more: file })
    }

    /// The file's bytes, still open.
    pub(super) fn write(&self, id: &Id) -> Result<Zeroizing<Vec<u8>>, Failure> {
        // Room enough that it never moves and leaves a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
        serde_json::to_writer_pretty(&mut *bytes, &File { id, record: self })
            .map_err(|_| Failure::storage("the tokens cannot be written as JSON"))?;
        Ok(bytes)
    }
}

/// Takes each text out of the tree without leaving a copy.
fn read_tokens(mut map: Map<String, Value>) -> Option<Tokens> {
    fn text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
        match map.get(key)? {
            Value::String(_) => {}
            _ => return None,
        }
        match map.remove(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
    let mut tokens =
        Tokens::new(Secret::new(text(&mut map, "access_token").filter(|text| !text.is_empty())?));
    tokens.refresh = text(&mut map, "refresh_token").filter(|text| !text.is_empty()).map(Secret::new);
    tokens.id = text(&mut map, "id_token").map(Secret::new);
    if let Some(token_type) = text(&mut map, "token_type") {
        tokens.token_type = token_type;
    }
    if let Some(scopes) = map.remove("scopes") {
        tokens.scopes = serde_json::from_value(scopes).unwrap_or_default();
    }
    tokens.obtained_at = map.remove("obtained_at").and_then(|when| when.as_u64()).unwrap_or_default();
    tokens.expires_at = map.remove("expires_at").and_then(|when| when.as_u64());
    if let Some(account) = map.remove("account") {
        tokens.account = serde_json::from_value::<Account>(account).unwrap_or_default();
    }
    tokens.more = map;
    Some(tokens)
}

struct File<'a> {
    id: &'a Id,
    record: &'a Record,
}

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("provider", self.id.provider())?;
        map.serialize_entry("account", self.id.account())?;
        map.serialize_entry("generation", &record.generation)?;
        if let Some(needs_login) = &record.needs_login {
            map.serialize_entry("needs_login", needs_login)?;
        }
        map.serialize_entry("tokens", &Exposed(&record.tokens))?;
        for (key, value) in &record.more {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Tokens as they are. The only place that writes them out.
struct Exposed<'a>(&'a Tokens);

impl Serialize for Exposed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tokens = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("access_token", tokens.access.expose())?;
        for (key, secret) in [("refresh_token", &tokens.refresh), ("id_token", &tokens.id)] {
            if let Some(secret) = secret {
                map.serialize_entry(key, secret.expose())?;
            }
        }
        map.serialize_entry("token_type", &tokens.token_type)?;
        map.serialize_entry("scopes", &tokens.scopes)?;
        map.serialize_entry("obtained_at", &tokens.obtained_at)?;
        if let Some(end) = tokens.expires_at {
            map.serialize_entry("expires_at", &end)?;
        }
        map.serialize_entry("account", &tokens.account)?;
        // A name that comes twice would take the place of what is known.
        for (key, value) in tokens.more.iter().filter(|(key, _)| !NAMES.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

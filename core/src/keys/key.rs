//! One key.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use crate::choice::Pattern;
use crate::error::{Error, Kind, Result};
use crate::hex;
use crate::secret::Secret;
use crate::unix_time::now;

/// Begins every key, so that one is known where it turns up.
const PREFIX: &str = "ccp_";

/// What is kept of a key: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What logs, limits and plugins call its holder.
    pub name: String,
    /// SHA-256 in hexadecimal. A key is 256 random bits, so that nothing slower is needed.
    pub hash: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Seconds since 1970 from which on it is no good. `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// The providers it is good for; all, when there are none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// Patterns of the models it is good for; all, when there are none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// A key that was just made, and what is kept of it.
pub struct NewKey {
    /// What the client sends. Shown once.
    pub secret: Secret,
    /// What is kept.
    pub key: Key,
}

impl Key {
    /// A new one; `expires` in seconds since 1970.
    pub fn make(
        name: &str,
        expires: Option<u64>,
        providers: Vec<String>,
        models: Vec<String>,
    ) -> Result<NewKey> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            let message = "a name is 1 to 64 letters, digits, `_`, `-` and `.`";
            return Err(Error::client(Kind::InvalidRequest, message));
        }
        let mut bytes = [0; 32];
        let filled = ring::rand::SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| Error::internal("the system gives no random numbers"))?;
        let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let key = Key {
            name: name.to_owned(),
            hash: hash(&digest(secret.as_bytes())),
            created: now(),
            expires,
            providers,
            models,
        };
        Ok(NewKey { secret: Secret::new(secret), key })
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }

    /// Whether it is good for some providers or models only.
    pub fn has_bounds(&self) -> bool {
        !self.providers.is_empty() || !self.models.is_empty()
    }

    /// Whether it is good for a request that names no model, or more than one: not where models bound it.
    pub fn permit_unnamed(&self) -> Result<()> {
        match self.models.is_empty() {
            true => Ok(()),
            false => {
                self.refuse("is good for some models only, and the request does not name exactly one as text")
            }
        }
    }

    /// Whether it is good for a route that is the operator's: not with bounds.
    pub fn permit_house(&self) -> Result<()> {
        match self.has_bounds() {
            false => Ok(()),
            true => {
                self.refuse("is good for requests to providers only; this route is for keys without bounds")
            }
        }
    }

    /// Whether it is good for a provider and the model that is sent there; the error is the client's.
    pub fn permit(&self, provider: &str, model: &str) -> Result<()> {
        let refuse = |what: &str, name: &str| self.refuse(&format!("is not good for {what} `{name}`"));
        if !self.providers.is_empty() && !self.providers.iter().any(|known| known == provider) {
            return refuse("provider", provider);
        }
        let fits = |pattern: &String| Pattern::new(pattern).fits(model);
        if !self.models.is_empty() && !model.is_empty() && !self.models.iter().any(fits) {
            return refuse("model", &model.chars().take(100).collect::<String>());
        }
        Ok(())
    }

    fn refuse(&self, why: &str) -> Result<()> {
        Err(Error::client(Kind::Forbidden, format!("the client key `{}` {why}", self.name)))
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({})", self.key.name)
    }
}

/// SHA-256.
pub(crate) fn digest(key: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, key).as_ref());
    out
}

/// A digest as a key is kept under it.
pub(crate) fn hash(digest: &[u8; 32]) -> String {
    hex::encode(digest)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_hash_and_its_bounds() {
        let new =
            Key::make("desk", None, vec!["mock".into()], vec!["claude-*".into(), "gpt-5".into()]).unwrap();
        assert!(new.secret.expose().starts_with("ccp_") && new.secret.expose().len() == 47);
        assert_eq!(new.key.hash, hash(&digest(new.secret.expose().as_bytes())));
        assert!(!format!("{new:?} {:?}", new.key).contains(&new.secret.expose()[4..]));
        let permitted = |provider, model| new.key.permit(provider, model).is_ok();
        assert!(permitted("mock", "claude-x") && permitted("mock", "gpt-5") && permitted("mock", ""));
        assert!(!permitted("mock", "gpt-55") && !permitted("openai", "gpt-5"));
        assert_eq!(new.key.permit("openai", "x").unwrap_err().status(), 403);
        assert_ne!(
            Key::make("a", None, vec![], vec![]).unwrap().key.hash,
            Key::make("a", None, vec![], vec![]).unwrap().key.hash
        );
        for name in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(Key::make(name, None, vec![], vec![]).is_err(), "{name}");
        }
    }

    #[test]
    fn it_ends_when_it_says() {
        let key = Key { expires: Some(100), ..Key::make("a", None, vec![], vec![]).unwrap().key };
        assert!(!key.is_expired(99) && key.is_expired(100));
    }
}

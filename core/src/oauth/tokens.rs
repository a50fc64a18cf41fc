//! What a login hands out.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::unix_time::now;

/// The tokens of one account, and what is known about them.
#[derive(Clone)]
pub struct Tokens {
    /// Goes upstream.
    pub access: Secret,
    /// Buys the next ones. Servers that rotate take each only once.
    pub refresh: Option<Secret>,
    /// Says who it is, in OpenID Connect.
    pub id: Option<Secret>,
    /// `Bearer`, nearly always.
    pub token_type: String,
    /// What they are good for.
    pub scopes: Vec<String>,
    /// When the answer came, in seconds since 1970 by this machine's clock.
    pub obtained_at: u64,
    /// When the access token ends, by this machine's clock; none when nobody said.
    pub expires_at: Option<u64>,
    /// Whose they are.
    pub account: Account,
    /// Fields that this version knows nothing about. They are kept, and never shown.
    pub more: Map<String, Value>,
}

/// Whose tokens they are. None of it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// The server's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What is paid for: `max`, `plus`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The organization it acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

impl Tokens {
    /// An access token that came now, of which nothing more is known.
    pub fn new(access: Secret) -> Self {
        Tokens {
            access,
            refresh: None,
            id: None,
            token_type: "Bearer".to_owned(),
            scopes: Vec::new(),
            obtained_at: now(),
            expires_at: None,
            account: Account::default(),
            more: Map::new(),
        }
    }

    /// The same, good for so long from the moment they came. The server's clock does not matter.
    pub fn living(self, lifetime: Duration) -> Self {
        Tokens { expires_at: Some(self.obtained_at.saturating_add(lifetime.as_secs())), ..self }
    }

    /// How long the access token is good for from now on; none when nobody said.
    pub fn left(&self) -> Option<Duration> {
        self.expires_at.map(|end| Duration::from_secs(end.saturating_sub(now())))
    }

    /// How long the access token was good for when it came; none when nobody said.
    pub fn lifetime(&self) -> Option<Duration> {
        self.expires_at.map(|end| Duration::from_secs(end.saturating_sub(self.obtained_at)))
    }

    /// Whether they have no end that anybody spoke of, and buy no others.
    pub fn is_lasting(&self) -> bool {
        self.refresh.is_none() && self.expires_at.is_none()
    }

    /// What these leave unsaid, as it was before: a server that does not rotate sends no refresh token, and
    /// few repeat the account.
    pub fn after(mut self, before: &Tokens) -> Self {
        // An empty one buys nothing.
        self.refresh =
            self.refresh.filter(|token| !token.expose().is_empty()).or_else(|| before.refresh.clone());
        self.id = self.id.or_else(|| before.id.clone());
        if self.scopes.is_empty() {
            self.scopes.clone_from(&before.scopes);
        }
        self.account = self.account.or(&before.account);
        for (name, value) in &before.more {
            if !self.more.contains_key(name) {
                self.more.insert(name.clone(), value.clone());
            }
        }
        self
    }
}

impl Account {
    /// What this one leaves unsaid, from the other.
    pub fn or(self, other: &Account) -> Account {
        Account {
            id: self.id.or_else(|| other.id.clone()),
            email: self.email.or_else(|| other.email.clone()),
            plan: self.plan.or_else(|| other.plan.clone()),
            organization: self.organization.or_else(|| other.organization.clone()),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("refresh", &self.refresh.is_some())
            .field("scopes", &self.scopes)
            .field("obtained_at", &self.obtained_at)
            .field("expires_at", &self.expires_at)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refresh_leaves_unsaid_stays() {
        let mut before = Tokens::new(Secret::new("a1")).living(Duration::from_secs(9));
        before.refresh = Some(Secret::new("r1"));
        before.scopes = vec!["x".to_owned()];
        let mut empty = Tokens::new(Secret::new("a2"));
        empty.refresh = Some(Secret::new(""));
        assert_eq!(empty.after(&before).refresh.as_ref().map(Secret::expose), Some("r1"));
        before.account =
            Account { email: Some("a@b".into()), plan: Some("pro".into()), ..Account::default() };
        before.more.insert("odd".into(), 1.into());
        let mut fresh = Tokens::new(Secret::new("a2"));
        fresh.account.plan = Some("max".into());
        let after = fresh.after(&before);
        assert_eq!((after.access.expose(), after.refresh.as_ref().map(Secret::expose)), ("a2", Some("r1")));
        assert_eq!((after.scopes.len(), after.expires_at, &after.more["odd"]), (1, None, &Value::from(1)));
        assert_eq!(
            (after.account.plan.as_deref(), after.account.email.as_deref()),
            (Some("max"), Some("a@b"))
        );
        assert_eq!(before.lifetime(), Some(Duration::from_secs(9)));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut tokens = Tokens::new(Secret::new("s3cret-a"));
        tokens.refresh = Some(Secret::new("s3cret-r"));
        tokens.more.insert("key".into(), "s3cret-m".into());
        assert!(!format!("{tokens:?}").contains("s3cret"));
    }
}

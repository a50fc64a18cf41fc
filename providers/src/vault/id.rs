//! Which account of which provider.

use std::fmt;

use ccproxy_core::oauth::{Failure, Reason};

/// Longest name of a provider or an account.
const LONGEST: usize = 100;

/// An account of a provider. Both names are plain enough to be names of files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    provider: String,
    account: String,
}

impl Id {
    /// The account without a name of its own.
    pub const DEFAULT: &str = "default";

    /// Refuses names that are no plain names of files.
    pub fn new(provider: &str, account: &str) -> Result<Self, Failure> {
        for (what, name) in [("provider", provider), ("account", account)] {
            if !is_plain(name) {
                let told = format!(
                    "`{}` is no name of {what}: use letters, digits, `.`, `_`, `-`, `+` and `@`, with a letter or digit first",
                    name.chars().take(40).collect::<String>().escape_debug()
                );
                return Err(Failure::new(Reason::Unsupported, told));
            }
        }
        Ok(Id { provider: provider.to_owned(), account: account.to_owned() })
    }

    /// The provider.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// How one logs in to it.
    pub fn login_command(&self) -> String {
        self.command("login")
    }

    /// How one logs out of it.
    pub fn logout_command(&self) -> String {
        self.command("logout")
    }

    fn command(&self, verb: &str) -> String {
        match self.account.as_str() {
            Self::DEFAULT => format!("ccproxy auth {verb} {}", self.provider),
            account => format!("ccproxy auth {verb} {} --account {account}", self.provider),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.account)
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
    name.len() <= LONGEST
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        // These endings are the store's own.
        && ![".json", ".lock", ".previous", ".tmp"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_folder() {
        assert!(Id::new("claude-api", "a.b+c@example.com").is_ok());
        for name in ["", ".", "..", "../x", "a/b", "a\0b", "-x", "ä", "a b", "x.json", &"x".repeat(101)] {
            assert!(Id::new("p", name).is_err() && Id::new(name, "a").is_err(), "{name:?}");
        }
    }
}

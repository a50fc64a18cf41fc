//! Why there is no token, in words that say what would mend it. They never hold a token.

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, header};

use crate::error::{Error, Kind, Side};

/// A step of a login, a refresh or a look into the store that did not work.
#[derive(Clone, Debug)]
pub struct Failure {
    reason: Reason,
    told: String,
    retry_after: Option<Duration>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody has logged in.
    NoLogin,
    /// The server takes the refresh token no more; only another login helps.
    NeedsLogin,
    /// The server refused the grant that it was sent: `invalid_grant`. It speaks of those bytes, not of the account.
    InvalidGrant,
    /// The person said no.
    Denied,
    /// The login took too long.
    TooLate,
    /// The server refused for another reason.
    Refused,
    /// The server is there and has no time: 429, 5xx.
    Busy,
    /// The server is not there, or says nothing of sense.
    Unreachable,
    /// The provider has no such flow.
    Unsupported,
    /// The store cannot be read or written.
    Storage,
}

impl Reason {
    /// One word for events and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Reason::NoLogin => "no_login",
            Reason::NeedsLogin => "needs_login",
            Reason::InvalidGrant => "invalid_grant",
            Reason::Denied => "denied",
            Reason::TooLate => "too_late",
            Reason::Refused => "refused",
            Reason::Busy => "busy",
            Reason::Unreachable => "unreachable",
            Reason::Unsupported => "unsupported",
            Reason::Storage => "storage",
        }
    }
}

impl Failure {
    /// `told` is a sentence for people, without full stop and without any token.
    pub fn new(reason: Reason, told: impl Into<String>) -> Self {
        Failure { reason, told: told.into(), retry_after: None }
    }

    /// The store cannot be read or written.
    pub fn storage(told: impl Into<String>) -> Self {
        Self::new(Reason::Storage, told)
    }

    /// Nobody has logged in.
    pub fn no_login(provider: &str, account: &str) -> Self {
        let which = if account == "default" { String::new() } else { format!(" --account {account}") };
        let told = format!("nobody is logged in; run `ccproxy auth login {provider}{which}`");
        Self::new(Reason::NoLogin, told)
    }

    /// The same, with the server's word about when to come again.
    pub fn with_retry_after(self, wait: Option<Duration>) -> Self {
        Failure { retry_after: wait, ..self }
    }

    /// What kind it is.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence for people.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// When the server said to come again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl std::error::Error for Failure {}

/// What a client of the proxy is told when its request needed the token.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (side, kind) = match failure.reason {
            Reason::NoLogin | Reason::NeedsLogin | Reason::InvalidGrant => (Side::Client, Kind::Unauthorized),
            Reason::Denied | Reason::TooLate => (Side::Client, Kind::Unauthorized),
            Reason::Unsupported => (Side::Client, Kind::InvalidRequest),
            Reason::Refused | Reason::Unreachable => (Side::Upstream, Kind::BadGateway),
            Reason::Busy => (Side::Upstream, Kind::Unavailable),
            Reason::Storage => (Side::Internal, Kind::Internal),
        };
        let wait = failure.retry_after.map(|wait| HeaderValue::from(wait.as_secs().max(1)));
        let error = Error::new(side, kind, failure.told);
        match wait {
            Some(wait) => error.with_header(header::RETRY_AFTER, wait),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_learns_what_to_do() {
        let error = Error::from(Failure::no_login("p", "work"));
        assert_eq!(error.status(), 401);
        assert!(error.message().contains("`ccproxy auth login p --account work`"), "{error}");
        let busy = Failure::new(Reason::Busy, "x").with_retry_after(Some(Duration::from_millis(10)));
        assert_eq!(Error::from(busy).headers()[0].1, "1");
    }
}

//! One thing that is wrong with a configuration, and what would mend it.

use std::fmt;

use serde::Serialize;

use super::Origin;

/// What is wrong, where, and what would mend it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Whether the configuration can still be used.
    pub severity: Severity,
    /// Where the value came from.
    pub origin: Origin,
    /// The setting, such as `server.port`; empty when it is the file as a whole.
    pub key: String,
    /// What was found and what is expected. Never a secret.
    pub message: String,
    /// The remedy, when there is one to name.
    pub hint: Option<String>,
}

/// Whether the configuration can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The value is left out; the rest holds.
    Warning,
    /// The configuration cannot be used.
    Error,
}

impl Problem {
    /// An error.
    pub fn error(origin: &Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            severity: Severity::Error,
            origin: origin.clone(),
            key: key.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// A warning.
    pub fn warning(origin: &Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Problem::error(origin, key, message) }
    }

    /// Adds the remedy.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the configuration cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.key.as_str()) {
            (Origin::Default, "") => f.write_str(&self.message)?,
            (Origin::Default, key) => write!(f, "`{key}`: {}", self.message)?,
            (origin, "") => write!(f, "{origin}: {}", self.message)?,
            (origin, key) => write!(f, "{origin}: `{key}`: {}", self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

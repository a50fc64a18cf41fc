//! What a plugin says of its own state, in the words of the health+json draft.

use serde::Serialize;
use serde_json::{Map, Value};

/// The state, and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Pass, warn or fail.
    pub status: HealthStatus,
    /// One line for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Facts: counts, versions, paths. Never a credential.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// Pass, warn or fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Works.
    Pass,
    /// Works with a limitation.
    Warn,
    /// Does not work.
    Fail,
}

impl Health {
    /// All is well.
    pub fn pass() -> Self {
        Health { status: HealthStatus::Pass, output: String::new(), details: Map::new() }
    }

    /// A limitation.
    pub fn warn(output: impl Into<String>) -> Self {
        Health { status: HealthStatus::Warn, output: output.into(), details: Map::new() }
    }

    /// A failure.
    pub fn fail(output: impl Into<String>) -> Self {
        Health { status: HealthStatus::Fail, output: output.into(), details: Map::new() }
    }

    /// Adds a fact.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }
}

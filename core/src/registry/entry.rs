//! One plugin in a generation, running or not, and why.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use crate::plugin::{Manifest, PluginRuntime};

/// A plugin and its state.
pub struct Entry {
    /// The declaration.
    pub manifest: Arc<Manifest>,
    /// Its settings, complete. Secrets are among them: never shown as they are.
    pub config: Arc<Value>,
    /// Code and settings as a number: the same number, the same instance.
    pub fingerprint: u64,
    /// The instance, when it runs.
    pub runtime: Option<Arc<dyn PluginRuntime>>,
    /// What it is doing.
    pub state: State,
    /// When this instance began.
    pub since: SystemTime,
}

/// What a plugin is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Active,
    /// It runs with its last good code, because the newer code did not load.
    Outdated(String),
    /// It could not start.
    Failed(String),
    /// Something it needs is missing.
    Skipped(String),
    /// It is switched off.
    Disabled(String),
}

impl State {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            State::Active => "active",
            State::Outdated(_) => "outdated",
            State::Failed(_) => "failed",
            State::Skipped(_) => "skipped",
            State::Disabled(_) => "disabled",
        }
    }

    /// Why it is not simply active.
    pub fn reason(&self) -> Option<&str> {
        match self {
            State::Active => None,
            State::Outdated(reason)
            | State::Failed(reason)
            | State::Skipped(reason)
            | State::Disabled(reason) => Some(reason),
        }
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        matches!(self, State::Active | State::Outdated(_))
    }
}

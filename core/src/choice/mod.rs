//! Step 6 at the front door: which provider is asked for which model, in which order, and who rests.
//!
//! The configuration gives aliases and rules ([`RoutingSettings`]), providers
//! say in their manifests which models they serve, and a [`Breaker`] remembers who failed. Asking the
//! candidates one after the other is the pipeline's.

mod aim;
mod breaker;
mod choose;
mod circuit;
mod own;
mod pattern;
mod retry_after;
mod rule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value, json};

pub use aim::{Aim, Candidate};
pub use breaker::Breaker;
pub(crate) use breaker::{Lane, Permit};
pub use choose::Wish;
pub(crate) use choose::check_name;
pub use circuit::CircuitSettings;
pub use own::{Marks, Own};
pub use pattern::Pattern;
pub use retry_after::retry_after;
pub use rule::Rule;

use crate::settings::RoutingSettings;

/// What the front door decides by. One for the process.
#[derive(Debug, Default)]
pub struct Routing {
    /// Aliases, rules, and when another candidate is asked.
    pub settings: RoutingSettings,
    /// Who failed lately.
    pub breaker: Arc<Breaker>,
}

impl Routing {
    /// As configured; nobody has failed yet.
    pub fn new(settings: RoutingSettings) -> Arc<Self> {
        let breaker = Arc::new(Breaker::new(settings.circuit));
        Arc::new(Routing { settings, breaker })
    }

    /// What it decides by, and who rests, for `/plugins/status`.
    pub(crate) fn status(&self) -> Value {
        let texts = |aims: &[Aim]| aims.iter().map(ToString::to_string).collect::<Vec<_>>();
        let aliases = self.settings.aliases.iter();
        json!({
            "default": texts(&self.settings.default),
            "aliases": aliases.map(|(alias, aims)| (alias.clone(), json!(texts(aims)))).collect::<Map<_, _>>(),
            "rules": self.settings.rules.iter().map(|rule| json!({
                "model": rule.model.text(),
                "format": rule.format,
                "client": rule.client,
                "stream": rule.stream,
                "candidates": texts(&rule.candidates),
            })).collect::<Vec<_>>(),
            "failing": self.breaker.status(Instant::now()),
        })
    }
}

/// The candidates of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The model that was asked for; empty when the request names none.
    pub asked: Box<str>,
    /// Why these.
    pub reason: Reason,
    /// Who can be asked, first the first. Never empty.
    pub candidates: Vec<Candidate>,
    /// Who was named and cannot be asked, and why not.
    pub left_out: Vec<LeftOut>,
}

/// A candidate that cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub candidate: Candidate,
    /// Why not, for people.
    pub reason: String,
}

/// Why a request has the candidates it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// `routing.aliases` has the model.
    Alias(String),
    /// This rule of `routing.rules`, counted from 1, and its pattern.
    Rule(usize, String),
    /// The model's name begins with a provider's.
    Named,
    /// A provider says that it serves models of this pattern.
    Family(String),
    /// `routing.default`.
    Default,
    /// A plugin set the provider.
    Plugin,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Alias(alias) => write!(f, "alias `{alias}`"),
            Reason::Rule(number, pattern) => write!(f, "rule {number}, `{pattern}`"),
            Reason::Named => f.write_str("the provider stands in the model's name"),
            Reason::Family(pattern) => write!(f, "it serves `{pattern}`"),
            Reason::Default => f.write_str("`routing.default`"),
            Reason::Plugin => f.write_str("a plugin set the provider"),
        }
    }
}

/// A choice while its candidates are asked.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The candidates.
    pub choice: Arc<Choice>,
    /// Which of them is asked now, or was asked last.
    pub at: usize,
}

impl Chosen {
    /// The first candidate is next.
    pub fn first(choice: Arc<Choice>) -> Self {
        Chosen { choice, at: 0 }
    }

    /// The candidate that is asked now, or was asked last.
    pub fn candidate(&self) -> Option<&Candidate> {
        self.choice.candidates.get(self.at)
    }
}

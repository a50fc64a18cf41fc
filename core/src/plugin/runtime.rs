//! A plugin while it lives.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Health, Service};
use crate::body::Answer;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::hooks::Hook;
use crate::middleware::Middleware;
use crate::oauth::OAuthProvider;
use crate::provider::Provider;
use crate::step::BoxFuture;

/// An instance of a plugin. What its manifest declares is fetched by its place in the manifest's lists;
/// `None` means the declaration was wrong and fails the plugin.
pub trait PluginRuntime: Send + Sync + 'static {
    /// Gets ready. Runs after every plugin it depends on.
    fn initialize(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Checks that it is ready. An error takes this plugin down, and only this one.
    fn validate(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Says how it is, by asking the plugin now.
    fn health(&self) -> BoxFuture<'_, Health>;

    /// Cleans up, before the plugins it depends on do.
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// What the next instance gets as `previous`, when it is reloaded.
    fn snapshot(&self) -> BoxFuture<'_, Option<Value>> {
        Box::pin(async { None })
    }

    /// The provider it speaks to.
    fn provider(&self) -> Option<Arc<dyn Provider>> {
        None
    }

    /// The OAuth provider it brings, as its manifest declares. Asked before `initialize` too, by the command line.
    fn oauth_provider(&self) -> Option<Arc<dyn OAuthProvider>> {
        None
    }

    /// The middleware at this place in the manifest. `None` when it is not in force with this configuration.
    fn middleware(&self, index: usize) -> Option<Arc<dyn Middleware>> {
        let _ = index;
        None
    }

    /// The listener at this place.
    fn hook(&self, index: usize) -> Option<Arc<dyn Hook>> {
        let _ = index;
        None
    }

    /// The route handler at this place.
    fn route(&self, index: usize) -> Option<Arc<dyn RouteHandler>> {
        let _ = index;
        None
    }

    /// The task at this place.
    fn task(&self, index: usize) -> Option<Arc<dyn Task>> {
        let _ = index;
        None
    }

    /// The command at this place.
    fn command(&self, index: usize) -> Option<Arc<dyn Command>> {
        let _ = index;
        None
    }

    /// The services it provides, by name. Asked once, after `initialize`.
    fn services(&self) -> Vec<(String, Arc<dyn Service>)> {
        Vec::new()
    }

    /// Runs code of a person inside the plugin, where it is a script: what came of it, for `ccproxy lua`.
    fn eval<'a>(&'a self, source: &'a str) -> Option<BoxFuture<'a, Result<Value>>> {
        let _ = source;
        None
    }

    /// Calls, errors, time, memory: whatever it counts, for `/plugins/status`.
    fn stats(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// Answers a plugin's route.
pub trait RouteHandler: Send + Sync + 'static {
    /// The request is in `exchange.request`.
    fn call<'a>(&'a self, exchange: &'a Arc<Exchange>) -> BoxFuture<'a, Result<Answer>>;

    /// Whether its answers keep to the bounds of the client's key. Keys with bounds are good for no other handlers.
    fn keeps_bounds(&self) -> bool {
        false
    }
}

/// A background task.
pub trait Task: Send + Sync + 'static {
    /// One run.
    fn run(&self) -> BoxFuture<'_, Result<()>>;
}

/// A command of a plugin.
pub trait Command: Send + Sync + 'static {
    /// Runs it with the words after its name; what it returns is printed.
    fn run(&self, args: Vec<String>) -> BoxFuture<'_, Result<Value>>;
}

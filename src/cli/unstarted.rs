//! The plugins as a start would have them, without one: native ones are made, scripts only declared. For
//! questions that need no running proxy.

use std::sync::Arc;
use std::time::SystemTime;

use ccproxy_core::choice::Routing;
use ccproxy_core::generation::Generation;
use ccproxy_core::middleware::Middleware;
use ccproxy_core::plugin::{Health, Manifest, PluginRuntime, Source};
use ccproxy_core::registry::{Entry, State};
use ccproxy_core::step::BoxFuture;
use serde_json::Value;

use super::plugins::declared;
use crate::config::Loaded;
use crate::wiring;

/// The generation that a start would begin with. Must run inside a tokio runtime.
pub(crate) fn generation(loaded: &Loaded) -> Arc<Generation> {
    let (plugins, _) = declared(loaded);
    let entries = plugins.into_iter().map(|plugin| {
        let off = |reason: &str| plugin.reason.clone().unwrap_or_else(|| reason.to_owned());
        let manifest = plugin.factory.as_ref().map(|factory| factory.manifest().clone());
        let made = plugin.factory.as_ref().and_then(|factory| match factory.manifest().source {
            Source::Native => wiring::made(loaded, &**factory),
            _ => Some(Arc::new(OnPaper) as Arc<dyn PluginRuntime>),
        });
        let (state, runtime) = match (plugin.state, made) {
            ("enabled", Some(runtime)) => (State::Active, Some(runtime)),
            ("enabled", None) => (State::Failed("`ccproxy plugins check` says why".to_owned()), None),
            ("disabled", _) => (State::Disabled(off("it is switched off")), None),
            _ => (State::Failed(off("it does not start")), None),
        };
        Arc::new(Entry {
            manifest: Arc::new(
                manifest.unwrap_or_else(|| Manifest { name: plugin.name, ..Manifest::default() }),
            ),
            config: Arc::new(Value::Null),
            fingerprint: 0,
            runtime,
            state,
            since: SystemTime::now(),
        })
    });
    let generation = Generation::assemble(0, entries.collect(), &[], Vec::new());
    Arc::new(generation.with_routing(Routing::new(loaded.settings.core.routing.clone())))
}

/// Stands for a script: its middleware has its place, and does nothing.
struct OnPaper;

impl PluginRuntime for OnPaper {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async { Health::fail("it is not started") })
    }

    fn middleware(&self, _: usize) -> Option<Arc<dyn Middleware>> {
        Some(Arc::new(OnPaper))
    }
}

impl Middleware for OnPaper {}

//! The front door, `/v1/...`: the paths that clients know, for whichever provider and model the routing chooses.
//! Choosing is the core's; here are the routes in their formats, and the list of everybody's models.

mod listing;
mod models;
mod shape;

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::config::{Field, Schema};
use ccproxy_core::format::Format;
use ccproxy_core::plugin::{
    Health, Manifest, PluginContext, PluginKind, PluginRuntime, RouteHandler, RouteSpec, RouteTarget, Source,
};
use ccproxy_core::provider::Operation;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use http::Method;
use serde::Deserialize;

use crate::factory::Factory;
use crate::formats::{AnthropicMessages, OpenAiChat, OpenAiResponses};
use listing::Listing;
use models::Models;

const NAME: &str = "front_door";

/// The plugin.
pub(crate) fn factory() -> Factory {
    Factory::new(manifest(), create)
}

/// The settings as validated against the schema.
#[derive(Debug, Deserialize)]
struct Config {
    models_timeout: f64,
    models_cache: f64,
}

fn schema() -> Schema {
    Schema::of([
        Field::duration("models_timeout", "How long a provider may take to list its models")
            .between(0.1, 60.0)
            .or("5s"),
        Field::duration("models_cache", "How long a provider's list of models is good for")
            .between(0.0, 86_400.0)
            .or("1m"),
    ])
}

fn create(context: PluginContext) -> Result<Arc<dyn PluginRuntime>> {
    let config = Config::deserialize(&*context.config)
        .map_err(|error| Error::plugin(NAME, format!("its settings: {error}")))?;
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let listing = Listing::new(seconds(config.models_timeout), seconds(config.models_cache));
    Ok(Arc::new(Runtime { models: Arc::new(Models::new(listing)) }))
}

struct Runtime {
    models: Arc<Models>,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async { Health::pass() })
    }

    fn route(&self, index: usize) -> Option<Arc<dyn RouteHandler>> {
        let listed = matches!(manifest().routes.get(index)?.target, RouteTarget::Handler);
        listed.then(|| self.models.clone() as Arc<dyn RouteHandler>)
    }
}

fn manifest() -> Manifest {
    let messages: Arc<dyn Format> = Arc::new(AnthropicMessages);
    let chat: Arc<dyn Format> = Arc::new(OpenAiChat);
    let responses: Arc<dyn Format> = Arc::new(OpenAiResponses);
    let route = |method: Method, path: &str, target: RouteTarget, summary: &str| RouteSpec {
        method,
        prefix: "/v1".into(),
        path: path.into(),
        tags: vec!["front-door".into()],
        summary: summary.into(),
        auth: true,
        landing: false,
        private: false,
        target,
    };
    let choose = |path: &str, name: &'static str, format: &Arc<dyn Format>, summary: &str| {
        route(Method::POST, path, RouteTarget::Choose(Operation::new(name, format.clone())), summary)
    };
    Manifest {
        name: NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "One address for every provider: `[routing]` chooses provider and model".into(),
        kind: PluginKind::System,
        source: Source::Native,
        config: schema(),
        routes: vec![
            choose("/messages", "messages", &messages, "Create a message, at the provider of the model"),
            choose("/messages/count_tokens", "count_tokens", &messages, "Count the tokens of a message"),
            choose("/chat/completions", "chat_completions", &chat, "Create a chat completion"),
            choose("/responses", "responses", &responses, "Create a response"),
            choose(
                "/responses/input_tokens",
                "input_tokens",
                &responses,
                "Count the tokens of such a request",
            ),
            choose("/embeddings", "embeddings", &chat, "Create embeddings"),
            route(Method::GET, "/models", RouteTarget::Handler, "The models of every provider"),
            route(Method::GET, "/models/{*id}", RouteTarget::Handler, "One of these models"),
        ],
        ..Manifest::default()
    }
}

//! A provider without a network, for demos, plugin authors and tests: the same question always gets the
//! same answer, in each of the three formats, streamed or whole. `docs/providers.md` has its rules.

mod adapter;
mod ask;
mod chat;
mod config;
mod directive;
mod example;
mod messages;
mod models;
mod reply;
mod responses;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ccproxy_core::format::Format;
use ccproxy_core::plugin::{
    Health, Manifest, PluginContext, PluginKind, PluginRuntime, RouteSpec, RouteTarget, Source,
};
use ccproxy_core::provider::{Operation, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use http::Method;

use crate::factory::Factory;
use crate::formats::{AnthropicMessages, OpenAiChat, OpenAiResponses};
use adapter::Adapter;
use config::Config;

const NAME: &str = "mock";

/// The plugin.
pub(crate) fn factory() -> Factory {
    Factory::new(manifest(), create)
}

fn create(context: PluginContext) -> Result<Arc<dyn PluginRuntime>> {
    let config = Config::read(&context.config).map_err(|why| Error::plugin(NAME, why))?;
    Ok(Arc::new(Runtime { adapter: Arc::new(Adapter::new(config.delay)) }))
}

struct Runtime {
    adapter: Arc<Adapter>,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async {
            Health::pass()
                .with("type", "provider")
                .with("initialized", true)
                .with("has_adapter", true)
                .with("has_detection", false)
                .with("has_credentials", false)
        })
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }
}

fn manifest() -> Manifest {
    let messages: Arc<dyn Format> = Arc::new(AnthropicMessages);
    let chat: Arc<dyn Format> = Arc::new(OpenAiChat);
    let responses: Arc<dyn Format> = Arc::new(OpenAiResponses);
    let route =
        |method: Method, path: &str, name: &'static str, format: &Arc<dyn Format>, summary: &str| RouteSpec {
            method,
            prefix: "/mock".into(),
            path: path.into(),
            tags: vec!["plugin-mock".into()],
            summary: summary.into(),
            auth: true,
            landing: false,
            private: false,
            target: RouteTarget::Provider(Operation::new(name, format.clone())),
        };
    Manifest {
        name: NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Deterministic answers without a network, for demos and tests".into(),
        kind: PluginKind::Provider,
        source: Source::Native,
        models: vec!["mock*".into()],
        config: config::schema(),
        routes: vec![
            route(Method::POST, "/v1/messages", "messages", &messages, "An Anthropic message"),
            route(
                Method::POST,
                "/v1/messages/count_tokens",
                "count_tokens",
                &messages,
                "Its tokens, counted",
            ),
            route(
                Method::POST,
                "/v1/chat/completions",
                "chat_completions",
                &chat,
                "An OpenAI chat completion",
            ),
            route(Method::POST, "/v1/responses", "responses", &responses, "An OpenAI response"),
            route(Method::GET, "/v1/models", "models", &chat, "The models, for clients of either vendor"),
            route(Method::GET, "/v1/models/{id}", "model", &chat, "One model"),
        ],
        ..Manifest::default()
    }
}

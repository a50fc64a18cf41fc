//! The Claude API under `/claude`: its own format passes byte for byte, OpenAI's two formats are turned into it.

mod adapter;
mod config;
mod credentials;
mod detection;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ccproxy_core::format::Format;
use ccproxy_core::plugin::{
    Health, Manifest, OAuthProviderSpec, PluginContext, PluginKind, PluginRuntime, RouteSpec, RouteTarget,
    Source,
};
use ccproxy_core::provider::{Operation, Provider, Through};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::transform::Transformer;
use ccproxy_core::{Error, Result};
use http::Method;

use crate::factory::Factory;
use crate::formats::{AnthropicMessages, Count, Dialect, OpenAiChat, OpenAiResponses, Pair};
use adapter::Adapter;
use config::Config;
use credentials::credentials;
use detection::Detection;

const NAME: &str = "claude_api";

/// The plugin.
pub fn factory() -> Factory {
    Factory::new(manifest(), create)
}

fn create(context: PluginContext) -> Result<Arc<dyn PluginRuntime>> {
    let failed = |why: String| Error::plugin(NAME, why);
    let config = Config::read(&context.config).map_err(failed)?;
    let environment = |name: &str| std::env::var(name).ok();
    let credentials = credentials(&config, environment).map_err(failed)?;
    let adapter = Adapter::new(&config.base_url, credentials, context.upstream).map_err(failed)?;
    let detection = config.detect_cli.then(Detection::default);
    Ok(Arc::new(Runtime { adapter: Arc::new(adapter), detection, base_url: config.base_url }))
}

struct Runtime {
    adapter: Arc<Adapter>,
    detection: Option<Detection>,
    base_url: String,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async {
            let credential = self.adapter.credential();
            let unusable = credential.kind == "none";
            let cli = match &self.detection {
                Some(detection) => detection.look().await,
                None => None,
            };
            let health = if unusable { Health::warn(credential.hint.clone()) } else { Health::pass() };
            health
                .with("type", "provider")
                .with("initialized", true)
                .with("has_adapter", true)
                .with("has_detection", self.detection.is_some())
                .with("has_credentials", credential.present)
                .with("credential", credential.kind)
                .with("credential_hint", credential.hint)
                .with("base_url", self.base_url.as_str())
                .with("cli_version", cli.as_ref().and_then(|cli| cli.version.clone()))
                .with("cli_path", cli.map(|cli| cli.path.display().to_string()))
        })
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }
}

fn manifest() -> Manifest {
    let format: Arc<dyn Format> = Arc::new(AnthropicMessages);
    let route = |method: Method, path: &str, operation: Operation, summary: &str| RouteSpec {
        method,
        prefix: "/claude".into(),
        path: path.into(),
        tags: vec!["plugin-claude-api".into()],
        summary: summary.into(),
        auth: true,
        target: RouteTarget::Provider(operation),
    };
    let own = |name| Operation::new(name, format.clone());
    let through = |name, transformer: Arc<dyn Transformer>| {
        Some(Arc::new(Through { operation: own(name), transformer }))
    };
    let chat = Operation {
        name: "chat_completions",
        format: Arc::new(OpenAiChat),
        through: through("messages", Arc::new(Pair::of(Dialect::Chat, Dialect::Messages))),
    };
    let responses = Operation {
        name: "responses",
        format: Arc::new(OpenAiResponses),
        through: through("messages", Arc::new(Pair::of(Dialect::Responses, Dialect::Messages))),
    };
    let input_tokens = Operation {
        name: "input_tokens",
        format: Arc::new(OpenAiResponses),
        through: through("count_tokens", Arc::new(Count)),
    };
    Manifest {
        name: NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "The Claude API, with the client's own credential or an API key".into(),
        kind: PluginKind::Provider,
        source: Source::Native,
        config: config::schema(),
        routes: vec![
            route(Method::POST, "/v1/messages", own("messages"), "Create a message, streamed or whole"),
            route(
                Method::POST,
                "/v1/messages/count_tokens",
                own("count_tokens"),
                "Count the tokens of a message",
            ),
            route(Method::GET, "/v1/models", own("models"), "List the models"),
            route(Method::GET, "/v1/models/{id}", own("model"), "Describe a model"),
            route(
                Method::POST,
                "/v1/chat/completions",
                chat,
                "Chat, for clients of OpenAI's Chat Completions",
            ),
            route(Method::POST, "/v1/responses", responses, "Answer, for clients of OpenAI's Responses"),
            route(
                Method::POST,
                "/v1/responses/input_tokens",
                input_tokens,
                "Count the tokens of such a request",
            ),
        ],
        oauth_provider: Some(OAuthProviderSpec {
            name: "claude-api".into(),
            display_name: "Claude API".into(),
            supports_pkce: true,
            supports_refresh: true,
        }),
        ..Manifest::default()
    }
}

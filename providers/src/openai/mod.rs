//! Servers that speak OpenAI's protocol, each under its own name: OpenAI itself, a table of vendors, and
//! those that the configuration adds. Chat, Responses where there is one, embeddings, models; the same
//! format in and out, so the original bytes pass both ways.

mod adapter;
mod config;
#[cfg(test)]
mod tests;
mod vendor;

use std::sync::Arc;

use ccproxy_core::format::Format;
use ccproxy_core::plugin::{
    Health, Manifest, PluginContext, PluginKind, PluginRuntime, RouteSpec, RouteTarget, Source,
};
use ccproxy_core::provider::{Operation, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use http::Method;

use crate::credentials::{Credentials, Place, Wanted};
use crate::factory::Factory;
use crate::formats::{OpenAiChat, OpenAiResponses};
use adapter::Adapter;
use config::Config;
use vendor::Vendor;

/// OpenAI and the vendors of the table.
pub fn factories() -> impl Iterator<Item = Factory> {
    std::iter::once(vendor::OPENAI)
        .chain(vendor::OTHERS.iter().copied())
        .map(|vendor| Factory::new(manifest(&vendor), move |context| create(&vendor, context)))
}

fn create(vendor: &Vendor, context: PluginContext) -> Result<Arc<dyn PluginRuntime>> {
    let failed = |why: String| Error::plugin(vendor.name, why);
    let config = Config::read(&context.config).map_err(failed)?;
    let wanted = Wanted {
        service: vendor.title.to_owned(),
        setting: format!("plugins.{}.api_key", vendor.name),
        variable: vendor.variable,
        place: Place::Bearer,
        optional: !vendor.needs_key,
    };
    let environment = |name: &str| std::env::var(name).ok();
    let credentials =
        Credentials::new(wanted, config.credential, config.api_key.as_ref(), environment).map_err(failed)?;
    let headers = config.headers().map_err(failed)?;
    let Some(base_url) = config.base_url else {
        return Err(failed(format!("`plugins.{}.base_url` must say where it answers", vendor.name)));
    };
    let adapter = Adapter::new(&base_url, credentials, headers, context.upstream).map_err(failed)?;
    Ok(Arc::new(Runtime { adapter: Arc::new(adapter), base_url }))
}

struct Runtime {
    adapter: Arc<Adapter>,
    base_url: String,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async {
            let credential = self.adapter.credential();
            let health = match credential.kind {
                "none" => Health::warn(credential.hint.clone()),
                _ => Health::pass(),
            };
            health
                .with("type", "provider")
                .with("initialized", true)
                .with("has_adapter", true)
                .with("has_detection", false)
                .with("has_credentials", credential.present)
                .with("credential", credential.kind)
                .with("credential_hint", credential.hint)
                .with("base_url", self.base_url.as_str())
        })
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }
}

fn manifest(vendor: &Vendor) -> Manifest {
    let chat: Arc<dyn Format> = Arc::new(OpenAiChat);
    let responses: Arc<dyn Format> = Arc::new(OpenAiResponses);
    let route =
        |method: Method, path: &str, name: &'static str, format: &Arc<dyn Format>, summary: &str| RouteSpec {
            method,
            prefix: format!("/{}", vendor.name),
            path: path.into(),
            tags: vec![format!("plugin-{}", vendor.name)],
            summary: summary.into(),
            auth: true,
            target: RouteTarget::Provider(Operation::new(name, format.clone())),
        };
    let mut routes = vec![
        route(
            Method::POST,
            "/v1/chat/completions",
            "chat_completions",
            &chat,
            "Create a chat completion, streamed or whole",
        ),
        route(Method::GET, "/v1/models", "models", &chat, "List the models"),
        route(Method::GET, "/v1/models/{id}", "model", &chat, "Describe a model"),
    ];
    if vendor.responses {
        let path = "/v1/responses/{id}";
        routes.extend([
            route(
                Method::POST,
                "/v1/responses",
                "responses",
                &responses,
                "Create a response, streamed or whole",
            ),
            route(Method::GET, path, "response", &responses, "Fetch a stored response"),
            route(Method::DELETE, path, "response", &responses, "Delete a stored response"),
        ]);
    }
    if vendor.embeddings {
        routes.push(route(Method::POST, "/v1/embeddings", "embeddings", &chat, "Create embeddings"));
    }
    Manifest {
        name: vendor.name.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: format!("{}, with the client's own credential or an API key", vendor.title),
        kind: PluginKind::Provider,
        source: Source::Native,
        dormant: vendor.name != vendor::OPENAI.name,
        config: config::schema(vendor),
        routes,
        ..Manifest::default()
    }
}

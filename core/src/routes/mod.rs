//! The proxy's own routes.

mod credentials;
mod explain;
mod health;
mod index;
mod metrics;
mod oauth;
mod openapi;
mod plugins;
mod workbench;

pub use credentials::credentials_json;
pub use plugins::manifest_json;

use std::sync::{Arc, Weak};

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::body::Answer;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::generation::CoreRoute;
use crate::plugin::RouteHandler;
use crate::proxy::Proxy;
use crate::step::BoxFuture;

/// All of them. They look at the proxy through a weak reference: it owns them.
pub(crate) fn core_routes(proxy: &Weak<Proxy>) -> Vec<CoreRoute> {
    let route = |method: Method, path, auth, summary, call: Call| CoreRoute {
        method,
        path,
        auth,
        summary,
        handler: Arc::new(Handler { proxy: proxy.clone(), call }),
    };
    let (get, post) = (Method::GET, Method::POST);
    vec![
        route(get.clone(), "/", false, "What this is and where to look", |proxy, _| {
            Box::pin(index::index(proxy))
        }),
        route(get.clone(), "/health", false, "Health of the proxy and of every plugin", |proxy, _| {
            Box::pin(health::health(proxy))
        }),
        route(get.clone(), "/health/live", false, "Whether the process answers", |proxy, _| {
            Box::pin(health::live(proxy))
        }),
        route(get.clone(), "/health/ready", false, "Whether it can serve requests", |proxy, _| {
            Box::pin(health::ready(proxy))
        }),
        route(get.clone(), "/plugins", true, "The plugins", |_, exchange| Box::pin(plugins::list(exchange))),
        route(get.clone(), "/plugins/status", true, "Everything about the plugins", |proxy, exchange| {
            Box::pin(plugins::status(proxy, exchange))
        }),
        route(
            get.clone(),
            "/plugins/{name}/health",
            true,
            "Health of one plugin, asked now",
            |_, exchange| Box::pin(plugins::health(exchange)),
        ),
        route(post.clone(), "/plugins/{name}/tasks/{task}/run", true, "Run a task now", |proxy, exchange| {
            Box::pin(plugins::run_task(proxy, exchange))
        }),
        route(
            post,
            "/plugins/{name}/commands/{command}",
            true,
            "Run a command of a plugin",
            |_, exchange| Box::pin(plugins::run_command(exchange)),
        ),
        route(
            Method::POST,
            "/plugins/{name}/eval",
            true,
            "Run code inside a plugin, under `ccproxy dev`",
            |proxy, exchange| Box::pin(workbench::eval(proxy, exchange)),
        ),
        route(
            Method::POST,
            "/routing/explain",
            true,
            "What would become of a request, without sending it",
            |_, exchange| Box::pin(explain::explain(exchange)),
        ),
        route(
            get.clone(),
            "/credentials",
            true,
            "Which credential each provider uses, and why",
            |_, exchange| Box::pin(credentials::credentials(exchange)),
        ),
        route(get.clone(), "/oauth/providers", true, "Where one can log in", |proxy, _| {
            Box::pin(oauth::providers(proxy))
        }),
        route(
            get.clone(),
            "/traffic",
            true,
            "What goes through the providers' routes, and who is in flight",
            |_, exchange| Box::pin(metrics::traffic(exchange)),
        ),
        route(get.clone(), "/metrics", true, "Counts for Prometheus", |proxy, exchange| {
            Box::pin(metrics::metrics(proxy, exchange))
        }),
        route(get, "/openapi.json", true, "This description", |_, exchange| {
            Box::pin(openapi::openapi(exchange))
        }),
    ]
}

type Call = fn(Arc<Proxy>, Arc<Exchange>) -> BoxFuture<'static, Result<Answer>>;

struct Handler {
    proxy: Weak<Proxy>,
    call: Call,
}

impl RouteHandler for Handler {
    fn call<'a>(&'a self, exchange: &'a Arc<Exchange>) -> BoxFuture<'a, Result<Answer>> {
        match self.proxy.upgrade() {
            Some(proxy) => (self.call)(proxy, exchange.clone()),
            None => Box::pin(async { Err(Error::internal("the proxy is gone")) }),
        }
    }
}

/// A path parameter.
fn param(exchange: &Exchange, name: &str) -> String {
    let request = exchange.request.lock();
    request
        .params
        .iter()
        .find(|(known, _)| &**known == name)
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

/// `application/health+json`, never cached.
fn health_json(status: StatusCode, value: &Value) -> Answer {
    let mut answer = Answer::bytes(status, "application/health+json", value.to_string().into());
    answer.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

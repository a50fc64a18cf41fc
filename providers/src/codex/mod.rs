//! Codex under `/codex`: the Responses API of the ChatGPT backend, with the client's own login or a configured one. Its
//! own format passes as it came where the backend takes it, the two others are turned into it.

mod adapter;
mod config;
mod credentials;
mod limits;
mod models;
mod request;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ccproxy_core::oauth::OAuthProvider;
use ccproxy_core::plugin::{
    Health, Manifest, OAuthProviderSpec, PluginContext, PluginKind, PluginRuntime, Source,
};
use ccproxy_core::provider::Provider;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};

use crate::balancer::{Balancer, Pool};
use crate::detection::Detection;
use crate::factory::Factory;
use crate::health;
use crate::oauth::Logins;
use adapter::Adapter;
use config::Config;
use credentials::Login;

const NAME: &str = "codex";
/// The identity provider of its logins.
const OAUTH: &str = "codex";

/// The plugin.
pub(crate) fn factory(logins: &Arc<Logins>, balancer: &Arc<Balancer>) -> Factory {
    let (logins, pool) = (logins.clone(), balancer.pool(NAME).cloned());
    Factory::new(manifest(), move |context| create(context, &logins, pool.as_ref()))
}

fn create(
    context: PluginContext,
    logins: &Arc<Logins>,
    pool: Option<&Arc<Pool>>,
) -> Result<Arc<dyn PluginRuntime>> {
    let failed = |why: String| Error::plugin(NAME, why);
    let config = Config::read(&context.config).map_err(failed)?;
    let stored = logins.login(OAUTH, &config.account).map_err(|failure| failed(failure.to_string()))?;
    let environment = |name: &str| std::env::var(name).ok();
    let login = Login::new(&config, environment, Some(stored)).map_err(failed)?;
    let pooled = login.pooled(pool, logins, OAUTH).map_err(failed)?;
    let oauth = logins.provider(OAUTH);
    let detection = config.detect_cli.then(|| Arc::new(Detection::of("codex")));
    let adapter =
        Adapter::new(&config, login, pooled, detection.clone(), context.upstream).map_err(failed)?;
    Ok(Arc::new(Runtime { adapter: Arc::new(adapter), detection, config, oauth }))
}

struct Runtime {
    adapter: Arc<Adapter>,
    detection: Option<Arc<Detection>>,
    config: Config,
    oauth: Option<Arc<dyn OAuthProvider>>,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async {
            let cli = match &self.detection {
                Some(detection) => detection.look().await,
                None => None,
            };
            let credential = self.adapter.credential();
            let health = health::of(credential, None, &self.config.base_url, self.detection.is_some());
            let health = health::with_cli(health.with("websocket", self.config.websocket), cli);
            health::with_pool(health, self.adapter.pool())
        })
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }

    fn oauth_provider(&self) -> Option<Arc<dyn OAuthProvider>> {
        self.oauth.clone()
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Codex: the ChatGPT backend, with the client's own login or a configured token".into(),
        kind: PluginKind::Provider,
        source: Source::Native,
        config: config::schema(),
        routes: routes::routes(),
        // Said less closely than OpenAI says it: only who has a login of ChatGPT's is meant.
        models: ["gpt*", "codex*"].map(str::to_owned).into(),
        credential_marks: ["eyJ*"].map(str::to_owned).into(),
        oauth_provider: Some(OAuthProviderSpec {
            name: OAUTH.into(),
            display_name: "Codex".into(),
            supports_pkce: true,
            supports_refresh: true,
            ..OAuthProviderSpec::default()
        }),
        ..Manifest::default()
    }
}

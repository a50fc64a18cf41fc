//! GitHub Copilot under `/copilot`: chat, Responses, Messages, embeddings, models, and what of the subscription
//! is used. A GitHub token is exchanged for Copilot's own, which also names the host that answers.

mod adapter;
mod config;
mod exchange;
mod initiator;
mod routes;
mod token;
mod way;

use std::sync::Arc;

use ccproxy_core::oauth::OAuthProvider;
use ccproxy_core::plugin::{
    Health, Manifest, OAuthProviderSpec, PluginContext, PluginKind, PluginRuntime, Source,
};
use ccproxy_core::provider::Provider;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};

use crate::Configured;
use crate::balancer::{Balancer, Pool};
use crate::factory::Factory;
use crate::health;
use crate::oauth::Logins;
use adapter::Adapter;
use config::Config;

const NAME: &str = "copilot";
/// The identity provider of its logins.
const OAUTH: &str = "copilot";

/// The plugin.
pub(crate) fn factory(
    configured: &Configured<'_>,
    logins: &Arc<Logins>,
    balancer: &Arc<Balancer>,
) -> Factory {
    let schema = config::schema();
    // Settings that are wrong are reported when the plugin starts.
    let config = Config::read(&configured(NAME, &schema)).unwrap_or_default();
    let manifest = Manifest {
        name: NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "GitHub Copilot, with a GitHub token or the client's own credential".into(),
        kind: PluginKind::Provider,
        source: Source::Native,
        // GitHub's tokens, and Copilot's own: <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>.
        credential_marks: ["ghp_*", "gho_*", "ghu_*", "github_pat_*", "tid=*"].map(str::to_owned).into(),
        config: schema,
        routes: routes::routes(config.messages_via),
        oauth_provider: Some(OAuthProviderSpec {
            name: OAUTH.into(),
            display_name: "GitHub Copilot".into(),
            supports_pkce: false,
            supports_refresh: true,
            ..OAuthProviderSpec::default()
        }),
        ..Manifest::default()
    };
    let (logins, pool) = (logins.clone(), balancer.pool(NAME).cloned());
    Factory::new(manifest, move |context| create(context, &logins, pool.as_ref()))
}

fn create(
    context: PluginContext,
    logins: &Arc<Logins>,
    pool: Option<&Arc<Pool>>,
) -> Result<Arc<dyn PluginRuntime>> {
    let failed = |why: String| Error::plugin(NAME, why);
    let config = Config::read(&context.config).map_err(failed)?;
    let environment = |name: &str| std::env::var(name).ok();
    let login = logins.login(OAUTH, &config.account).map_err(|failure| failed(failure.to_string()))?;
    let pool = pool.map(|pool| (pool, &**logins));
    let adapter = Adapter::new(config, environment, context.upstream, login, pool).map_err(failed)?;
    let oauth = logins.provider(OAUTH);
    Ok(Arc::new(Runtime { adapter: Arc::new(adapter), oauth }))
}

struct Runtime {
    adapter: Arc<Adapter>,
    oauth: Option<Arc<dyn OAuthProvider>>,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        let (credential, trouble) = (self.adapter.credential(), self.adapter.trouble());
        let health = health::of(credential, trouble, &self.adapter.host(), false);
        let health = health::with_pool(health, self.adapter.pool());
        Box::pin(std::future::ready(health))
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }

    fn oauth_provider(&self) -> Option<Arc<dyn OAuthProvider>> {
        self.oauth.clone()
    }
}

//! Servers that speak Anthropic's protocol: the Claude API under `/claude`, and those that the configuration
//! adds under their own names. Messages pass byte for byte, OpenAI's two formats are turned into them.

mod adapter;
mod config;
mod routes;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ccproxy_core::config::Schema;
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
use crate::{Configured, Memory};
use crate::{fixed_headers, own};
use adapter::Adapter;
use config::Config;
use service::Service;

/// The identity provider of its logins.
const OAUTH: &str = "claude-api";

/// The Claude API.
pub(crate) fn factory(memory: &Arc<Memory>, logins: &Arc<Logins>, balancer: &Arc<Balancer>) -> Factory {
    let service = Service::claude();
    let oauth = OAuthProviderSpec {
        name: OAUTH.into(),
        display_name: "Claude API".into(),
        supports_pkce: true,
        supports_refresh: true,
        ..OAuthProviderSpec::default()
    };
    let schema = config::schema(&service).with(config::account_field()).with(config::detect_cli());
    let manifest = Manifest { oauth_provider: Some(oauth), ..manifest(&service, schema, memory) };
    let (logins, pool) = (logins.clone(), balancer.pool(&service.name).cloned());
    Factory::new(manifest, move |context| create(&service, context, &logins, pool.as_ref()))
}

/// A server of the user's own.
pub(crate) fn own(
    name: &str,
    configured: &Configured<'_>,
    memory: &Arc<Memory>,
    logins: &Arc<Logins>,
    balancer: &Arc<Balancer>,
) -> Factory {
    let service = Service::own(name);
    let mut schema = config::schema(&service).with(own::api()).with(config::key_as());
    schema.fields.extend(own::login_fields());
    let bearer = configured(name, &schema)["key_as"] == "bearer";
    let manifest = manifest(&service, schema, memory);
    let service = Service { bearer, ..service };
    let (logins, pool) = (logins.clone(), balancer.pool(name).cloned());
    Factory::new(manifest, move |context| create(&service, context, &logins, pool.as_ref()))
}

fn manifest(service: &Service, config: Schema, memory: &Arc<Memory>) -> Manifest {
    Manifest {
        name: service.name.to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: format!("{}, with the client's own credential or an API key", service.title),
        kind: PluginKind::Provider,
        source: Source::Native,
        models: service.own_words(&["claude-*"]),
        // Keys and login tokens alike: <https://docs.anthropic.com/en/api/overview>.
        credential_marks: service.own_words(&["sk-ant-*"]),
        config,
        routes: routes::routes(service, memory),
        ..Manifest::default()
    }
}

fn create(
    service: &Service,
    context: PluginContext,
    logins: &Arc<Logins>,
    pool: Option<&Arc<Pool>>,
) -> Result<Arc<dyn PluginRuntime>> {
    let failed = |why: String| Error::plugin(&service.name, why);
    let config = Config::read(&context.config).map_err(failed)?;
    let environment = |name: &str| std::env::var(name).ok();
    let mut credentials = service.credentials(&config, environment).map_err(failed)?;
    credentials = match service.claude {
        true => {
            let login = logins.login(OAUTH, &config.account);
            credentials.with_login(login.map_err(|failure| failed(failure.to_string()))?)
        }
        false => own::with_login(credentials, &service.name, &context.config, logins).map_err(failed)?,
    };
    let own = own::identity(&context.config, &service.name);
    let known = if service.claude { OAUTH } else { &own };
    let pooled = credentials.pooled(pool, Some((&**logins, known))).map_err(failed)?;
    let headers = fixed_headers::read(&config.headers).map_err(failed)?;
    let Some(base_url) = config.base_url.or(service.base_url.map(str::to_owned)) else {
        return Err(failed(format!("`{}.base_url` must say where it answers", service.table())));
    };
    let adapter = Adapter::new(&base_url, credentials, pooled, headers, context.upstream);
    let adapter = adapter.map_err(failed)?.of(service);
    let detection = (service.claude && config.detect_cli).then(|| Detection::of("claude"));
    let oauth = logins.provider(OAUTH).filter(|_| service.claude);
    Ok(Arc::new(Runtime { adapter: Arc::new(adapter), detection, base_url, oauth }))
}

struct Runtime {
    adapter: Arc<Adapter>,
    detection: Option<Detection>,
    base_url: String,
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
            let health = health::of(credential, None, &self.base_url, self.detection.is_some());
            health::with_pool(health::with_cli(health, cli), self.adapter.pool())
        })
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }

    fn oauth_provider(&self) -> Option<Arc<dyn OAuthProvider>> {
        self.oauth.clone()
    }
}

//! Servers that speak OpenAI's protocol, each under its own name: OpenAI itself, a table of vendors, and
//! those that the configuration adds. Chat, Responses where there is one, embeddings, models: the same format
//! in and out passes byte for byte, others are turned into one that the server has.

mod adapter;
mod config;
mod routes;
#[cfg(test)]
mod tests;
mod vendor;

use std::sync::Arc;

use ccproxy_core::config::Schema;
use ccproxy_core::plugin::{Health, Manifest, PluginContext, PluginKind, PluginRuntime, Source};
use ccproxy_core::provider::Provider;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use serde_json::Value;

use crate::balancer::{Balancer, Pool};
use crate::credentials::{Credentials, Place, Wanted};
use crate::factory::Factory;
use crate::health;
use crate::oauth::Logins;
use crate::{Configured, Memory};
use crate::{fixed_headers, own};
use adapter::Adapter;
use config::Config;
use vendor::Vendor;

/// OpenAI and the vendors of the table.
pub(crate) fn factories(
    configured: &Configured<'_>,
    memory: &Arc<Memory>,
    balancer: &Arc<Balancer>,
) -> Vec<Factory> {
    let vendors = std::iter::once(vendor::OPENAI).chain(vendor::OTHERS.iter().cloned());
    vendors
        .map(|vendor| {
            let schema = config::schema(&vendor);
            let settings = configured(&vendor.name, &schema);
            factory(vendor, schema, &settings, memory, None, balancer)
        })
        .collect()
}

/// A server of the user's own.
pub(crate) fn own(
    name: &str,
    configured: &Configured<'_>,
    memory: &Arc<Memory>,
    logins: &Arc<Logins>,
    balancer: &Arc<Balancer>,
) -> Factory {
    let mut schema = config::schema(&Vendor::own(name, false, false)).with(own::api());
    schema.fields.extend(config::own_fields());
    schema.fields.extend(own::login_fields());
    let settings = configured(name, &schema);
    let flag = |key: &str| settings[key].as_bool().unwrap_or(false);
    let vendor = Vendor::own(name, flag("responses"), flag("embeddings"));
    factory(vendor, schema, &settings, memory, Some(logins), balancer)
}

/// Settings that are wrong are reported when the plugin starts; its routes are then those of none.
fn factory(
    vendor: Vendor,
    schema: Schema,
    settings: &Value,
    memory: &Arc<Memory>,
    logins: Option<&Arc<Logins>>,
    balancer: &Arc<Balancer>,
) -> Factory {
    let config = Config::read(settings).unwrap_or_else(|_| Config::default());
    let manifest = Manifest {
        name: vendor.name.to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: format!("{}, with the client's own credential or an API key", vendor.title),
        kind: PluginKind::Provider,
        source: Source::Native,
        dormant: vendor.section == "plugins" && vendor.name != vendor::OPENAI.name,
        models: vendor.models.iter().map(|&model| model.to_owned()).collect(),
        credential_marks: vendor.marks.iter().map(|&mark| mark.to_owned()).collect(),
        config: schema,
        routes: routes::routes(&vendor, config.via(&vendor), &config.quirks(&vendor), memory),
        ..Manifest::default()
    };
    let (logins, pool) = (logins.cloned(), balancer.pool(&vendor.name).cloned());
    Factory::new(manifest, move |context| create(&vendor, context, logins.as_deref(), pool.as_ref()))
}

fn create(
    vendor: &Vendor,
    context: PluginContext,
    logins: Option<&Logins>,
    pool: Option<&Arc<Pool>>,
) -> Result<Arc<dyn PluginRuntime>> {
    let failed = |why: String| Error::plugin(&vendor.name, why);
    let config = Config::read(&context.config).map_err(failed)?;
    let wanted = Wanted {
        service: vendor.title.to_string(),
        setting: format!("{}.{}.api_key", vendor.section, vendor.name),
        variable: vendor.variable,
        place: Place::Bearer,
        optional: !vendor.needs_key,
    };
    let environment = |name: &str| std::env::var(name).ok();
    let mut credentials =
        Credentials::new(wanted, config.credential, config.api_key.as_ref(), environment).map_err(failed)?;
    if let Some(logins) = logins {
        credentials = own::with_login(credentials, &vendor.name, &context.config, logins).map_err(failed)?;
    }
    let own = own::identity(&context.config, &vendor.name);
    let known = logins.map(|logins| (logins, own.as_str()));
    let pooled = credentials.pooled(pool, known).map_err(failed)?;
    let headers = fixed_headers::read(&config.headers).map_err(failed)?;
    let Some(base_url) = config.base_url else {
        let setting = format!("{}.{}.base_url", vendor.section, vendor.name);
        return Err(failed(format!("`{setting}` must say where it answers")));
    };
    let adapter = Adapter::new(&base_url, credentials, pooled, headers, context.upstream).map_err(failed)?;
    Ok(Arc::new(Runtime { adapter: Arc::new(adapter), base_url }))
}

struct Runtime {
    adapter: Arc<Adapter>,
    base_url: String,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        let health = health::of(self.adapter.credential(), None, &self.base_url, false);
        Box::pin(std::future::ready(health::with_pool(health, self.adapter.pool())))
    }

    fn provider(&self) -> Option<Arc<dyn Provider>> {
        Some(self.adapter.clone())
    }
}

//! Named services between plugins. Only plain data crosses.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;

use crate::error::{Error, Kind, Result, Side};
use crate::step::BoxFuture;

/// Something one plugin does for others.
pub trait Service: Send + Sync + 'static {
    /// Calls one of its functions.
    fn call<'a>(&'a self, function: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value>>;
}

/// The services of one generation.
#[derive(Default)]
pub struct Services(RwLock<BTreeMap<String, Entry>>);

struct Entry {
    plugin: Arc<str>,
    service: Arc<dyn Service>,
}

impl Services {
    /// Offers a service. The first plugin to offer a name keeps it; the answer says whether it was this one.
    pub fn provide(&self, name: &str, plugin: &str, service: Arc<dyn Service>) -> bool {
        let mut services = self.0.write();
        match services.get(name) {
            Some(entry) if &*entry.plugin != plugin => false,
            _ => {
                services.insert(name.to_owned(), Entry { plugin: Arc::from(plugin), service });
                true
            }
        }
    }

    /// Takes back everything a plugin offered.
    pub fn withdraw(&self, plugin: &str) {
        self.0.write().retain(|_, entry| &*entry.plugin != plugin);
    }

    /// Takes back what a plugin offered, but for these.
    pub fn withdraw_but(&self, plugin: &str, kept: &[(String, Arc<dyn Service>)]) {
        let is_kept = |name: &String| kept.iter().any(|(kept, _)| kept == name);
        self.0.write().retain(|name, entry| &*entry.plugin != plugin || is_kept(name));
    }

    /// Calls a function of a service.
    pub async fn call(&self, name: &str, function: &str, args: Vec<Value>) -> Result<Value> {
        let service = self.0.read().get(name).map(|entry| entry.service.clone());
        match service {
            Some(service) => service.call(function, args).await,
            None => Err(Error::new(Side::Plugin, Kind::Unavailable, format!("no plugin provides `{name}`"))),
        }
    }

    /// Whether it is offered.
    pub fn has(&self, name: &str) -> bool {
        self.0.read().contains_key(name)
    }

    /// Service names with the plugin that provides each.
    pub fn list(&self) -> BTreeMap<String, String> {
        self.0.read().iter().map(|(name, entry)| (name.clone(), entry.plugin.to_string())).collect()
    }
}

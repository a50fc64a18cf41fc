//! A script as the registry runs it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ccproxy_core::error::{Error, Result};
use ccproxy_core::hooks::Hook;
use ccproxy_core::middleware::{Middleware, OnError};
use ccproxy_core::oauth::OAuthProvider;
use ccproxy_core::plugin::{Command, Health, HealthStatus, PluginRuntime, RouteHandler, Service, Task};
use ccproxy_core::step::BoxFuture;
use mlua::{Function, Value};
use serde_json::Map;

use crate::call::Begun;
use crate::command::LuaCommand;
use crate::cost::Handler;
use crate::data;
use crate::fault::Fault;
use crate::hook::LuaHook;
use crate::manifest::Handlers;
use crate::middleware::{Functions, LuaMiddleware};
use crate::oauth;
use crate::outcome;
use crate::plugin::Plugin;
use crate::repl;
use crate::route::LuaRoute;
use crate::script::Script;
use crate::service::LuaService;
use crate::task::LuaTask;

/// One instance of a script.
pub(crate) struct LuaRuntime {
    plugin: Arc<Plugin>,
    oauth: OnceLock<Option<Arc<dyn OAuthProvider>>>,
}

/// How long `health`, `snapshot` and `shutdown` may take, waiting included.
const LIFE: Duration = Duration::from_secs(5);

/// Largest state that is handed over at a reload, in bytes of JSON.
const MAX_SNAPSHOT: usize = 1 << 20;

impl LuaRuntime {
    pub(crate) fn new(plugin: Arc<Plugin>) -> Self {
        LuaRuntime { plugin, oauth: OnceLock::new() }
    }

    /// Calls one of the functions of the plugin's life, if it has it.
    async fn life<R: Send>(
        &self,
        label: &'static str,
        which: fn(&Handlers) -> Option<&Function>,
        read: fn(&Arc<Script>, [Value; 3]) -> Result<R, Fault>,
    ) -> Result<Option<R>> {
        let begin = |script: &Arc<Script>| {
            let function = which(&script.handlers).ok_or(Fault::Gone)?;
            Ok(Begun::alone(script.vm.trampoline.call_async((function, &script.plugin))))
        };
        let finish = |script: &Arc<Script>, values| read(script, outcome::plain(values)?).map(Some);
        let handler = self.plugin.handlers.get(label.trim_matches('`'), label);
        self.plugin.call(None, self.plugin.allowed_apart(LIFE), &handler, begin, finish).get().await
    }

    /// A handler of this kind and name.
    fn handler(&self, kind: &str, name: &str) -> Arc<Handler> {
        self.plugin.handlers.get(&format!("{kind} {name}"), &format!("{kind} `{name}`"))
    }

    fn declares(&self, which: fn(&Handlers) -> Option<&Function>) -> bool {
        self.plugin.has(which)
    }
}

impl PluginRuntime for LuaRuntime {
    fn initialize(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            if let Err(failure) = oauth::provider(&self.plugin) {
                return Err(Error::plugin(&self.plugin.name, failure.to_string()));
            }
            self.plugin.initialize().await
        })
    }

    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async {
            let health = match self.declares(|handlers| handlers.health.as_ref()) {
                true => self.life("`health`", |handlers| handlers.health.as_ref(), read_health).await,
                false => Ok(None),
            };
            match health {
                Ok(_) if self.plugin.breaker.is_open() => {
                    Health::fail("switched off after too many failures; it is tried again now and then")
                }
                Ok(health) => health.unwrap_or_else(Health::pass),
                Err(error) => Health::fail(error.log().unwrap_or(error.message()).to_owned()),
            }
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.declares(|handlers| handlers.shutdown.as_ref())
                && let Err(error) =
                    self.life("`shutdown`", |handlers| handlers.shutdown.as_ref(), |_, _| Ok(())).await
            {
                tracing::warn!(plugin = &*self.plugin.name, %error, "the plugin failed to shut down");
            }
            self.plugin.end();
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Option<serde_json::Value>> {
        Box::pin(async {
            if !self.declares(|handlers| handlers.snapshot.as_ref()) {
                return None;
            }
            let read = |script: &Arc<Script>, [value, ..]: [Value; 3]| {
                data::to_value(&script.vm.lua, &value, MAX_SNAPSHOT)
                    .map_err(|refused| Fault::Value(format!("cannot hand this state over: {refused}")))
            };
            match self.life("`snapshot`", |handlers| handlers.snapshot.as_ref(), read).await {
                Ok(value) => value.filter(|value| !value.is_null()),
                Err(error) => {
                    tracing::warn!(plugin = &*self.plugin.name, %error, "the plugin hands no state over");
                    None
                }
            }
        })
    }

    fn middleware(&self, index: usize) -> Option<Arc<dyn Middleware>> {
        let spec = self.plugin.declaration.manifest.middleware.get(index)?;
        if !self.plugin.is_enabled(index) {
            return None;
        }
        Some(Arc::new(LuaMiddleware {
            plugin: self.plugin.clone(),
            index,
            body: spec.body,
            open: spec.on_error == OnError::Open,
            handlers: Functions::of(&self.plugin.handlers, &spec.name),
            events: AtomicU64::new(1),
        }))
    }

    fn hook(&self, index: usize) -> Option<Arc<dyn Hook>> {
        let spec = self.plugin.declaration.manifest.hooks.get(index)?;
        Some(Arc::new(LuaHook::new(self.plugin.clone(), index, &spec.name)))
    }

    fn route(&self, index: usize) -> Option<Arc<dyn RouteHandler>> {
        let spec = self.plugin.declaration.manifest.routes.get(index)?;
        let handler = self.handler("route", &format!("{} {}", spec.method, spec.full_path()));
        Some(Arc::new(LuaRoute { plugin: self.plugin.clone(), index, handler }))
    }

    fn task(&self, index: usize) -> Option<Arc<dyn Task>> {
        let spec = self.plugin.declaration.manifest.tasks.get(index)?;
        let handler = self.handler("task", &spec.name);
        Some(Arc::new(LuaTask { plugin: self.plugin.clone(), index, handler, timeout: spec.timeout }))
    }

    fn command(&self, index: usize) -> Option<Arc<dyn Command>> {
        let manifest = &self.plugin.declaration.manifest;
        // The auth commands follow the commands.
        let own = manifest.commands.get(index).map(|spec| &spec.name);
        let auth = || manifest.auth_commands.get(index.checked_sub(manifest.commands.len())?);
        let name = own.or_else(|| auth().map(|spec| &spec.name))?;
        let handler = self.handler("command", name);
        Some(Arc::new(LuaCommand { plugin: self.plugin.clone(), index, handler }))
    }

    fn oauth_provider(&self) -> Option<Arc<dyn OAuthProvider>> {
        let make = || {
            oauth::provider(&self.plugin).unwrap_or_else(|failure| {
                tracing::warn!(plugin = &*self.plugin.name, "its OAuth provider is left out: {failure}");
                None
            })
        };
        self.oauth.get_or_init(make).clone()
    }

    fn services(&self) -> Vec<(String, Arc<dyn Service>)> {
        let names = self.plugin.declaration.manifest.provides.iter();
        let service = |name: &String| -> Arc<dyn Service> {
            let handler = self.handler("service", name);
            Arc::new(LuaService { plugin: self.plugin.clone(), name: name.clone(), handler })
        };
        names.map(|name| (name.clone(), service(name))).collect()
    }

    fn eval<'a>(&'a self, source: &'a str) -> Option<BoxFuture<'a, Result<serde_json::Value>>> {
        Some(Box::pin(repl::eval(&self.plugin, source)))
    }

    fn stats(&self) -> Map<String, serde_json::Value> {
        let mut stats = self.plugin.meter.stats();
        let breaker = if self.plugin.breaker.is_open() { "open" } else { "closed" };
        stats.insert("breaker".to_owned(), breaker.into());
        stats.insert("handlers".to_owned(), self.plugin.handlers.stats());
        stats.insert("memory_bytes".to_owned(), self.plugin.memory().into());
        stats
    }
}

/// `"pass"`, `"warn"` or `"fail"`; a text; a table of facts. Nothing at all is a pass.
fn read_health(script: &Arc<Script>, [status, text, details]: [Value; 3]) -> Result<Health, Fault> {
    let word = match &status {
        Value::Nil => "pass".to_owned(),
        Value::String(word) => word.to_string_lossy(),
        other => return Err(Fault::Value(format!("returned a {}, not a word", other.type_name()))),
    };
    let status = match word.as_str() {
        "pass" => HealthStatus::Pass,
        "warn" => HealthStatus::Warn,
        "fail" => HealthStatus::Fail,
        _ => return Err(Fault::Value(format!("`{word}` is none of `pass`, `warn`, `fail`"))),
    };
    let output = text.as_string().map(|text| crate::fault::clip(text.to_string_lossy())).unwrap_or_default();
    let details = match data::to_value(&script.vm.lua, &details, MAX_SNAPSHOT) {
        Ok(serde_json::Value::Object(details)) => details,
        Ok(_) => Map::new(),
        Err(refused) => return Err(Fault::Value(format!("these details are no plain data: {refused}"))),
    };
    Ok(Health { status, output, details })
}

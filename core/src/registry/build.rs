//! From discovered factories to running plugins, in order, each failure staying with its plugin.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::order::{Wanted, resolve};
use super::{Entry, State};
use crate::config::Problem;
use crate::error::{Error, Result};
use crate::hooks::Bus;
use crate::oauth;
use crate::plugin::{Manifest, PluginContext, PluginFactory, PluginRuntime, Services};
use crate::settings::PluginSettings;
use crate::store::Store;
use crate::upstream::Upstream;

/// A plugin gets this long to initialize and validate itself.
const START_LIMIT: Duration = Duration::from_secs(30);

/// What a generation is built of.
pub struct Build<'a> {
    /// Which plugins, and their settings.
    pub settings: &'a PluginSettings,
    /// The data folder; each plugin has `plugins/<name>` in it.
    pub data_dir: PathBuf,
    /// Discovered plugins, nearest first: the first of a name wins.
    pub factories: Vec<Arc<dyn PluginFactory>>,
    /// Plugins whose declaration could not be read: name and reason.
    pub broken: Vec<(String, String)>,
    /// The entries that run now.
    pub previous: &'a [Arc<Entry>],
    /// The number of the generation.
    pub generation: u64,
    /// The house.
    pub services: Arc<Services>,
    /// The house.
    pub bus: Arc<Bus>,
    /// The house.
    pub upstream: Arc<Upstream>,
    /// The house.
    pub oauth: Arc<oauth::Registry>,
    /// The house.
    pub store: Arc<Store>,
}

/// Starts every plugin that may run. The answer lists all of them in initialization order, then those
/// that do not run; and what is worth a warning.
pub async fn build(plan: Build<'_>) -> (Vec<Arc<Entry>>, Vec<String>) {
    let mut factories: BTreeMap<String, Arc<dyn PluginFactory>> = BTreeMap::new();
    for factory in &plan.factories {
        factories.entry(factory.manifest().name.clone()).or_insert_with(|| factory.clone());
    }
    let mut names: Vec<String> = factories.keys().cloned().collect();
    names.extend(plan.broken.iter().map(|(name, _)| name.clone()));
    names.sort();
    names.dedup();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let warnings = plan.settings.oddities(&known).iter().map(ToString::to_string).collect();

    let mut builder = Builder { plan: &plan, factories, done: BTreeMap::new() };
    for name in &names {
        let dormant = builder.factories.get(name).is_some_and(|factory| factory.manifest().dormant);
        if let Err(reason) = plan.settings.runs(name, dormant) {
            builder.settle(name, State::Disabled(reason));
        }
    }
    for (name, reason) in &plan.broken {
        // A broken nearer folder does not bring the farther one of the same name to life.
        builder.factories.remove(name);
        if !builder.done.contains_key(name) {
            builder.keep_previous_or(name, reason.clone(), State::Failed);
        }
    }
    let configs = builder.configure(&names);
    let order = resolve(&builder.wanted(), &builder.down());
    for (name, reason) in order.skipped {
        builder.keep_previous_or(&name, reason, State::Skipped);
    }
    let mut entries = Vec::new();
    for name in order.order {
        let entry = builder.start(&name, configs.get(&name)).await;
        entries.push(entry);
    }
    let started: Vec<String> = entries.iter().map(|entry| entry.manifest.name.clone()).collect();
    entries
        .extend(builder.done.into_iter().filter(|(name, _)| !started.contains(name)).map(|(_, entry)| entry));
    // Those that do not run stand last.
    entries.sort_by_key(|entry| !entry.state.runs());
    (entries, warnings)
}

struct Builder<'a> {
    plan: &'a Build<'a>,
    factories: BTreeMap<String, Arc<dyn PluginFactory>>,
    done: BTreeMap<String, Arc<Entry>>,
}

impl Builder<'_> {
    /// Validates settings; a plugin whose settings are wrong fails.
    fn configure(&mut self, names: &[String]) -> BTreeMap<String, Arc<Value>> {
        let mut configs = BTreeMap::new();
        for name in names {
            if self.done.contains_key(name) {
                continue;
            }
            let Some(factory) = self.factories.get(name) else { continue };
            let (config, problems) = self.plan.settings.configure(name, &factory.manifest().config);
            let (errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(Problem::is_error);
            for warning in warnings {
                tracing::warn!(plugin = %name, "{warning}");
            }
            if errors.is_empty() {
                configs.insert(name.clone(), Arc::new(config));
            } else {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                self.keep_previous_or(name, errors.join("; "), State::Failed);
            }
        }
        configs
    }

    /// The plugins that are known by now not to run, with the reasons.
    fn down(&self) -> BTreeMap<String, String> {
        let down = self.done.iter().filter(|(_, entry)| !entry.state.runs());
        down.map(|(name, entry)| (name.clone(), entry.state.reason().unwrap_or_default().to_owned()))
            .collect()
    }

    fn wanted(&self) -> Vec<Wanted> {
        let fresh = self
            .factories
            .iter()
            .filter(|(name, _)| !self.done.contains_key(*name))
            .map(|(_, factory)| Wanted::from(factory.manifest()));
        let kept =
            self.done.values().filter(|entry| entry.state.runs()).map(|entry| Wanted::from(&*entry.manifest));
        fresh.chain(kept).collect()
    }

    async fn start(&mut self, name: &str, config: Option<&Arc<Value>>) -> Arc<Entry> {
        if let Some(entry) = self.done.get(name) {
            return entry.clone();
        }
        let (Some(factory), Some(config)) = (self.factories.get(name).cloned(), config.cloned()) else {
            self.settle(name, State::Failed("it was not discovered".to_owned()));
            return self.done[name].clone();
        };
        if let Some(down) = self.needs_one_that_failed(factory.manifest()) {
            self.keep_previous_or(name, down, State::Skipped);
            return self.done[name].clone();
        }
        let fingerprint = fingerprint(&*factory, &config);
        let previous = self.previous(name);
        if let Some(same) =
            previous.filter(|entry| entry.fingerprint == fingerprint && entry.runtime.is_some())
        {
            let entry = if same.state == State::Active { same.clone() } else { Arc::new(same.again()) };
            self.done.insert(name.to_owned(), entry.clone());
            return entry;
        }
        match self.launch(&factory, config.clone(), previous).await {
            Ok(runtime) => {
                let entry = Arc::new(Entry {
                    manifest: Arc::new(factory.manifest().clone()),
                    config,
                    fingerprint,
                    runtime: Some(runtime),
                    state: State::Active,
                    since: SystemTime::now(),
                });
                self.done.insert(name.to_owned(), entry);
            }
            Err(error) => self.keep_previous_or(name, error.to_string(), State::Failed),
        }
        self.done[name].clone()
    }

    async fn launch(
        &self,
        factory: &Arc<dyn PluginFactory>,
        config: Arc<Value>,
        previous: Option<&Arc<Entry>>,
    ) -> Result<Arc<dyn PluginRuntime>> {
        let name = &factory.manifest().name;
        let handed_over = match previous.and_then(|entry| entry.runtime.as_ref()) {
            Some(runtime) => runtime.snapshot().await,
            None => None,
        };
        let runtime = factory.create(PluginContext {
            name: Arc::from(name.as_str()),
            config,
            data_dir: self.plan.data_dir.join("plugins").join(name),
            generation: self.plan.generation,
            services: self.plan.services.clone(),
            bus: self.plan.bus.clone(),
            upstream: self.plan.upstream.clone(),
            oauth: self.plan.oauth.clone(),
            store: self.plan.store.clone(),
            previous: handed_over,
        })?;
        let start = async {
            runtime.initialize().await?;
            runtime.validate().await
        };
        match tokio::time::timeout(START_LIMIT, start).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                runtime.shutdown().await;
                return Err(error);
            }
            Err(_) => {
                runtime.shutdown().await;
                return Err(Error::plugin(
                    name,
                    format!("it did not start within {} s", START_LIMIT.as_secs()),
                ));
            }
        }
        let offered = runtime.services();
        self.plan.services.withdraw_but(name, &offered);
        for (service, provided) in offered {
            if !self.plan.services.provide(&service, name, provided) {
                tracing::warn!(plugin = %name, %service, "another plugin provides this service already");
            }
        }
        Ok(runtime)
    }

    fn needs_one_that_failed(&self, manifest: &Manifest) -> Option<String> {
        let down = |name: &&str| self.done.get(*name).is_some_and(|entry| !entry.state.runs());
        let needs = Wanted::from(manifest);
        if let Some(name) = needs.names().find(down) {
            return Some(format!("it needs plugin `{name}`, which does not run"));
        }
        let service = manifest.requires.iter().find(|service| !self.plan.services.has(service))?;
        Some(format!("it requires service `{service}`, which no running plugin provides"))
    }

    fn previous(&self, name: &str) -> Option<&Arc<Entry>> {
        self.plan.previous.iter().find(|entry| entry.manifest.name == name)
    }

    /// The instance that runs goes on, marked; without one the plugin gets the state.
    fn keep_previous_or(&mut self, name: &str, reason: String, state: fn(String) -> State) {
        match self.previous(name).filter(|entry| entry.runtime.is_some()) {
            Some(running) => {
                let entry = Entry { state: State::Outdated(reason), ..running.again() };
                self.done.insert(name.to_owned(), Arc::new(entry));
            }
            None => self.settle(name, state(reason)),
        }
    }

    fn settle(&mut self, name: &str, state: State) {
        let manifest = match self.factories.get(name) {
            Some(factory) => factory.manifest().clone(),
            None => Manifest { name: name.to_owned(), ..Manifest::default() },
        };
        let entry = Entry {
            manifest: Arc::new(manifest),
            config: Arc::new(Value::Null),
            fingerprint: 0,
            runtime: None,
            state,
            since: SystemTime::now(),
        };
        self.done.insert(name.to_owned(), Arc::new(entry));
    }
}

impl Entry {
    /// The same instance, active.
    fn again(&self) -> Entry {
        Entry {
            manifest: self.manifest.clone(),
            config: self.config.clone(),
            fingerprint: self.fingerprint,
            runtime: self.runtime.clone(),
            state: State::Active,
            since: self.since,
        }
    }
}

fn fingerprint(factory: &dyn PluginFactory, config: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    factory.fingerprint().hash(&mut hasher);
    config.to_string().hash(&mut hasher);
    hasher.finish()
}

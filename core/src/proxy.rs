//! The house as a whole: starts the plugins, swaps generations, serves, ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex as Turn;

use crate::choice::Routing;
use crate::error::{Error, Kind, Result};
use crate::generation::Generation;
use crate::hooks::{self, Bus};
use crate::oauth;
use crate::pipeline::Pipeline;
use crate::plugin::{PluginFactory, Services, TaskSpec};
use crate::registry::{self, Build, Entry};
use crate::retired::Retired;
use crate::routes::core_routes;
use crate::scheduler::Schedule;
use crate::secret::Secret;
use crate::server::{Drain, Guard, Phase, Server};
use crate::settings::Settings;
use crate::store::Store;
use crate::traffic::Traffic;
use crate::upstream::Upstream;

/// How long listeners have to hear the last events.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// A running proxy.
pub struct Proxy {
    settings: Settings,
    pipeline: Arc<Pipeline>,
    bus: Arc<Bus>,
    services: Arc<Services>,
    upstream: Arc<Upstream>,
    store: Arc<Store>,
    routing: Arc<Routing>,
    oauth: Arc<oauth::Registry>,
    traffic: Arc<Traffic>,
    me: Weak<Proxy>,
    schedules: Mutex<BTreeMap<String, (u64, Arc<Schedule>)>>,
    generations: AtomicU64,
    /// One build at a time.
    building: Turn<()>,
    last_reload: Mutex<Map<String, Value>>,
    retired: Arc<Retired>,
    drain: OnceLock<Drain>,
    workbench: OnceLock<Secret>,
}

/// What a proxy stands on, beside its settings.
pub struct House {
    /// The rules for who may speak to it.
    pub guard: Arc<Guard>,
    /// The end of its server.
    pub drain: Drain,
    /// The client side.
    pub upstream: Upstream,
    /// What plugins keep.
    pub store: Store,
    /// The OAuth providers that stay; those of plugins come and go in it.
    pub oauth: Arc<oauth::Registry>,
}

/// The plugins that discovery found.
#[derive(Default)]
pub struct Discovered {
    /// Those that can be made, nearest first.
    pub factories: Vec<Arc<dyn PluginFactory>>,
    /// Those whose declaration could not be read: name and reason.
    pub broken: Vec<(String, String)>,
    /// What else there is to say.
    pub warnings: Vec<String>,
}

impl Proxy {
    /// Starts every plugin that may run. Plugins that fail are in the generation with their reason. `oauth` holds the
    /// OAuth providers that stay; those of plugins come and go in it.
    pub async fn start(
        settings: Settings,
        server: &Server,
        discovered: Discovered,
        oauth: Arc<oauth::Registry>,
    ) -> Result<Arc<Self>> {
        let upstream = Upstream::new(settings.upstream.clone())?;
        let store = Store::default();
        let house = House { guard: server.guard(), drain: server.drain(), upstream, store, oauth };
        Ok(Self::start_in(house, settings, discovered).await)
    }

    /// The same in a house of one's own, with or without a server.
    pub async fn start_in(house: House, settings: Settings, discovered: Discovered) -> Arc<Self> {
        let empty = Arc::new(Generation::assemble(0, Vec::new(), &[], Vec::new()));
        let pipeline = Pipeline::new(house.guard, empty, settings.upstream.max_answer);
        let routing = Routing::new(settings.routing.clone());
        let proxy = Arc::new_cyclic(|me| Proxy {
            settings,
            routing,
            pipeline,
            bus: Arc::new(Bus::default()),
            services: Arc::new(Services::default()),
            upstream: Arc::new(house.upstream),
            store: Arc::new(house.store),
            oauth: house.oauth,
            traffic: Arc::default(),
            me: me.clone(),
            schedules: Mutex::new(BTreeMap::new()),
            generations: AtomicU64::new(0),
            building: Turn::new(()),
            last_reload: Mutex::new(Map::new()),
            retired: Arc::default(),
            drain: OnceLock::new(),
            workbench: OnceLock::new(),
        });
        let _ = proxy.drain.set(house.drain);
        proxy.reload(discovered).await;
        proxy.emit(hooks::Kind::AppStartup, json!({ "version": env!("CARGO_PKG_VERSION") }));
        proxy
    }

    /// Builds a new generation of what was discovered and swaps it in once. A plugin that does not load
    /// goes on with its last good instance; exchanges in flight keep the generation they began with.
    pub async fn reload(&self, discovered: Discovered) -> Arc<Generation> {
        let _turn = self.building.lock().await;
        let began = std::time::Instant::now();
        let number = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let old = self.pipeline.live();
        let (entries, mut warnings) = registry::build(Build {
            settings: &self.settings.plugins,
            data_dir: self.settings.data_dir.clone(),
            factories: discovered.factories,
            broken: discovered.broken,
            previous: &old.entries,
            generation: number,
            services: self.services.clone(),
            bus: self.bus.clone(),
            upstream: self.upstream.clone(),
            oauth: self.oauth.clone(),
            store: self.store.clone(),
        })
        .await;
        warnings.extend(discovered.warnings);
        let generation = Generation::assemble(number, entries, &core_routes(&self.me), warnings);
        let generation = generation.with_routing(self.routing.clone()).with_traffic(self.traffic.clone());
        let generation = Arc::new(generation);
        self.pipeline.replace(generation.clone());
        self.bus.follow(generation.listeners.clone());
        let runtimes = generation.entries.iter().filter_map(|entry| entry.runtime.as_ref());
        self.oauth.follow(runtimes.filter_map(|runtime| runtime.oauth_provider()).collect());
        self.reschedule(&generation);
        self.report(&old, &generation, began.elapsed());
        self.retire(old, &generation);
        generation
    }

    /// Serves until the shutdown future is done and the exchanges in flight have finished.
    pub async fn serve(self: &Arc<Self>, server: Server, shutdown: impl Future<Output = ()>) {
        let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
        self.emit(hooks::Kind::AppReady, json!({ "addresses": addresses }));
        let drain = server.drain();
        let mut running = std::pin::pin!(server.run(self.pipeline.clone(), shutdown));
        tokio::select! {
            () = &mut running => {}
            () = drain.reached(Phase::Draining) => {
                self.emit(hooks::Kind::AppDraining, json!({}));
                running.await;
            }
        }
        self.shutdown().await;
    }

    /// Ends the plugins, in reverse order. Called by `serve` when the last exchange is over.
    pub async fn shutdown(&self) {
        self.emit(hooks::Kind::AppShutdown, json!({}));
        let live = self.pipeline.live();
        let hearing = tokio::time::Instant::now() + FLUSH_LIMIT;
        live.listeners.flush(FLUSH_LIMIT).await;
        self.schedules.lock().clear();
        for entry in live.entries.iter().filter(|entry| entry.state.runs()).rev() {
            self.emit_plugin(hooks::Kind::PluginUnloaded, entry, None);
            // The plugin itself and those that still run hear it; all of them together have one limit.
            live.listeners.flush(hearing.duration_since(tokio::time::Instant::now())).await;
            if let Some(runtime) = &entry.runtime
                && tokio::time::timeout(FLUSH_LIMIT, runtime.shutdown()).await.is_err()
            {
                tracing::warn!(plugin = %entry.manifest.name, "it did not shut down within {} s", FLUSH_LIMIT.as_secs());
            }
        }
        if tokio::time::timeout(FLUSH_LIMIT, self.retired.finish()).await.is_err() {
            tracing::warn!("replaced plugins did not shut down within {} s", FLUSH_LIMIT.as_secs());
        }
    }

    /// The pipeline, for the server.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// The services between plugins.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Where events are emitted.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// The OAuth providers that the running plugins bring, and those that stay.
    pub fn oauth(&self) -> &Arc<oauth::Registry> {
        &self.oauth
    }

    /// Lets whoever has this secret run code inside plugins, from now on. Without it nobody can.
    pub fn open_workbench(&self, secret: Secret) {
        let _ = self.workbench.set(secret);
    }

    /// The secret of the workbench, while it is open.
    pub(crate) fn workbench(&self) -> Option<&Secret> {
        self.workbench.get()
    }

    /// The end of the server.
    pub(crate) fn drain(&self) -> Option<&Drain> {
        self.drain.get()
    }

    /// How the last reload went.
    pub(crate) fn reloads(&self) -> Value {
        Value::Object(self.last_reload.lock().clone())
    }

    /// Instances of before a reload that still serve the exchanges they began with.
    pub(crate) fn retiring(&self) -> usize {
        self.retired.count()
    }

    /// The state of a plugin's tasks.
    pub(crate) fn tasks(&self, plugin: &str) -> Vec<Value> {
        self.schedules.lock().get(plugin).map(|(_, schedule)| schedule.status()).unwrap_or_default()
    }

    /// The client side.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Where plugins keep what outlives reloads.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Runs a task of a plugin now.
    pub async fn run_task(&self, plugin: &str, task: &str) -> Result<Value> {
        let schedule = self.schedules.lock().get(plugin).map(|(_, schedule)| schedule.clone());
        match schedule {
            Some(schedule) => schedule.run_now(task).await,
            None => Err(Error::client(Kind::NotFound, format!("plugin `{plugin}` has no tasks that run"))),
        }
    }

    /// Keeps the tasks of instances that live on, starts those of new ones, stops the rest.
    fn reschedule(&self, generation: &Generation) {
        let mut schedules = self.schedules.lock();
        let mut next = BTreeMap::new();
        for entry in &generation.entries {
            let name = &entry.manifest.name;
            let Some(runtime) = entry.runtime.as_ref().filter(|_| !entry.manifest.tasks.is_empty()) else {
                continue;
            };
            let kept = schedules.remove(name).filter(|(fingerprint, _)| *fingerprint == entry.fingerprint);
            let schedule = kept.unwrap_or_else(|| {
                let tasks = entry.manifest.tasks.iter().enumerate();
                // On a clock that tests move, a task is due when it says so.
                let jitter = |spec: &TaskSpec| if self.store.clock().is_set() { 0.0 } else { spec.jitter };
                let spec = |spec: &TaskSpec| TaskSpec { jitter: jitter(spec), ..spec.clone() };
                let tasks =
                    tasks.filter_map(|(index, task)| Some((spec(task), runtime.task(index)?))).collect();
                (entry.fingerprint, Arc::new(Schedule::start(name, tasks)))
            });
            next.insert(name.clone(), schedule);
        }
        *schedules = next;
    }

    /// Says what changed: in the log, in `/plugins/status`, as events.
    fn report(&self, old: &Generation, new: &Generation, took: Duration) {
        let (mut loaded, mut failed) = (Vec::new(), Vec::new());
        for entry in &new.entries {
            let name = entry.manifest.name.as_str();
            let before = old.entry(name);
            let same = before
                .is_some_and(|before| before.state == entry.state && before.fingerprint == entry.fingerprint);
            if same {
                continue;
            }
            match (entry.state.runs(), entry.state.reason()) {
                (true, None) => {
                    loaded.push(name);
                    self.emit_plugin(hooks::Kind::PluginLoaded, entry, None);
                }
                (_, Some(reason)) if !matches!(entry.state, registry::State::Disabled(_)) => {
                    failed.push(json!({ "plugin": name, "state": entry.state.word(), "reason": reason }));
                    tracing::warn!(plugin = name, state = entry.state.word(), "{reason}");
                    self.emit_plugin(hooks::Kind::PluginError, entry, Some(reason));
                }
                _ => {}
            }
        }
        let gone = |entry: &&Arc<Entry>| {
            entry.state.runs() && !new.entry(&entry.manifest.name).is_some_and(|now| now.state.runs())
        };
        let removed: Vec<&str> =
            old.entries.iter().filter(gone).map(|entry| entry.manifest.name.as_str()).collect();
        for entry in old.entries.iter().filter(gone) {
            self.emit_plugin(hooks::Kind::PluginUnloaded, entry, None);
        }
        for warning in &new.warnings {
            tracing::warn!("{warning}");
        }
        if old.number > 0 {
            tracing::info!(
                generation = new.number,
                took_ms = took.as_millis() as u64,
                ?loaded,
                ?removed,
                failed = failed.len(),
                "plugins reloaded"
            );
        }
        let mut report = self.last_reload.lock();
        report.insert("generation".into(), new.number.into());
        report.insert("took_ms".into(), (took.as_secs_f64() * 1000.0).into());
        report.insert("loaded".into(), json!(loaded));
        report.insert("removed".into(), json!(removed));
        report.insert("failed".into(), Value::from(failed));
    }

    /// Shuts instances down that the new generation does not have, once their last exchange is over.
    fn retire(&self, old: Arc<Generation>, new: &Generation) {
        let kept: Vec<_> = new.entries.iter().filter_map(|entry| entry.runtime.clone()).collect();
        let gone: Vec<_> = old
            .entries
            .iter()
            .filter_map(|entry| entry.runtime.clone())
            .filter(|runtime| !kept.iter().any(|kept| Arc::ptr_eq(kept, runtime)))
            .collect();
        for name in old.entries.iter().map(|entry| &entry.manifest.name) {
            if !new.entry(name).is_some_and(|entry| entry.state.runs()) {
                self.services.withdraw(name);
            }
        }
        drop(old);
        self.retired.add(gone);
    }

    fn emit(&self, kind: hooks::Kind, data: Value) {
        if self.bus.wants(kind)
            && let Value::Object(data) = data
        {
            self.bus.emit(hooks::Event::new(kind, data));
        }
    }

    fn emit_plugin(&self, kind: hooks::Kind, entry: &Entry, error: Option<&str>) {
        self.emit(
            kind,
            json!({ "plugin": entry.manifest.name, "version": entry.manifest.version, "state": entry.state.word(), "error": error }),
        );
    }
}

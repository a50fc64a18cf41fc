//! A proxy in this process, for one test: the real pipeline and providers, an imagined network, a clock that stands still.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ccproxy_core::generation::Generation;
use ccproxy_core::oauth::Registry;
use ccproxy_core::plugin::{Manifest, PluginContext, PluginFactory, PluginRuntime};
use ccproxy_core::proxy::{self, Discovered, Proxy};
use ccproxy_core::registry::Entry;
use ccproxy_core::server::{Drain, Guard};
use ccproxy_core::settings::Settings;
use ccproxy_core::store::{Clock, Quota, Store};
use ccproxy_core::upstream::Upstream;
use serde_json::Value as Json;

use super::world::World;

/// How long hooks may take to hear what there is, in virtual time.
const HEARING: Duration = Duration::from_secs(120);

/// The date of every test: the first of January 2026, midnight UTC.
pub(super) const DATE: Duration = Duration::from_secs(1_767_225_600);

/// What a test wants of a proxy.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The plugin that is tested.
    pub plugin: String,
    /// Where it is.
    pub folder: PathBuf,
    /// Its settings.
    pub config: Json,
    /// Other plugins that run beside it.
    pub plugins: Vec<String>,
    /// More of the configuration, as its TOML would say it.
    pub settings: Json,
    /// Where data is kept.
    pub data_dir: PathBuf,
}

/// What a proxy is made of.
pub struct Furniture {
    /// Its settings.
    pub settings: Settings,
    /// Its plugins, native ones too.
    pub discovered: Discovered,
    /// Its identity providers.
    pub oauth: Arc<Registry>,
}

/// Furnishes proxies: only the program knows every plugin, and how a configuration is read.
pub trait Workbench: Send + Sync + 'static {
    /// The settings and plugins. `Err` is for the author of the test.
    fn furnish(&self, wanted: &Wanted) -> Result<Furniture, String>;
}

/// A proxy and what belongs to it.
pub(super) struct House {
    pub(super) proxy: Arc<Proxy>,
    pub(super) plugin: String,
    pub(super) world: Arc<World>,
    bench: Arc<dyn Workbench>,
    wanted: Wanted,
    /// The test has looked at the plugin's failures: they are as they should be.
    forgiven: AtomicBool,
    reloads: AtomicU64,
    _scratch: tempfile::TempDir,
}

impl House {
    /// Starts it. `Err` says why the plugin does not run.
    pub(super) async fn start(
        bench: &Arc<dyn Workbench>,
        world: Arc<World>,
        mut wanted: Wanted,
    ) -> Result<Arc<House>, String> {
        let scratch = tempfile::Builder::new().prefix("ccproxy-test-").tempdir();
        let scratch = scratch.map_err(|error| format!("no folder for data: {error}"))?;
        wanted.data_dir = scratch.path().to_owned();
        let Furniture { settings, discovered, oauth } = bench.furnish(&wanted)?;
        let upstream = Upstream::new(settings.upstream.clone()).map_err(|error| error.to_string())?;
        let date = SystemTime::UNIX_EPOCH + DATE;
        let house = proxy::House {
            guard: Arc::new(Guard::new(&settings.server, &settings.server.listen)),
            drain: Drain::default(),
            upstream: upstream.answered_by(world.clone()),
            store: Store::new(Quota::default(), Arc::new(Clock::beginning_at(date))),
            oauth,
        };
        let proxy = Proxy::start_in(house, settings, discovered).await;
        let house = Arc::new(House {
            proxy,
            plugin: wanted.plugin.clone(),
            world,
            bench: bench.clone(),
            wanted,
            forgiven: AtomicBool::new(false),
            reloads: AtomicU64::new(0),
            _scratch: scratch,
        });
        house.check()?;
        Ok(house)
    }

    /// Loads the plugin as if its files had changed: `snapshot` of the old instance, `setup` of a new one.
    pub(super) async fn reload(&self) -> Result<(), String> {
        let Furniture { mut discovered, .. } = self.bench.furnish(&self.wanted)?;
        let number = self.reloads.fetch_add(1, Ordering::Relaxed) + 1;
        for factory in &mut discovered.factories {
            if factory.manifest().name == self.plugin {
                *factory = Arc::new(Changed { factory: factory.clone(), number });
            }
        }
        self.proxy.reload(discovered).await;
        match self.entry().and_then(|entry| entry.state.reason().map(str::to_owned)) {
            Some(reason) => Err(reason),
            None => self.check(),
        }
    }

    fn check(&self) -> Result<(), String> {
        let live = self.live();
        let odd = |name: &str| -> Option<String> {
            let entry = live.entry(name)?;
            let reason = entry.state.reason().unwrap_or("no reason is known");
            (!entry.state.runs()).then(|| format!("plugin `{name}` does not run: {reason}"))
        };
        if live.entry(&self.plugin).is_none() {
            return Err(format!("there is no plugin `{}`", self.plugin));
        }
        let names = std::iter::once(&self.plugin).chain(&self.wanted.plugins);
        match names.filter_map(|name| odd(name)).next() {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    pub(super) fn live(&self) -> Arc<Generation> {
        self.proxy.pipeline().live()
    }

    /// The plugin that is tested.
    pub(super) fn entry(&self) -> Option<Arc<Entry>> {
        self.live().entry(&self.plugin).cloned()
    }

    pub(super) fn runtime(&self) -> Option<Arc<dyn PluginRuntime>> {
        self.entry()?.runtime.clone()
    }

    /// Where the plugin's files are.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.wanted.data_dir.join("plugins").join(&self.plugin)
    }

    /// Waits until hooks have heard everything so far.
    pub(super) async fn settle(&self) {
        self.live().listeners.flush(HEARING).await;
    }

    /// How often the plugin has failed.
    pub(super) fn failures(&self) -> u64 {
        let stats = self.runtime().map(|runtime| runtime.stats()).unwrap_or_default();
        stats.get("errors").and_then(Json::as_u64).unwrap_or_default()
    }

    /// The plugin's failures are no failure of the test.
    pub(super) fn forgive(&self) {
        self.forgiven.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_forgiven(&self) -> bool {
        self.forgiven.load(Ordering::Relaxed)
    }
}

/// A factory that passes for a newer one.
struct Changed {
    factory: Arc<dyn PluginFactory>,
    number: u64,
}

impl PluginFactory for Changed {
    fn manifest(&self) -> &Manifest {
        self.factory.manifest()
    }

    fn fingerprint(&self) -> u64 {
        self.factory.fingerprint().wrapping_add(self.number)
    }

    fn create(&self, context: PluginContext) -> ccproxy_core::Result<Arc<dyn PluginRuntime>> {
        self.factory.create(context)
    }
}

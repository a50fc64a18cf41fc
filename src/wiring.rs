//! Where the crates meet: which plugins there are, native and in Lua.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use ccproxy_core::generation::Generation;
use ccproxy_core::hooks::Bus;
use ccproxy_core::oauth::OAuthProvider;
use ccproxy_core::plugin::{PluginContext, PluginFactory, PluginRuntime, Services, Source};
use ccproxy_core::provider::Credential;
use ccproxy_core::proxy::{Discovered, Proxy};
use ccproxy_core::settings::PluginSettings;
use ccproxy_core::store::Store;
use ccproxy_core::upstream::Upstream;
use ccproxy_lua::{BreakerSettings, Bundled, Engine, Watch};
use ccproxy_providers::Memory;
use ccproxy_providers::balancer::Balancer;
use ccproxy_providers::oauth::{Logins, Network};
use ccproxy_providers::vault::Vault;

use crate::config::{Loaded, Lua};

/// The plugins of `scripts/`, as the build found them.
pub(crate) const BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Their tests, which only go where a plugin is copied to.
pub(crate) const BUNDLED_TESTS: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled_tests.rs"));

/// Where plugins are looked for and what they may use: enough to look again after a change.
#[derive(Clone)]
pub(crate) struct Search {
    /// Folders, nearest first; bundled plugins come after them.
    folders: Vec<PathBuf>,
    engine: Arc<Engine>,
    watch: bool,
    plugins: Arc<PluginSettings>,
    memory: Arc<Memory>,
    logins: Arc<Logins>,
    balancer: Arc<Balancer>,
}

impl Search {
    /// As the configuration says.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let Lua { limits, watch } = loaded.settings.lua.clone();
        let engine = Engine::new(limits, BreakerSettings::default());
        let plugins = Arc::new(loaded.settings.core.plugins.clone());
        let memory = Memory::new(loaded.settings.memory);
        let logins = logins(loaded);
        let balancer = Balancer::new(loaded.settings.pools.clone(), logins.keeper().vault());
        Search { folders: loaded.plugin_folders.clone(), engine, watch, plugins, memory, logins, balancer }
    }

    /// Who is logged in, and where one can.
    pub(crate) fn logins(&self) -> &Arc<Logins> {
        &self.logins
    }

    /// Which providers have several credentials.
    pub(crate) fn balancer(&self) -> &Arc<Balancer> {
        &self.balancer
    }

    /// Reads every declaration; runs nothing else of any plugin.
    pub(crate) fn discover(&self) -> Discovered {
        let own: Vec<String> = self.plugins.own.iter().cloned().collect();
        let factories = ccproxy_providers::factories(
            &own,
            &|name, schema| self.plugins.configure(name, schema).0,
            &self.memory,
            &self.logins,
            &self.balancer,
            std::env::current_exe().ok(),
        );
        for problem in self.balancer.strangers() {
            tracing::warn!("{problem}");
        }
        let native: BTreeSet<String> =
            factories.iter().map(|factory| factory.manifest().name.clone()).collect();
        let mut discovered = Discovered { factories, ..Discovered::default() };
        for name in &own {
            let called = |factory: &&Arc<dyn PluginFactory>| factory.manifest().name == *name;
            if discovered.factories.iter().filter(called).count() > 1 {
                let told = format!("there is a built-in provider `{name}`: its table is `[plugins.{name}]`");
                discovered.broken.push((name.clone(), told));
            }
        }
        for found in ccproxy_lua::discover(&self.engine, &self.folders, BUNDLED) {
            let (name, source) = match &found {
                Ok(factory) => (&factory.manifest().name, Some(&factory.manifest().source)),
                Err(error) => (&error.name, None),
            };
            if native.contains(name) {
                discovered.warnings.push(never_used(name, source));
                continue;
            }
            match found {
                Ok(factory) => discovered.factories.push(factory),
                Err(error) => discovered.broken.push((error.name, error.error)),
            }
        }
        discovered
    }

    /// Reloads the plugins when a file of theirs changes, until the answer is dropped. `None` when the
    /// configuration says not to look, or when nothing can.
    ///
    /// `told` hears of each reload: what was live before, what is now.
    pub(crate) fn watch(
        &self,
        proxy: &Arc<Proxy>,
        told: impl Fn(&Generation, &Generation) + Send + 'static,
    ) -> Option<Watch> {
        if !self.watch {
            return None;
        }
        let (search, proxy, runtime) = (self.clone(), proxy.clone(), tokio::runtime::Handle::current());
        let watch = Watch::start(self.folders.clone(), move || {
            // On the watch's own thread: reading and declaring plugins blocks.
            let discovered = search.discover();
            let before = proxy.pipeline().live();
            let now = runtime.block_on(proxy.reload(discovered));
            told(&before, &now);
        });
        watch.inspect_err(|error| tracing::warn!("plugin folders are not watched: {error}")).ok()
    }
}

/// About a script that is called like a built-in plugin.
fn never_used(name: &str, source: Option<&Source>) -> String {
    let place = match source {
        Some(Source::Folder(folder)) => format!(" in `{}`", folder.display()),
        _ => String::new(),
    };
    format!(
        "the script `{name}`{place} is never used: there is a built-in plugin of that name; give it another"
    )
}

/// The identity providers and stored logins of a configuration.
pub(crate) fn logins(loaded: &Loaded) -> Arc<Logins> {
    let settings = &loaded.settings;
    let vault = Vault::new(&settings.core.data_dir, settings.sealing.clone());
    let upstream = &settings.core.upstream;
    Logins::new(
        settings.oauth.clone(),
        &vault,
        Network::new(upstream.proxy.clone(), upstream.ca_file.clone()),
    )
}

/// What a provider says about its credential. It is made for this question only, and never started.
pub(crate) fn credential(loaded: &Loaded, factory: &dyn PluginFactory) -> Option<Credential> {
    Some(made(loaded, factory)?.provider()?.credential())
}

/// The OAuth provider that a plugin brings, made and never started; or why there is none.
pub(crate) fn oauth_provider(
    loaded: &Loaded,
    factory: &dyn PluginFactory,
    logins: &Arc<Logins>,
) -> Result<Arc<dyn OAuthProvider>, String> {
    let made = made_for(loaded, factory, logins)?;
    made.oauth_provider().ok_or_else(|| "its declaration does not say enough".to_owned())
}

/// A native plugin, made and never started.
pub(crate) fn made(loaded: &Loaded, factory: &dyn PluginFactory) -> Option<Arc<dyn PluginRuntime>> {
    made_for(loaded, factory, &logins(loaded)).ok()
}

fn made_for(
    loaded: &Loaded,
    factory: &dyn PluginFactory,
    logins: &Arc<Logins>,
) -> Result<Arc<dyn PluginRuntime>, String> {
    let settings = &loaded.settings.core;
    let manifest = factory.manifest();
    let (config, problems) = settings.plugins.configure(&manifest.name, &manifest.config);
    if let Some(problem) = problems.iter().find(|problem| problem.is_error()) {
        return Err(problem.to_string());
    }
    let context = PluginContext {
        name: manifest.name.as_str().into(),
        config: Arc::new(config),
        data_dir: settings.data_dir.join("plugins").join(&manifest.name),
        generation: 0,
        services: Arc::new(Services::default()),
        bus: Arc::new(Bus::default()),
        upstream: Arc::new(Upstream::new(settings.upstream.clone()).map_err(|error| error.to_string())?),
        oauth: logins.registry().clone(),
        store: Arc::new(Store::default()),
        previous: None,
    };
    factory.create(context).map_err(|error| error.to_string())
}

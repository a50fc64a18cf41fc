//! Furnishes the proxies of tests: the native providers, with a key that is good for nothing, and the plugins that are asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccproxy_core::config::{Environment, Node, Origin, Problem};
use ccproxy_core::plugin::PluginFactory;
use ccproxy_core::proxy::Discovered;
use ccproxy_lua::testing::{Furniture, Wanted, Workbench};
use ccproxy_lua::{Engine, declare, discover};
use ccproxy_providers::Memory;
use ccproxy_providers::balancer::Balancer;
use serde_json::{Value, json};

use crate::config::{Inputs, Loaded, load};
use crate::wiring::{BUNDLED, logins};

/// What providers are asked with.
const KEY: &str = "test-key";

/// Plugins that come in because others need them, at most.
const MOST: usize = 64;

/// The workbench of the program.
pub(in crate::cli::plugins) struct Bench {
    engine: Arc<Engine>,
    /// Where other plugins are looked for, after the folder beside the tested one.
    folders: Vec<PathBuf>,
}

impl Bench {
    pub(in crate::cli::plugins) fn new(engine: Arc<Engine>, folders: Vec<PathBuf>) -> Self {
        Bench { engine, folders }
    }

    /// The tested plugin, those it was asked for with, and those that these depend on.
    fn scripts(&self, wanted: &Wanted) -> Result<Vec<Arc<dyn PluginFactory>>, String> {
        let tested = declare(&self.engine, &wanted.folder).map_err(|error| error.to_string())?;
        let mut names = wanted.plugins.clone();
        names.extend(needed(&*tested));
        let mut scripts = vec![tested];
        while let Some(name) = names.pop() {
            if scripts.len() > MOST {
                return Err(format!("more than {MOST} plugins beside it"));
            }
            if scripts.iter().any(|known| known.manifest().name == name) {
                continue;
            }
            if let Some(found) = self.script(&name, &wanted.folder)? {
                names.extend(needed(&*found));
                scripts.push(found);
            }
        }
        Ok(scripts)
    }

    /// A plugin in Lua; `None`: it may be a native one.
    fn script(&self, name: &str, beside: &Path) -> Result<Option<Arc<dyn PluginFactory>>, String> {
        let parent = beside.parent().map(Path::to_owned);
        for folder in parent.iter().chain(&self.folders).map(|folder| folder.join(name)) {
            if folder.join("plugin.lua").is_file() {
                return declare(&self.engine, &folder).map(Some).map_err(|error| error.to_string());
            }
        }
        let Some(bundled) = BUNDLED.iter().find(|(known, _)| *known == name) else { return Ok(None) };
        match discover(&self.engine, &[], &[*bundled]).pop() {
            Some(Ok(factory)) => Ok(Some(factory)),
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(None),
        }
    }
}

impl Workbench for Bench {
    fn furnish(&self, wanted: &Wanted) -> Result<Furniture, String> {
        let scripts = self.scripts(wanted)?;
        let loaded = configuration(wanted, &scripts);
        let errors: Vec<&Problem> = loaded.problems.iter().filter(|problem| problem.is_error()).collect();
        if !errors.is_empty() {
            return Err(format!("these settings will not do: {}", told(&errors)));
        }
        let plugins = &loaded.settings.core.plugins;
        for script in &scripts {
            let (_, problems) = plugins.configure(&script.manifest().name, &script.manifest().config);
            let errors: Vec<&Problem> = problems.iter().filter(|problem| problem.is_error()).collect();
            if !errors.is_empty() {
                return Err(format!(
                    "plugin `{}` cannot be set so: {}",
                    script.manifest().name,
                    told(&errors)
                ));
            }
        }
        let own: Vec<String> = plugins.own.iter().cloned().collect();
        let memory = Memory::new(loaded.settings.memory);
        let logins = logins(&loaded);
        let balancer = Balancer::new(loaded.settings.pools.clone(), logins.keeper().vault());
        let mut factories = scripts;
        factories.extend(ccproxy_providers::factories(
            &own,
            &|name, schema| plugins.configure(name, schema).0,
            &memory,
            &logins,
            &balancer,
            None,
        ));
        Ok(Furniture {
            settings: loaded.settings.core.clone(),
            discovered: Discovered { factories, ..Discovered::default() },
            oauth: logins.registry().clone(),
        })
    }
}

/// The names of what a plugin depends on, without versions.
fn needed(factory: &dyn PluginFactory) -> Vec<String> {
    let plain =
        |need: &String| need.split([' ', '<', '>', '=', '~', '^', ',']).next().unwrap_or_default().to_owned();
    factory.manifest().dependencies.iter().map(plain).collect()
}

/// A configuration that reads nothing of the machine's: its folder is empty, and so is its environment.
fn configuration(wanted: &Wanted, scripts: &[Arc<dyn PluginFactory>]) -> Loaded {
    let mut plugins = json!({
        "claude_api": { "api_key": KEY, "credential": "api_key", "detect_cli": false },
        "openai": { "api_key": KEY },
        "claude_sdk": { "enabled": false },
        "codex": { "enabled": false },
        "copilot": { "enabled": false },
    });
    for script in scripts {
        plugins[script.manifest().name.as_str()] = json!({ "enabled": true });
    }
    for name in &wanted.plugins {
        plugins[name.as_str()]["enabled"] = true.into();
    }
    let base = json!({ "data_dir": wanted.data_dir, "plugins": plugins });
    let mut config = wanted.config.clone();
    if let Value::Object(config) = &mut config {
        config.entry("enabled").or_insert(true.into());
    }
    let own = json!({ "plugins": { wanted.plugin.as_str(): config } });
    let mut flags = Node::of(&base, &Origin::Default);
    flags.merge(Node::of(&wanted.settings, &Origin::Default));
    flags.merge(Node::of(&own, &Origin::Default));
    let environment = Environment::from_iter([
        ("HOME", wanted.data_dir.join("home").display().to_string()),
        ("NO_PROXY", "*".to_owned()),
    ]);
    load(&Inputs {
        environment: Arc::new(environment),
        cwd: wanted.data_dir.clone(),
        flags,
        ..Inputs::default()
    })
}

fn told(problems: &[&Problem]) -> String {
    let one = |problem: &&Problem| {
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        match problem.key.is_empty() {
            true => format!("{}{hint}", problem.message),
            false => format!("`{}`: {}{hint}", problem.key, problem.message),
        }
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}

//! The plugins as they are declared, with the state they would have if the proxy started now.

use std::sync::Arc;

use ccproxy_core::config::{Origin, Problem, nearest};
use ccproxy_core::plugin::{PluginFactory, Source};
use ccproxy_core::registry::{Wanted, resolve};
use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::output::Output;
use crate::config::Loaded;
use crate::wiring::Search;

/// One plugin.
pub(crate) struct Declared {
    /// Its name.
    pub(crate) name: String,
    /// Its declaration, when it could be read.
    pub(crate) factory: Option<Arc<dyn PluginFactory>>,
    /// `enabled`, `disabled`, `skipped` or `broken`.
    pub(crate) state: &'static str,
    /// Why it is not enabled.
    pub(crate) reason: Option<String>,
}

impl Declared {
    /// Where it comes from.
    pub(crate) fn source(&self) -> String {
        match self.factory.as_ref().map(|factory| &factory.manifest().source) {
            Some(Source::Native) => "native".to_owned(),
            Some(Source::Bundled) => "bundled".to_owned(),
            Some(Source::Folder(path)) => crate::cli::context::shown(path),
            None => String::new(),
        }
    }

    /// Whether it is built in, and no script.
    pub(crate) fn is_native(&self) -> bool {
        self.factory.as_ref().is_some_and(|factory| matches!(factory.manifest().source, Source::Native))
    }

    /// `provider`, `auth_provider` or `system`.
    pub(crate) fn kind(&self) -> String {
        let kind = self.factory.as_ref().map(|factory| json!(factory.manifest().kind));
        kind.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Its version.
    pub(crate) fn version(&self) -> String {
        self.factory.as_ref().map(|factory| factory.manifest().version.clone()).unwrap_or_default()
    }
}

/// Every plugin, by name, and what is odd about the lists that switch them.
pub(crate) fn declared(loaded: &Loaded) -> (Vec<Declared>, Vec<Problem>) {
    let search = Search::of(loaded);
    let discovered = search.discover();
    let settings = &loaded.settings.core.plugins;
    let mut plugins: Vec<Declared> = Vec::new();
    for (name, reason) in &discovered.broken {
        plugins.push(Declared {
            name: name.clone(),
            factory: None,
            state: "broken",
            reason: Some(reason.clone()),
        });
    }
    for factory in &discovered.factories {
        let name = &factory.manifest().name;
        // The nearer of two with one name wins, also when it is the broken one.
        if !plugins.iter().any(|known| known.name == *name) {
            let factory = Some(factory.clone());
            plugins.push(Declared { name: name.clone(), factory, state: "enabled", reason: None });
        }
    }
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    for plugin in &mut plugins {
        let dormant = plugin.factory.as_ref().is_some_and(|factory| factory.manifest().dormant);
        if let Err(reason) = settings.runs(&plugin.name, dormant) {
            (plugin.state, plugin.reason) = ("disabled", Some(reason));
        }
    }
    let wanted = |plugin: &Declared| plugin.factory.as_ref().map(|factory| Wanted::from(factory.manifest()));
    let running = plugins.iter().filter(|plugin| plugin.state == "enabled");
    let down = plugins.iter().filter(|plugin| plugin.state != "enabled");
    let down = down.map(|plugin| (plugin.name.clone(), plugin.reason.clone().unwrap_or_default())).collect();
    let order = resolve(&running.filter_map(wanted).collect::<Vec<_>>(), &down);
    for (name, reason) in order.skipped {
        for plugin in plugins.iter_mut().filter(|plugin| plugin.name == name) {
            (plugin.state, plugin.reason) = ("skipped", Some(reason.clone()));
        }
    }
    let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let mut oddities = settings.oddities(&names);
    oddities.extend(search.balancer().strangers());
    oddities.extend(discovered.warnings.iter().map(|told| Problem::warning(&Origin::Default, "", told)));
    (plugins, oddities)
}

/// The plugin of this name, or every one. Beside one that is not found stands what was left out.
pub(crate) fn chosen<'a>(
    plugins: &'a [Declared],
    name: Option<&str>,
    loaded: &Loaded,
    output: &mut Output,
) -> Result<Vec<&'a Declared>, Failure> {
    match name {
        Some(name) => Ok(vec![find(plugins, name).inspect_err(|_| output.left_out(&loaded.left_out))?]),
        None => Ok(plugins.iter().collect()),
    }
}

/// The plugin of this name.
fn find<'a>(plugins: &'a [Declared], name: &str) -> Result<&'a Declared, Failure> {
    let found = plugins.iter().find(|plugin| plugin.name == name);
    found.ok_or_else(|| {
        let failure = Failure::new(format!("there is no plugin `{name}`"));
        match nearest(name, plugins.iter().map(|plugin| plugin.name.as_str())) {
            Some(meant) => failure.with_hint(format!("did you mean `{meant}`")),
            None => failure.with_hint("`ccproxy plugins list` shows every plugin"),
        }
    })
}

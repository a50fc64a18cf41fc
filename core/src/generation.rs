//! A generation: the plugins, chains, routes and listeners that exchanges begun under it keep to their end.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::chain::{Chain, Link, RouteFacts};
use crate::choice::{Marks, Pattern, Routing};
use crate::error::{Error, Kind, Result, Side};
use crate::exchange::Exchange;
use crate::hooks::{Listener, Listeners};
use crate::middleware::{Flow, Middleware, RouteKind};
use crate::plugin::{PluginKind, RouteHandler, RouteTarget};
use crate::provider::{Operation, Provider};
use crate::registry::Entry;
use crate::router::{Route, Router, Target};
use crate::step::Step;
use crate::traffic::Traffic;

/// What is live.
pub struct Generation {
    /// Counts up from 1.
    pub number: u64,
    /// Every plugin: the running ones in initialization order, then the others.
    pub entries: Vec<Arc<Entry>>,
    /// Every route.
    pub router: Router,
    /// All middleware.
    pub chain: Chain,
    /// Who hears which event.
    pub listeners: Arc<Listeners>,
    /// Contradictions found while it was built.
    pub warnings: Vec<String>,
    /// What the front door decides by.
    pub routing: Arc<Routing>,
    /// The models that running providers say they serve; the pattern that says most comes first.
    pub families: Vec<Family>,
    /// What credentials look like, by issuer.
    pub marks: Marks,
    /// What has gone through, over all generations.
    pub traffic: Arc<Traffic>,
    operations: HashMap<OperationKey, (Arc<dyn Provider>, Operation)>,
}

/// Models that a provider says it serves.
pub struct Family {
    /// Their names.
    pub pattern: Pattern,
    /// The provider.
    pub provider: Arc<str>,
}

/// Provider, operation, format.
type OperationKey = (Arc<str>, &'static str, &'static str);

/// A route of the proxy's own.
pub struct CoreRoute {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// Whether the client key is asked for.
    pub auth: bool,
    /// For the API description.
    pub summary: &'static str,
    /// What answers.
    pub handler: Arc<dyn RouteHandler>,
}

impl Generation {
    /// Puts the parts together. Must run inside a tokio runtime (listeners have consumers).
    pub fn assemble(
        number: u64,
        entries: Vec<Arc<Entry>>,
        core: &[CoreRoute],
        mut warnings: Vec<String>,
    ) -> Self {
        let chain = Chain::new(entries.iter().flat_map(links).collect());
        let listeners = entries.iter().flat_map(listeners).collect();
        let mut router = Router::default();
        for route in core {
            let facts = RouteFacts {
                kind: RouteKind::Core,
                pattern: route.path,
                method: &route.method,
                provider: None,
                chosen: false,
                format: None,
            };
            let added = router.add(Route {
                pattern: route.path.to_owned(),
                method: route.method.clone(),
                kind: RouteKind::Core,
                owner: Arc::from("core"),
                auth: route.auth,
                landing: false,
                private: route.method == Method::POST,
                tags: vec!["core".to_owned()],
                summary: route.summary.to_owned(),
                links: chain.for_route(&facts),
                target: Target::Handler(route.handler.clone()),
            });
            warnings.extend(added.err());
        }
        let mut operations = HashMap::new();
        for entry in
            entries.iter().filter(|entry| !matches!(entry.state, crate::registry::State::Disabled(_)))
        {
            for index in 0..entry.manifest.routes.len() {
                let route = route(entry, index, &chain);
                if let Target::Provider(provider, operation) = &route.target {
                    operations
                        .entry((route.owner.clone(), operation.name, operation.format.name()))
                        .or_insert_with(|| (provider.clone(), operation.clone()));
                }
                if let Err(conflict) = router.add(route) {
                    warnings
                        .push(format!("a route of plugin `{}` is left out: {conflict}", entry.manifest.name));
                }
            }
        }
        Generation {
            number,
            families: families(&entries),
            marks: marks(&entries),
            entries,
            router,
            chain,
            listeners: Arc::new(Listeners::new(listeners)),
            warnings,
            routing: Arc::default(),
            traffic: Arc::default(),
            operations,
        }
    }

    /// Counts here.
    #[must_use]
    pub fn with_traffic(mut self, traffic: Arc<Traffic>) -> Self {
        self.traffic = traffic;
        self
    }

    /// Decides by this at the front door.
    pub fn with_routing(mut self, routing: Arc<Routing>) -> Self {
        let odd = routing.settings.strangers(self.entries.iter().map(|entry| &*entry.manifest));
        self.warnings.extend(odd.iter().map(ToString::to_string));
        self.routing = routing;
        self
    }

    /// A plugin by name.
    pub fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.manifest.name == name)
    }

    /// The same operation at another provider.
    pub fn operation(&self, provider: &str, wanted: &Operation) -> Option<&(Arc<dyn Provider>, Operation)> {
        self.operations.get(&(Arc::from(provider), wanted.name, wanted.format.name()))
    }

    /// Every provider that has an operation of this name, in whichever format, by name.
    pub fn operations(&self, name: &str) -> Vec<(&Arc<str>, &Arc<dyn Provider>, &Operation)> {
        let found = self.operations.iter().filter(|((_, known, _), _)| *known == name);
        let mut found: Vec<_> =
            found.map(|((owner, ..), (provider, operation))| (owner, provider, operation)).collect();
        found.sort_by_key(|(owner, _, operation)| ((*owner).clone(), operation.format.name()));
        found
    }

    /// A provider that runs.
    pub fn provider(&self, name: &str) -> Option<Arc<dyn Provider>> {
        let entry = self.entry(name).filter(|entry| entry.state.runs())?;
        entry.runtime.as_ref()?.provider()
    }

    /// The names of the providers that run.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        let running = self.entries.iter().filter(|entry| entry.state.runs());
        let providers = running.filter(|entry| entry.manifest.kind == PluginKind::Provider);
        providers.map(|entry| entry.manifest.name.as_str())
    }
}

fn links(entry: &Arc<Entry>) -> Vec<Arc<Link>> {
    let plugin: Arc<str> = Arc::from(entry.manifest.name.as_str());
    let specs = entry.manifest.middleware.iter().enumerate();
    specs
        .filter_map(|(index, spec)| {
            let middleware: Arc<dyn Middleware> = match (&entry.runtime, entry.state.runs()) {
                (Some(runtime), true) => runtime.middleware(index)?,
                // A guard that cannot stand at its post closes the gate.
                _ if spec.guards && !disabled(entry) => Arc::new(Refuse {
                    plugin: plugin.clone(),
                    reason: entry.state.reason().unwrap_or("").to_owned(),
                }),
                _ => return None,
            };
            let mut spec = spec.clone();
            if entry.runtime.is_none() {
                spec.moments = crate::middleware::Moments { request: true, ..Default::default() };
            }
            Some(Arc::new(Link { plugin: plugin.clone(), spec, middleware }))
        })
        .collect()
}

fn families(entries: &[Arc<Entry>]) -> Vec<Family> {
    let running = entries.iter().filter(|entry| entry.state.runs());
    let mut families: Vec<Family> = running
        .flat_map(|entry| {
            let provider: Arc<str> = Arc::from(entry.manifest.name.as_str());
            let patterns = entry.manifest.models.iter();
            patterns.map(move |pattern| Family { pattern: Pattern::new(pattern), provider: provider.clone() })
        })
        .collect();
    families.sort_by(|a, b| (b.pattern.weight(), &a.provider).cmp(&(a.pattern.weight(), &b.provider)));
    families
}

/// Those of providers that do not run too: a key of one that sleeps is not for another.
fn marks(entries: &[Arc<Entry>]) -> Marks {
    let marks = entries.iter().flat_map(|entry| {
        let provider: Arc<str> = Arc::from(entry.manifest.name.as_str());
        entry.manifest.credential_marks.iter().map(move |mark| (Pattern::new(mark), provider.clone()))
    });
    Marks::new(marks)
}

fn disabled(entry: &Entry) -> bool {
    matches!(entry.state, crate::registry::State::Disabled(_))
}

/// Stands where a middleware that guards should, when its plugin could not start.
struct Refuse {
    plugin: Arc<str>,
    reason: String,
}

impl Middleware for Refuse {
    fn request<'a>(&'a self, _exchange: &'a Arc<Exchange>) -> Step<'a, Result<Flow>> {
        Step::Ready(Err(Error::new(
            Side::Plugin,
            Kind::Unavailable,
            format!(
                "plugin `{}` guards this route and could not start; `ccproxy plugins check` says why",
                self.plugin
            ),
        )
        .with_log(self.reason.clone())))
    }
}

fn listeners(entry: &Arc<Entry>) -> Vec<Listener> {
    let Some(runtime) = entry.runtime.as_ref().filter(|_| entry.state.runs()) else { return Vec::new() };
    let hooks = entry.manifest.hooks.iter().enumerate();
    hooks
        .filter_map(|(index, spec)| {
            Some(Listener {
                plugin: Arc::from(entry.manifest.name.as_str()),
                kind: spec.event,
                name: Arc::from(spec.name.as_str()),
                priority: spec.priority,
                hook: runtime.hook(index)?,
                runtime: Some(runtime.clone()),
            })
        })
        .collect()
}

fn route(entry: &Arc<Entry>, index: usize, chain: &Chain) -> Route {
    let spec = &entry.manifest.routes[index];
    let name = entry.manifest.name.as_str();
    let runtime = entry.runtime.as_ref().filter(|_| entry.state.runs());
    let (target, format) = match (&spec.target, runtime) {
        (RouteTarget::Provider(operation), Some(runtime)) => match runtime.provider() {
            Some(provider) => (Target::Provider(provider, operation.clone()), Some(operation.format.name())),
            None => (down(entry, Some(operation)), Some(operation.format.name())),
        },
        (RouteTarget::Provider(operation), None) => {
            (down(entry, Some(operation)), Some(operation.format.name()))
        }
        (RouteTarget::Choose(operation), Some(_)) => {
            (Target::Choose(operation.clone()), Some(operation.format.name()))
        }
        (RouteTarget::Choose(operation), None) => {
            (down(entry, Some(operation)), Some(operation.format.name()))
        }
        (RouteTarget::Handler, Some(runtime)) => match runtime.route(index) {
            Some(handler) => (Target::Handler(handler), None),
            None => (down(entry, None), None),
        },
        (RouteTarget::Handler, None) => (down(entry, None), None),
    };
    let pattern = spec.full_path();
    let chosen = matches!(target, Target::Choose(_));
    let facts = RouteFacts {
        kind: spec.kind(),
        pattern: &pattern,
        method: &spec.method,
        chosen,
        provider: (spec.kind() == RouteKind::Provider).then_some(name),
        format,
    };
    Route {
        links: chain.for_route(&facts),
        method: spec.method.clone(),
        kind: spec.kind(),
        owner: Arc::from(name),
        auth: spec.auth,
        landing: spec.landing,
        private: spec.private,
        tags: spec.tags.clone(),
        summary: spec.summary.clone(),
        target,
        pattern,
    }
}

fn down(entry: &Entry, operation: Option<&Operation>) -> Target {
    let reason = match entry.state.reason() {
        Some(_) => format!("plugin `{}` does not run; `ccproxy plugins check` says why", entry.manifest.name),
        None => format!("plugin `{}` has nothing behind this route", entry.manifest.name),
    };
    Target::Down(reason, operation.map(|operation| operation.format.clone()))
}

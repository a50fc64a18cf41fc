//! Step 4: from path and method to what answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderValue, Method, header};

use crate::chain::Links;
use crate::error::{Error, Kind, Result};
use crate::exchange::Client;
use crate::format::Format;
use crate::middleware::RouteKind;
use crate::plugin::RouteHandler;
use crate::provider::{Operation, Provider};
use crate::websocket::Dialogue;

/// The routes of one generation.
#[derive(Default)]
pub struct Router {
    tree: matchit::Router<usize>,
    paths: Vec<Path>,
}

struct Path {
    pattern: String,
    methods: Vec<(Method, Arc<Route>)>,
}

/// A route that works: whatever stands here can be called.
pub struct Route {
    /// The path with its `{parameters}`.
    pub pattern: String,
    /// The method.
    pub method: Method,
    /// Core, provider or plugin.
    pub kind: RouteKind,
    /// The plugin it belongs to; `core` for the proxy's own.
    pub owner: Arc<str>,
    /// Whether the client key is asked for.
    pub auth: bool,
    /// Whether other sites may send a browser here.
    pub landing: bool,
    /// Whether its bodies, and the secrets of its queries, are no plugin's to see.
    pub private: bool,
    /// For the API description.
    pub tags: Vec<String>,
    /// For the API description.
    pub summary: String,
    /// What answers.
    pub target: Target,
    /// The middleware that may be for it.
    pub links: Links,
}

/// What answers.
pub enum Target {
    /// A provider's operation.
    Provider(Arc<dyn Provider>, Operation),
    /// The operation of whichever provider is chosen for the request.
    Choose(Operation),
    /// A plugin's handler, or one of the core's own.
    Handler(Arc<dyn RouteHandler>),
    /// The plugin is down: 503 with its reason; the format, when it was a provider's.
    Down(String, Option<Arc<dyn Format>>),
}

impl Route {
    /// Whether a client may ask here at all.
    pub fn permit(&self, client: &Client) -> Result<()> {
        let bounded = match &self.target {
            Target::Handler(handler) => handler.keeps_bounds(),
            _ => true,
        };
        match &client.key {
            Some(key) if self.auth && !bounded => key.permit_house(),
            _ => Ok(()),
        }
    }

    /// Whether a request names the model that it is for.
    pub fn takes_model(&self) -> bool {
        match &self.target {
            Target::Provider(_, operation) | Target::Choose(operation) => operation.takes_model(),
            Target::Handler(_) | Target::Down(..) => false,
        }
    }

    /// The wire format that clients of this route speak.
    pub fn format(&self) -> Option<&Arc<dyn Format>> {
        match &self.target {
            Target::Provider(_, operation) | Target::Choose(operation) => Some(&operation.format),
            Target::Down(_, format) => format.as_ref(),
            Target::Handler(_) => None,
        }
    }

    /// A conversation over a websocket, where this route may be asked over one. It keeps at most `limit` bytes.
    pub fn dialogue(&self, limit: usize) -> Option<Box<dyn Dialogue>> {
        match &self.target {
            Target::Provider(provider, operation) if provider.websocket(operation) => {
                operation.format.dialogue(limit)
            }
            // Whoever answers in the end: the conversation is whole in each request.
            Target::Choose(operation) => operation.format.dialogue(limit),
            _ => None,
        }
    }
}

/// Values of a route's parameters, in order.
pub type Params = Vec<(Arc<str>, String)>;

impl Router {
    /// Adds a route; an error tells which plugin has that method and path already, or what is wrong with the path.
    pub fn add(&mut self, route: Route) -> Result<(), String> {
        let path = match self.paths.iter_mut().find(|path| path.pattern == route.pattern) {
            Some(path) => path,
            None => {
                self.tree
                    .insert(route.pattern.as_str(), self.paths.len())
                    .map_err(|error| format!("path `{}`: {error}", route.pattern))?;
                self.paths.push(Path { pattern: route.pattern.clone(), methods: Vec::new() });
                match self.paths.last_mut() {
                    Some(path) => path,
                    None => return Ok(()),
                }
            }
        };
        if let Some((_, other)) = path.methods.iter().find(|(method, _)| *method == route.method) {
            return Err(format!("`{} {}` belongs to `{}` already", route.method, route.pattern, other.owner));
        }
        path.methods.push((route.method.clone(), Arc::new(route)));
        Ok(())
    }

    /// The route for a request. HEAD is answered by GET.
    pub fn find(&self, method: &Method, path: &str) -> Result<(Arc<Route>, Params)> {
        let Ok(found) = self.tree.at(path) else { return Err(self.not_found(path)) };
        let methods = &self.paths[*found.value].methods;
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let Some((_, route)) = methods.iter().find(|(known, _)| known == wanted) else {
            return Err(not_allowed(method, path, methods));
        };
        let params = found.params.iter().map(|(name, value)| (Arc::from(name), decoded(value))).collect();
        Ok((route.clone(), params))
    }

    /// The format of whatever is at this path, for errors that come before routing is done.
    pub fn format_at(&self, path: &str) -> Option<Arc<dyn Format>> {
        let exact = self.tree.at(path).ok().and_then(|found| self.paths.get(*found.value));
        let near = || {
            // An unknown path under a provider's prefix still speaks that provider's format.
            let prefix = path.split('/').nth(1).filter(|segment| !segment.is_empty())?;
            self.paths.iter().find(|known| {
                known.pattern.split('/').nth(1) == Some(prefix)
                    && known.methods.iter().any(|(_, route)| route.kind == RouteKind::Provider)
            })
        };
        let path = exact.or_else(near)?;
        path.methods.iter().find_map(|(_, route)| route.format().cloned())
    }

    /// Every route, by path.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        let sorted: BTreeMap<_, _> = self.paths.iter().map(|path| (&path.pattern, &path.methods)).collect();
        sorted.into_values().flatten().map(|(_, route)| route)
    }

    fn not_found(&self, path: &str) -> Error {
        let nearest = self
            .paths
            .iter()
            .map(|known| (strsim::normalized_damerau_levenshtein(path, &known.pattern), known))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let message = match nearest {
            Some((likeness, known)) if likeness > 0.5 => {
                format!("no route `{}`; did you mean `{}`?", excerpt(path), known.pattern)
            }
            _ => format!("no route `{}`; `GET /openapi.json` lists what there is", excerpt(path)),
        };
        Error::client(Kind::NotFound, message)
    }
}

/// A parameter as it is meant: `blue%20sky` is `blue sky`. What is not UTF-8 then stays as it was.
fn decoded(value: &str) -> String {
    let meant = percent_encoding::percent_decode_str(value).decode_utf8();
    meant.map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned)
}

fn not_allowed(method: &Method, path: &str, methods: &[(Method, Arc<Route>)]) -> Error {
    let mut allowed: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let allowed = allowed.join(", ");
    let message = format!("`{}` does not take {method}; it takes {allowed}", excerpt(path));
    let error = Error::client(Kind::MethodNotAllowed, message);
    match HeaderValue::from_str(&allowed) {
        Ok(value) => error.with_header(header::ALLOW, value),
        Err(_) => error,
    }
}

/// A path as an error may repeat it.
fn excerpt(path: &str) -> &str {
    match path.char_indices().nth(100) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}

//! The middleware of one generation in its order, and which of it each route meets.

use std::sync::Arc;

use http::Method;

use crate::middleware::{BodyAccess, Middleware, Moments, RouteKind, When};
use crate::plugin::MiddlewareSpec;

/// One middleware that is in force.
pub struct Link {
    /// The plugin it belongs to.
    pub plugin: Arc<str>,
    /// Its declaration.
    pub spec: MiddlewareSpec,
    /// What is called.
    pub middleware: Arc<dyn Middleware>,
}

/// All middleware, outermost first.
#[derive(Default)]
pub struct Chain(Vec<Arc<Link>>);

impl Chain {
    /// Orders by layer, priority, plugin name and declared order.
    pub fn new(mut links: Vec<Arc<Link>>) -> Self {
        links.sort_by(|a, b| {
            (a.spec.layer, a.spec.priority, &a.plugin).cmp(&(b.spec.layer, b.spec.priority, &b.plugin))
        });
        Chain(links)
    }

    /// Outermost first.
    pub fn links(&self) -> &[Arc<Link>] {
        &self.0
    }

    /// What a route meets, as far as that is known before a request comes.
    pub fn for_route(&self, route: &RouteFacts<'_>) -> Links {
        let links: Vec<_> = self.0.iter().filter(|link| route.may_meet(&link.spec.when)).cloned().collect();
        let any = |has: fn(&MiddlewareSpec) -> bool| links.iter().any(|link| has(&link.spec));
        Links {
            stream: any(|spec| spec.moments.event || spec.moments.chunk),
            answer_body: any(|spec| spec.moments.response && spec.body > BodyAccess::None),
            around: any(|spec| spec.moments.around),
            links: links.into(),
        }
    }
}

/// The middleware of a route, and what it needs as a whole.
#[derive(Clone, Default)]
pub struct Links {
    /// Outermost first.
    pub links: Arc<[Arc<Link>]>,
    /// Some of it looks at streams.
    pub stream: bool,
    /// Some of it looks at whole answers.
    pub answer_body: bool,
    /// Some of it wraps.
    pub around: bool,
}

/// What is known about a route before a request comes.
pub struct RouteFacts<'a> {
    /// Core, provider or plugin.
    pub kind: RouteKind,
    /// The path with its parameters.
    pub pattern: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The provider's name.
    pub provider: Option<&'a str>,
    /// Whether the provider is chosen for each request: what is for some providers only is then judged there.
    pub chosen: bool,
    /// The client format.
    pub format: Option<&'a str>,
}

impl RouteFacts<'_> {
    fn may_meet(&self, when: &When) -> bool {
        let kinds_ok = match (when.routes.is_empty(), when.paths.is_empty()) {
            (false, _) => when.routes.contains(&self.kind),
            (true, true) => self.kind == RouteKind::Provider,
            (true, false) => true,
        };
        // A pattern with parameters can only be judged against the real path.
        let path_ok = self.pattern.contains('{') || any_matches(&when.paths, self.pattern);
        kinds_ok
            && path_ok
            && (when.methods.is_empty()
                || when.methods.iter().any(|method| method.eq_ignore_ascii_case(self.method.as_str())))
            && among(&when.formats, self.format)
            && (self.chosen || among(&when.providers, self.provider))
    }
}

/// What is known about one request.
pub struct RequestFacts<'a> {
    /// The real path.
    pub path: &'a str,
    /// The model the body names.
    pub model: Option<&'a str>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The provider, where it was chosen for this request.
    pub provider: Option<&'a str>,
    /// Whether it was.
    pub chosen: bool,
}

impl Link {
    /// Whether it is for this request.
    pub fn meets(&self, request: &RequestFacts<'_>) -> bool {
        let when = &self.spec.when;
        any_matches(&when.paths, request.path)
            && (when.models.is_empty() || request.model.is_some_and(|model| any_matches(&when.models, model)))
            && when.stream.is_none_or(|stream| stream == request.stream)
            && (!request.chosen || among(&when.providers, request.provider))
    }

    /// Whether it is for an answer of this status.
    pub fn meets_status(&self, status: http::StatusCode) -> bool {
        let patterns = &self.spec.when.status;
        patterns.is_empty() || patterns.iter().any(|pattern| status_matches(pattern, status.as_str()))
    }

    /// The moments it has.
    pub fn moments(&self) -> Moments {
        self.spec.moments
    }
}

fn among(list: &[String], value: Option<&str>) -> bool {
    list.is_empty() || value.is_some_and(|value| list.iter().any(|item| item == value))
}

fn any_matches(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, text))
}

/// `429` or `4xx`.
fn status_matches(pattern: &str, status: &str) -> bool {
    pattern.len() == status.len()
        && pattern.bytes().zip(status.bytes()).all(|(p, s)| p == s || p.eq_ignore_ascii_case(&b'x'))
}

/// `*` is any run of characters, everything else is itself. Linear in practice: it goes back to the
/// last star only.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("/v1/*", "/v1/messages", true),
            ("*/messages", "/claude/v1/messages", true),
            ("claude-*-4*", "claude-sonnet-4-6", true),
            ("claude-*-4", "claude-sonnet-4-6", false),
            ("*", "", true),
            ("", "", true),
            ("a", "ab", false),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn statuses() {
        assert!(status_matches("5xx", "529"));
        assert!(status_matches("429", "429"));
        assert!(!status_matches("4xx", "529"));
        assert!(!status_matches("4", "429"));
    }

    #[test]
    fn without_a_word_on_routes_it_is_for_providers_and_with_paths_for_any() {
        let core = RouteFacts {
            kind: RouteKind::Core,
            pattern: "/health",
            method: &Method::GET,
            provider: None,
            chosen: false,
            format: None,
        };
        assert!(!core.may_meet(&When::default()));
        assert!(core.may_meet(&When { paths: vec!["/health*".into()], ..When::default() }));
        assert!(core.may_meet(&When { routes: vec![RouteKind::Core], ..When::default() }));
        assert!(!core.may_meet(&When {
            routes: vec![RouteKind::Core],
            paths: vec!["/x".into()],
            ..When::default()
        }));
    }
}

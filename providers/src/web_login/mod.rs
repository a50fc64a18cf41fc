//! `/oauth/{provider}/...`: logins over HTTP, for whoever may use the proxy. They are those of `ccproxy auth`: the same
//! identity providers, the same vault, the same keeper.
//!
//! Every route asks for the client key but the one where a browser lands: what lands counts only when its state is
//! that of a login which somebody with the key began.

mod accounts;
mod begin;
mod land;
mod told;
mod under_way;

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::plugin::{
    Health, Manifest, PluginContext, PluginKind, PluginRuntime, RouteHandler, RouteSpec, RouteTarget, Source,
};
use ccproxy_core::step::BoxFuture;
use http::Method;

use crate::factory::Factory;
use crate::oauth::Logins;
use under_way::Waiting;

const NAME: &str = "oauth";

/// The plugin.
pub(crate) fn factory(logins: &Arc<Logins>) -> Factory {
    let logins = logins.clone();
    Factory::new(manifest(), move |_: PluginContext| -> Result<Arc<dyn PluginRuntime>> {
        Ok(Arc::new(Runtime { desk: Arc::new(Desk { logins: logins.clone(), waiting: Waiting::default() }) }))
    })
}

/// What every route works with.
struct Desk {
    logins: Arc<Logins>,
    waiting: Waiting,
}

struct Runtime {
    desk: Arc<Desk>,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        let under_way = self.desk.waiting.count();
        Box::pin(async move { Health::pass().with("logins_under_way", under_way) })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.desk.waiting.end())
    }

    fn route(&self, index: usize) -> Option<Arc<dyn RouteHandler>> {
        let (.., call) = *ROUTES.get(index)?;
        Some(Arc::new(Route { desk: self.desk.clone(), call }))
    }
}

type Call = fn(Arc<Desk>, Arc<Exchange>) -> BoxFuture<'static, Result<Answer>>;

/// Method, path below `/oauth`, summary, handler. The one that lands is `GET /{provider}/callback`.
const ROUTES: [(Method, &str, &str, Call); 7] = [
    (
        Method::POST,
        "/{provider}/login",
        "Begin a login: the page to open, or the code to type",
        |desk, exchange| Box::pin(begin::post(desk, exchange)),
    ),
    (Method::GET, "/{provider}/login", "Begin a login and go to its page, in a browser", |desk, exchange| {
        Box::pin(begin::get(desk, exchange))
    }),
    (Method::GET, "/{provider}/login/{login}", "How a login goes", |desk, exchange| {
        Box::pin(begin::look(desk, exchange))
    }),
    (Method::GET, LANDING, "Where a browser comes back to from a login", |desk, exchange| {
        Box::pin(land::get(desk, exchange))
    }),
    (Method::POST, LANDING, "Bring the code of a login by hand", |desk, exchange| {
        Box::pin(land::post(desk, exchange))
    }),
    (Method::POST, "/{provider}/refresh", "Ask for fresh tokens now", |desk, exchange| {
        Box::pin(accounts::refresh(desk, exchange))
    }),
    (
        Method::POST,
        "/{provider}/revoke",
        "Take the tokens back where that is possible, and forget them",
        |desk, exchange| Box::pin(accounts::revoke(desk, exchange)),
    ),
];

const LANDING: &str = "/{provider}/callback";

struct Route {
    desk: Arc<Desk>,
    call: Call,
}

impl RouteHandler for Route {
    fn call<'a>(&'a self, exchange: &'a Arc<Exchange>) -> BoxFuture<'a, Result<Answer>> {
        (self.call)(self.desk.clone(), exchange.clone())
    }
}

fn manifest() -> Manifest {
    let route = |(method, path, summary, _): &(Method, &str, &str, Call)| {
        let landing = *method == Method::GET && *path == LANDING;
        RouteSpec {
            method: method.clone(),
            prefix: "/oauth".into(),
            path: (*path).into(),
            tags: vec!["oauth".into()],
            summary: (*summary).into(),
            auth: !landing,
            landing,
            private: true,
            target: RouteTarget::Handler,
        }
    };
    Manifest {
        name: NAME.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Logins over HTTP: begin one, bring it to its end, refresh it, end it".into(),
        kind: PluginKind::System,
        source: Source::Native,
        routes: ROUTES.iter().map(route).collect(),
        ..Manifest::default()
    }
}

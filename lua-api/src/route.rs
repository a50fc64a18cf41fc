//! A route that a script answers.

use std::sync::Arc;

use ccproxy_core::body::Answer;
use ccproxy_core::error::Result;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::middleware::BodyAccess;
use ccproxy_core::plugin::RouteHandler;
use ccproxy_core::step::BoxFuture;
use http::StatusCode;
use mlua::{Function, Value};

use crate::answer::{self, Said};
use crate::call::Begun;
use crate::cost::Handler;
use crate::fault::Fault;
use crate::handle::request;
use crate::handle::view::View;
use crate::plugin::Plugin;
use crate::script::Script;
use crate::stream;

/// One route of one plugin.
pub(crate) struct LuaRoute {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) index: usize,
    pub(crate) handler: Arc<Handler>,
}

impl LuaRoute {
    fn handler<'s>(&self, script: &'s Script) -> Result<&'s Function, Fault> {
        script.handlers.routes.get(self.index).ok_or(Fault::Gone)
    }
}

impl RouteHandler for LuaRoute {
    fn call<'a>(&'a self, exchange: &'a Arc<Exchange>) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let begin = |script: &Arc<Script>| {
                let view = View::of(script, self.plugin.key, exchange);
                let req = request::of(&script.vm.lua, &view)?;
                let run = self.handler(script)?;
                let coroutine = script.vm.trampoline.call_async((run, req, &script.plugin));
                // The request is the plugin's own: its route is what the client meant to talk to.
                Ok(Begun::within(coroutine, view, BodyAccess::Write))
            };
            let finish = |script: &Arc<Script>, [value, ..]: [Value; 3]| {
                Ok(match answer::read(script, self.handler(script)?, value)? {
                    Said::Nothing => Answer::new(StatusCode::NO_CONTENT),
                    Said::Answer(answer) => answer,
                    Said::Refusal(refusal) => answer::refusal(exchange, &refusal),
                    Said::Stream(head, producer) => {
                        stream::answer(&self.plugin, script, exchange, head, producer)
                    }
                })
            };
            self.plugin.call(Some(exchange), self.plugin.allowed(), &self.handler, begin, finish).get().await
        })
    }
}

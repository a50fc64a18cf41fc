//! A script's middleware as the pipeline calls it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ccproxy_core::body::Answer;
use ccproxy_core::error::Result;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::middleware::{BodyAccess, EventFlow, Flow, Middleware, Next};
use ccproxy_core::sse;
use ccproxy_core::step::{BoxFuture, Step};
use mlua::{AnyUserData, Function, Value};

use crate::answer::{self, Said, wrong};
use crate::api;
use crate::call::Begun;
use crate::cost::{self, Handler};
use crate::emit;
use crate::fault::Fault;
use crate::handle::event::{EventHandle, EventState};
use crate::handle::next::{self, Outside};
use crate::handle::place::Place;
use crate::handle::request;
use crate::handle::response::{self, ResponseHandle};
use crate::handle::view::View;
use crate::manifest::Moments;
use crate::plugin::Plugin;
use crate::script::Script;
use crate::stream;

/// One middleware of one plugin.
pub(crate) struct LuaMiddleware {
    pub(crate) plugin: Arc<Plugin>,
    /// Its place in the manifest.
    pub(crate) index: usize,
    pub(crate) body: BodyAccess,
    /// Exchanges go on without it when it fails, and at once while its breaker is open.
    pub(crate) open: bool,
    /// Its functions, in the order of the moments.
    pub(crate) handlers: Functions,
    /// Counts the events it has seen; an event's `index` is unique, not dense.
    pub(crate) events: AtomicU64,
}

/// The functions of a middleware, with what each costs.
pub(crate) struct Functions {
    request: Arc<Handler>,
    response: Arc<Handler>,
    event: Arc<Handler>,
    chunk: Arc<Handler>,
    around: Arc<Handler>,
}

impl Functions {
    /// Those of the middleware called `name`.
    pub(crate) fn of(handlers: &cost::Handlers, name: &str) -> Self {
        let one = |moment: &str| handlers.get(&format!("{name}.{moment}"), &format!("`{moment}`"));
        Functions {
            request: one("request"),
            response: one("response"),
            event: one("event"),
            chunk: one("chunk"),
            around: one("around"),
        }
    }
}

impl LuaMiddleware {
    /// Whether it is left out: its breaker is open, and exchanges go on without it.
    #[inline]
    fn left_out(&self) -> bool {
        let out = self.open && self.plugin.breaker.blocks();
        if out {
            self.plugin.meter.skipped();
        }
        out
    }

    /// The same for what comes many times in an exchange: a plugin that used up its CPU for this one is
    /// left out of the rest of it.
    #[inline]
    fn left_out_of(&self, handler: &Handler, exchange: &Exchange) -> bool {
        if self.left_out() {
            return true;
        }
        let spent = if self.open { View::spent(self.plugin.key, exchange) } else { None };
        if let Some(first) = spent {
            self.plugin.overspent(handler, exchange, first);
        }
        spent.is_some()
    }

    fn moments<'s>(&self, script: &'s Script) -> Result<&'s Moments, Fault> {
        script.handlers.middleware.get(self.index).ok_or(Fault::Gone)
    }

    fn view(
        &self,
        script: &Arc<Script>,
        exchange: &Arc<Exchange>,
    ) -> Result<(Arc<View>, AnyUserData), Fault> {
        let view = View::of(script, self.plugin.key, exchange);
        let request = request::of(&script.vm.lua, &view)?;
        Ok((view, request))
    }

    /// What a `request` or `response` returned.
    fn flow(
        &self,
        script: &Arc<Script>,
        exchange: &Arc<Exchange>,
        handler: &Function,
        value: Value,
    ) -> Result<Flow, Fault> {
        Ok(match answer::read(script, handler, value)? {
            Said::Nothing => Flow::Continue,
            Said::Answer(answer) => Flow::Answer(answer),
            Said::Refusal(refusal) => Flow::Answer(answer::refusal(exchange, &refusal)),
            Said::Stream(head, producer) => {
                Flow::Answer(stream::answer(&self.plugin, script, exchange, head, producer))
            }
        })
    }
}

/// What a `request` or `response` said without a word to the client.
fn silent(value: &Value) -> Option<Flow> {
    match value {
        Value::Nil => Some(Flow::Continue),
        value => api::is_done(value).then_some(Flow::Leave),
    }
}

/// The function of a moment, which the manifest says is there.
fn handler(function: &Option<Function>) -> Result<&Function, Fault> {
    function.as_ref().ok_or(Fault::Gone)
}

impl Middleware for LuaMiddleware {
    fn request<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<Flow>> {
        if self.left_out() {
            return Step::Ready(Ok(Flow::Continue));
        }
        let begin = |script: &Arc<Script>| {
            let moments = self.moments(script)?;
            let (view, req) = self.view(script, exchange)?;
            request::expect_headers(&script.vm.lua, &view)?;
            let run = handler(&moments.request)?;
            let coroutine = script.vm.trampoline.call_async((run, req, &script.plugin, &moments.args));
            Ok(Begun::within(coroutine, view, self.body))
        };
        let finish = |script: &Arc<Script>, [value, ..]: [Value; 3]| {
            if let Some(flow) = silent(&value) {
                return Ok(flow);
            }
            let run = handler(&self.moments(script)?.request)?;
            self.flow(script, exchange, run, value)
        };
        self.plugin.call(Some(exchange), self.plugin.allowed(), &self.handlers.request, begin, finish)
    }

    fn response<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<Flow>> {
        if self.left_out() {
            return Step::Ready(Ok(Flow::Continue));
        }
        let begin = |script: &Arc<Script>| {
            let moments = self.moments(script)?;
            let (view, req) = self.view(script, exchange)?;
            let res = response_handle(script, &view)?;
            let run = handler(&moments.response)?;
            let coroutine = script.vm.trampoline.call_async((run, req, res, &script.plugin, &moments.args));
            Ok(Begun::within(coroutine, view, self.body))
        };
        let finish = |script: &Arc<Script>, [value, ..]: [Value; 3]| {
            if let Some(flow) = silent(&value) {
                return Ok(flow);
            }
            let run = handler(&self.moments(script)?.response)?;
            self.flow(script, exchange, run, value)
        };
        self.plugin.call(Some(exchange), self.plugin.allowed(), &self.handlers.response, begin, finish)
    }

    fn event<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        event: &'a sse::Event,
    ) -> Step<'a, Result<EventFlow>> {
        if self.left_out_of(&self.handlers.event, exchange) {
            return Step::Ready(Ok(EventFlow::Unchanged));
        }
        let kept: Arc<parking_lot::Mutex<Option<Arc<EventState>>>> = Arc::default();
        let state = kept.clone();
        let begin = move |script: &Arc<Script>| {
            let moments = self.moments(script)?;
            let (view, req) = self.view(script, exchange)?;
            let opened = EventState::new(view.clone(), event.clone());
            *state.lock() = Some(opened.clone());
            let index = self.events.fetch_add(1, Ordering::Relaxed);
            let ev = script.vm.lua.create_userdata(EventHandle::new(opened, index))?;
            let run = handler(&moments.event)?;
            let coroutine = script.vm.trampoline.call_async((run, req, ev, &script.plugin, &moments.args));
            Ok(Begun::within(coroutine, view, self.body))
        };
        let finish = move |script: &Arc<Script>, [value, ..]: [Value; 3]| {
            let Some(state) = kept.lock().take() else { return Err(Fault::Gone) };
            let run = handler(&self.moments(script)?.event)?;
            emit::events(script, run, self.body, event, &state, value)
        };
        self.plugin.call(Some(exchange), self.plugin.allowed(), &self.handlers.event, begin, finish)
    }

    fn chunk<'a>(&'a self, exchange: &'a Arc<Exchange>, bytes: &'a Bytes) -> Step<'a, Result<Option<Bytes>>> {
        if self.left_out_of(&self.handlers.chunk, exchange) {
            return Step::Ready(Ok(None));
        }
        let begin = move |script: &Arc<Script>| {
            let moments = self.moments(script)?;
            let (view, req) = self.view(script, exchange)?;
            let piece = script.vm.lua.create_string(bytes)?;
            let run = handler(&moments.chunk)?;
            let coroutine = script.vm.trampoline.call_async((run, req, piece, &script.plugin, &moments.args));
            Ok(Begun::within(coroutine, view, self.body))
        };
        let finish = move |script: &Arc<Script>, [value, ..]: [Value; 3]| {
            let run = handler(&self.moments(script)?.chunk)?;
            emit::chunk(run, self.body, bytes, value)
        };
        self.plugin.call(Some(exchange), self.plugin.allowed(), &self.handlers.chunk, begin, finish)
    }

    fn around<'a>(&'a self, exchange: &'a Arc<Exchange>, next: Next) -> BoxFuture<'a, Result<Answer>> {
        if self.left_out() {
            return next.run();
        }
        Box::pin(async move {
            let outside = Outside::new(next.clone());
            let begun = outside.clone();
            let begin = move |script: &Arc<Script>| {
                let moments = self.moments(script)?;
                let (view, req) = self.view(script, exchange)?;
                let next = next::function(&script.vm.lua, begun.clone(), view.clone())?;
                let run = handler(&moments.around)?;
                let coroutine =
                    script.vm.trampoline.call_async((run, req, next, &script.plugin, &moments.args));
                let mut begun_call = Begun::within(coroutine, view, self.body);
                begun_call.outside = Some(begun);
                Ok(begun_call)
            };
            let finish = |script: &Arc<Script>, [value, ..]: [Value; 3]| {
                let run = handler(&self.moments(script)?.around)?;
                if let Some(error) = outside.passed_on(&value) {
                    return Err(Fault::Refusal(error));
                }
                match self.flow(script, exchange, run, value)? {
                    Flow::Answer(answer) => Ok(Some(answer)),
                    Flow::Continue | Flow::Leave if outside.was_asked() => {
                        Err(wrong(run, "called `next()` and must return its answer, or another"))
                    }
                    Flow::Continue | Flow::Leave => Ok(None),
                }
            };
            let step =
                self.plugin.call(Some(exchange), self.plugin.allowed(), &self.handlers.around, begin, finish);
            match step.get().await? {
                Some(answer) => Ok(answer),
                // It neither answered nor asked: the rest of the way goes on without it.
                None => next.run().await,
            }
        })
    }
}

fn response_handle(script: &Script, view: &Arc<View>) -> Result<AnyUserData, Fault> {
    let place = Place::Response(view.clone());
    response::expect_headers(&script.vm.lua, &place)?;
    let mut refs = view.refs.lock();
    if let Some(response) = &refs.response {
        return Ok(response.clone());
    }
    let response = script.vm.lua.create_userdata(ResponseHandle::new(place))?;
    refs.response = Some(response.clone());
    Ok(response)
}

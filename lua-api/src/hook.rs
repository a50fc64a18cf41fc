//! A script's listener.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ccproxy_core::error::Result;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::hooks::{Event, Hook};
use ccproxy_core::step::{BoxFuture, Step};
use mlua::{Function, Table, Value};

use crate::call::Begun;
use crate::cost::Handler;
use crate::data;
use crate::fault::Fault;
use crate::handle::outbound;
use crate::handle::view::View;
use crate::outcome;
use crate::plugin::Plugin;
use crate::script::Script;
use ccproxy_core::middleware::BodyAccess;

/// One listener of one plugin.
pub(crate) struct LuaHook {
    plugin: Arc<Plugin>,
    index: usize,
    handler: Arc<Handler>,
}

/// The capability that shows raw bytes (`event.body`) to listeners: prompts are in them.
const WIRE: &str = "wire";

impl LuaHook {
    pub(crate) fn new(plugin: Arc<Plugin>, index: usize, name: &str) -> Self {
        let handler = plugin.handlers.get(&format!("hook {name}"), &format!("hook `{name}`"));
        LuaHook { plugin, index, handler }
    }

    /// When it happened; by the clock of a test, where that has a date of its own.
    fn time(&self, event: &Event) -> f64 {
        let clock = self.plugin.host.context.as_ref().map(|context| context.store.clock());
        let date = clock.filter(|clock| clock.is_set()).map(|clock| clock.date());
        let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        since.map_or(event.time, |since| since.as_secs_f64())
    }

    fn run<'s>(&self, script: &'s Script) -> Result<&'s (Function, BodyAccess), Fault> {
        script.handlers.hooks.get(self.index).ok_or(Fault::Gone)
    }
}

impl Hook for LuaHook {
    fn observe<'a>(&'a self, event: Arc<Event>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if self.plugin.is_over() {
                // Or the VM would be built, and `setup` run, once more.
                return Ok(());
            }
            let begin = move |script: &Arc<Script>| {
                let (run, _) = self.run(script)?;
                let wire = self.plugin.host.capabilities.has(WIRE);
                let table = event_table(script, &event, self.time(&event), wire)?;
                Ok(Begun::alone(script.vm.trampoline.call_async((run, table, &script.plugin))))
            };
            let finish = |_: &Arc<Script>, values| outcome::plain(values).map(|_| ());
            self.plugin.call(None, self.plugin.allowed(), &self.handler, begin, finish).get().await
        })
    }

    fn prepared<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<()>> {
        let begin = |script: &Arc<Script>| {
            let (run, body) = self.run(script)?;
            let view = View::of(script, self.plugin.key, exchange);
            let out = outbound::of(&script.vm.lua, &view)?;
            Ok(Begun::within(script.vm.trampoline.call_async((run, out, &script.plugin)), view, *body))
        };
        let finish = |_: &Arc<Script>, values| outcome::plain(values).map(|_| ());
        self.plugin.call(Some(exchange), self.plugin.allowed(), &self.handler, begin, finish)
    }
}

/// `name`, `time`, and the fields of the event.
fn event_table(script: &Script, event: &Event, time: f64, wire: bool) -> Result<Table, Fault> {
    let lua = &script.vm.lua;
    let table = lua.create_table()?;
    for (key, value) in &event.data {
        table.raw_set(key.as_str(), data::from_value(lua, value)?)?;
    }
    table.raw_set("name", &*event.name)?;
    table.raw_set("time", time)?;
    if let Some(bytes) = event.bytes.as_ref().filter(|_| wire) {
        table.raw_set("body", Value::String(lua.create_string(bytes)?))?;
    }
    Ok(table)
}

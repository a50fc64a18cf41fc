//! A service that a script provides to other plugins.

use std::sync::Arc;

use ccproxy_core::error::{Error, Result};
use ccproxy_core::plugin::Service;
use ccproxy_core::step::BoxFuture;
use mlua::{Value, Variadic};

use crate::call::Begun;
use crate::cost::Handler;
use crate::data;
use crate::fault::Fault;
use crate::outcome;
use crate::plugin::{self, Plugin};
use crate::script::Script;

/// Services that may wait for one another in a chain: those that call each other in a circle end here.
const DEEPEST: u32 = 16;

tokio::task_local! {
    /// How many services wait for the one that runs in this task.
    static DEPTH: u32;
}

/// One service of one plugin.
pub(crate) struct LuaService {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) name: String,
    pub(crate) handler: Arc<Handler>,
}

impl Service for LuaService {
    fn call<'a>(
        &'a self,
        function: &'a str,
        args: Vec<serde_json::Value>,
    ) -> BoxFuture<'a, Result<serde_json::Value>> {
        let (plugin, name, handler) = (self.plugin.clone(), self.name.clone(), self.handler.clone());
        let function = function.to_owned();
        Box::pin(async move {
            let depth = DEPTH.try_with(|depth| *depth).unwrap_or(0) + 1;
            if depth > DEEPEST {
                let text = format!("service `{name}`: more than {DEEPEST} services wait for one another");
                return Err(Error::plugin(&plugin.name, text));
            }
            // A task of its own: the caller may be polled inside the gate of its VM, and two plugins that
            // call each other would wait for each other's gates.
            let called = async move { run(&plugin, &name, &handler, &function, &args).await };
            let task = tokio::spawn(DEPTH.scope(depth, called));
            let mut task = Aborting(task);
            match (&mut task.0).await {
                Ok(result) => result,
                Err(error) => Err(Error::internal(format!("the call of a service ended: {error}"))),
            }
        })
    }
}

/// Ends the task when the caller goes away.
struct Aborting(tokio::task::JoinHandle<Result<serde_json::Value>>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(
    plugin: &Plugin,
    service: &str,
    handler: &Handler,
    function: &str,
    args: &[serde_json::Value],
) -> Result<serde_json::Value> {
    let begin = |script: &Arc<Script>| {
        let functions = script.handlers.services.get(service).ok_or(Fault::Gone)?;
        let run = functions.get(function).ok_or_else(|| {
            Fault::Value(format!("service `{service}` has no function `{}`", function.escape_debug()))
        })?;
        let args: Variadic<Value> =
            args.iter().map(|value| plugin::json(script, value)).collect::<Result<_, Fault>>()?;
        Ok(Begun::alone(script.vm.trampoline.call_async((run, args))))
    };
    let finish = |script: &Arc<Script>, values| {
        let [value, ..] = outcome::plain(values)?;
        data::to_value(&script.vm.lua, &value, script.vm.limits.output)
            .map_err(|refused| Fault::Value(format!("returned no plain data: {refused}")))
    };
    plugin.call(None, plugin.allowed(), handler, begin, finish).get().await
}

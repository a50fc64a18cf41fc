//! A command of a script.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::error::Result;
use ccproxy_core::plugin::Command;
use ccproxy_core::step::BoxFuture;

use crate::call::Begun;
use crate::cost::Handler;
use crate::data;
use crate::fault::Fault;
use crate::outcome;
use crate::plugin::Plugin;
use crate::script::Script;

/// One command of one plugin.
pub(crate) struct LuaCommand {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) index: usize,
    pub(crate) handler: Arc<Handler>,
}

/// How long a command may take, waiting included: somebody sits in front of it.
const TIMEOUT: Duration = Duration::from_secs(600);

impl Command for LuaCommand {
    fn run(&self, args: Vec<String>) -> BoxFuture<'_, Result<serde_json::Value>> {
        Box::pin(async move {
            let begin = |script: &Arc<Script>| {
                let run = script.handlers.commands.get(self.index).ok_or(Fault::Gone)?;
                let args = script.vm.lua.create_sequence_from(args)?;
                Ok(Begun::alone(script.vm.trampoline.call_async((run, args, &script.plugin))))
            };
            let finish = |script: &Arc<Script>, values| {
                let [value, ..] = outcome::plain(values)?;
                data::to_value(&script.vm.lua, &value, script.vm.limits.output)
                    .map_err(|refused| Fault::Value(format!("cannot print what it returned: {refused}")))
            };
            self.plugin
                .call(None, self.plugin.allowed_apart(TIMEOUT), &self.handler, begin, finish)
                .get()
                .await
        })
    }
}

//! A background task of a script.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::error::Result;
use ccproxy_core::plugin::Task;
use ccproxy_core::step::BoxFuture;

use crate::call::Begun;
use crate::cost::Handler;
use crate::fault::Fault;
use crate::outcome;
use crate::plugin::Plugin;
use crate::script::Script;

/// One task of one plugin.
pub(crate) struct LuaTask {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) index: usize,
    pub(crate) handler: Arc<Handler>,
    pub(crate) timeout: Duration,
}

impl Task for LuaTask {
    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let begin = |script: &Arc<Script>| {
                let (run, args) = script.handlers.tasks.get(self.index).ok_or(Fault::Gone)?;
                Ok(Begun::alone(script.vm.trampoline.call_async((run, &script.plugin, args))))
            };
            let finish = |_: &Arc<Script>, values| outcome::plain(values).map(|_| ());
            let allowed = self.plugin.allowed_apart(self.timeout);
            self.plugin.call(None, allowed, &self.handler, begin, finish).get().await
        })
    }
}

//! A plugin that runs: its VMs, its breaker, its counters, and the one way into its handlers.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ccproxy_core::error::{Error, Kind, Result, Side};
use ccproxy_core::exchange::Exchange;
use ccproxy_core::step::{BoxFuture, Step};
use mlua::{Function, Value};
use tokio::sync::Mutex;

use crate::breaker::{Breaker, Change};
use crate::call::{Allowed, Begun, call, gone};
use crate::cost::{self, Handler};
use crate::data;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::host::{Host, Sources};
use crate::manifest::{Declaration, Handlers};
use crate::outcome;
use crate::script::{Meter, Script};

/// Shared by the runtime and its adapters.
pub(crate) struct Plugin {
    pub(crate) name: Arc<str>,
    /// Under which its views stand in exchanges: unique in the process.
    pub(crate) key: usize,
    pub(crate) declaration: Arc<Declaration>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) breaker: Breaker,
    /// What its handlers cost.
    pub(crate) handlers: cost::Handlers,
    pub(crate) host: Arc<Host>,
    engine: Arc<Engine>,
    sources: Arc<Sources>,
    /// What the instance before this one handed over.
    previous: Option<serde_json::Value>,
    cells: Vec<Cell>,
    me: Weak<Plugin>,
    /// It has shut down: no VM is built any more.
    ended: AtomicBool,
    /// Of each middleware, whether it is in force: as the first VM said when it was built.
    enabled: OnceLock<Vec<bool>>,
}

/// The place of one VM.
#[derive(Default)]
struct Cell {
    script: ArcSwapOption<Script>,
    /// Held by whoever builds the VM anew.
    rebuild: Arc<Mutex<()>>,
}

/// How long `setup` may take, waiting included.
const SETUP: Duration = Duration::from_secs(10);

/// Most VMs of a plugin with `instances = "per_core"`.
const MAX_VMS: usize = 8;

impl Plugin {
    pub(crate) fn new(
        engine: &Arc<Engine>,
        host: Arc<Host>,
        sources: Arc<Sources>,
        declaration: Arc<Declaration>,
    ) -> Arc<Self> {
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
        let cells = if declaration.per_core { cores.min(MAX_VMS) } else { 1 };
        Arc::new_cyclic(|me| Plugin {
            name: host.plugin.clone(),
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            declaration,
            meter: Arc::default(),
            breaker: Breaker::new(&engine.breaker),
            handlers: cost::Handlers::default(),
            previous: host.context.as_ref().and_then(|context| context.previous.clone()),
            host,
            engine: engine.clone(),
            sources,
            cells: (0..cells).map(|_| Cell::default()).collect(),
            me: me.clone(),
            ended: AtomicBool::new(false),
            enabled: OnceLock::new(),
        })
    }

    /// The limits of a handler that an exchange waits for.
    pub(crate) fn allowed(&self) -> Allowed {
        let limits = &self.declaration.limits;
        Allowed { cpu: limits.cpu, wall: limits.wall + self.declaration.patience }
    }

    /// The limits of work that no exchange waits for: more CPU, in slices no longer than any other.
    pub(crate) fn allowed_apart(&self, wall: Duration) -> Allowed {
        Allowed { cpu: self.declaration.limits.cpu * 10, wall }
    }

    /// Builds every VM and runs `setup` in each.
    pub(crate) async fn initialize(&self) -> Result<()> {
        for place in 0..self.cells.len() {
            self.ready(place).await.map_err(|fault| fault.into_error(&self.name, "`setup`"))?;
        }
        Ok(())
    }

    /// Whether the live script has such a function.
    pub(crate) fn has(&self, which: fn(&Handlers) -> Option<&Function>) -> bool {
        self.cells[0].script.load().as_ref().is_some_and(|script| which(&script.handlers).is_some())
    }

    /// Whether it was shut down. An exchange that lasts longer may still call it; events go unheard.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether a middleware is in force with this configuration.
    pub(crate) fn is_enabled(&self, index: usize) -> bool {
        self.enabled.get().and_then(|enabled| enabled.get(index)).copied().unwrap_or(true)
    }

    /// Lets go of the VMs, for good.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        for cell in &self.cells {
            cell.script.store(None);
        }
    }

    /// Bytes that the VMs use which are free at this moment.
    pub(crate) fn memory(&self) -> usize {
        let scripts = self.cells.iter().filter_map(|cell| cell.script.load_full());
        let measured = scripts.map(|script| match script.vm.try_enter() {
            Some(_entered) => script.vm.used_memory(),
            None => 0,
        });
        measured.sum()
    }

    /// Calls a handler of the VM that belongs to `exchange`, or of the first one.
    pub(crate) fn call<'a, R, B, F>(
        &'a self,
        exchange: Option<&Exchange>,
        allowed: Allowed,
        handler: &'a Handler,
        begin: B,
        finish: F,
    ) -> Step<'a, Result<R>>
    where
        R: Send + 'a,
        B: FnOnce(&Arc<Script>) -> Result<Begun, Fault> + Send + 'a,
        F: FnOnce(&Arc<Script>, [Value; 3]) -> Result<R, Fault> + Send + 'a,
    {
        if !self.breaker.admits() {
            self.meter.skipped();
            return Step::Ready(Err(self.switched_off()));
        }
        let place = self.place(exchange);
        let renew = move || -> BoxFuture<'a, Result<Arc<Script>, Fault>> { Box::pin(self.ready(place)) };
        let live = self.cells[place].script.load_full().filter(|script| !script.vm.is_dead());
        let Some(script) = live else {
            return Step::Later(Box::pin(async move {
                let result = match self.ready(place).await {
                    Ok(script) => call(script, handler, allowed, renew, begin, finish).get().await,
                    Err(fault) => Err(fault),
                };
                self.judge(handler, result)
            }));
        };
        match call(script, handler, allowed, renew, begin, finish) {
            Step::Ready(result) => Step::Ready(self.judge(handler, result)),
            Step::Later(later) => Step::Later(Box::pin(async move { self.judge(handler, later.await) })),
        }
    }

    /// Counts a result, moves the breaker, and turns a fault into the house's error.
    #[inline]
    fn judge<R>(&self, handler: &Handler, result: Result<R, Fault>) -> Result<R> {
        match result {
            Ok(value) => {
                self.worked();
                Ok(value)
            }
            // To refuse, or to pass a failure of the provider on, is work well done.
            Err(Fault::Refusal(error)) => {
                self.worked();
                Err(error)
            }
            Err(fault) => Err(self.failed(handler, fault)),
        }
    }

    #[inline]
    fn worked(&self) {
        if self.breaker.succeeded() == Some(Change::Closed) {
            tracing::warn!(plugin = &*self.name, "the plugin works again: its breaker is closed");
        }
    }

    /// It used up its CPU for an exchange, and is left out of the rest of it.
    #[cold]
    pub(crate) fn overspent(&self, handler: &Handler, exchange: &Exchange, first: bool) {
        self.meter.skipped();
        if first {
            let error = self.failed(handler, Fault::Spent);
            tracing::warn!(exchange = %exchange.id, plugin = &*self.name, "{error}; the exchange goes on without it");
        }
    }

    #[cold]
    fn failed(&self, handler: &Handler, fault: Fault) -> Error {
        self.meter.failed();
        handler.failed();
        let kind = fault.kind();
        let strike = fault.is_strike();
        let error = fault.into_error(&self.name, &handler.label);
        if strike {
            self.meter.struck();
        }
        if strike && self.breaker.failed() == Some(Change::Opened) {
            tracing::error!(
                plugin = &*self.name,
                kind,
                last = error.log().unwrap_or_default(),
                "the plugin fails too often: its breaker is open"
            );
        }
        error
    }

    fn switched_off(&self) -> Error {
        let text = format!("plugin `{}` failed", self.name);
        Error::new(Side::Plugin, Kind::Unavailable, text)
            .with_log(format!("plugin `{}` is switched off after too many failures", self.name))
    }

    fn place(&self, exchange: Option<&Exchange>) -> usize {
        match exchange {
            Some(exchange) if self.cells.len() > 1 => {
                // An exchange keeps its VM, or it would lose its `req.state`.
                let mut hasher = std::hash::DefaultHasher::new();
                exchange.id.hash(&mut hasher);
                (hasher.finish() % self.cells.len() as u64) as usize
            }
            _ => 0,
        }
    }

    /// The script of a place, built anew when there is none or its VM was spoiled.
    async fn ready(&self, place: usize) -> Result<Arc<Script>, Fault> {
        let Some(me) = self.me.upgrade() else { return Err(Fault::Gone) };
        let turn = self.cells[place].rebuild.clone().lock_owned().await;
        // A task of its own: a client that leaves does not end it, or a slow `setup` would never be done.
        let built = tokio::spawn(async move {
            let _turn = turn;
            me.build(place).await
        })
        .await;
        built.unwrap_or_else(|error| Err(Fault::Panic(format!("the VM could not be built: {error}"))))
    }

    async fn build(&self, place: usize) -> Result<Arc<Script>, Fault> {
        let cell = &self.cells[place];
        let old = cell.script.load_full();
        if let Some(script) = old.as_ref().filter(|script| !script.vm.is_dead()) {
            return Ok(script.clone());
        }
        if self.ended.load(Ordering::Acquire) {
            return Err(Fault::Gone);
        }
        let script = Arc::new(Script::load(&self.engine, &self.host, &self.sources, &self.meter)?);
        self.setup(&script).await?;
        if self.enabled.get().is_none() {
            let enabled = self.choose(&script).await?;
            let _ = self.enabled.set(enabled);
        }
        if old.is_some() {
            self.meter.rebuilt();
            tracing::warn!(plugin = &*self.name, "the plugin's VM was thrown away and built again");
        }
        cell.script.store(Some(script.clone()));
        if self.ended.load(Ordering::Acquire) {
            // It shut down while this VM was built.
            cell.script.store(None);
        }
        Ok(script)
    }

    async fn setup(&self, script: &Arc<Script>) -> Result<(), Fault> {
        if script.handlers.setup.is_none() {
            return Ok(());
        }
        let begin = |script: &Arc<Script>| {
            let Some(setup) = &script.handlers.setup else { return Err(Fault::Gone) };
            let previous = match &self.previous {
                Some(value) => data::from_value(&script.vm.lua, value)?,
                None => Value::Nil,
            };
            let coroutine = script.vm.trampoline.call_async((setup, &script.plugin, previous));
            Ok(Begun::alone(coroutine))
        };
        let done = |_: &Arc<Script>, values| outcome::plain(values).map(|_| ());
        let handler = self.handlers.get("setup", "`setup`");
        call(script.clone(), &handler, self.allowed_apart(SETUP), gone, begin, done).get().await
    }

    /// Asks each middleware whether it is in force.
    async fn choose(&self, script: &Arc<Script>) -> Result<Vec<bool>, Fault> {
        let mut enabled = Vec::with_capacity(script.handlers.middleware.len());
        for moments in &script.handlers.middleware {
            let Some(ask) = &moments.enabled else {
                enabled.push(true);
                continue;
            };
            let begin = |script: &Arc<Script>| {
                Ok(Begun::alone(script.vm.trampoline.call_async((ask, &script.plugin))))
            };
            let done = |_: &Arc<Script>, values| outcome::plain(values).and_then(|[said, ..]| truth(&said));
            let handler = self.handlers.get("enabled", "`enabled`");
            let allowed = self.allowed_apart(SETUP);
            enabled.push(call(script.clone(), &handler, allowed, gone, begin, done).get().await?);
        }
        Ok(enabled)
    }
}

/// A yes or no.
fn truth(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Nil => Ok(false),
        Value::Boolean(yes) => Ok(*yes),
        other => {
            Err(Fault::Value(format!("a middleware's `enabled` gave a {}, not a boolean", other.type_name())))
        }
    }
}

/// Plain data as arguments of a call.
pub(crate) fn json(script: &Script, value: &serde_json::Value) -> Result<Value, Fault> {
    Ok(data::from_value(&script.vm.lua, value)?)
}

//! A plugin's script, loaded and alive in one VM.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mlua::{Function, Lua, Table, Value};
use serde_json::Map;

use crate::call::Raw;
use crate::data;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::host::{Host, Sources};
use crate::manifest::{self, Declaration, Handlers};
use crate::oauth::CLIENT_SECRET;
use crate::outcome;
use crate::require;
use crate::vm::Vm;

/// The file a plugin begins with.
pub(crate) const MAIN: &str = "plugin.lua";

/// One VM with the plugin's functions in it.
pub(crate) struct Script {
    pub(crate) handlers: Handlers,
    /// The `plugin` argument of every handler.
    pub(crate) plugin: Table,
    pub(crate) meter: Arc<Meter>,
    pub(crate) vm: Vm,
}

/// What a plugin has done, over all its VMs.
#[derive(Default)]
pub(crate) struct Meter {
    calls: AtomicU64,
    failures: AtomicU64,
    nanos: AtomicU64,
    rebuilds: AtomicU64,
    skipped: AtomicU64,
    strikes: AtomicU64,
}

impl Script {
    /// Builds the VM, runs the main chunk, and takes the functions out of what it returns.
    pub(crate) fn load(
        engine: &Arc<Engine>,
        host: &Arc<Host>,
        sources: &Arc<Sources>,
        meter: &Arc<Meter>,
    ) -> Result<Self, Fault> {
        let vm = Vm::new(engine, host, sources)?;
        let table = run_main(&vm, sources)?;
        let name = host.plugin.clone();
        let (_, handlers) = manifest::read(&vm.lua, &name, &host.limits, &table)
            .map_err(|problems| Fault::script(problems.join("; ")))?;
        let plugin = plugin_table(&vm.lua, host, &table)?;
        vm.lua.set_named_registry_value(crate::repl::MANIFEST, &table)?;
        Ok(Script { handlers, plugin, meter: meter.clone(), vm })
    }
}

/// Reads the declaration in a VM that is thrown away.
pub(crate) fn declare(
    engine: &Arc<Engine>,
    name: &Arc<str>,
    sources: &Arc<Sources>,
) -> Result<Declaration, Vec<String>> {
    let (vm, table) = on_trial(engine, name, sources).map_err(|fault| vec![told(fault)])?;
    manifest::read(&vm.lua, name, &engine.limits, &table).map(|(declaration, _)| declaration)
}

/// Reads nothing but the name, in the same way.
pub(crate) fn name(engine: &Arc<Engine>, sources: &Arc<Sources>) -> Result<String, String> {
    let (_vm, table) = on_trial(engine, &Arc::from("plugin"), sources).map_err(told)?;
    match table.raw_get::<Value>("name") {
        Ok(Value::String(name)) => Ok(name.to_string_lossy()),
        _ => Err(format!("{MAIN}: `name`: is missing")),
    }
}

/// Runs the main chunk in a VM that has nothing to touch, under limits of its own.
fn on_trial(engine: &Arc<Engine>, name: &Arc<str>, sources: &Arc<Sources>) -> Result<(Vm, Table), Fault> {
    let mut limits = engine.limits.clone();
    limits.cpu = limits.cpu.min(Duration::from_millis(50));
    limits.memory = limits.memory.min(8 << 20);
    let host = Arc::new(Host {
        plugin: name.clone(),
        capabilities: Default::default(),
        limits,
        paths: Vec::new(),
        context: None,
    });
    let vm = Vm::new(engine, &host, sources)?;
    let table = run_main(&vm, sources)?;
    Ok((vm, table))
}

/// A fault as the author of the script reads it.
pub(crate) fn told(fault: Fault) -> String {
    match fault {
        Fault::Script { message, .. } => message,
        Fault::Late(text) | Fault::Memory(text) | Fault::Timeout(text) | Fault::Value(text) => {
            format!("{MAIN}: {text}")
        }
        Fault::Refusal(error) => format!("{MAIN}: {error}"),
        Fault::Panic(text) => format!("{MAIN}: panic in a host function: {text}"),
        Fault::Spent => format!("{MAIN}: its CPU budget is used up"),
        Fault::Gone => format!("{MAIN}: its VM was replaced"),
    }
}

/// Runs the main chunk under the CPU budget; it must return a table, and must not wait.
fn run_main(vm: &Vm, sources: &Sources) -> Result<Table, Fault> {
    let chunk: Function = require::load(&vm.lua, sources, MAIN)?;
    vm.engine.clock.start();
    vm.deadline.arm(vm.limits.cpu, Instant::now());
    let returned = vm.trampoline.call::<Raw>(chunk);
    if vm.deadline.disarm() {
        return Err(Fault::Late(format!("used more than {:?} of CPU to load", vm.limits.cpu)));
    }
    match outcome::plain(outcome::split(returned?)?)? {
        [Value::Table(table), ..] => Ok(table),
        [other, ..] => Err(Fault::script(format!(
            "{MAIN}: must return the table of the plugin, not a {}",
            other.type_name()
        ))),
    }
}

/// What every handler gets as `plugin`: name, version, settings, generation. Read-only.
fn plugin_table(lua: &Lua, host: &Host, declared: &Table) -> Result<Table, Fault> {
    let plugin = lua.create_table()?;
    plugin.raw_set("name", &*host.plugin)?;
    plugin.raw_set("version", declared.raw_get::<Value>("version")?)?;
    if let Some(context) = &host.context {
        plugin.raw_set("generation", context.generation)?;
        let mut config = (*context.config).clone();
        // What the identity provider knows the proxy by is between the two.
        if !declared.raw_get::<Value>("oauth_provider")?.is_nil()
            && let Some(config) = config.as_object_mut()
        {
            config.remove(CLIENT_SECRET);
        }
        plugin.raw_set("config", data::from_value(lua, &config)?)?;
    }
    crate::sandbox::freeze(&plugin, &mut Default::default())?;
    Ok(plugin)
}

impl Meter {
    /// A call used this much Lua time.
    #[inline]
    pub(crate) fn spent(&self, used: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(used.as_nanos() as u64, Ordering::Relaxed);
    }

    /// A call failed.
    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A call broke a limit, or raised: the breaker counts it.
    pub(crate) fn struck(&self) {
        self.strikes.fetch_add(1, Ordering::Relaxed);
    }

    /// A VM was thrown away and built again.
    pub(crate) fn rebuilt(&self) {
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
    }

    /// The open breaker kept a call from being made.
    pub(crate) fn skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// For `/plugins/status`.
    pub(crate) fn stats(&self) -> Map<String, serde_json::Value> {
        let mut stats = Map::new();
        let count = |value: &AtomicU64| serde_json::Value::from(value.load(Ordering::Relaxed));
        stats.insert("calls".to_owned(), count(&self.calls));
        stats.insert("errors".to_owned(), count(&self.failures));
        stats.insert("strikes".to_owned(), count(&self.strikes));
        stats.insert("skipped".to_owned(), count(&self.skipped));
        stats.insert("vm_rebuilds".to_owned(), count(&self.rebuilds));
        stats.insert("lua_ms".to_owned(), (self.nanos.load(Ordering::Relaxed) as f64 / 1e6).into());
        stats
    }
}

//! A test file in a VM of its own: the plugin's modules can be required, `test` registers.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ccproxy_core::hooks::Bus;
use ccproxy_core::plugin::{PluginContext, Services};
use ccproxy_core::settings::UpstreamSettings;
use ccproxy_core::store::{Clock, Quota, Store};
use ccproxy_core::upstream::Upstream;
use mlua::{Function, Lua, MetaMethod, MultiValue, Table, Value};
use parking_lot::Mutex;

use super::{MEMORY, STRETCH};
use crate::args::Args;
use crate::call::Raw;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::host::{Capabilities, Host, Limits, Sources};
use crate::manifest::Handlers;
use crate::outcome;
use crate::require;
use crate::script::{Meter, Script};
use crate::vm::Vm;

/// Most tests of a file.
const MOST: usize = 1_000;

/// One registered test.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    /// Why it is skipped, if it is.
    pub(super) skip: Option<String>,
    pub(super) run: Function,
}

/// A loaded file.
pub(super) struct TestFile {
    pub(super) script: Arc<Script>,
    pub(super) cases: Vec<Case>,
    pub(super) clock: Arc<Clock>,
}

/// Loads a file of the plugin's folder. Must run inside a tokio runtime.
pub(super) fn load(
    engine: &Arc<Engine>,
    plugin: &str,
    sources: &Arc<Sources>,
    file: &str,
) -> Result<TestFile, Fault> {
    let date = std::time::SystemTime::UNIX_EPOCH + super::house::DATE;
    let clock = Arc::new(Clock::beginning_at(date));
    let host = Arc::new(host(engine, plugin, &clock)?);
    let vm = Vm::new(engine, &host, sources)?;
    let cases = Arc::new(Mutex::new(Vec::new()));
    let registrar = registrar(&vm.lua, &cases)?;
    vm.lua.globals().raw_set("test", registrar)?;
    let plugin_table = vm.lua.create_table()?;
    crate::sandbox::freeze(&plugin_table, &mut HashSet::new())?;
    run_main(&vm, sources, file)?;
    let script =
        Script { handlers: Handlers::default(), plugin: plugin_table, meter: Arc::<Meter>::default(), vm };
    let cases = std::mem::take(&mut *cases.lock());
    Ok(TestFile { script: Arc::new(script), cases, clock })
}

/// A house for the test itself: keys of its own, no rights to the network or to files.
fn host(engine: &Engine, plugin: &str, clock: &Arc<Clock>) -> Result<Host, Fault> {
    let upstream = Upstream::new(UpstreamSettings::default()).map_err(Fault::Refusal)?;
    let context = PluginContext {
        name: plugin.into(),
        config: Arc::default(),
        data_dir: PathBuf::from("nowhere"),
        generation: 0,
        services: Arc::new(Services::default()),
        bus: Arc::new(Bus::default()),
        upstream: Arc::new(upstream),
        store: Arc::new(Store::new(Quota::default(), clock.clone())),
        previous: None,
        oauth: Arc::default(),
    };
    Ok(Host {
        plugin: plugin.into(),
        capabilities: Capabilities::new(&["kv".to_owned()]),
        limits: Limits {
            cpu: STRETCH,
            memory: MEMORY,
            output: engine.limits.output.max(16 << 20),
            ..engine.limits.clone()
        },
        paths: Vec::new(),
        context: Some(context),
    })
}

/// `test(name, function)` and `test.skip(name, function)`.
fn registrar(lua: &Lua, cases: &Arc<Mutex<Vec<Case>>>) -> mlua::Result<Table> {
    let test = lua.create_table()?;
    let mark = lua.create_table()?;
    let kept = cases.clone();
    let call = lua.create_function(move |lua, mut values: MultiValue| {
        values.pop_front();
        register(lua, &kept, Args::new("test", values), None)
    })?;
    mark.raw_set(MetaMethod::Call.name(), call)?;
    test.set_metatable(Some(mark))?;
    let kept = cases.clone();
    let skip = lua.create_function(move |lua, values: MultiValue| {
        register(lua, &kept, Args::new("test.skip", values), Some(String::new()))
    })?;
    test.raw_set("skip", skip)?;
    test.set_readonly(true);
    Ok(test)
}

fn register(lua: &Lua, cases: &Mutex<Vec<Case>>, args: Args, skip: Option<String>) -> mlua::Result<()> {
    let (name, run) = (args.utf8(1)?, args.function(2)?);
    let line = (1..10).find_map(|level| lua.inspect_stack(level, |debug| debug.current_line()).flatten());
    let mut cases = cases.lock();
    if cases.iter().any(|case| case.name == name) {
        return Err(args.refuse(1, &format!("there is a test `{name}` already")));
    }
    if cases.len() == MOST {
        return Err(args.refuse(1, &format!("a file has at most {MOST} tests")));
    }
    cases.push(Case { name, line: line.unwrap_or_default(), skip, run });
    Ok(())
}

/// Runs the file; it must not wait, and what it returns is nobody's.
fn run_main(vm: &Vm, sources: &Sources, file: &str) -> Result<(), Fault> {
    let chunk = require::load(&vm.lua, sources, file)?;
    vm.engine.clock.start();
    vm.deadline.arm(vm.limits.cpu, Instant::now());
    let returned = vm.trampoline.call::<Raw>(chunk);
    if vm.deadline.disarm() {
        return Err(Fault::Late(format!("used more than {:?} of CPU to load", vm.limits.cpu)));
    }
    let [value, ..] = outcome::plain(outcome::split(returned?)?)?;
    match value {
        Value::Nil => Ok(()),
        _ => Err(Fault::script(format!(
            "{file}: returns something; a test file registers its tests with `test(name, function(t) ... end)`"
        ))),
    }
}

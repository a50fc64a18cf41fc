//! `t`: what a test has in its hands.

use std::path::{Component, Path};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ccproxy_core::store::Clock;
use mlua::{MultiValue, Table, Value};

use super::assertions::{self, MARK, own};
use super::client;
use super::handle::ProxyHandle;
use super::house::{House, Wanted, Workbench};
use super::logs::Logs;
use super::record::Record;
use super::world::World;
use crate::args::Args;
use crate::handle::no_field;
use crate::script::Script;

/// Largest file that `t.read` reads.
const LARGEST: u64 = 8 << 20;
/// Longest `t.advance`.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// Most proxies of one test.
const PROXIES: usize = 64;

pub(super) const FIELDS: &[&str] = &[
    "eq", "ne", "has", "truthy", "falsy", "near", "contains", "lacks", "matches", "raises", "fail",
    "snapshot", "proxy", "advance", "now", "read", "skip", "name",
];

/// What a test raises to be skipped.
pub(super) const SKIPPED: &str = "this test is skipped";

/// What the functions of `t` stand on.
pub(super) struct Stand {
    pub(super) record: Arc<Record>,
    pub(super) bench: Arc<dyn Workbench>,
    pub(super) plugin: String,
    pub(super) clock: Arc<Clock>,
    pub(super) logs: Logs,
}

/// Builds it.
pub(super) fn table(script: &Arc<Script>, stand: &Arc<Stand>) -> mlua::Result<Table> {
    let lua = &script.vm.lua;
    let t = lua.create_table()?;
    assertions::install(lua, &t, &stand.record)?;
    t.raw_set(MARK, true)?;
    t.raw_set("name", stand.record.name.as_str())?;
    t.raw_set("proxy", proxy(script, stand)?)?;
    t.raw_set(
        "advance",
        lua.create_async_function(|_, values: MultiValue| async move {
            let args = Args::new("t.advance", own(values));
            let time = args.duration(1)?;
            if time > LONGEST {
                return Err(args.refuse(1, "at most a year"));
            }
            // Nothing moves the clock but that everybody waits; so whatever is due on the way happens in its turn.
            tokio::time::sleep(time).await;
            Ok(())
        })?,
    )?;
    let clock = stand.clock.clone();
    let now = lua.create_function(move |_, _: MultiValue| {
        Ok(clock.date().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64())
    })?;
    t.raw_set("now", now)?;
    let folder = stand.record.folder.clone();
    let read = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("t.read", own(values));
        let bytes = read(&folder, &args.utf8(1)?).map_err(|why| args.refuse(1, &why))?;
        lua.create_string(bytes)
    })?;
    t.raw_set("read", read)?;
    let record = stand.record.clone();
    let skip = lua.create_function(move |_, values: MultiValue| -> mlua::Result<()> {
        let args = Args::new("t.skip", own(values));
        record.skip(args.text_or_nil(1)?.map(|why| why.to_string_lossy()).unwrap_or_default());
        Err(mlua::Error::runtime(SKIPPED))
    })?;
    t.raw_set("skip", skip)?;
    let mark = lua.create_table()?;
    let index = lua.create_function(|_, (_, key): (Value, Value)| -> mlua::Result<Value> {
        Err(no_field("t", &key.to_string()?, FIELDS))
    })?;
    mark.raw_set("__index", index)?;
    t.set_metatable(Some(mark))?;
    t.set_readonly(true);
    Ok(t)
}

fn proxy(script: &Arc<Script>, stand: &Arc<Stand>) -> mlua::Result<mlua::Function> {
    let (held, stand) = (Arc::downgrade(script), stand.clone());
    script.vm.lua.create_async_function(move |lua, values: MultiValue| {
        let (script, stand) = (held.upgrade(), stand.clone());
        async move {
            let args = Args::new("t.proxy", own(values));
            let options = args.options(1, &["config", "plugins", "settings"])?;
            let plugins = match options.table("plugins")? {
                Some(list) => list.sequence_values::<String>().collect::<mlua::Result<Vec<_>>>()?,
                None => Vec::new(),
            };
            let wanted = Wanted {
                plugin: stand.plugin.clone(),
                folder: stand.record.folder.clone(),
                config: client::object(&lua, &args, 1, options.table("config")?)?,
                plugins,
                settings: client::object(&lua, &args, 1, options.table("settings")?)?,
                data_dir: Default::default(),
            };
            drop(options);
            let Some(script) = script else { return Err(mlua::Error::runtime("the test is over")) };
            if stand.record.houses().len() >= PROXIES {
                return Err(args.refuse(1, &format!("a test starts at most {PROXIES} proxies")));
            }
            let world = World::new(&script, &stand.record);
            let house = House::start(&stand.bench, world, wanted).await.map_err(mlua::Error::runtime)?;
            stand.record.keep(&house);
            lua.create_userdata(ProxyHandle::new(&lua, &house, &stand.record, &stand.logs)?)
        }
    })
}

/// A file in the plugin's folder.
fn read(folder: &Path, path: &str) -> Result<Vec<u8>, String> {
    let relative = Path::new(path);
    if path.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err("a path is relative to the plugin's folder, without `..`".to_owned());
    }
    let full = folder.join(relative);
    let failed = |error: std::io::Error| format!("`{path}` cannot be read: {error}");
    let metadata = std::fs::symlink_metadata(&full).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(format!("`{path}` is no plain file of at most {LARGEST} bytes"));
    }
    std::fs::read(full).map_err(failed)
}

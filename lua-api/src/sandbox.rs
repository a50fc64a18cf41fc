//! A VM without the holes: what is taken out, what is put in, what is made read-only.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use ccproxy_core::store::Clock;
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value, Variadic};

use crate::api;
use crate::handle;
use crate::host::{Host, Sources};
use crate::require;
use tokio::time::Instant;

/// Coroutines kept for reuse: one call of a handler takes one.
const THREAD_POOL: usize = 32;

/// Globals that load code, reach environments, or steer the collector.
const REMOVED: &[&str] = &["getfenv", "setfenv", "require", "loadstring", "newproxy", "gcinfo"];

/// A hardened VM with the `ccproxy` table, its own `require`, and nothing of the machine.
pub(crate) fn build(host: &Arc<Host>, sources: &Arc<Sources>) -> mlua::Result<(Lua, Function)> {
    let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::new().thread_pool_size(THREAD_POOL))?;
    let trampoline = trampoline(&lua)?;
    let globals = lua.globals();
    for name in REMOVED {
        globals.raw_set(*name, Value::Nil)?;
    }
    globals.get::<Table>("debug")?.raw_set("info", Value::Nil)?;
    restrict_os(&lua, &globals.get("os")?, host)?;
    globals.raw_set("pairs", pairs(&lua)?)?;
    seed(&globals.get("math")?)?;
    handle::prepare(&lua)?;
    let ccproxy = api::install(&lua, host)?;
    globals.raw_set("print", print(&lua, &ccproxy, host.context.is_some())?)?;
    freeze(&ccproxy, &mut HashSet::new())?;
    globals.raw_set("ccproxy", ccproxy)?;
    globals.raw_set("require", require::function(&lua, &host.plugin, sources)?)?;
    lua.sandbox(true)?;
    Ok((lua, trampoline))
}

/// The function every call goes through: it catches what a handler raises where it was raised, while
/// the position and the stack can still be told, and keeps error objects whole.
fn trampoline(lua: &Lua) -> mlua::Result<Function> {
    lua.load(
        r#"
        local xpcall, pcall, type, tostring, string = xpcall, pcall, type, tostring, string
        local info, traceback = debug.info, debug.traceback
        local function failure(reason)
            local position
            for level = 2, 40 do
                local source, line = info(level, "sl")
                if source == nil then break end
                if line > 0 and source ~= "ccproxy" and string.sub(source, 1, 7) ~= "__mlua_" then
                    position = source .. ":" .. line
                    break
                end
            end
            local text
            if type(reason) == "table" or type(reason) == "nil" then
                local ok, said = pcall(tostring, reason)
                text = ok and type(said) == "string" and said or nil
            end
            return { reason = reason, text = text, position = position, traceback = traceback("", 2) }
        end
        return function(handler, ...)
            return xpcall(handler, failure, ...)
        end
        "#,
    )
    .set_name("=ccproxy")
    .eval()
}

/// `pairs` that also walks host objects, such as headers.
fn pairs(lua: &Lua) -> mlua::Result<Function> {
    lua.load(
        r#"
        local pairs, type = pairs, type
        return function(object)
            if type(object) == "userdata" then return object:pairs() end
            return pairs(object)
        end
        "#,
    )
    .set_name("=ccproxy")
    .eval()
}

/// Leaves dates and a clock of whole milliseconds: nothing to time other plugins with.
fn restrict_os(lua: &Lua, os: &Table, host: &Arc<Host>) -> mlua::Result<()> {
    let keys: Vec<String> =
        os.pairs::<String, Value>().map(|pair| pair.map(|(key, _)| key)).collect::<Result<_, _>>()?;
    for key in keys {
        if !matches!(key.as_str(), "date" | "time" | "difftime") {
            os.raw_set(key, Value::Nil)?;
        }
    }
    let began = Instant::now();
    let clock = lua.create_function(move |_, ()| Ok(began.elapsed().as_millis() as f64 / 1000.0))?;
    os.raw_set("clock", clock)?;
    match host.context.as_ref().map(|context| context.store.clock()).filter(|clock| clock.is_set()) {
        Some(clock) => set_date(lua, os, clock.clone()),
        None => Ok(()),
    }
}

/// `os.time` and `os.date` by a clock of a test.
fn set_date(lua: &Lua, os: &Table, clock: Arc<Clock>) -> mlua::Result<()> {
    let now = lua.create_function(move |_, ()| {
        let since = clock.date().duration_since(SystemTime::UNIX_EPOCH);
        Ok(since.unwrap_or_default().as_secs() as f64)
    })?;
    lua.load(
        r#"
        local os, now = ...
        local time, date = os.time, os.date
        os.time = function(parts) if parts == nil then return now() end return time(parts) end
        os.date = function(form, at) return date(form or "%c", at or now()) end
        "#,
    )
    .set_name("=ccproxy")
    .call((os, now))
}

/// Random numbers that tell nothing about those of another plugin.
fn seed(math: &Table) -> mlua::Result<()> {
    let mut seed = [0u8; 4];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut seed)
        .map_err(|_| mlua::Error::RuntimeError("no random numbers from the system".to_owned()))?;
    math.get::<Function>("randomseed")?.call::<()>(i32::from_le_bytes(seed))
}

/// `print` writes to the log, in one line, at level info; to nothing while the manifest is read.
fn print(lua: &Lua, ccproxy: &Table, alive: bool) -> mlua::Result<Function> {
    let info = match ccproxy.raw_get::<Value>("log")? {
        Value::Table(log) if alive => log.raw_get::<Option<Function>>("info")?,
        _ => None,
    };
    let tostring: Function = lua.globals().get("tostring")?;
    lua.create_function(move |_, values: Variadic<Value>| {
        let Some(info) = &info else { return Ok(()) };
        let mut line = String::new();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                line.push('\t');
            }
            line.push_str(&tostring.call::<mlua::LuaString>(value)?.to_string_lossy());
        }
        info.call::<()>(line)
    })
}

/// Makes a table, the tables in it and their metatables read-only.
pub(crate) fn freeze(table: &Table, seen: &mut HashSet<usize>) -> mlua::Result<()> {
    if !seen.insert(table.to_pointer() as usize) {
        return Ok(());
    }
    if let Some(metatable) = table.metatable() {
        freeze(&metatable, seen)?;
    }
    for pair in table.pairs::<Value, Value>() {
        if let (_, Value::Table(inner)) = pair? {
            freeze(&inner, seen)?;
        }
    }
    table.set_readonly(true);
    Ok(())
}

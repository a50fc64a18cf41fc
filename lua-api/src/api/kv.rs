//! `ccproxy.kv`: what the plugin keeps between exchanges and over reloads. Needs the capability `kv`.

use std::future::Future;
use std::sync::Arc;

use ccproxy_core::store::{Refused, Space, Stored};
use mlua::{Lua, MultiValue, Table, Value};

use super::error::ErrorObject;
use crate::args::Args;
use crate::data::{self, Style};
use crate::host::Host;

/// Largest value, as JSON text in bytes.
const LARGEST: usize = 1 << 20;
/// Keys listed in one call, unless the caller asks for fewer or more.
const LISTED: usize = 1000;
/// Most keys listed in one call.
const MOST_LISTED: usize = 100_000;
/// Tries of `update` before it gives up: others changed the value each time.
const TRIES: usize = 16;

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let kv = lua.create_table()?;
    let add = |name: &str, function: mlua::Function| kv.set(name, function);
    add("get", function(lua, host, "kv.get", get)?)?;
    add("set", function(lua, host, "kv.set", set)?)?;
    add("add", function(lua, host, "kv.add", insert)?)?;
    add("delete", function(lua, host, "kv.delete", delete)?)?;
    add("incr", function(lua, host, "kv.incr", incr)?)?;
    add("cas", function(lua, host, "kv.cas", compare_and_set)?)?;
    add("update", function(lua, host, "kv.update", update)?)?;
    add("expire", function(lua, host, "kv.expire", expire)?)?;
    add("ttl", function(lua, host, "kv.ttl", ttl)?)?;
    add("keys", function(lua, host, "kv.keys", keys)?)?;
    Ok(kv)
}

/// One call: the VM, the plugin's space, the arguments.
struct Call {
    lua: Lua,
    space: Arc<Space>,
    args: Args,
}

type Pair = (Value, Value);

fn function<F, R>(lua: &Lua, host: &Arc<Host>, name: &'static str, body: F) -> mlua::Result<mlua::Function>
where
    F: Fn(Call) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = mlua::Result<Pair>> + Send + 'static,
{
    let host = host.clone();
    // Found once: a look-up by name on each call would meet other plugins at one lock.
    let space = host.context.as_ref().map(|context| context.store.space(&host.plugin));
    lua.create_async_function(move |lua, values: MultiValue| {
        let host = host.clone();
        let space = space.clone();
        async move {
            let Some(space) = space else { return Err(super::not_yet(name)) };
            super::capability(&host, name, "kv")?;
            body(Call { lua, space, args: Args::new(name, values) }).await
        }
    })
}

async fn get(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let found = call.space.get(&key).get().await;
    match found {
        Some(stored) => Ok((call.read(&stored)?, Value::Nil)),
        None => Ok((Value::Nil, Value::Nil)),
    }
}

async fn set(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let value = call.value(2)?;
    let ttl = call.args.options(3, &["ttl"])?.duration("ttl")?;
    let done = call.space.set(&key, value, ttl).get().await;
    call.answer(done.map(|()| Value::Boolean(true)))
}

async fn insert(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let value = call.value(2)?;
    let ttl = call.args.options(3, &["ttl"])?.duration("ttl")?;
    let done = call.space.add(&key, value, ttl).get().await;
    call.answer(done.map(Value::Boolean))
}

async fn delete(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let was_there = call.space.delete(&key).get().await;
    Ok((Value::Boolean(was_there), Value::Nil))
}

async fn incr(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let by = call.args.integer_or(2, 1)?;
    let ttl = call.args.options(3, &["ttl"])?.duration("ttl")?;
    let sum = call.space.incr(&key, by, ttl).get().await;
    match sum {
        Ok(sum) => Ok((data::integer(&call.lua, sum)?, Value::Nil)),
        Err(refused) => call.answer(Err(refused)),
    }
}

async fn compare_and_set(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let expected = match call.args.any(2) {
        Value::Nil => None,
        _ => Some(call.value(2)?),
    };
    let value = call.value(3)?;
    let ttl = call.args.options(4, &["ttl"])?.duration("ttl")?;
    let done = call.space.compare_and_set(&key, expected.as_ref(), value, ttl).get().await;
    call.answer(done.map(Value::Boolean))
}

/// Reads, lets the script change, and writes if nobody else did meanwhile; else once more.
async fn update(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let change = call.args.function(2)?;
    let ttl = call.args.options(3, &["ttl"])?.duration("ttl")?;
    for _ in 0..TRIES {
        let old = call.space.get(&key).get().await;
        let before = match &old {
            Some(stored) => call.read(stored)?,
            None => Value::Nil,
        };
        let after: Value = change.call(before)?;
        if after.is_nil() {
            return Ok((Value::Nil, Value::Nil));
        }
        let stored = call.stored(2, &after)?;
        let done = call.space.compare_and_set(&key, old.as_ref(), stored, ttl).get().await;
        match done {
            Ok(true) => return Ok((after, Value::Nil)),
            Ok(false) => {}
            Err(refused) => return call.answer(Err(refused)),
        }
    }
    ErrorObject::new(503, "kv", format!("`{key}` was changed by others {TRIES} times in a row"))
        .pair(&call.lua)
}

async fn expire(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let ttl = match call.args.any(2) {
        Value::Nil => None,
        _ => Some(call.args.duration(2)?),
    };
    let there = call.space.expire(&key, ttl).get().await;
    Ok((Value::Boolean(there), Value::Nil))
}

async fn ttl(call: Call) -> mlua::Result<Pair> {
    let key = call.args.utf8(1)?;
    let left = call.space.ttl(&key).get().await;
    let seconds = match left {
        None => Value::Nil,
        Some(None) => Value::Number(f64::INFINITY),
        Some(Some(left)) => Value::Number(left.as_secs_f64()),
    };
    Ok((seconds, Value::Nil))
}

async fn keys(call: Call) -> mlua::Result<Pair> {
    let prefix = if call.args.any(1).is_nil() { String::new() } else { call.args.utf8(1)? };
    let limit = call.args.options(2, &["limit"])?.size("limit")?.unwrap_or(LISTED).min(MOST_LISTED);
    let keys = call.space.keys(&prefix, limit).get().await;
    let list = call.lua.create_sequence_from(keys)?;
    list.set_metatable(Some(data::array_mark(&call.lua)))?;
    Ok((Value::Table(list), Value::Nil))
}

impl Call {
    /// The argument as it is stored. Nil cannot be: `delete` says what is meant.
    fn value(&self, place: usize) -> mlua::Result<Stored> {
        match self.args.any(place) {
            Value::Nil => Err(self.args.refuse(place, "expected a value, got nil; use `ccproxy.kv.delete`")),
            value => self.stored(place, &value),
        }
    }

    fn stored(&self, place: usize, value: &Value) -> mlua::Result<Stored> {
        match data::to_json(&self.lua, value, LARGEST, Style::Compact) {
            Ok(text) => Ok(Stored::json(text)),
            Err(refused) => Err(self.args.refuse(place, &refused.to_string())),
        }
    }

    fn read(&self, stored: &Stored) -> mlua::Result<Value> {
        match stored {
            Stored::Integer(number) => data::integer(&self.lua, *number),
            Stored::Json(text) => data::from_trusted_json(&self.lua, text),
        }
    }

    fn answer(&self, done: Result<Value, Refused>) -> mlua::Result<Pair> {
        match done {
            Ok(value) => Ok((value, Value::Nil)),
            Err(refused) => ErrorObject::new(500, "kv", refused.to_string()).pair(&self.lua),
        }
    }
}

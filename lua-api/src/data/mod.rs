//! Plain data: the values of Lua that JSON can spell, and the only ones that leave a VM. They go to the
//! wire, to the store, to other plugins and to events as JSON text or as [`serde_json::Value`].
//!
//! A decoded array carries a marker, so that `[]` stays `[]`; an unmarked empty table is `{}`. A number
//! that a double cannot hold exactly (whole beyond 2^53, or beyond its range) is given as text.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use mlua::{Lua, LuaSerdeExt, Table, Value};

pub use decode::{from_json, from_trusted_json, from_value};
pub use encode::{Refused, Style, to_json, to_value};

/// Deepest nesting that is read or written.
pub const MAX_DEPTH: usize = 128;

/// Most tables in one value: host code does not run on a script's clock, so its work is bounded by count.
pub const MAX_TABLES: usize = 100_000;

/// Largest whole number of which every smaller one is exact too: 2^53.
pub const MAX_EXACT: i64 = 1 << 53;

const OBJECT_MARK: &str = "ccproxy.object";

/// The metatable that marks a table as an array.
pub fn array_mark(lua: &Lua) -> Table {
    lua.array_metatable()
}

/// The metatable that marks a table as an object, for maps with numbers as keys.
pub fn object_mark(lua: &Lua) -> mlua::Result<Table> {
    if let Some(mark) = lua.named_registry_value::<Option<Table>>(OBJECT_MARK)? {
        return Ok(mark);
    }
    let mark = lua.create_table()?;
    mark.raw_set("__metatable", false)?;
    mark.set_readonly(true);
    lua.set_named_registry_value(OBJECT_MARK, &mark)?;
    Ok(mark)
}

/// A whole number as Lua sees it: a number when that is exact, otherwise its digits.
pub fn integer(lua: &Lua, number: i64) -> mlua::Result<Value> {
    if (-MAX_EXACT..=MAX_EXACT).contains(&number) {
        return Ok(Value::Number(number as f64));
    }
    Ok(Value::String(lua.create_string(number.to_string())?))
}

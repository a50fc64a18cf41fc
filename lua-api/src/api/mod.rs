//! The `ccproxy` table: one file a namespace, each with a stub and a test of the same name.
//!
//! A wrong argument raises, with its number and the expected type. What fails in the world gives
//! `nil, err`, where `err` is an [`error::ErrorObject`]. The functions convert, call plain Rust, and convert back.

pub mod error;
pub mod json;
pub mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use mlua::{Lua, MetaMethod, Table, UserData, UserDataMethods, Value};

use crate::host::Host;

/// What `ccproxy.DROP` is: an event handler returns it to remove the event.
pub struct DropMark;

impl UserData for DropMark {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, _, _: ()| Ok("ccproxy.DROP"));
    }
}

/// Whether a handler returned `ccproxy.DROP`.
pub fn is_drop(value: &Value) -> bool {
    matches!(value, Value::UserData(data) if data.is::<DropMark>())
}

/// What `ccproxy.has` answers true for.
const FEATURES: &[&str] = &["json", "schema", "error"];

/// Builds the `ccproxy` table for a VM. The caller makes it and its subtables read-only.
pub fn install(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("error", error::constructor(lua)?)?;
    table.set("json", json::table(lua, host)?)?;
    table.set("schema", schema::table(lua)?)?;
    table.set("null", Value::NULL)?;
    table.set("DROP", lua.create_userdata(DropMark)?)?;
    table.set("version", env!("CARGO_PKG_VERSION"))?;
    table.set(
        "has",
        lua.create_function(|_, feature: mlua::LuaString| {
            Ok(FEATURES.iter().any(|known| known.as_bytes() == &*feature.as_bytes()))
        })?,
    )?;
    Ok(table)
}

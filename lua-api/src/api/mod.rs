//! The `ccproxy` table: one file a namespace, each with a stub and a test of the same name.
//!
//! A wrong argument raises, with its number and the expected type. What fails in the world gives
//! `nil, err`, where `err` is an [`error::ErrorObject`]. The functions convert, call plain Rust, and convert back.

pub mod crypto;
pub mod error;
pub mod events;
pub mod file;
pub mod http;
pub mod json;
pub mod kv;
pub mod log;
pub mod re;
pub mod schema;
pub mod services;
pub mod sse;
pub mod time;
pub mod toml;
pub mod wait;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use ccproxy_core::plugin::PluginContext;
use mlua::{Lua, MetaMethod, MultiValue, Table, UserData, UserDataMethods, Value};

use crate::args::Args;
use crate::handle::body;
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

/// What `ccproxy.DONE` is: a handler returns it to be spared the rest of the exchange.
pub struct DoneMark;

impl UserData for DoneMark {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, _, _: ()| Ok("ccproxy.DONE"));
    }
}

/// Whether a handler returned `ccproxy.DONE`.
pub fn is_done(value: &Value) -> bool {
    matches!(value, Value::UserData(data) if data.is::<DoneMark>())
}

/// What `ccproxy.has` answers true for, beside itself and the constants.
const FEATURES: &[&str] = &[
    "crypto", "error", "events", "file", "http", "json", "kv", "log", "notify", "re", "schema", "services",
    "sse", "time", "toml", "wait",
];

/// Builds the `ccproxy` table for a VM. The caller makes it and its subtables read-only.
///
/// While the manifest is read (`host.context` is `None`) the same functions are there, but those that
/// touch anything outside the VM raise.
pub fn install(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    body::bound(lua, host.limits.output);
    let table = lua.create_table()?;
    table.set("crypto", crypto::table(lua, host)?)?;
    table.set("error", error::constructor(lua)?)?;
    table.set("events", events::table(lua, host)?)?;
    table.set("file", file::table(lua, host)?)?;
    table.set("http", http::table(lua, host)?)?;
    table.set("json", json::table(lua, host)?)?;
    table.set("kv", kv::table(lua, host)?)?;
    table.set("log", log::table(lua, host)?)?;
    table.set("notify", wait::notify(lua, host)?)?;
    table.set("re", re::table(lua, host)?)?;
    table.set("schema", schema::table(lua)?)?;
    table.set("services", services::table(lua, host)?)?;
    table.set("sse", sse::table(lua, host)?)?;
    table.set("time", time::table(lua, host)?)?;
    table.set("toml", toml::table(lua, host)?)?;
    table.set("wait", wait::wait(lua, host)?)?;
    table.set("null", Value::NULL)?;
    table.set("DROP", lua.create_userdata(DropMark)?)?;
    table.set("DONE", lua.create_userdata(DoneMark)?)?;
    table.set("version", env!("CARGO_PKG_VERSION"))?;
    let has = lua.create_function(|_, values: MultiValue| {
        let feature = Args::new("has", values).text(1)?;
        Ok(FEATURES.iter().any(|known| known.as_bytes() == &*feature.as_bytes()))
    })?;
    table.set("has", has)?;
    Ok(table)
}

/// The house's services, or the error of a call that came before there are any.
fn context<'a>(host: &'a Host, function: &str) -> mlua::Result<&'a PluginContext> {
    host.context.as_ref().ok_or_else(|| not_yet(function))
}

fn not_yet(function: &str) -> mlua::Error {
    mlua::Error::runtime(format!(
        "`ccproxy.{function}` is not available while the manifest is read; call it in `setup` or in a handler"
    ))
}

/// Refuses a call of a plugin whose manifest does not ask for the right.
fn capability(host: &Host, function: &str, name: &str) -> mlua::Result<()> {
    if host.capabilities.has(name) {
        return Ok(());
    }
    Err(mlua::Error::runtime(format!(
        "`ccproxy.{function}` needs the capability `{name}`; add it to `capabilities` in the manifest"
    )))
}

//! The `ccproxy` table: one file a namespace, each with a stub and a test of the same name.

use std::sync::Arc;

use mlua::{Lua, Table};

use crate::host::Host;

/// Builds the `ccproxy` table for a VM. The caller makes it and its subtables read-only.
pub fn install(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let _ = host;
    lua.create_table()
}

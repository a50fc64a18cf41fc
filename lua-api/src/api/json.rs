//! `ccproxy.json`: JSON text and plain data.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};

use super::error::ErrorObject;
use crate::args::Args;
use crate::data::{self, Style};
use crate::host::Host;

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let json = lua.create_table()?;
    let limit = host.limits.output;
    let encode = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("json.encode", values);
        let pretty = args.options(2, &["pretty"])?.flag("pretty")?;
        let style = if pretty { Style::Pretty } else { Style::Compact };
        match data::to_json(lua, &args.any(1), limit, style) {
            Ok(text) => lua.create_string(text),
            Err(refused) => Err(args.refuse(1, &refused.to_string())),
        }
    })?;
    let decode = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("json.decode", values);
        let text = args.text(1)?;
        if text.as_bytes().len() > limit {
            return ErrorObject::new(400, "json", format!("the text is larger than {limit} bytes")).pair(lua);
        }
        match data::from_json(lua, &text.as_bytes()) {
            Ok(value) => Ok((value, Value::Nil)),
            Err(mlua::Error::RuntimeError(reason)) => ErrorObject::new(400, "json", reason).pair(lua),
            Err(other) => Err(other),
        }
    })?;
    let array = lua.create_function(|lua, values: MultiValue| {
        mark(lua, &Args::new("json.array", values), data::array_mark(lua))
    })?;
    let object = lua.create_function(|lua, values: MultiValue| {
        mark(lua, &Args::new("json.object", values), data::object_mark(lua)?)
    })?;
    json.set("encode", encode)?;
    json.set("decode", decode)?;
    json.set("array", array)?;
    json.set("object", object)?;
    json.set("null", Value::NULL)?;
    Ok(json)
}

/// Marks a table, or a new one. A table that has another metatable keeps it and is refused.
fn mark(lua: &Lua, args: &Args, mark: Table) -> mlua::Result<Table> {
    let table = match args.any(1) {
        Value::Nil => lua.create_table()?,
        _ => args.table(1)?,
    };
    let ours = [data::array_mark(lua), data::object_mark(lua)?];
    if table.is_readonly() || table.metatable().is_some_and(|present| !ours.contains(&present)) {
        return Err(args.refuse(1, "a table that is read-only or has a metatable cannot be marked"));
    }
    table.set_metatable(Some(mark))?;
    Ok(table)
}

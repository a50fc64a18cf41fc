//! `ccproxy.services`: functions of other plugins. Only plain data crosses.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};

use super::error::ErrorObject;
use crate::args::Args;
use crate::data::{self, Style};
use crate::host::Host;

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let services = lua.create_table()?;
    let calling = host.clone();
    let call = lua.create_async_function(move |lua, values: MultiValue| {
        let host = calling.clone();
        async move {
            let args = Args::new("services.call", values);
            let context = super::context(&host, "services.call")?;
            let (service, function) = (args.utf8(1)?, args.utf8(2)?);
            let mut given = Vec::new();
            let mut room = host.limits.output;
            for place in 3..=args.len() {
                let text = data::to_json(&lua, &args.any(place), room, Style::Compact)
                    .map_err(|refused| args.refuse(place, &refused.to_string()))?;
                room -= text.len();
                let value =
                    serde_json::from_slice(&text).map_err(|error| args.refuse(place, &error.to_string()))?;
                given.push(value);
            }
            let answer = context.services.call(&service, &function, given).await;
            match answer {
                Ok(value) => Ok((data::from_value(&lua, &value)?, Value::Nil)),
                Err(error) => ErrorObject::from_core(&error).pair(&lua),
            }
        }
    })?;
    let host = host.clone();
    let has = lua.create_function(move |_, values: MultiValue| {
        let args = Args::new("services.has", values);
        Ok(super::context(&host, "services.has")?.services.has(&args.utf8(1)?))
    })?;
    services.set("call", call)?;
    services.set("has", has)?;
    Ok(services)
}

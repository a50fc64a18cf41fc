//! `ccproxy.events`: a plugin's own events. Hooks subscribe to them as `custom.<name>`.

use std::sync::Arc;
use std::time::Instant;

use ccproxy_core::hooks::{Event, Kind};
use mlua::{Lua, MultiValue, Table, Value};

use super::error::ErrorObject;
use crate::args::Args;
use crate::data;
use crate::host::Host;
use crate::meter::Meter;

/// Largest payload in bytes of JSON.
const LARGEST: usize = 64 << 10;
/// Most events of a VM in a second: an event heard by the hook that emits it must not fill the house.
const RATE: u32 = 1000;

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let events = lua.create_table()?;
    let host = host.clone();
    let meter = Meter::new(RATE);
    let emit = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("events.emit", values);
        let context = super::context(&host, "events.emit")?;
        let name = args.utf8(1)?;
        if !is_event_name(&name) {
            return Err(args.refuse(1, "lower case letters, digits, `_` and `.` name an event"));
        }
        let mut fields = match args.any(2) {
            Value::Nil => serde_json::Map::new(),
            value => match data::to_value(lua, &value, LARGEST) {
                Ok(serde_json::Value::Object(fields)) => fields,
                Ok(_) => return Err(args.wrong(2, "table with named fields, or nil", &value)),
                Err(refused) => return Err(args.refuse(2, &refused.to_string())),
            },
        };
        if meter.pass(Instant::now()).is_none() {
            return ErrorObject::new(429, "events", format!("more than {RATE} events a second")).pair(lua);
        }
        if context.bus.wants(Kind::Custom) {
            // Who emitted it is the host's word, not the script's.
            fields.insert("plugin".to_owned(), (&*host.plugin).into());
            context.bus.emit(Event::named(Kind::Custom, &format!("custom.{name}"), fields));
        }
        Ok((Value::Boolean(true), Value::Nil))
    })?;
    events.set("emit", emit)?;
    Ok(events)
}

fn is_event_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
    (1..=100).contains(&name.len()) && name.bytes().all(plain)
}

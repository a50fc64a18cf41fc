//! `ccproxy.sse`: the text of server-sent events.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ccproxy_core::sse::Decoder;
use mlua::{Lua, MultiValue, Table, Value};

use super::error::ErrorObject;
use crate::args::Args;
use crate::data::{self, Style};
use crate::host::Host;

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let sse = lua.create_table()?;
    let limit = host.limits.output;
    let encode = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("sse.encode", values);
        let event = match args.any(1) {
            Value::Table(event) => event,
            other => return Err(args.wrong(1, "table `{ event=, data=, id=, retry=, comment= }`", &other)),
        };
        let bytes = render(lua, &event, limit).map_err(|reason| args.refuse(1, &reason))?;
        lua.create_string(bytes)
    })?;
    let parse = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("sse.parse", values);
        let text = args.text(1)?;
        if text.as_bytes().len() > limit {
            return Err(args.refuse(1, &format!("longer than {limit} bytes")));
        }
        let bytes = Bytes::copy_from_slice(&text.as_bytes());
        match read(lua, bytes, limit)? {
            Some(events) => Ok((Value::Table(events), Value::Nil)),
            None => ErrorObject::new(400, "sse", "an event is too large").pair(lua),
        }
    })?;
    sse.set("encode", encode)?;
    sse.set("parse", parse)?;
    Ok(sse)
}

/// The bytes of one event: `event`, `id` (text), `retry` (milliseconds), `comment`, and `data`, of which
/// anything but text is written as JSON. The error is the reason for the script.
pub fn render(lua: &Lua, event: &Table, limit: usize) -> Result<Bytes, String> {
    let mut out = BytesMut::new();
    let walked = event.for_each(|key: Value, _: Value| {
        let known = key.as_string().is_some_and(|key| FIELDS.contains(&&*key.as_bytes()));
        if known { Ok(()) } else { Err(mlua::Error::runtime("refused")) }
    });
    walked.map_err(|_| "an event has `event`, `data`, `id`, `retry` and `comment`".to_owned())?;
    for (name, prefix) in [("comment", ": "), ("event", "event: "), ("id", "id: "), ("retry", "retry: ")] {
        let text = match (name, event.raw_get::<Value>(name).unwrap_or(Value::Nil)) {
            (_, Value::Nil) => continue,
            ("retry", Value::Integer(millis @ 0..)) => millis.to_string().into_bytes(),
            ("retry", _) => return Err("`retry` is a whole number of milliseconds".to_owned()),
            (_, Value::String(text)) => text.as_bytes().to_vec(),
            _ => return Err(format!("`{name}` is text")),
        };
        if text.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
            return Err(format!("`{name}` is one line"));
        }
        line(&mut out, prefix, &text);
    }
    let data = match event.raw_get::<Value>("data").unwrap_or(Value::Nil) {
        Value::Nil => None,
        Value::String(text) => Some(text.as_bytes().to_vec()),
        value => Some(data::to_json(lua, &value, limit, Style::Compact).map_err(|error| error.to_string())?),
    };
    if let Some(data) = data {
        if out.len() + data.len() > limit {
            return Err(format!("the event is larger than {limit} bytes"));
        }
        // A lone carriage return ends a line for a reader too, so it must for us.
        let text = data.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for piece in text.flat_map(|line| line.split(|byte| *byte == b'\r')) {
            line(&mut out, "data: ", piece);
        }
    }
    if out.is_empty() {
        return Err("an event without any field".to_owned());
    }
    out.extend_from_slice(b"\n");
    Ok(out.freeze())
}

const FIELDS: &[&[u8]] = &[b"event", b"data", b"id", b"retry", b"comment"];

fn line(out: &mut BytesMut, prefix: &str, text: &[u8]) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\n");
}

/// The events of a text; comments and what is unfinished at the end are left out.
fn read(lua: &Lua, bytes: Bytes, limit: usize) -> mlua::Result<Option<Table>> {
    let list = lua.create_table()?;
    list.set_metatable(Some(data::array_mark(lua)))?;
    let mut decoder = Decoder::with_limit(limit);
    decoder.feed(bytes);
    loop {
        let event = match decoder.pull() {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Some(list)),
            Err(_) => return Ok(None),
        };
        if event.is_comment() {
            continue;
        }
        let entry = lua.create_table()?;
        entry.raw_set(
            "event",
            lua.create_string(if event.name.is_empty() { b"message" } else { &*event.name })?,
        )?;
        entry.raw_set("data", lua.create_string(&event.data)?)?;
        for field in ["id", "retry"] {
            if let Some(text) = field_of(&event.raw, field) {
                entry.raw_set(field, lua.create_string(text)?)?;
            }
        }
        list.raw_push(entry)?;
    }
}

/// The last line of a field that the decoder leaves in the raw bytes.
fn field_of<'a>(raw: &'a [u8], field: &str) -> Option<&'a [u8]> {
    let lines = raw.split(|byte| matches!(byte, b'\n' | b'\r'));
    let found =
        lines.filter_map(|line| line.strip_prefix(field.as_bytes())?.strip_prefix(b":")).next_back()?;
    Some(found.strip_prefix(b" ").unwrap_or(found))
}

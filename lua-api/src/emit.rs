//! What an `event` or `chunk` handler returned: what goes on instead of what came.

use std::sync::Arc;

use bytes::Bytes;
use ccproxy_core::middleware::{BodyAccess, EventFlow};
use ccproxy_core::sse;
use mlua::{Function, Table, Value};

use crate::answer::wrong;
use crate::api::{self, error};
use crate::data::{self, Style};
use crate::fault::Fault;
use crate::handle::event::{EventHandle, EventState};
use crate::script::Script;

/// Most events one event may become.
const MAX_EVENTS: usize = 256;

/// What a handler may emit for little input, in bytes; beyond it a hundred times what it took.
const FREE_OUTPUT: usize = 64 << 10;

/// Reads what an `event` handler returned.
pub(crate) fn events(
    script: &Script,
    handler: &Function,
    body: BodyAccess,
    came: &sse::Event,
    state: &Arc<EventState>,
    value: Value,
) -> Result<EventFlow, Fault> {
    let mut emitted = Vec::new();
    let view = state.view();
    // What it kept back of earlier events it may give later.
    let came_bytes = came.raw.len() + view.kept_back();
    let done = api::is_done(&value);
    if value.is_nil() || done {
        let flow = state.close();
        if let EventFlow::Replace(events) = &flow {
            amplified(handler, came_bytes, events.iter().map(|event| event.raw.len()).sum())?;
        }
        return Ok(match flow {
            EventFlow::Replace(events) if done => EventFlow::Leave(Some(events)),
            EventFlow::Unchanged if done => EventFlow::Leave(None),
            flow => flow,
        });
    }
    if let Some(refusal) = error::of(&value) {
        return Err(Fault::Refusal(refusal.to_core()));
    }
    may_write(handler, body)?;
    if api::is_drop(&value) {
        state.close();
        view.keep_back(came_bytes);
        return Ok(EventFlow::Replace(emitted));
    }
    match &value {
        Value::Table(table) if is_list(table) => {
            if table.raw_len() > MAX_EVENTS {
                return Err(wrong(handler, &format!("returned more than {MAX_EVENTS} events")));
            }
            for item in table.sequence_values::<Value>() {
                emitted.push(one(script, handler, came, &item?)?);
            }
        }
        single => emitted.push(one(script, handler, came, single)?),
    }
    state.close();
    let goes = emitted.iter().map(|event| event.raw.len()).sum();
    amplified(handler, came_bytes, goes)?;
    view.keep_back(came_bytes.saturating_sub(goes));
    Ok(EventFlow::Replace(emitted))
}

/// Reads what a `chunk` handler returned.
pub(crate) fn chunk(
    handler: &Function,
    body: BodyAccess,
    came: &Bytes,
    value: Value,
) -> Result<Option<Bytes>, Fault> {
    if value.is_nil() {
        return Ok(None);
    }
    if let Some(refusal) = error::of(&value) {
        return Err(Fault::Refusal(refusal.to_core()));
    }
    may_write(handler, body)?;
    match &value {
        Value::String(text) => {
            let bytes = Bytes::copy_from_slice(&text.as_bytes());
            amplified(handler, came.len(), bytes.len())?;
            Ok(Some(bytes))
        }
        dropped if api::is_drop(dropped) => Ok(Some(Bytes::new())),
        other => Err(wrong(
            handler,
            &format!("returned a {}; it may return nil, a string or `ccproxy.DROP`", other.type_name()),
        )),
    }
}

fn may_write(handler: &Function, body: BodyAccess) -> Result<(), Fault> {
    if body == BodyAccess::Write {
        return Ok(());
    }
    Err(wrong(handler, "may change the answer only with `body = \"write\"` in its declaration"))
}

fn amplified(handler: &Function, came: usize, goes: usize) -> Result<(), Fault> {
    if goes <= FREE_OUTPUT.max(came.saturating_mul(100)) {
        return Ok(());
    }
    Err(wrong(handler, &format!("made {goes} bytes out of {came}")))
}

/// A list of events, not an event: it has no `data`, and either items or nothing at all.
fn is_list(table: &Table) -> bool {
    let has = |key: &str| !matches!(table.raw_get::<Value>(key), Ok(Value::Nil) | Err(_));
    !has("data") && !has("event") && !has("name")
}

fn one(script: &Script, handler: &Function, came: &sse::Event, value: &Value) -> Result<sse::Event, Fault> {
    match value {
        Value::UserData(data) => {
            let event = data.borrow::<EventHandle>().ok().and_then(|handle| handle.state.current());
            event.ok_or_else(|| wrong_event(handler, value))
        }
        Value::Table(table) => from_table(script, table, Some(came)).map_err(|text| wrong(handler, &text)),
        other => Err(wrong_event(handler, other)),
    }
}

/// `{ event = "name", data = text or table }`. Without a name: the `type` in the data where the stream
/// names its events so.
pub(crate) fn from_table(
    script: &Script,
    table: &Table,
    came: Option<&sse::Event>,
) -> Result<sse::Event, String> {
    for (key, _) in table.pairs::<Value, Value>().take(4).flatten() {
        let name = key.to_string().unwrap_or_default();
        // Only in a stream of the plugin's own does an id mean something to the client.
        let known = matches!(name.as_str(), "event" | "name" | "data") || (came.is_none() && name == "id");
        if !known {
            return Err(format!("an event table has no key `{name}`; it has `event` and `data`"));
        }
    }
    let given = match table.raw_get::<Value>("event") {
        Ok(Value::Nil) | Err(_) => table.raw_get::<Value>("name").unwrap_or(Value::Nil),
        Ok(value) => value,
    };
    let data = table.raw_get::<Value>("data").unwrap_or(Value::Nil);
    let (text, kind) = match &data {
        Value::Nil => return Err("an event needs `data`: a string, or a table that becomes JSON".to_owned()),
        Value::String(text) => (text.as_bytes().to_vec(), None),
        value => {
            let json = data::to_json(&script.vm.lua, value, script.vm.limits.output, Style::Compact)
                .map_err(|refused| format!("`data`: {refused}"))?;
            let kind = value.as_table().and_then(|table| table.raw_get::<String>("type").ok());
            (json, kind)
        }
    };
    let name = match given {
        Value::Nil => kind.filter(|_| came.is_some_and(|came| !came.name.is_empty())).unwrap_or_default(),
        Value::String(name) => name.to_string_lossy(),
        other => return Err(format!("`event` is a {}, not a string", other.type_name())),
    };
    if name.len() > 200 || name.contains(['\r', '\n', '\0']) {
        return Err("the name of an event is one short line".to_owned());
    }
    if text.contains(&b'\r') || text.len() > script.vm.limits.output {
        return Err("the data of an event has no carriage return and is not larger than a body".to_owned());
    }
    Ok(sse::Event::new(&name, text))
}

fn wrong_event(handler: &Function, value: &Value) -> Fault {
    wrong(
        handler,
        &format!(
            "returned a {}; it may return nil, an event, `{{ event = ..., data = ... }}`, a list of them, \
             `ccproxy.DROP` or `ccproxy.DONE`",
            value.type_name()
        ),
    )
}

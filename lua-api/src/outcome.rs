//! What a call returned: its values, or what it raised.

use mlua::{Table, Value};

use crate::api::error;
use crate::call::Raw;
use crate::fault::{Fault, MAX_TEXT, cause_text, clip, innermost};

/// Luau's own words when the memory limit is reached.
const NO_MEMORY: &str = "not enough memory";

/// And when the function that tells of an error failed itself: there was no room for it.
const NO_ROOM: &str = "error in error handling";

/// Tells values from a failure. A raised `ccproxy.error(...)` is a value: it means the same either way.
pub(crate) fn split((ok, first, second, third): Raw) -> Result<[Value; 3], Fault> {
    if ok {
        return Ok([first, second, third]);
    }
    Err(match first {
        Value::Table(failure) => {
            let reason: Value = failure.raw_get("reason")?;
            if error::of(&reason).is_some() {
                return Ok([reason, Value::Nil, Value::Nil]);
            }
            failure_fault(&failure, reason).unwrap_or_else(Fault::from)
        }
        // The handler of the failure failed itself: out of memory or of stack.
        other => text_fault(&text(&other).unwrap_or_default(), None, String::new()),
    })
}

/// The values of a handler whom nobody can refuse: here a refusal is a failure.
pub(crate) fn plain(values: [Value; 3]) -> Result<[Value; 3], Fault> {
    match error::of(&values[0]) {
        Some(refusal) => Err(Fault::Refusal(refusal.to_core())),
        None => Ok(values),
    }
}

fn failure_fault(failure: &Table, reason: Value) -> mlua::Result<Fault> {
    let position: Option<String> = failure.raw_get("position")?;
    let traceback: Value = failure.raw_get("traceback")?;
    if let Value::Error(error) = &reason {
        if let mlua::Error::MemoryError(_) = innermost(error) {
            return Ok(Fault::Memory(NO_MEMORY.to_owned()));
        }
        return Ok(text_fault(&cause_text(error), position, text(&traceback).unwrap_or_default()));
    }
    let said = match failure.raw_get::<Value>("text")? {
        Value::Nil => text(&reason),
        said => text(&said),
    };
    let said = said.unwrap_or_else(|| format!("an error object ({})", reason.type_name()));
    Ok(text_fault(&said, position, text(&traceback).unwrap_or_default()))
}

fn text_fault(said: &str, position: Option<String>, traceback: String) -> Fault {
    if said.ends_with(NO_MEMORY) {
        return Fault::Memory(said.to_owned());
    }
    if said == NO_ROOM {
        return Fault::Memory("not enough memory to tell an error".to_owned());
    }
    // mlua looks fields up in Lua of its own, whose position tells an author nothing.
    let said = said
        .strip_prefix("__mlua_index:")
        .and_then(|rest| rest.split_once(": "))
        .map_or(said, |(_, text)| text);
    let message = match position {
        Some(position) if !said.contains(".lua:") => format!("{position}: {said}"),
        _ => said.to_owned(),
    };
    Fault::Script { message, traceback }
}

/// The first bytes of a text value.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let bytes = text.as_bytes();
            // A little more than is kept, so that what is cut is marked.
            Some(clip(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT + 4)]).into_owned()))
        }
        Value::Integer(number) => Some(number.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

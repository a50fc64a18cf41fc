//! What a test is shown: requests that left the proxy, answers that its clients got.

use bytes::Bytes;
use ccproxy_core::sse::Decoder;
use http::{HeaderMap, HeaderValue};
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

use super::world::Seen;
use crate::data;

const HEADERS_MARK: &str = "ccproxy.test.headers";
/// Largest event of an answer.
const LARGEST: usize = 16 << 20;

/// What a client got.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// As they came.
    pub(super) chunks: Vec<Bytes>,
    /// Why the connection broke, if it did.
    pub(super) broken: Option<String>,
}

impl Answered {
    pub(super) fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// A request that left the proxy: `method`, `url`, `path`, `query`, `headers`, `body`, `json`.
pub(super) fn request(lua: &Lua, seen: &Seen) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    table.raw_set("method", seen.method.as_str())?;
    table.raw_set("url", format!("{}{}", seen.origin, seen.path))?;
    table.raw_set("path", path)?;
    table.raw_set("query", query)?;
    table.raw_set("headers", headers(lua, &seen.headers)?)?;
    table.raw_set("body", lua.create_string(&seen.body)?)?;
    table.raw_set("json", json(lua, &seen.body)?)?;
    Ok(table)
}

/// An answer: `status`, `headers`, `body`, `json`, `events`, `text`, `error`, `chunks`, `broken`.
pub(super) fn answer(lua: &Lua, answered: &Answered) -> mlua::Result<Table> {
    let body = answered.body();
    let table = lua.create_table()?;
    table.raw_set("status", answered.status)?;
    table.raw_set("headers", headers(lua, &answered.headers)?)?;
    table.raw_set("body", lua.create_string(&body)?)?;
    let chunks = lua.create_table()?;
    for chunk in &answered.chunks {
        chunks.raw_push(lua.create_string(chunk)?)?;
    }
    table.raw_set("chunks", chunks)?;
    table.raw_set("broken", answered.broken.clone())?;
    let stream = ccproxy_core::body::is_event_stream(&answered.headers);
    let events = lua.create_table()?;
    events.set_metatable(Some(data::array_mark(lua)))?;
    let mut parts: Vec<Json> = Vec::new();
    if stream {
        let mut decoder = Decoder::with_limit(LARGEST);
        decoder.feed(body.clone().into());
        while let Ok(Some(event)) = decoder.pull() {
            if event.is_comment() {
                continue;
            }
            let entry = lua.create_table()?;
            if !event.name.is_empty() {
                entry.raw_set("event", lua.create_string(&event.name)?)?;
            }
            let value = match json(lua, &event.data)? {
                Value::Nil => Value::String(lua.create_string(&event.data)?),
                value => value,
            };
            entry.raw_set("data", value)?;
            entry.raw_set("raw", lua.create_string(&event.raw)?)?;
            events.raw_push(entry)?;
            parts.extend(serde_json::from_slice::<Json>(&event.data).ok());
        }
    } else {
        table.raw_set("json", json(lua, &body)?)?;
        parts.extend(serde_json::from_slice::<Json>(&body).ok());
    }
    table.raw_set("events", events)?;
    table.raw_set("text", parts.iter().map(text).collect::<String>())?;
    if let Some(error) = parts.iter().find_map(error) {
        table.raw_set("error", data::from_value(lua, error)?)?;
    }
    Ok(table)
}

/// Decoded, or nil.
fn json(lua: &Lua, bytes: &[u8]) -> mlua::Result<Value> {
    match data::from_json(lua, bytes) {
        Ok(value) => Ok(value),
        Err(mlua::Error::RuntimeError(_)) => Ok(Value::Nil),
        Err(error) => Err(error),
    }
}

/// By names in lower case; a name is found in any case.
fn headers(lua: &Lua, headers: &HeaderMap) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for name in headers.keys() {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        table.raw_set(name.as_str(), lua.create_string(values.join(b", ".as_slice()))?)?;
    }
    let mark = match lua.named_registry_value::<Option<Table>>(HEADERS_MARK)? {
        Some(mark) => mark,
        None => {
            let mark = lua.create_table()?;
            let find = lua.create_function(|_, (table, name): (Table, Value)| {
                let Value::String(name) = name else { return Ok(Value::Nil) };
                table.raw_get::<Value>(name.to_string_lossy().to_ascii_lowercase())
            })?;
            mark.raw_set("__index", find)?;
            lua.set_named_registry_value(HEADERS_MARK, &mark)?;
            mark
        }
    };
    table.set_metatable(Some(mark))?;
    Ok(table)
}

/// The text for people in an answer, or in an event of one, of any of the three formats.
fn text(part: &Json) -> String {
    let one = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    match part["type"].as_str() {
        Some("content_block_delta") => return one(&part["delta"]["text"]),
        Some("content_block_start") => return one(&part["content_block"]["text"]),
        Some("response.output_text.delta") => return one(&part["delta"]),
        Some(kind) if kind.starts_with("response.") => return String::new(),
        _ => {}
    }
    let list = |value: &Json, text: &dyn Fn(&Json) -> String| -> String {
        value.as_array().into_iter().flatten().map(text).collect()
    };
    list(&part["content"], &|block| one(&block["text"]))
        + &list(&part["choices"], &|choice| {
            one(&choice["message"]["content"]) + &one(&choice["delta"]["content"])
        })
        + &list(&part["output"], &|item| list(&item["content"], &|piece| one(&piece["text"])))
}

/// The error in an answer or in an event of one.
fn error(part: &Json) -> Option<&Json> {
    [&part["error"], &part["response"]["error"]].into_iter().find(|error| error.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_and_errors_are_found_in_every_format() {
        for part in [
            json!({ "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }),
            json!({ "choices": [{ "message": { "content": "ab" } }] }),
            json!({ "choices": [{ "delta": { "content": "ab" } }] }),
            json!({ "object": "response", "output": [{ "content": [{ "text": "ab" }] }] }),
            json!({ "type": "content_block_delta", "delta": { "type": "text_delta", "text": "ab" } }),
            json!({ "type": "response.output_text.delta", "delta": "ab" }),
        ] {
            assert_eq!(text(&part), "ab", "{part}");
        }
        assert_eq!(text(&json!({ "type": "response.output_text.done", "text": "ab" })), "");
        assert!(error(&json!({ "type": "error", "error": { "type": "x" } })).is_some());
        assert!(error(&json!({ "response": { "error": null } })).is_none());
    }
}

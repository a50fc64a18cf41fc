//! What a handler returned, read as an answer to the client.

use bytes::Bytes;
use ccproxy_core::body::{Answer, Body};
use ccproxy_core::error::Error;
use ccproxy_core::exchange::Exchange;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mlua::{Function, Table, Value};

use crate::api::error::{self, ErrorObject};
use crate::data::{self, Style};
use crate::fault::Fault;
use crate::handle::headers::with_bytes;
use crate::handle::policy;
use crate::handle::response::ResponseHandle;
use crate::script::Script;

/// What a handler said.
pub(crate) enum Said {
    /// Nil, or the `res` it was given: go on.
    Nothing,
    /// This is the answer.
    Answer(Answer),
    /// This is the head of an event stream that the function will produce.
    Stream(Answer, Function),
    /// No, and what the client is told.
    Refusal(ErrorObject),
}

/// Reads what a handler returned. `handler` is for the message about a wrong type.
pub(crate) fn read(script: &Script, handler: &Function, value: Value) -> Result<Said, Fault> {
    match value {
        Value::Nil => Ok(Said::Nothing),
        Value::Table(table) => from_table(script, &table).map_err(|text| wrong(handler, &text)),
        Value::UserData(ref data) => {
            if let Some(refusal) = error::of(&value) {
                return Ok(Said::Refusal(refusal));
            }
            match data.borrow::<ResponseHandle>() {
                Ok(response) => match response.take() {
                    Some(Some(answer)) => Ok(Said::Answer(answer)),
                    Some(None) => Err(wrong(handler, "this answer was returned already")),
                    None => Ok(Said::Nothing),
                },
                Err(_) => Err(wrong_type(handler, &value)),
            }
        }
        other => Err(wrong_type(handler, &other)),
    }
}

/// An answer in the client's format that tells a refusal.
pub(crate) fn refusal(exchange: &Exchange, refusal: &ErrorObject) -> Answer {
    let error = refusal.to_core();
    let body = match exchange.format() {
        Some(format) => format.error_body(&error, &exchange.id.to_string()),
        None => plain_error(refusal),
    };
    with_error_headers(Answer::bytes(error.status(), "application/json", body), &error)
}

fn with_error_headers(mut answer: Answer, error: &Error) -> Answer {
    for (name, value) in error.headers() {
        answer.headers.append(name.clone(), value.clone());
    }
    answer
}

fn plain_error(refusal: &ErrorObject) -> Bytes {
    let body = serde_json::json!({ "error": { "type": refusal.kind, "message": refusal.message } });
    body.to_string().into()
}

const KEYS: &[&str] = &["status", "headers", "body", "json", "sse"];

fn from_table(script: &Script, table: &Table) -> Result<Said, String> {
    for (key, _) in table.pairs::<Value, Value>().take(KEYS.len() + 1).flatten() {
        let known =
            key.as_string().is_some_and(|key| KEYS.iter().any(|known| known.as_bytes() == &*key.as_bytes()));
        if !known {
            let shown = key.to_string().unwrap_or_default();
            return Err(format!("a response table has no key `{shown}`; it has `{}`", KEYS.join("`, `")));
        }
    }
    let field = |key: &str| table.raw_get::<Value>(key).unwrap_or(Value::Nil);
    let status = match field("status") {
        Value::Nil => StatusCode::OK,
        Value::Integer(code) => status(code)?,
        Value::Number(code) if code.fract() == 0.0 => status(code as i64)?,
        other => return Err(format!("`status` is a {}, not a whole number", other.type_name())),
    };
    let mut answer = Answer::new(status);
    read_headers(&field("headers"), &mut answer.headers)?;
    match (field("body"), field("json"), field("sse")) {
        (Value::Nil, Value::Nil, Value::Nil) => Ok(Said::Answer(answer)),
        (Value::String(body), Value::Nil, Value::Nil) => {
            let bytes = Bytes::copy_from_slice(&body.as_bytes());
            capped(script, bytes.len())?;
            default_type(&mut answer.headers, "text/plain; charset=utf-8");
            answer.body = Body::full(bytes);
            Ok(Said::Answer(answer))
        }
        (Value::Nil, json, Value::Nil) => {
            let limit = script.vm.limits.output;
            let text = data::to_json(&script.vm.lua, &json, limit, Style::Compact)
                .map_err(|refused| format!("`json`: {refused}"))?;
            default_type(&mut answer.headers, "application/json");
            answer.body = Body::full(text.into());
            Ok(Said::Answer(answer))
        }
        (Value::Nil, Value::Nil, Value::Function(producer)) => {
            answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            answer.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            Ok(Said::Stream(answer, producer))
        }
        (body, Value::Nil, Value::Nil) => Err(format!("`body` is a {}, not a string", body.type_name())),
        (Value::Nil, Value::Nil, sse) => Err(format!("`sse` is a {}, not a function", sse.type_name())),
        _ => Err("a response has one of `body`, `json` and `sse`".to_owned()),
    }
}

fn status(code: i64) -> Result<StatusCode, String> {
    u16::try_from(code)
        .ok()
        .filter(|code| (200..=599).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| format!("`{code}` is no status from 200 to 599"))
}

fn capped(script: &Script, size: usize) -> Result<(), String> {
    let limit = script.vm.limits.output;
    if size > limit { Err(format!("a body of {size} bytes is larger than {limit}")) } else { Ok(()) }
}

fn default_type(headers: &mut HeaderMap, content_type: &'static str) {
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
}

/// Names to values, or to lists of values.
fn read_headers(value: &Value, headers: &mut HeaderMap) -> Result<(), String> {
    let table = match value {
        Value::Nil => return Ok(()),
        Value::Table(table) => table,
        other => return Err(format!("`headers` is a {}, not a table", other.type_name())),
    };
    for (name, value) in table.pairs::<Value, Value>().flatten() {
        let name = match name.as_string().and_then(|name| name.to_str().ok()) {
            Some(name) => name.to_owned(),
            None => return Err("the keys of `headers` are names".to_owned()),
        };
        let key = policy::settable(&name)?;
        let mut add = |value: &Value| -> Result<(), String> {
            if headers.len() >= policy::MAX_FIELDS {
                return Err(format!("a response has at most {} headers", policy::MAX_FIELDS));
            }
            let value = with_bytes(&name, value, |bytes| policy::value(&name, bytes))
                .map_err(|error| crate::fault::cause_text(&error))?;
            headers.append(key.clone(), value);
            Ok(())
        };
        match &value {
            Value::Table(list) => {
                for item in list.sequence_values::<Value>().flatten() {
                    add(&item)?;
                }
            }
            single => add(single)?,
        }
    }
    Ok(())
}

/// A wrong value, with the place of the function that returned it.
pub(crate) fn wrong(handler: &Function, text: &str) -> Fault {
    let info = handler.info();
    Fault::Script {
        message: match (info.short_src, info.line_defined) {
            (Some(file), Some(line)) => format!("{file}:{line}: {text}"),
            _ => text.to_owned(),
        },
        traceback: String::new(),
    }
}

fn wrong_type(handler: &Function, value: &Value) -> Fault {
    wrong(
        handler,
        &format!(
            "returned a {}; it may return nil, a response table (`status`, `headers`, and `body`, `json` or `sse`), \
             a response, or `ccproxy.error(...)`",
            value.type_name()
        ),
    )
}

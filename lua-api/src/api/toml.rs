//! `ccproxy.toml`: TOML text and plain data.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};
use serde_json::Value as Json;

use super::error::ErrorObject;
use crate::args::Args;
use crate::data;
use crate::host::Host;

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let limit = host.limits.output;
    let encode = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("toml.encode", values);
        let value = data::to_value(lua, &Value::Table(args.table(1)?), limit)
            .map_err(|refused| args.refuse(1, &refused.to_string()))?;
        if !value.is_object() {
            return Err(args.refuse(1, "the whole of a TOML text is a table with named keys"));
        }
        if holds_null(&value) {
            return Err(args.refuse(1, "TOML has no null"));
        }
        let text = ::toml::to_string(&value).map_err(|error| args.refuse(1, &error.to_string()))?;
        lua.create_string(text)
    })?;
    let decode = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("toml.decode", values);
        let text = args.text(1)?;
        if text.as_bytes().len() > limit {
            return ErrorObject::new(400, "toml", format!("the text is larger than {limit} bytes")).pair(lua);
        }
        let Ok(text) = text.to_str() else {
            return ErrorObject::new(400, "toml", "the text is not UTF-8").pair(lua);
        };
        match ::toml::from_str::<::toml::Table>(&text) {
            Ok(read) => Ok((data::from_value(lua, &plain(::toml::Value::Table(read)))?, Value::Nil)),
            Err(error) => ErrorObject::new(400, "toml", place(&text, &error)).pair(lua),
        }
    })?;
    table.set("encode", encode)?;
    table.set("decode", decode)?;
    Ok(table)
}

/// What is wrong, with its line.
fn place(text: &str, error: &::toml::de::Error) -> String {
    let line =
        error.span().and_then(|span| text.get(..span.start)).map(|before| before.lines().count().max(1));
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

fn holds_null(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(items) => items.iter().any(holds_null),
        Json::Object(fields) => fields.values().any(holds_null),
        _ => false,
    }
}

/// As plain data; dates are text, and the numbers that JSON lacks too.
fn plain(value: ::toml::Value) -> Json {
    match value {
        ::toml::Value::String(text) => Json::String(text),
        ::toml::Value::Integer(number) => number.into(),
        ::toml::Value::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => Json::Number(number),
            None => Json::String(number.to_string()),
        },
        ::toml::Value::Boolean(flag) => flag.into(),
        ::toml::Value::Datetime(date) => Json::String(date.to_string()),
        ::toml::Value::Array(items) => items.into_iter().map(plain).collect(),
        ::toml::Value::Table(fields) => {
            Json::Object(fields.into_iter().map(|(key, value)| (key, plain(value))).collect())
        }
    }
}

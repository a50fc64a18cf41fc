//! The arguments of a host function: checked one by one, so that a wrong one is named with its number
//! and with the type that was expected.

use std::time::Duration;

use ccproxy_core::config::units::parse_duration;
use mlua::{Function, LuaString, MultiValue, Table, Value};

/// What a script gave to the host function `function`.
pub(crate) struct Args {
    function: &'static str,
    values: MultiValue,
}

impl Args {
    /// The arguments of one call.
    pub(crate) fn new(function: &'static str, values: MultiValue) -> Self {
        Args { function, values }
    }

    /// Argument `place`, counted from 1; nil when it was not given.
    pub(crate) fn any(&self, place: usize) -> Value {
        #[cfg(test)]
        crate::witness::note(self.function, || place.to_string());
        self.values.get(place - 1).cloned().unwrap_or(Value::Nil)
    }

    /// How many were given.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Text, which may hold any bytes.
    pub(crate) fn text(&self, place: usize) -> mlua::Result<LuaString> {
        match self.any(place) {
            Value::String(text) => Ok(text),
            other => Err(self.wrong(place, "string", &other)),
        }
    }

    /// Text or nil.
    pub(crate) fn text_or_nil(&self, place: usize) -> mlua::Result<Option<LuaString>> {
        if self.any(place).is_nil() { Ok(None) } else { self.text(place).map(Some) }
    }

    /// Text in UTF-8.
    pub(crate) fn utf8(&self, place: usize) -> mlua::Result<String> {
        let text = self.text(place)?;
        match text.to_str() {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.refuse(place, "text is not UTF-8")),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self, place: usize) -> mlua::Result<i64> {
        match self.any(place) {
            Value::Integer(number) => Ok(number),
            other => Err(self.wrong(place, "whole number", &other)),
        }
    }

    /// A whole number, or `default` for nil.
    pub(crate) fn integer_or(&self, place: usize, default: i64) -> mlua::Result<i64> {
        if self.any(place).is_nil() { Ok(default) } else { self.integer(place) }
    }

    /// A finite number.
    pub(crate) fn number(&self, place: usize) -> mlua::Result<f64> {
        match self.any(place) {
            Value::Integer(number) => Ok(number as f64),
            Value::Number(number) if number.is_finite() => Ok(number),
            other => Err(self.wrong(place, "number", &other)),
        }
    }

    /// A table.
    pub(crate) fn table(&self, place: usize) -> mlua::Result<Table> {
        match self.any(place) {
            Value::Table(table) => Ok(table),
            other => Err(self.wrong(place, "table", &other)),
        }
    }

    /// A function.
    pub(crate) fn function(&self, place: usize) -> mlua::Result<Function> {
        match self.any(place) {
            Value::Function(function) => Ok(function),
            other => Err(self.wrong(place, "function", &other)),
        }
    }

    /// A time span: seconds, or text such as `"1m"`.
    pub(crate) fn duration(&self, place: usize) -> mlua::Result<Duration> {
        let value = self.any(place);
        duration_of(&value).ok_or_else(|| self.wrong(place, DURATION, &value))
    }

    /// A table of named options, or nil. Names outside `known` are refused.
    pub(crate) fn options(&self, place: usize, known: &'static [&'static str]) -> mlua::Result<Options<'_>> {
        #[cfg(test)]
        known.iter().for_each(|name| crate::witness::note(self.function, || format!("{place}.{name}")));
        let table = match self.any(place) {
            Value::Nil => None,
            Value::Table(table) => Some(table),
            other => return Err(self.wrong(place, "table of options or nil", &other)),
        };
        if let Some(table) = &table {
            table.for_each(|key: Value, _: Value| {
                let name = key.as_string().map(|name| name.to_string_lossy());
                match name {
                    Some(name) if known.contains(&name.as_str()) => Ok(()),
                    Some(name) => {
                        let list = known.join("`, `");
                        Err(self.refuse(place, &format!("unknown option `{name}`; there are `{list}`")))
                    }
                    None => Err(self.refuse(place, "options are named")),
                }
            })?;
        }
        Ok(Options { args: self, place, table })
    }

    /// "Expected this, got that".
    pub(crate) fn wrong(&self, place: usize, expected: &str, got: &Value) -> mlua::Error {
        self.refuse(place, &format!("expected {expected}, got {}", describe(got)))
    }

    /// An argument of the right type that will not do.
    pub(crate) fn refuse(&self, place: usize, reason: &str) -> mlua::Error {
        // Methods are named with their object, functions within the `ccproxy` table.
        let method = self.function.contains(':');
        let of_test = self.function.starts_with("t.") || self.function.starts_with("test");
        let table = if method || of_test { "" } else { "ccproxy." };
        mlua::Error::runtime(format!("bad argument #{place} to `{table}{}`: {reason}", self.function))
    }
}

/// Named options of a call.
pub(crate) struct Options<'a> {
    args: &'a Args,
    place: usize,
    table: Option<Table>,
}

impl Options<'_> {
    /// The option as it is; nil when it is not there.
    pub(crate) fn any(&self, name: &str) -> mlua::Result<Value> {
        match &self.table {
            Some(table) => table.raw_get(name),
            None => Ok(Value::Nil),
        }
    }

    /// A time span.
    pub(crate) fn duration(&self, name: &str) -> mlua::Result<Option<Duration>> {
        let value = self.any(name)?;
        if value.is_nil() {
            return Ok(None);
        }
        duration_of(&value).map(Some).ok_or_else(|| self.wrong(name, DURATION, &value))
    }

    /// A whole number of at least zero.
    pub(crate) fn size(&self, name: &str) -> mlua::Result<Option<usize>> {
        match self.any(name)? {
            Value::Nil => Ok(None),
            Value::Integer(number) if number >= 0 => Ok(Some(usize::try_from(number).unwrap_or(usize::MAX))),
            other => Err(self.wrong(name, "whole number of at least 0", &other)),
        }
    }

    /// True or false; false when it is not there.
    pub(crate) fn flag(&self, name: &str) -> mlua::Result<bool> {
        match self.any(name)? {
            Value::Nil => Ok(false),
            Value::Boolean(truth) => Ok(truth),
            other => Err(self.wrong(name, "boolean", &other)),
        }
    }

    /// Text.
    pub(crate) fn text(&self, name: &str) -> mlua::Result<Option<LuaString>> {
        match self.any(name)? {
            Value::Nil => Ok(None),
            Value::String(text) => Ok(Some(text)),
            other => Err(self.wrong(name, "string", &other)),
        }
    }

    /// A table.
    pub(crate) fn table(&self, name: &str) -> mlua::Result<Option<Table>> {
        match self.any(name)? {
            Value::Nil => Ok(None),
            Value::Table(table) => Ok(Some(table)),
            other => Err(self.wrong(name, "table", &other)),
        }
    }

    /// "Option such expected this, got that".
    pub(crate) fn wrong(&self, name: &str, expected: &str, got: &Value) -> mlua::Error {
        self.refuse(name, &format!("expected {expected}, got {}", describe(got)))
    }

    /// An option of the right type that will not do.
    pub(crate) fn refuse(&self, name: &str, reason: &str) -> mlua::Error {
        self.args.refuse(self.place, &format!("option `{name}`: {reason}"))
    }
}

/// A time span from a Lua value: seconds, or text such as `"1m"`. `None` when it is neither.
pub(crate) fn duration_of(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        Value::String(text) => parse_duration(&text.to_str().ok()?)?,
        _ => return None,
    };
    // A hundred years: longer is a mistake, and would overflow clocks.
    (0.0..=100.0 * 365.0 * 86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

const DURATION: &str = "seconds or text such as `\"1m\"`";

/// A value for an error message: its type, never its content unless it is a number.
fn describe(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::LightUserData(_) => "null".to_owned(),
        other => other.type_name().to_owned(),
    }
}

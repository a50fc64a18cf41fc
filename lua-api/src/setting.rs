//! The kinds of settings that a manifest can describe, from the options of a `ccproxy.schema` builder.

use ccproxy_core::config::FieldKind;
use ccproxy_core::config::units::{parse_duration, parse_size};
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

use crate::api::schema;
use crate::args::{Args, duration_of};

/// One builder: its name, its options beside `doc`, `required` and `default`, and what it makes.
pub(crate) struct Builder {
    /// For error messages, with the namespace.
    pub(crate) name: &'static str,
    /// Names of options.
    pub(crate) options: &'static [&'static str],
    /// Which argument the options are: only an enum takes its values before them.
    pub(crate) place: usize,
    /// Reads the options.
    pub(crate) kind: fn(&Lua, &Args, &Table) -> mlua::Result<FieldKind>,
}

const fn plain(name: &'static str, kind: fn(&Lua, &Args, &Table) -> mlua::Result<FieldKind>) -> Builder {
    Builder { name, options: &[], place: 1, kind }
}

/// All of them.
pub(crate) const BUILDERS: &[Builder] = &[
    plain("schema.any", |_, _, _| Ok(FieldKind::Any)),
    plain("schema.boolean", |_, _, _| Ok(FieldKind::Boolean)),
    plain("schema.url", |_, _, _| Ok(FieldKind::Url)),
    plain("schema.path", |_, _, _| Ok(FieldKind::Path)),
    plain("schema.secret", |_, _, _| Ok(FieldKind::Secret)),
    Builder { name: "schema.string", options: &["min_length", "pattern"], place: 1, kind: string },
    Builder { name: "schema.integer", options: &["min", "max"], place: 1, kind: integer },
    Builder { name: "schema.number", options: &["min", "max"], place: 1, kind: number },
    Builder { name: "schema.duration", options: &["min", "max"], place: 1, kind: duration },
    Builder { name: "schema.size", options: &["min", "max"], place: 1, kind: size },
    Builder { name: "schema.enum", options: &[], place: 2, kind: choice },
    Builder {
        name: "schema.list",
        options: &["of"],
        place: 1,
        kind: |_, args, options| Ok(FieldKind::List(Box::new(inner(args, options)?))),
    },
    Builder {
        name: "schema.map",
        options: &["of"],
        place: 1,
        kind: |_, args, options| Ok(FieldKind::Map(Box::new(inner(args, options)?))),
    },
    Builder { name: "schema.table", options: &["fields", "open"], place: 1, kind: nested },
];

/// A default, checked against its kind; time spans become seconds and sizes bytes. The error says what
/// was expected.
pub(crate) fn admit(kind: &FieldKind, value: Json) -> Result<Json, String> {
    let fits = match kind {
        FieldKind::Any | FieldKind::Map(_) if value.is_object() => true,
        FieldKind::Any => true,
        FieldKind::Boolean => value.is_boolean(),
        FieldKind::Integer { min, max } => {
            let number = value.as_i64().or_else(|| whole(&value));
            let Some(number) = number else { return Err("must be a whole number".to_owned()) };
            if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                return Err("is outside `min` and `max`".to_owned());
            }
            return Ok(number.into());
        }
        FieldKind::Number { min, max } => {
            let Some(number) = value.as_f64() else { return Err("must be a number".to_owned()) };
            inside(number, *min, *max)?;
            true
        }
        FieldKind::String { min_length, .. } => {
            let length = value.as_str().map(|text| text.chars().count());
            length.is_some_and(|length| length >= min_length.unwrap_or(0))
        }
        FieldKind::Enum(choices) => value.as_str().is_some_and(|text| choices.iter().any(|one| one == text)),
        FieldKind::Duration { min, max } => {
            let seconds = value.as_f64().or_else(|| parse_duration(value.as_str()?));
            let Some(seconds) = seconds else { return Err(format!("must be {}", expected(kind))) };
            inside(seconds, *min, *max)?;
            return Ok(seconds.into());
        }
        FieldKind::Size { min, max } => {
            let bytes = value.as_u64().or_else(|| parse_size(value.as_str()?));
            let Some(bytes) = bytes else { return Err(format!("must be {}", expected(kind))) };
            if min.is_some_and(|min| bytes < min) || max.is_some_and(|max| bytes > max) {
                return Err("is outside `min` and `max`".to_owned());
            }
            return Ok(bytes.into());
        }
        FieldKind::Url => {
            value.as_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
        }
        // No builder makes one of a proxy.
        FieldKind::Path | FieldKind::Secret | FieldKind::ProxyUrl => value.is_string(),
        FieldKind::List(inner) => return admit_list(inner, value),
        FieldKind::Map(_) => false,
        FieldKind::Table(_) => value.is_object(),
    };
    if fits { Ok(value) } else { Err(format!("must be {}", expected(kind))) }
}

fn admit_list(inner: &FieldKind, value: Json) -> Result<Json, String> {
    match value {
        Json::Array(items) => {
            items.into_iter().map(|item| admit(inner, item)).collect::<Result<Vec<_>, _>>().map(Json::Array)
        }
        // An unmarked empty table says nothing else about itself.
        Json::Object(fields) if fields.is_empty() => Ok(Json::Array(Vec::new())),
        _ => Err("must be a list".to_owned()),
    }
}

fn expected(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Any => "plain data",
        FieldKind::Boolean => "true or false",
        FieldKind::Integer { .. } => "a whole number",
        FieldKind::Number { .. } => "a number",
        FieldKind::String { .. } => "text of at least `min_length` letters",
        FieldKind::Enum(_) => "one of the choices",
        FieldKind::Duration { .. } => "seconds or text such as `\"1m\"`",
        FieldKind::Size { .. } => "bytes or text such as `\"16MiB\"`",
        FieldKind::Url => "an http or https URL",
        FieldKind::Path | FieldKind::Secret | FieldKind::ProxyUrl => "text",
        FieldKind::List(_) => "a list",
        FieldKind::Map(_) | FieldKind::Table(_) => "a table with named keys",
    }
}

fn inside(number: f64, min: Option<f64>, max: Option<f64>) -> Result<(), String> {
    let outside = min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max);
    if outside { Err("is outside `min` and `max`".to_owned()) } else { Ok(()) }
}

/// A whole number that was written as a double, such as 1e3.
fn whole(value: &Json) -> Option<i64> {
    let number = value.as_f64()?;
    (number.fract() == 0.0 && number.abs() <= crate::data::MAX_EXACT as f64).then_some(number as i64)
}

fn string(_: &Lua, args: &Args, options: &Table) -> mlua::Result<FieldKind> {
    let min_length = match options.raw_get::<Value>("min_length")? {
        Value::Nil => None,
        Value::Integer(length @ 0..) => usize::try_from(length).ok(),
        other => return Err(args.wrong(1, "whole number for `min_length`", &other)),
    };
    let pattern = match options.raw_get::<Value>("pattern")? {
        Value::Nil => None,
        Value::String(pattern) => {
            let pattern = pattern.to_str()?.to_owned();
            if let Err(error) = crate::pattern::compile(&pattern) {
                return Err(args.refuse(1, &format!("`pattern`: {error}")));
            }
            Some(pattern)
        }
        other => return Err(args.wrong(1, "string for `pattern`", &other)),
    };
    Ok(FieldKind::String { min_length, pattern })
}

fn integer(_: &Lua, args: &Args, options: &Table) -> mlua::Result<FieldKind> {
    let bound = |name: &str| match options.raw_get::<Value>(name)? {
        Value::Nil => Ok(None),
        Value::Integer(number) => Ok(Some(number)),
        other => Err(args.wrong(1, &format!("whole number for `{name}`"), &other)),
    };
    Ok(FieldKind::Integer { min: bound("min")?, max: bound("max")? })
}

fn number(_: &Lua, args: &Args, options: &Table) -> mlua::Result<FieldKind> {
    let bound = |name: &str| match options.raw_get::<Value>(name)? {
        Value::Nil => Ok(None),
        Value::Integer(number) => Ok(Some(number as f64)),
        Value::Number(number) if number.is_finite() => Ok(Some(number)),
        other => Err(args.wrong(1, &format!("number for `{name}`"), &other)),
    };
    Ok(FieldKind::Number { min: bound("min")?, max: bound("max")? })
}

fn duration(_: &Lua, args: &Args, options: &Table) -> mlua::Result<FieldKind> {
    let bound = |name: &str| match options.raw_get::<Value>(name)? {
        Value::Nil => Ok(None),
        value => match duration_of(&value) {
            Some(span) => Ok(Some(span.as_secs_f64())),
            None => Err(args.wrong(1, &format!("seconds or text such as `\"1m\"` for `{name}`"), &value)),
        },
    };
    Ok(FieldKind::Duration { min: bound("min")?, max: bound("max")? })
}

fn size(_: &Lua, args: &Args, options: &Table) -> mlua::Result<FieldKind> {
    let bound = |name: &str| {
        let value: Value = options.raw_get(name)?;
        let bytes = match &value {
            Value::Nil => return Ok(None),
            Value::Integer(bytes) => u64::try_from(*bytes).ok(),
            Value::String(text) => parse_size(&text.to_string_lossy()),
            _ => None,
        };
        match bytes {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(args.wrong(1, &format!("bytes or text such as `\"16MiB\"` for `{name}`"), &value)),
        }
    };
    Ok(FieldKind::Size { min: bound("min")?, max: bound("max")? })
}

fn choice(_: &Lua, args: &Args, _: &Table) -> mlua::Result<FieldKind> {
    let values = args.table(1)?;
    let mut choices = Vec::new();
    for place in 1..=values.raw_len() {
        match values.raw_get::<Value>(place)? {
            Value::String(choice) => choices.push(choice.to_str()?.to_owned()),
            other => return Err(args.wrong(1, "choices that are strings", &other)),
        }
    }
    if choices.is_empty() {
        return Err(args.refuse(1, "an enum has choices: `ccproxy.schema.enum({ \"a\", \"b\" })`"));
    }
    Ok(FieldKind::Enum(choices))
}

fn inner(args: &Args, options: &Table) -> mlua::Result<FieldKind> {
    match schema::of(&options.raw_get("of")?) {
        Some(described) => Ok(described.kind().clone()),
        None => Err(args.refuse(1, "`of` describes the values: `{ of = ccproxy.schema.string() }`")),
    }
}

fn nested(lua: &Lua, args: &Args, options: &Table) -> mlua::Result<FieldKind> {
    let mut schema = match options.raw_get::<Value>("fields")? {
        Value::Table(fields) => schema::read(lua, &fields)?,
        other => return Err(args.wrong(1, "table for `fields`", &other)),
    };
    schema.open = match options.raw_get::<Value>("open")? {
        Value::Nil => false,
        Value::Boolean(open) => open,
        other => return Err(args.wrong(1, "boolean for `open`", &other)),
    };
    Ok(FieldKind::Table(schema))
}

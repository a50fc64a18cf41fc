//! `body`: a document that a script reads and edits by path. What it does not touch stays byte for byte.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ccproxy_core::document::{Document, EditError, Json, Kind, Path};
use ccproxy_core::middleware::BodyAccess;
use mlua::{Lua, MetaMethod, MultiValue, UserData, UserDataFields, UserDataMethods, Value};

use super::BodySlot;
use crate::args::Args;
use crate::data::{self, Style};

/// Paths a VM keeps parsed. A script has a few, written in its text; more than this are made up.
const PARSED: usize = 256;

/// The userdata. Holds no bytes: it looks the document up when it is used.
pub struct BodyHandle {
    slot: Arc<dyn BodySlot>,
}

/// The paths a VM used, parsed.
#[derive(Default)]
struct Parsed(HashMap<Box<str>, Arc<Path>>);

/// Most bytes of a value that a script may put into a body.
struct OutputLimit(usize);

type Method = fn(&Lua, &BodyHandle, &Args) -> mlua::Result<MultiValue>;

const READS: &[(&str, &str, Method)] = &[
    ("get", "body:get", get),
    ("len", "body:len", len),
    ("keys", "body:keys", keys),
    ("each", "body:each", each),
    ("kind", "body:kind", kind),
    ("raw", "body:raw", raw),
    ("text", "body:text", text),
    ("table", "body:table", table),
    ("size", "body:size", size),
];

const EDITS: &[(&str, &str, Method)] = &[
    ("set", "body:set", set),
    ("set_raw", "body:set_raw", set_raw),
    ("append", "body:append", append),
    ("delete", "body:delete", delete),
];

/// The methods by name.
#[cfg(test)]
pub(super) fn methods() -> impl Iterator<Item = &'static str> {
    READS.iter().chain(EDITS).map(|(name, ..)| *name)
}

impl BodyHandle {
    /// A handle on the document in `slot`.
    pub fn new(slot: Arc<dyn BodySlot>) -> Self {
        BodyHandle { slot }
    }

    /// Lends the document, to be read, to `look`.
    fn read<T>(&self, mut look: impl FnMut(&Document) -> T) -> mlua::Result<Option<T>> {
        let mut seen = None;
        self.slot.with(&mut |document| seen = Some(look(document)))?;
        Ok(seen)
    }

    /// The JSON text at a path, sharing the body's bytes.
    fn find(&self, path: &Path) -> mlua::Result<Option<Bytes>> {
        let found = self.read(|document| document.get(path).map(|json| part(document, &json)))?;
        Ok(found.flatten())
    }

    /// Lends the document, to be edited, to `change`. A refused edit raises: a script that goes on as if
    /// it had worked would send what it meant to change.
    fn edit<T>(&self, mut change: impl FnMut(&mut Document) -> Result<T, EditError>) -> mlua::Result<T> {
        let mut done = None;
        self.slot.edit(&mut |document| done = Some(change(document)))?;
        match done {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(mlua::Error::runtime(error.to_string())),
            None => Err(mlua::Error::runtime("the body is not there")),
        }
    }
}

impl UserData for BodyHandle {
    // The methods go into this table; what it does not have is a mistake, and `nil` would hide it.
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field_with(MetaMethod::Index, |lua| {
            let (methods, rest) = (lua.create_table()?, lua.create_table()?);
            rest.raw_set("__index", lua.create_function(no_field)?)?;
            methods.set_metatable(Some(rest))?;
            Ok(methods)
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        for (name, function, method) in READS {
            methods.add_method(*name, move |lua, this, values: MultiValue| {
                if this.slot.access() == BodyAccess::None {
                    return Err(mlua::Error::runtime(
                        "this handler may not see bodies; write `body = \"read\"` beside it in the manifest",
                    ));
                }
                method(lua, this, &Args::new(function, values))
            });
        }
        for (name, function, method) in EDITS {
            methods.add_method(*name, move |lua, this, values: MultiValue| {
                if this.slot.access() != BodyAccess::Write {
                    return Err(mlua::Error::runtime(
                        "this handler may not change bodies; write `body = \"write\"` beside it in the manifest",
                    ));
                }
                method(lua, this, &Args::new(function, values))
            });
        }
    }
}

/// `req.body.model` is what a newcomer writes.
fn no_field(_: &Lua, (_, field): (Value, String)) -> mlua::Result<Value> {
    let field = crate::fault::clip(field.escape_debug().to_string());
    Err(mlua::Error::RuntimeError(format!(
        "a body has no field `{field}`: read it with `body:get(\"{field}\")`, set it with `body:set`"
    )))
}

fn get(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let found = body.find(&*path(lua, args, 1)?)?;
    one(match found {
        Some(json) => data::from_trusted_json(lua, &json)?,
        None => args.any(2),
    })
}

fn len(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let path = path(lua, args, 1)?;
    let count = body.read(|document| document.len(&path))?.flatten();
    one(count.map_or(Value::Nil, |count| Value::Number(count as f64)))
}

fn keys(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let path = path_or_top(lua, args, 1)?;
    let keys = body.read(|document| {
        document.keys(&path).map(|keys| keys.into_iter().map(|key| key.into_owned()).collect::<Vec<_>>())
    })?;
    match keys.flatten() {
        Some(keys) => {
            let list = lua.create_sequence_from(keys)?;
            list.set_metatable(Some(data::array_mark(lua)))?;
            one(Value::Table(list))
        }
        None => one(Value::Nil),
    }
}

/// An iterator over index and item, or key and value, as they were when it was made. Over nothing when
/// there is no array or object.
fn each(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let path = path(lua, args, 1)?;
    let children = body.read(|document| {
        let children = document.each(&path)?;
        Some(children.map(|(key, json)| (key.map(|key| key.into_owned()), part(document, &json))).collect())
    })?;
    let children: Vec<(Option<String>, Bytes)> = children.flatten().unwrap_or_default();
    let mut next = 0;
    let iterator = lua.create_function_mut(move |lua, _: MultiValue| {
        let Some((key, json)) = children.get(next) else { return Ok((Value::Nil, Value::Nil)) };
        next += 1;
        let key = match key {
            Some(key) => Value::String(lua.create_string(key)?),
            None => Value::Number(next as f64),
        };
        Ok((key, data::from_trusted_json(lua, json)?))
    })?;
    one(Value::Function(iterator))
}

fn kind(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let path = path_or_top(lua, args, 1)?;
    let kind = body.read(|document| document.get(&path).map(|json| json.kind()))?.flatten();
    let name = kind.map(|kind| match kind {
        Kind::Null => "null",
        Kind::Boolean => "boolean",
        Kind::Number => "number",
        Kind::String => "string",
        Kind::Array => "array",
        Kind::Object => "object",
    });
    one(name.map_or(Ok(Value::Nil), |name| lua.create_string(name).map(Value::String))?)
}

fn raw(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let found = body.find(&*path_or_top(lua, args, 1)?)?;
    one(found.map_or(Ok(Value::Nil), |json| lua.create_string(json).map(Value::String))?)
}

fn text(lua: &Lua, body: &BodyHandle, _: &Args) -> mlua::Result<MultiValue> {
    let bytes = body.read(|document| document.bytes().clone())?.unwrap_or_default();
    one(Value::String(lua.create_string(bytes)?))
}

/// The whole as plain data; nil when it is not JSON.
fn table(lua: &Lua, body: &BodyHandle, _: &Args) -> mlua::Result<MultiValue> {
    let found = body.find(&Path::default())?;
    one(found.map_or(Ok(Value::Nil), |json| data::from_trusted_json(lua, &json))?)
}

fn size(_: &Lua, body: &BodyHandle, _: &Args) -> mlua::Result<MultiValue> {
    let size = body.read(|document| document.bytes().len())?.unwrap_or_default();
    one(Value::Number(size as f64))
}

fn set(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let (path, json) = (path(lua, args, 1)?, json(lua, args)?);
    body.edit(|document| document.set(&path, &json))?;
    Ok(MultiValue::new())
}

/// Sets JSON text as it is, for numbers and key orders that Lua cannot hold.
fn set_raw(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let (path, json) = (path(lua, args, 1)?, args.text(2)?);
    let limit = limit(lua);
    if json.as_bytes().len() > limit {
        return Err(args.refuse(2, &format!("longer than {limit} bytes")));
    }
    body.edit(|document| document.set(&path, &json.as_bytes()))?;
    Ok(MultiValue::new())
}

fn append(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let (path, json) = (path(lua, args, 1)?, json(lua, args)?);
    body.edit(|document| document.append(&path, &json))?;
    Ok(MultiValue::new())
}

fn delete(lua: &Lua, body: &BodyHandle, args: &Args) -> mlua::Result<MultiValue> {
    let path = path(lua, args, 1)?;
    let was_there = body.edit(|document| document.delete(&path))?;
    one(Value::Boolean(was_there))
}

/// The JSON of argument 2.
fn json(lua: &Lua, args: &Args) -> mlua::Result<Vec<u8>> {
    let value = args.any(2);
    if value.is_nil() {
        return Err(args.refuse(2, "expected a value, got nil; use `body:delete`, or `ccproxy.null`"));
    }
    data::to_json(lua, &value, limit(lua), Style::Compact)
        .map_err(|refused| args.refuse(2, &refused.to_string()))
}

fn limit(lua: &Lua) -> usize {
    lua.app_data_ref::<OutputLimit>().map_or(8 << 20, |limit| limit.0)
}

/// The path in an argument, parsed once a VM.
fn path(lua: &Lua, args: &Args, place: usize) -> mlua::Result<Arc<Path>> {
    let text = args.text(place)?;
    let text = text.to_str().map_err(|_| args.refuse(place, "a path is UTF-8"))?;
    if let Some(parsed) = lua.app_data_ref::<Parsed>()
        && let Some(path) = parsed.0.get(&*text)
    {
        return Ok(path.clone());
    }
    let path = Arc::new(Path::parse(&text).map_err(|error| args.refuse(place, &error.to_string()))?);
    if lua.app_data_ref::<Parsed>().is_none() {
        lua.set_app_data(Parsed::default());
    }
    if let Some(mut parsed) = lua.app_data_mut::<Parsed>() {
        if parsed.0.len() >= PARSED {
            parsed.0.clear();
        }
        // A path as long as a prompt is not worth keeping.
        if text.len() <= 512 {
            parsed.0.insert((*text).into(), path.clone());
        }
    }
    Ok(path)
}

fn path_or_top(lua: &Lua, args: &Args, place: usize) -> mlua::Result<Arc<Path>> {
    if args.any(place).is_nil() { Ok(Arc::default()) } else { path(lua, args, place) }
}

fn part(document: &Document, json: &Json<'_>) -> Bytes {
    document.bytes().slice(json.range())
}

fn one(value: Value) -> mlua::Result<MultiValue> {
    Ok(MultiValue::from_iter([value]))
}

/// Keeps the limit where the handles find it.
pub(crate) fn bound(lua: &Lua, output: usize) {
    lua.set_app_data(OutputLimit(output));
}

#[cfg(test)]
mod tests;

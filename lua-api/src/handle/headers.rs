//! `headers` of a request or an answer: read by name in any case, set by assignment, removed by nil.

use http::header::Entry;
use http::{HeaderMap, HeaderName};
use mlua::{BString, Lua, MetaMethod, MultiValue, UserData, UserDataMethods, Value};

use super::place::Place;
use super::policy;

/// The userdata.
pub(crate) struct HeadersHandle(pub(crate) Place);

impl UserData for HeadersHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |_, this, name: Value| match &name {
            Value::String(name) => match name.to_str() {
                Ok(name) => this.get(&name),
                Err(_) => Ok(None),
            },
            _ => Ok(None),
        });
        methods.add_meta_method(MetaMethod::NewIndex, |_, this, (name, value): (String, Value)| {
            this.set(&name, &value)
        });
        methods.add_method("all", |_, this, name: String| {
            if policy::is_hidden(&name) {
                return Ok(Vec::new());
            }
            Ok(this.0.headers(|headers| {
                headers.get_all(&name).iter().map(|v| BString::from(v.as_bytes())).collect()
            })?)
        });
        methods.add_method("add", |_, this, (name, value): (String, Value)| this.add(&name, &value));
        methods.add_method("pairs", |lua, this, ()| this.iterate(lua));
        methods.add_meta_method("__iter", |lua, this, ()| this.iterate(lua));
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| {
            Ok(this
                .0
                .headers(|headers| headers.keys().filter(|name| !policy::is_hidden(name.as_str())).count())?)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, _, ()| Ok("headers"));
    }
}

impl HeadersHandle {
    #[inline]
    fn get(&self, name: &str) -> mlua::Result<Option<BString>> {
        if policy::is_hidden(name) {
            return Ok(None);
        }
        Ok(self.0.headers(|headers| headers.get(name).map(|value| BString::from(value.as_bytes())))?)
    }

    fn set(&self, name: &str, value: &Value) -> mlua::Result<()> {
        let key = policy::settable(name).map_err(mlua::Error::RuntimeError)?;
        if value.is_nil() {
            self.0.edit_headers(|headers| headers.remove(key))?;
            return Ok(());
        }
        let value = with_bytes(name, value, |bytes| policy::value(name, bytes))?;
        let full = self.0.edit_headers(|headers| {
            let full = headers.len() >= policy::MAX_FIELDS && !headers.contains_key(&key);
            if !full {
                headers.insert(key, value);
            }
            full
        })?;
        refuse_full(full)
    }

    fn add(&self, name: &str, value: &Value) -> mlua::Result<()> {
        let key = policy::settable(name).map_err(mlua::Error::RuntimeError)?;
        let value = with_bytes(name, value, |bytes| policy::value(name, bytes))?;
        let full = self.0.edit_headers(|headers| {
            let full = headers.len() >= policy::MAX_FIELDS;
            if !full {
                append(headers, key, value);
            }
            full
        })?;
        refuse_full(full)
    }

    /// Name, value pairs as they stand now: the loop may change the headers.
    fn iterate(&self, lua: &Lua) -> mlua::Result<mlua::Function> {
        let mut fields: std::collections::VecDeque<(BString, BString)> = self.0.headers(|headers| {
            let shown = headers.iter().filter(|(name, _)| !policy::is_hidden(name.as_str()));
            shown.map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
        })?;
        lua.create_function_mut(move |lua, _: MultiValue| match fields.pop_front() {
            Some((name, value)) => {
                Ok((Value::String(lua.create_string(&name)?), Value::String(lua.create_string(&value)?)))
            }
            None => Ok((Value::Nil, Value::Nil)),
        })
    }
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: http::HeaderValue) {
    match headers.entry(name) {
        Entry::Occupied(mut entry) => entry.append(value),
        Entry::Vacant(entry) => {
            entry.insert(value);
        }
    }
}

fn refuse_full(full: bool) -> mlua::Result<()> {
    match full {
        true => {
            Err(mlua::Error::RuntimeError(format!("a message has at most {} headers", policy::MAX_FIELDS)))
        }
        false => Ok(()),
    }
}

/// The bytes of a header value: text, or a number.
pub(crate) fn with_bytes<R>(
    name: &str,
    value: &Value,
    take: impl FnOnce(&[u8]) -> Result<R, String>,
) -> mlua::Result<R> {
    let taken = match value {
        Value::String(text) => take(&text.as_bytes()),
        Value::Integer(number) => take(number.to_string().as_bytes()),
        Value::Number(number) => take(number.to_string().as_bytes()),
        other => Err(format!("the value of header `{name}` is a {}, not a string", other.type_name())),
    };
    taken.map_err(mlua::Error::RuntimeError)
}

//! `headers` of a request or an answer: read by name in any case, set by assignment, removed by nil.

use http::header::Entry;
use http::{HeaderMap, HeaderName};
use mlua::{
    BString, Function, Lua, LuaString, MetaMethod, MultiValue, UserData, UserDataMethods, UserDataRef, Value,
    Variadic,
};

use super::place::Place;
use super::policy;
use crate::args::Args;

/// The userdata.
pub(crate) struct HeadersHandle(pub(crate) Place);

impl UserData for HeadersHandle {
    // One function looks everything up: methods that mlua registers would put Lua of its own before it,
    // which costs more than the look-up.
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        // Text goes in and out without a reference of its own in the VM.
        methods.add_meta_method(MetaMethod::Index, |lua, this, name: String| match this.get(lua, &name)? {
            Some(text) => Ok(Value::String(text)),
            None if METHODS.contains(&name.as_str()) => Ok(Methods::find(lua, &name)),
            None => Ok(Value::Nil),
        });
        methods.add_meta_method(MetaMethod::NewIndex, |_, this, (name, value): (String, Value)| {
            this.set(&name, &value)
        });
        methods.add_meta_method("__iter", |lua, this, ()| this.iterate(lua));
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| {
            let shown = |headers: &HeaderMap| {
                headers
                    .keys()
                    .filter(|&name| {
                        !policy::is_hidden(name.as_str())
                            && headers.get(name).is_some_and(|value| !value.is_sensitive())
                    })
                    .count()
            };
            Ok(this.0.headers(shown)?)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, _, ()| Ok("headers"));
    }
}

/// The methods by name.
pub(super) const METHODS: &[&str] = &["all", "add", "pairs"];

/// The methods of headers, made once a VM. A header of the same name hides its method.
struct Methods {
    all: Function,
    add: Function,
    pairs: Function,
}

/// The headers of a method call, and its arguments.
type Call = (UserDataRef<HeadersHandle>, Variadic<Value>);

/// Makes the methods of a VM's headers.
pub(crate) fn prepare(lua: &Lua) -> mlua::Result<()> {
    let all = lua.create_function(|_, (this, values): Call| {
        this.all(&Args::new("headers:all", values.into_iter().collect()).utf8(1)?)
    })?;
    let add = lua.create_function(|_, (this, values): Call| {
        let args = Args::new("headers:add", values.into_iter().collect());
        this.add(&args.utf8(1)?, &args.any(2))
    })?;
    let pairs = lua.create_function(|lua, (this, _): Call| this.iterate(lua))?;
    lua.set_app_data(Methods { all, add, pairs });
    Ok(())
}

impl Methods {
    fn find(lua: &Lua, name: &str) -> Value {
        let Some(methods) = lua.app_data_ref::<Methods>() else { return Value::Nil };
        Value::Function(match name {
            "all" => methods.all.clone(),
            "add" => methods.add.clone(),
            _ => methods.pairs.clone(),
        })
    }
}

impl HeadersHandle {
    #[inline]
    fn get(&self, lua: &Lua, name: &str) -> mlua::Result<Option<LuaString>> {
        if policy::is_hidden(name) {
            return Ok(None);
        }
        let texts = &self.0.view().texts;
        let text = |headers: &HeaderMap| {
            // What the settings put there may be a gateway's key.
            let shown = headers.get(name).filter(|value| !value.is_sensitive());
            shown.map(|value| texts.of(lua, value.as_bytes()))
        };
        self.0.headers(text)?.transpose()
    }

    fn all(&self, name: &str) -> mlua::Result<Vec<BString>> {
        if policy::is_hidden(name) {
            return Ok(Vec::new());
        }
        let texts = |headers: &HeaderMap| {
            let shown = headers.get_all(name).iter().filter(|value| !value.is_sensitive());
            shown.map(|value| BString::from(value.as_bytes())).collect()
        };
        Ok(self.0.headers(texts)?)
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
            let shown = headers
                .iter()
                .filter(|(name, value)| !policy::is_hidden(name.as_str()) && !value.is_sensitive());
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

//! `req`: what the client asked, as the plugins left it.

use std::sync::Arc;

use ccproxy_core::document::Path;
use ccproxy_core::exchange::Moment;
use ccproxy_core::redact;
use http::Uri;
use http::uri::PathAndQuery;
use mlua::{AnyUserData, IntoLua, Lua, MetaMethod, UserData, UserDataMethods, Value};

use super::body::BodyHandle;
use super::headers::HeadersHandle;
use super::place::Place;
use super::view::View;

/// The userdata.
pub(crate) struct RequestHandle(pub(crate) Arc<View>);

/// The request handle of a view, made once.
pub(crate) fn of(lua: &Lua, view: &Arc<View>) -> mlua::Result<AnyUserData> {
    let mut refs = view.refs.lock();
    if let Some(request) = &refs.request {
        return Ok(request.clone());
    }
    let request = lua.create_userdata(RequestHandle(view.clone()))?;
    refs.request = Some(request.clone());
    Ok(request)
}

/// Makes the handle of the headers before the script runs, when it costs half: see `Vm::limit_memory`.
/// A `request` that looks at no header is rare.
pub(crate) fn expect_headers(lua: &Lua, view: &Arc<View>) -> mlua::Result<()> {
    headers(lua, view).map(drop)
}

impl UserData for RequestHandle {
    // One function for all fields: see `HeadersHandle`.
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, field: String| get(lua, &this.0, &field));
        methods.add_meta_method(MetaMethod::NewIndex, |_, this, (field, value): (String, Value)| {
            set(&this.0, &field, &value)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            let exchange = this.0.exchange()?;
            let request = exchange.request.lock();
            Ok(format!("request {} {}", request.method, request.uri.path()))
        });
    }
}

pub(super) const FIELDS: &[&str] = &[
    "headers",
    "body",
    "state",
    "method",
    "path",
    "query",
    "query_string",
    "provider",
    "candidates",
    "credential",
    "credentials",
    "model",
    "format",
    "stream",
    "id",
    "client",
    "peer",
    "params",
    "elapsed",
];

fn get(lua: &Lua, view: &Arc<View>, field: &str) -> mlua::Result<Value> {
    match field {
        "headers" => return headers(lua, view),
        "body" => return body(lua, view),
        "state" => return state(lua, view),
        "query" => return query(lua, view),
        "candidates" => return candidates(lua, view),
        "credential" => return super::credential::get(lua, view),
        "credentials" => return super::credential::list(lua, view),
        "client" | "peer" | "params" => return about(lua, view, field),
        _ => {}
    }
    let exchange = view.exchange()?;
    let request = exchange.request.lock();
    match field {
        "method" => request.method.as_str().into_lua(lua),
        "path" => request.uri.path().into_lua(lua),
        "query_string" if exchange.is_private() => request.uri.query().map(redact::query).into_lua(lua),
        "query_string" => request.uri.query().into_lua(lua),
        "provider" => request.provider.as_deref().into_lua(lua),
        "model" => request.model.as_deref().into_lua(lua),
        "format" => request.format.as_ref().map(|format| format.name()).into_lua(lua),
        "stream" => Ok(Value::Boolean(request.stream)),
        "id" => exchange.id.to_string().into_lua(lua),
        "elapsed" => Ok(Value::Number(exchange.elapsed().as_secs_f64())),
        _ => Err(super::no_field("req", field, FIELDS)),
    }
}

fn set(view: &Arc<View>, field: &str, value: &Value) -> mlua::Result<()> {
    let text = || match value.as_string().and_then(|text| text.to_str().ok()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(mlua::Error::RuntimeError(format!(
            "`req.{field}` takes a string, not a {}",
            value.type_name()
        ))),
    };
    match field {
        "path" => set_path(view, &text()?),
        "model" => set_model(view, text()?),
        "credential" => super::credential::set(view, value),
        "provider" => {
            let provider = Arc::from(text()?);
            view.exchange_until(Moment::Request, "the provider")?.request.lock().provider = Some(provider);
            Ok(())
        }
        known if FIELDS.contains(&known) => {
            Err(mlua::Error::RuntimeError(format!("`req.{field}` cannot be assigned to")))
        }
        _ => Err(super::no_field("req", field, FIELDS)),
    }
}

fn headers(lua: &Lua, view: &Arc<View>) -> mlua::Result<Value> {
    let mut refs = view.refs.lock();
    if let Some(headers) = &refs.request_headers {
        return Ok(Value::UserData(headers.clone()));
    }
    let headers = lua.create_userdata(HeadersHandle(Place::Request(view.clone())))?;
    refs.request_headers = Some(headers.clone());
    Ok(Value::UserData(headers))
}

fn body(lua: &Lua, view: &Arc<View>) -> mlua::Result<Value> {
    let mut refs = view.refs.lock();
    if let Some(body) = &refs.request_body {
        return Ok(Value::UserData(body.clone()));
    }
    let slot: Arc<dyn super::BodySlot> = Arc::new(Place::Request(view.clone()));
    let body = lua.create_userdata(BodyHandle::new(slot))?;
    refs.request_body = Some(body.clone());
    Ok(Value::UserData(body))
}

fn state(lua: &Lua, view: &Arc<View>) -> mlua::Result<Value> {
    view.exchange()?;
    let mut refs = view.refs.lock();
    if let Some(state) = &refs.state {
        return Ok(Value::Table(state.clone()));
    }
    let state = lua.create_table()?;
    refs.state = Some(state.clone());
    Ok(Value::Table(state))
}

/// The parameters of the query, each with its first value.
fn query(lua: &Lua, view: &Arc<View>) -> mlua::Result<Value> {
    let exchange = view.exchange()?;
    let query = exchange.request.lock().uri.query().unwrap_or_default().to_owned();
    let query = if exchange.is_private() { redact::query(&query) } else { query };
    let table = lua.create_table()?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()).take(256) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = lua.create_string(decoded(name))?;
        if !table.contains_key(&name)? {
            table.raw_set(name, lua.create_string(decoded(value))?)?;
        }
    }
    table.set_readonly(true);
    Ok(Value::Table(table))
}

/// Whom the front door would ask, in order; nothing on the routes of one provider.
fn candidates(lua: &Lua, view: &Arc<View>) -> mlua::Result<Value> {
    let chosen = view.exchange()?.chosen.lock().clone();
    let Some(chosen) = chosen else { return Ok(Value::Nil) };
    let names = chosen.choice.candidates.iter().map(ToString::to_string);
    let table = lua.create_sequence_from(names)?;
    table.set_readonly(true);
    Ok(Value::Table(table))
}

/// Who asks, from where, and what the route's `{parameters}` were.
fn about(lua: &Lua, view: &Arc<View>, field: &str) -> mlua::Result<Value> {
    let exchange = view.exchange()?;
    let table = lua.create_table()?;
    match field {
        "client" => table.raw_set("id", &*exchange.client.id)?,
        "peer" => {
            table.raw_set("ip", exchange.peer.address.ip().to_string())?;
            table.raw_set("port", exchange.peer.address.port())?;
            table.raw_set("tls", exchange.peer.tls)?;
            table.raw_set("http2", exchange.peer.http2)?;
        }
        _ => {
            for (name, value) in exchange.request.lock().params.clone() {
                table.raw_set(&*name, value)?;
            }
        }
    }
    table.set_readonly(true);
    Ok(Value::Table(table))
}

fn set_path(view: &Arc<View>, path: &str) -> mlua::Result<()> {
    let exchange = view.exchange_until(Moment::Request, "the path")?;
    let mut request = exchange.request.lock();
    let target = match request.uri.query() {
        Some(query) => format!("{}?{query}", checked_path(path)?),
        None => checked_path(path)?.to_owned(),
    };
    request.uri = target.parse::<PathAndQuery>().map(Uri::from).map_err(|_| no_path(path))?;
    Ok(())
}

/// The model, in the body and beside it.
fn set_model(view: &Arc<View>, model: String) -> mlua::Result<()> {
    let exchange = view.exchange_until(Moment::Request, "the model")?;
    let mut request = exchange.request.lock();
    let json = serde_json::Value::from(model.as_str()).to_string();
    let path = Path::parse("model").map_err(|error| mlua::Error::runtime(error.to_string()))?;
    request.body.set(&path, json.as_bytes()).map_err(|error| {
        mlua::Error::RuntimeError(format!("cannot write the model into the body: {error}"))
    })?;
    request.model = Some(model.into_boxed_str());
    Ok(())
}

/// A path that stays one: absolute, no dots, no second authority, nothing to be escaped.
pub(super) fn checked_path(path: &str) -> mlua::Result<&str> {
    let plain = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 4 << 10
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\@".contains(&byte))
        && path.split('/').all(|part| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part != "." && part != ".."
        });
    if plain { Ok(path) } else { Err(no_path(path)) }
}

fn no_path(path: &str) -> mlua::Error {
    let shown = crate::fault::clip(path.escape_debug().to_string());
    mlua::Error::RuntimeError(format!("`{shown}` is no path such as `/v1/messages`"))
}

/// Percent-decoding of one part of a query (`+` is a space).
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], escape.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_and_queries_decode() {
        assert!(checked_path("/v1/messages").is_ok());
        let bad = ["", "v1", "//evil", "/a/../b", "/a/%2E%2e/b", "/a?b", "/a b", "/a@b", "/a\\b", "/a\r\nb"];
        for path in bad {
            assert!(checked_path(path).is_err(), "{path:?}");
        }
        assert_eq!(decoded("a%20b+c%zz%"), b"a b c%zz%");
    }
}

//! `req`: what the client asked, as the plugins left it.

use std::sync::Arc;

use ccproxy_core::document::Path;
use ccproxy_core::exchange::Moment;
use http::Uri;
use http::uri::PathAndQuery;
use mlua::{AnyUserData, Lua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

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

impl UserData for RequestHandle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("headers", |lua, this| {
            let mut refs = this.0.refs.lock();
            if let Some(headers) = &refs.request_headers {
                return Ok(headers.clone());
            }
            let headers = lua.create_userdata(HeadersHandle(Place::Request(this.0.clone())))?;
            refs.request_headers = Some(headers.clone());
            Ok(headers)
        });
        fields.add_field_method_get("body", |lua, this| {
            let mut refs = this.0.refs.lock();
            if let Some(body) = &refs.request_body {
                return Ok(body.clone());
            }
            let slot: Arc<dyn super::BodySlot> = Arc::new(Place::Request(this.0.clone()));
            let body = lua.create_userdata(BodyHandle::new(slot))?;
            refs.request_body = Some(body.clone());
            Ok(body)
        });
        fields.add_field_method_get("state", |lua, this| {
            this.0.exchange()?;
            let mut refs = this.0.refs.lock();
            if let Some(state) = &refs.state {
                return Ok(state.clone());
            }
            let state = lua.create_table()?;
            refs.state = Some(state.clone());
            Ok(state)
        });
        line_fields(fields);
        target_fields(fields);
        about_fields(fields);
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            let exchange = this.0.exchange()?;
            let request = exchange.request.lock();
            Ok(format!("request {} {}", request.method, request.uri.path()))
        });
    }
}

/// Method, path and query.
fn line_fields<F: UserDataFields<RequestHandle>>(fields: &mut F) {
    fields.add_field_method_get("method", |_, this| Ok(this.0.exchange()?.request.lock().method.to_string()));
    fields
        .add_field_method_get("path", |_, this| Ok(this.0.exchange()?.request.lock().uri.path().to_owned()));
    fields.add_field_method_set("path", |_, this, path: String| {
        let exchange = this.0.exchange_until(Moment::Request, "the path")?;
        let mut request = exchange.request.lock();
        let target = match request.uri.query() {
            Some(query) => format!("{}?{query}", checked_path(&path)?),
            None => checked_path(&path)?.to_owned(),
        };
        request.uri = target.parse::<PathAndQuery>().map(Uri::from).map_err(|_| no_path(&path))?;
        Ok(())
    });
    fields.add_field_method_get("query_string", |_, this| {
        Ok(this.0.exchange()?.request.lock().uri.query().map(str::to_owned))
    });
    fields.add_field_method_get("query", |lua, this| {
        let exchange = this.0.exchange()?;
        let query = exchange.request.lock().uri.query().unwrap_or_default().to_owned();
        let table = lua.create_table()?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()).take(256) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = lua.create_string(decoded(name))?;
            if !table.contains_key(&name)? {
                table.raw_set(name, lua.create_string(decoded(value))?)?;
            }
        }
        table.set_readonly(true);
        Ok(table)
    });
}

/// Provider, model, format, stream.
fn target_fields<F: UserDataFields<RequestHandle>>(fields: &mut F) {
    fields.add_field_method_get("provider", |_, this| {
        Ok(this.0.exchange()?.request.lock().provider.as_deref().map(str::to_owned))
    });
    fields.add_field_method_set("provider", |_, this, provider: String| {
        let exchange = this.0.exchange_until(Moment::Request, "the provider")?;
        exchange.request.lock().provider = Some(Arc::from(provider));
        Ok(())
    });
    fields.add_field_method_get("model", |_, this| {
        Ok(this.0.exchange()?.request.lock().model.as_deref().map(str::to_owned))
    });
    fields.add_field_method_set("model", |_, this, model: String| {
        let exchange = this.0.exchange_until(Moment::Request, "the model")?;
        let mut request = exchange.request.lock();
        let json = serde_json::Value::from(model.as_str()).to_string();
        let path = Path::parse("model").map_err(|error| mlua::Error::runtime(error.to_string()))?;
        request.body.set(&path, json.as_bytes()).map_err(|error| {
            mlua::Error::RuntimeError(format!("cannot write the model into the body: {error}"))
        })?;
        request.model = Some(model.into_boxed_str());
        Ok(())
    });
    fields.add_field_method_get("format", |_, this| {
        Ok(this.0.exchange()?.request.lock().format.as_ref().map(|format| format.name()))
    });
    fields.add_field_method_get("stream", |_, this| Ok(this.0.exchange()?.request.lock().stream));
}

/// Id, client, peer, parameters of the route.
fn about_fields<F: UserDataFields<RequestHandle>>(fields: &mut F) {
    fields.add_field_method_get("id", |_, this| Ok(this.0.exchange()?.id.to_string()));
    fields.add_field_method_get("client", |lua, this| {
        let id = this.0.exchange()?.client.id.clone();
        let table = lua.create_table()?;
        table.raw_set("id", &*id)?;
        table.set_readonly(true);
        Ok(table)
    });
    fields.add_field_method_get("peer", |lua, this| {
        let peer = this.0.exchange()?.peer;
        let table = lua.create_table()?;
        table.raw_set("ip", peer.address.ip().to_string())?;
        table.raw_set("port", peer.address.port())?;
        table.raw_set("tls", peer.tls)?;
        table.raw_set("http2", peer.http2)?;
        table.set_readonly(true);
        Ok(table)
    });
    fields.add_field_method_get("params", |lua, this| {
        let params = this.0.exchange()?.request.lock().params.clone();
        let table = lua.create_table()?;
        for (name, value) in params {
            table.raw_set(&*name, value)?;
        }
        table.set_readonly(true);
        Ok(Value::Table(table))
    });
    fields.add_field_method_get("elapsed", |_, this| Ok(this.0.exchange()?.elapsed().as_secs_f64()));
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

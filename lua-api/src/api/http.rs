//! `ccproxy.http`: requests to hosts that the manifest names (`http:api.example.com`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mlua::{Function, Lua, MultiValue, Table, Value};

use super::error::ErrorObject;
use crate::args::{Args, Options};
use crate::data::{self, Style};
use crate::fetch::{Allowed, Failed, Fetched, Fetcher, Request};
use crate::host::Host;

/// Time for a request, unless the script says otherwise; never more than the handler has.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for a request. The handler that waits for it has limits of its own: `wall` of `[lua]`, and its `patience`.
const LONGEST: Duration = Duration::from_secs(600);
/// Bytes of an answer, unless the script says otherwise; never more than a value may have.
const MAX_BYTES: usize = 1 << 20;
/// Most header fields of a request.
const MOST_HEADERS: usize = 64;
/// Fields that belong to the connection and its framing.
const OURS: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Builds the namespace.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let fetcher = Arc::new(Fetcher::new(Allowed::new(host.capabilities.arguments("http"))));
    let table = lua.create_table()?;
    table.set(
        "request",
        function(lua, host, &fetcher, "http.request", |args| {
            let options =
                args.options(1, &["method", "url", "headers", "body", "json", "timeout", "max_bytes"])?;
            let url =
                options.text("url")?.ok_or_else(|| options.refuse("url", "expected string, got nil"))?;
            let method = match options.text("method")? {
                Some(method) => Method::from_bytes(&method.as_bytes())
                    .ok()
                    .filter(|method| *method != Method::CONNECT)
                    .ok_or_else(|| options.refuse("method", "not a method"))?,
                None => Method::GET,
            };
            Ok((method, url.to_str()?.to_owned(), options))
        })?,
    )?;
    table.set(
        "get",
        function(lua, host, &fetcher, "http.get", |args| {
            Ok((Method::GET, args.utf8(1)?, args.options(2, &["headers", "timeout", "max_bytes"])?))
        })?,
    )?;
    table.set(
        "post",
        function(lua, host, &fetcher, "http.post", |args| {
            let options = args.options(2, &["headers", "body", "json", "timeout", "max_bytes"])?;
            Ok((Method::POST, args.utf8(1)?, options))
        })?,
    )?;
    Ok(table)
}

/// What the three functions differ in: method, URL, and where the options are.
type Asked<'a> = (Method, String, Options<'a>);

fn function(
    lua: &Lua,
    host: &Arc<Host>,
    fetcher: &Arc<Fetcher>,
    name: &'static str,
    asked: for<'a> fn(&'a Args) -> mlua::Result<Asked<'a>>,
) -> mlua::Result<Function> {
    let (host, fetcher) = (host.clone(), fetcher.clone());
    lua.create_async_function(move |lua, values: MultiValue| {
        let (host, fetcher) = (host.clone(), fetcher.clone());
        async move {
            let upstream = super::context(&host, name)?.upstream.clone();
            super::capability(&host, name, "http")?;
            let request = {
                let args = Args::new(name, values);
                let (method, url, options) = asked(&args)?;
                read(&lua, &host, method, url, &options)?
            };
            match fetcher.fetch(&upstream, request).await {
                Ok(fetched) => Ok((Value::Table(answer(&lua, &fetched)?), Value::Nil)),
                Err(failed) => error(&failed).pair(&lua),
            }
        }
    })
}

fn read(lua: &Lua, host: &Host, method: Method, url: String, options: &Options<'_>) -> mlua::Result<Request> {
    let limit = host.limits.output;
    let mut headers = match options.table("headers")? {
        Some(table) => read_headers(&table, options)?,
        None => HeaderMap::new(),
    };
    let json = options.any("json")?;
    let body = match options.text("body")? {
        Some(_) if !json.is_nil() => {
            return Err(options.refuse("json", "a request has `body` or `json`, not both"));
        }
        Some(body) if body.as_bytes().len() > limit => {
            return Err(options.refuse("body", &format!("longer than {limit} bytes")));
        }
        Some(body) => Bytes::copy_from_slice(&body.as_bytes()),
        None if json.is_nil() => Bytes::new(),
        None => {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            let text = data::to_json(lua, &json, limit, Style::Compact);
            text.map_err(|refused| options.refuse("json", &refused.to_string()))?.into()
        }
    };
    let timeout = options.duration("timeout")?.unwrap_or(TIMEOUT).min(LONGEST);
    let max_bytes = options.size("max_bytes")?.unwrap_or(MAX_BYTES).min(limit);
    Ok(Request { method, url, headers, body, timeout, max_bytes })
}

fn read_headers(table: &Table, options: &Options<'_>) -> mlua::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    table.for_each(|name: Value, value: Value| {
        let (Value::String(name), Value::String(_) | Value::Integer(_) | Value::Number(_)) = (&name, &value)
        else {
            return Err(options.refuse("headers", "names are text, values text or numbers"));
        };
        let shown = name.to_string_lossy();
        let name = HeaderName::from_bytes(&name.as_bytes())
            .ok()
            .filter(|name| !OURS.contains(name) && headers.len() < MOST_HEADERS)
            .ok_or_else(|| options.refuse("headers", &format!("`{shown}` cannot be set")))?;
        let value = match &value {
            Value::String(text) => HeaderValue::from_bytes(&text.as_bytes()).ok(),
            number => number.to_string().ok().and_then(|text| HeaderValue::try_from(text).ok()),
        };
        let value = value.filter(|value| value.len() <= 16 << 10);
        headers.insert(
            name,
            value.ok_or_else(|| {
                options.refuse("headers", &format!("the value of `{shown}` cannot be sent"))
            })?,
        );
        Ok(())
    })?;
    Ok(headers)
}

/// `{ status, headers, body, json() }`; header names in lower case, repeated fields joined by commas.
fn answer(lua: &Lua, fetched: &Fetched) -> mlua::Result<Table> {
    let headers = lua.create_table()?;
    for name in fetched.headers.keys() {
        let values: Vec<&[u8]> = fetched.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        headers.raw_set(name.as_str(), lua.create_string(values.join(b", ".as_slice()))?)?;
    }
    let answer = lua.create_table()?;
    answer.raw_set("status", fetched.status.as_u16())?;
    answer.raw_set("headers", headers)?;
    answer.raw_set("body", lua.create_string(&fetched.body)?)?;
    let body = fetched.body.clone();
    let json = lua.create_function(move |lua, _: MultiValue| match data::from_json(lua, &body) {
        Ok(value) => Ok((value, Value::Nil)),
        Err(mlua::Error::RuntimeError(reason)) => ErrorObject::new(502, "json", reason).pair(lua),
        Err(other) => Err(other),
    })?;
    answer.raw_set("json", json)?;
    Ok(answer)
}

fn error(failed: &Failed) -> ErrorObject {
    let (status, kind) = match failed {
        Failed::Denied(_) => (403, "denied"),
        Failed::Timeout(_) => (504, "timeout"),
        Failed::TooLarge(_) => (502, "too_large"),
        Failed::Broken(_) => (502, "connection"),
    };
    ErrorObject::new(status, kind, failed.to_string())
}

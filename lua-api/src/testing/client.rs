//! Clients of the proxy: each request goes the whole way of an exchange, without a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccproxy_core::exchange::Peer;
use ccproxy_core::plugin::RouteTarget;
use ccproxy_core::server::{Handler, RequestBody};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::BodyExt;
use mlua::{Lua, MultiValue, Table, Value};
use parking_lot::Mutex;
use serde_json::{Map, Value as Json, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::house::House;
use super::reply;
use super::sight::Answered;
use crate::args::Args;
use crate::data::{self, Style};

/// Largest body of a request.
const LARGEST: usize = 16 << 20;

/// A client's format: how it is called, and what it is asked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Messages,
    Chat,
    Responses,
}

impl Format {
    pub(super) const ALL: [(Format, &'static str); 3] = [
        (Format::Messages, "anthropic_messages"),
        (Format::Chat, "openai_chat"),
        (Format::Responses, "openai_responses"),
    ];

    fn operation(self) -> &'static str {
        match self {
            Format::Messages => "messages",
            Format::Chat => "chat_completions",
            Format::Responses => "responses",
        }
    }

    fn front_door(self) -> &'static str {
        match self {
            Format::Messages => "/v1/messages",
            Format::Chat => "/v1/chat/completions",
            Format::Responses => "/v1/responses",
        }
    }

    fn name(self) -> &'static str {
        Format::ALL.iter().find(|(format, _)| *format == self).map_or("", |(_, name)| name)
    }
}

/// One request.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Reads what a test asks a model: fields of the body, and beside them `prompt`, `headers`, `path`, `provider`, `body`.
pub(super) fn question(
    lua: &Lua,
    house: &House,
    function: &'static str,
    format: Format,
    value: Value,
) -> mlua::Result<Asked> {
    let args = Args::new(function, MultiValue::from_iter([value]));
    let given = match args.any(1) {
        Value::Nil => lua.create_table()?,
        _ => args.table(1)?,
    };
    let (mut fields, mut path, mut headers) = (Map::new(), None, HeaderMap::new());
    let (mut provider, mut raw, mut prompt) = (None, None, None);
    for pair in given.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(key) = key else {
            return Err(args.refuse(1, "the fields of a request have names"));
        };
        let key = key.to_string_lossy();
        match (key.as_str(), &value) {
            ("headers", Value::Table(table)) => {
                headers =
                    reply::headers(table).map_err(|why| args.refuse(1, &format!("`headers`: {why}")))?;
            }
            ("path", Value::String(text)) => path = Some(text.to_string_lossy()),
            ("provider", Value::String(text)) => provider = Some(text.to_string_lossy()),
            ("prompt", Value::String(text)) => prompt = Some(text.to_string_lossy()),
            ("body", Value::String(text)) => raw = Some(Bytes::copy_from_slice(&text.as_bytes())),
            (key, value) => {
                let value = data::to_value(lua, value, LARGEST);
                let value = value.map_err(|why| args.refuse(1, &format!("`{key}`: {why}")))?;
                fields.insert(key.to_owned(), value);
            }
        }
    }
    let path = match (path, provider) {
        (Some(path), _) => path,
        (None, Some(provider)) => way_to(house, &provider, format).map_err(|why| args.refuse(1, &why))?,
        (None, None) => format.front_door().to_owned(),
    };
    let body = raw.unwrap_or_else(|| body(format, fields, prompt));
    Ok(Asked { method: Method::POST, path, headers, body })
}

/// The body in the order in which clients write it, the rest by name: the same request is the same bytes.
fn body(format: Format, mut fields: Map<String, Json>, prompt: Option<String>) -> Bytes {
    let prompt = prompt.unwrap_or_else(|| "hello".to_owned());
    let mut defaults = Map::new();
    defaults.insert(
        "model".to_owned(),
        if format == Format::Messages { "claude-sonnet-4-5" } else { "gpt-5" }.into(),
    );
    if format == Format::Messages {
        defaults.insert("max_tokens".to_owned(), 100.into());
    }
    match format {
        Format::Responses => defaults.insert("input".to_owned(), prompt.into()),
        _ => defaults.insert("messages".to_owned(), json!([{ "role": "user", "content": prompt }])),
    };
    let mut whole = Map::new();
    for (key, value) in defaults {
        let value = fields.remove(&key).unwrap_or(value);
        whole.insert(key, value);
    }
    let mut rest: Vec<(String, Json)> = fields.into_iter().collect();
    rest.sort_by(|(a, _), (b, _)| a.cmp(b));
    whole.extend(rest);
    Json::Object(whole).to_string().into()
}

/// The route of a provider in this format.
fn way_to(house: &House, provider: &str, format: Format) -> Result<String, String> {
    let live = house.live();
    let entry = live.entry(provider).filter(|entry| entry.state.runs());
    let entry = entry.ok_or_else(|| {
        let known: Vec<String> = live.provider_names().map(|name| format!("`{name}`")).collect();
        format!("no provider `{provider}` runs; there are {}", known.join(", "))
    })?;
    let route = entry.manifest.routes.iter().find(|route| match &route.target {
        RouteTarget::Provider(operation) => {
            operation.name == format.operation() && operation.format.name() == format.name()
        }
        _ => false,
    });
    let route =
        route.ok_or_else(|| format!("provider `{provider}` takes no requests in `{}`", format.name()))?;
    Ok(route.full_path())
}

/// Reads a plain request: `method`, `path`, `headers`, `json`, `body`.
pub(super) fn plain(
    lua: &Lua,
    function: &'static str,
    method: Option<Method>,
    values: MultiValue,
) -> mlua::Result<Asked> {
    let args = Args::new(function, values);
    let (path, place) = match &method {
        Some(_) => (Some(args.utf8(1)?), 2),
        None => (None, 1),
    };
    let options = args.options(place, &["method", "path", "headers", "json", "body"])?;
    let method = match (method, options.text("method")?) {
        (Some(method), _) => method,
        (None, None) => Method::GET,
        (None, Some(text)) => {
            Method::from_bytes(&text.as_bytes()).map_err(|_| options.refuse("method", "not a method"))?
        }
    };
    let path = match (path, options.text("path")?) {
        (Some(path), _) => path,
        (None, Some(path)) => path.to_string_lossy(),
        (None, None) => return Err(options.refuse("path", "expected string, got nil")),
    };
    let mut headers = match options.table("headers")? {
        Some(table) => reply::headers(&table).map_err(|why| options.refuse("headers", &why))?,
        None => HeaderMap::new(),
    };
    let json = options.any("json")?;
    let body = match options.text("body")? {
        Some(body) => Bytes::copy_from_slice(&body.as_bytes()),
        None if json.is_nil() => Bytes::new(),
        None => {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            let text = data::to_json(lua, &json, LARGEST, Style::Compact);
            text.map_err(|why| options.refuse("json", &why.to_string()))?.into()
        }
    };
    Ok(Asked { method, path, headers, body })
}

/// A request on its way.
pub(super) struct Pending {
    task: JoinHandle<()>,
    so_far: Arc<Mutex<Answered>>,
    done: watch::Receiver<bool>,
}

impl Pending {
    /// Sends it.
    pub(super) fn start(house: &Arc<House>, asked: Asked) -> Result<Pending, String> {
        let mut request = Request::new(RequestBody::full(asked.body.clone()));
        *request.method_mut() = asked.method;
        *request.uri_mut() =
            asked.path.parse().map_err(|_| format!("`{}` is no path", asked.path.escape_debug()))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8000"));
        if !asked.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CONTENT_LENGTH, asked.body.len().into());
        }
        for name in asked.headers.keys() {
            headers.remove(name);
        }
        headers.extend(asked.headers);
        let so_far: Arc<Mutex<Answered>> = Arc::default();
        let (over, done) = watch::channel(false);
        let (pipeline, kept) = (house.proxy.pipeline().clone(), so_far.clone());
        let task = tokio::spawn(async move {
            let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 40_000)), tls: false, http2: false };
            let (parts, mut body) = pipeline.handle(request, peer).await.into_parts();
            {
                let mut kept = kept.lock();
                (kept.status, kept.headers) = (parts.status.as_u16(), parts.headers);
            }
            while let Some(frame) = body.frame().await {
                match frame.map(http_body::Frame::into_data) {
                    Ok(Ok(bytes)) => kept.lock().chunks.push(bytes),
                    Ok(Err(_)) => {}
                    Err(error) => {
                        kept.lock().broken = Some(error.to_string());
                        break;
                    }
                }
            }
            drop(body);
            let _ = over.send(true);
        });
        Ok(Pending { task, so_far, done })
    }

    /// The answer, when the last byte is here; hooks have heard of it by then.
    pub(super) async fn wait(&self, house: &House) -> Answered {
        // A task that panicked drops its sender: that is an end, too.
        let _ = self.done.clone().wait_for(|done| *done).await;
        house.settle().await;
        self.so_far()
    }

    /// What came until now.
    pub(super) fn so_far(&self) -> Answered {
        let kept = self.so_far.lock();
        Answered {
            status: kept.status,
            headers: kept.headers.clone(),
            chunks: kept.chunks.clone(),
            broken: kept.broken.clone(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// The client goes away.
    pub(super) fn leave(&self) {
        self.task.abort();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Fields of a table of a test that is given to the host as JSON.
pub(super) fn object(lua: &Lua, args: &Args, place: usize, table: Option<Table>) -> mlua::Result<Json> {
    let Some(table) = table else { return Ok(Json::Object(Map::new())) };
    let value = data::to_value(lua, &Value::Table(table), LARGEST);
    value.map_err(|why| args.refuse(place, &why.to_string()))
}

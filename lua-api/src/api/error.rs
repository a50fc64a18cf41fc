//! `ccproxy.error(status, type, message, headers)`: a refusal or a failure, as a value or as a raise.

use ccproxy_core::error::{Error, Kind, Side};
use http::{HeaderName, HeaderValue, StatusCode};
use mlua::{Function, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields, UserDataMethods, Value};
use serde::Serialize;

use crate::args::Args;

/// Longest message and type in bytes.
const LONGEST: usize = 4096;

/// What went wrong, for a client or for the script itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorObject {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The type in the words of the client's format, such as `rate_limit_error`; or what failed in the
    /// world, such as `timeout`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One sentence. A client may see it.
    pub message: String,
    /// Header fields for the client, such as `retry-after`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// The error object that was last turned into text, with that text. See [`raised`].
struct LastText {
    text: String,
    object: ErrorObject,
}

impl ErrorObject {
    /// A failure without headers.
    pub fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        ErrorObject { status, kind: kind.to_owned(), message: message.into(), headers: Vec::new() }
    }

    /// As the pipeline knows it. A client is told the message: the plugin wrote it for that.
    pub fn to_core(&self) -> Error {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut error = Error::new(Side::Plugin, Kind::of(status), self.message.clone())
            .with_status(status)
            .with_retry(false);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                error = error.with_header(name, value);
            }
        }
        error
    }

    /// As a script sees an error of the pipeline.
    pub fn from_core(error: &Error) -> Self {
        let kind = match error.side() {
            Side::Client => "client",
            Side::Upstream => "upstream",
            Side::Plugin => "plugin",
            Side::Internal => "internal",
        };
        ErrorObject::new(error.status().as_u16(), kind, error.message())
    }

    /// `nil, err`: how a host function says that something failed in the world.
    pub fn pair(self, lua: &Lua) -> mlua::Result<(Value, Value)> {
        Ok((Value::Nil, Value::UserData(lua.create_userdata(self)?)))
    }
}

impl std::fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.kind, self.message)
    }
}

impl UserData for ErrorObject {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("status", |_, this| Ok(this.status));
        fields.add_field_method_get("type", |lua, this| lua.create_string(&this.kind));
        fields.add_field_method_get("message", |lua, this| lua.create_string(&this.message));
        fields.add_field_method_get("headers", |lua, this| {
            lua.create_table_from(this.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |lua, this, _: ()| {
            let text = this.to_string();
            // Fails only while `raised` reads it, which calls no script.
            let _ = lua.try_set_app_data(LastText { text: text.clone(), object: this.clone() });
            Ok(text)
        });
    }
}

/// The error object that a script raised with `error(...)`, if that is what happened.
///
/// Between a raise and its catch mlua turns the value into text by `__tostring`, which is all that
/// survives; so `__tostring` remembers the object, and its text at the start of the message proves it.
pub fn raised(lua: &Lua, error: &mlua::Error) -> Option<ErrorObject> {
    match error {
        mlua::Error::CallbackError { cause, .. } => raised(lua, cause),
        mlua::Error::WithContext { cause, .. } => raised(lua, cause),
        mlua::Error::BadArgument { cause, .. } => raised(lua, cause),
        mlua::Error::RuntimeError(message) => {
            let last = lua.app_data_ref::<LastText>()?;
            let rest = message.strip_prefix(&last.text)?;
            (rest.is_empty() || rest.starts_with('\n')).then(|| last.object.clone())
        }
        _ => None,
    }
}

/// Reads the value that a handler returned or a host function was given.
pub fn of(value: &Value) -> Option<ErrorObject> {
    match value {
        Value::UserData(data) => data.borrow::<ErrorObject>().ok().map(|error| error.clone()),
        _ => None,
    }
}

/// The function `ccproxy.error`.
pub fn constructor(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|lua, values: MultiValue| {
        let args = Args::new("error", values);
        let status = match args.integer(1)? {
            status @ 400..=599 => status as u16,
            _ => return Err(args.refuse(1, "an error has a status from 400 to 599")),
        };
        let kind = bounded(&args, 2)?;
        let message = bounded(&args, 3)?;
        let headers = match args.any(4) {
            Value::Nil => Vec::new(),
            _ => read_headers(&args, &args.table(4)?)?,
        };
        lua.create_userdata(ErrorObject { status, kind, message, headers })
    })
}

fn bounded(args: &Args, place: usize) -> mlua::Result<String> {
    let text = args.utf8(place)?;
    if text.len() > LONGEST {
        return Err(args.refuse(place, &format!("longer than {LONGEST} bytes")));
    }
    Ok(text)
}

/// Names and values that can stand in a head. Those of framing and of the connection are the proxy's.
fn read_headers(args: &Args, table: &Table) -> mlua::Result<Vec<(String, String)>> {
    const OURS: &[&str] = &["connection", "content-length", "transfer-encoding", "set-cookie"];
    let mut headers = Vec::new();
    table.for_each(|name: Value, value: Value| {
        let (Value::String(name), Value::String(_) | Value::Integer(_) | Value::Number(_)) = (&name, &value)
        else {
            return Err(args.refuse(4, "header names are text, values text or numbers"));
        };
        let Ok(value) = value.to_string() else {
            return Err(args.refuse(4, "a header value is not UTF-8"));
        };
        let name = name.to_string_lossy().to_ascii_lowercase();
        if HeaderName::try_from(&name).is_err() || OURS.contains(&name.as_str()) || headers.len() == 64 {
            return Err(args.refuse(4, "a header name that cannot be set, or more than 64 of them"));
        }
        if value.len() > LONGEST || HeaderValue::try_from(&value).is_err() {
            return Err(args.refuse(4, &format!("the value of header `{name}` cannot be sent")));
        }
        headers.push((name, value));
        Ok(())
    })?;
    headers.sort();
    Ok(headers)
}

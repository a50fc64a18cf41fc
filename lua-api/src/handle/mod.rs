//! The userdata that stand for an exchange inside a VM: `req`, `res`, `ev`, `out` and their bodies.
//!
//! A handle holds no data of the exchange. It looks it up when it is used, so that a handle which a
//! script kept for too long is dead instead of showing another exchange.

pub mod body;
mod credential;
pub(crate) mod event;
pub(crate) mod headers;
pub(crate) mod next;
pub(crate) mod outbound;
pub(crate) mod place;
pub(crate) mod policy;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod texts;
pub(crate) mod view;

use ccproxy_core::document::Document;
use ccproxy_core::middleware::BodyAccess;

/// Where a [`Document`] lives that a script may read or edit: a request, an outbound request, an answer.
pub trait BodySlot: Send + Sync + 'static {
    /// Lends the document to `f`, once, under a short lock: `f` must not call into Lua.
    fn with(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle>;

    /// Lends the document for an edit. Fails, beside when it is dead, when it is too late for edits.
    fn edit(&self, f: &mut dyn FnMut(&mut Document)) -> Result<(), DeadHandle>;

    /// What the manifest allows the handler that is running.
    fn access(&self) -> BodyAccess;
}

/// Why a handle cannot be used. Its text is what the script is told.
#[derive(Debug)]
pub struct DeadHandle(pub String);

impl std::fmt::Display for DeadHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DeadHandle {}

impl From<DeadHandle> for mlua::Error {
    fn from(dead: DeadHandle) -> Self {
        mlua::Error::RuntimeError(dead.0)
    }
}

/// Makes what the handles of a VM share.
pub(crate) fn prepare(lua: &mlua::Lua) -> mlua::Result<()> {
    headers::prepare(lua)?;
    response::prepare(lua)
}

/// The fields and methods of the handles, by the name of their class in the stubs.
#[cfg(test)]
pub(crate) fn fields() -> [(&'static str, Vec<&'static str>); 5] {
    [
        ("Request", request::FIELDS.to_vec()),
        ("Response", response::FIELDS.to_vec()),
        ("StreamEvent", event::FIELDS.to_vec()),
        ("Headers", headers::METHODS.to_vec()),
        ("Body", body::methods().collect()),
    ]
}

/// The error of a field that an object has not.
pub(crate) fn no_field(object: &str, field: &str, fields: &[&str]) -> mlua::Error {
    let field = crate::fault::clip(field.escape_debug().to_string());
    let hint = crate::manifest::nearest(&field, fields.iter().copied());
    let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    mlua::Error::RuntimeError(format!("`{object}` has no field `{field}`{hint}"))
}

//! Header fields that the settings put on every request to a server.

use std::collections::BTreeMap;

use ccproxy_core::config::{Field, FieldKind};
use ccproxy_core::secret::Secret;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Credentials, and what the connection writes.
const RESERVED: &[&str] = &[
    "authorization",
    "x-api-key",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept-encoding",
];

/// The setting.
pub(crate) fn field() -> Field {
    Field::map("headers", FieldKind::Secret, "Header fields that every request gets; never shown")
}

/// Puts them on a request, in place of the client's.
pub(crate) fn put(fixed: &HeaderMap, headers: &mut HeaderMap) {
    for (name, value) in fixed {
        headers.insert(name.clone(), value.clone());
    }
}

/// As headers, or what is wrong with one of them.
pub(crate) fn read(settings: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in settings {
        let bad = |why: &str| format!("`headers.{name}` {why}");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("is no header name"))?;
        if RESERVED.contains(&key.as_str()) {
            return Err(bad("is the proxy's own to set; a key belongs into `api_key`"));
        }
        let value = HeaderValue::from_str(value.expose());
        let mut value = value.map_err(|_| bad("holds what no header can carry"))?;
        // A gateway's key has a name of its own.
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

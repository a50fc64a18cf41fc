//! Settings under `[plugins.<vendor>]`.

use std::collections::BTreeMap;

use ccproxy_core::config::{Field, FieldKind, Schema};
use ccproxy_core::secret::Secret;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::vendor::Vendor;
use crate::credentials::Choice;

/// The settings as validated against the schema.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) base_url: Option<String>,
    #[serde(default)]
    pub(super) credential: Choice,
    pub(super) api_key: Option<Secret>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Config {
    /// Reads the validated settings.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        Self::deserialize(value).map_err(|error| format!("its settings: {error}"))
    }

    /// The fields that every request gets.
    pub(super) fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let bad = |why: &str| format!("`headers.{name}` {why}");
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("is no header name"))?;
            if RESERVED.contains(&key.as_str()) {
                return Err(bad("is the proxy's own to set; a key belongs into `api_key`"));
            }
            let value = HeaderValue::from_str(value).map_err(|_| bad("holds what no header can carry"))?;
            headers.insert(key, value);
        }
        Ok(headers)
    }
}

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

pub(super) fn schema(vendor: &Vendor) -> Schema {
    let base_url = Field::url("base_url", "Where it answers, version included: `https://host/v1`");
    let base_url = match vendor.base_url {
        Some(url) => base_url.or(url),
        // Not required here: a vendor that sleeps need not be told where it is.
        None => base_url,
    };
    let key = match vendor.variable {
        Some(variable) => format!("An API key; without it the environment variable {variable} counts"),
        None => "An API key, where the server asks for one".to_owned(),
    };
    Schema::of([
        base_url,
        Field::choice(
            "credential",
            &["auto", "passthrough", "api_key"],
            "Whose credential goes upstream: the client's own, the key, or `auto`: the key when there is one",
        )
        .or("auto"),
        Field::secret("api_key", &key),
        Field::map("headers", FieldKind::string(), "Header fields that every request gets"),
    ])
}

//! `POST /plugins/{name}/eval`: code of a person, run inside a plugin.
//!
//! Closed unless the proxy was started to work on plugins; then the code comes with a secret that only the
//! owner of the data folder can read, beside the client key that every route asks for.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use super::plugins::entry;
use crate::body::Answer;
use crate::error::{Error, Kind, Result};
use crate::exchange::Exchange;
use crate::keys::digest;
use crate::proxy::Proxy;

/// What is sent.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The secret of this run.
    secret: String,
    /// An expression, or statements.
    source: String,
}

/// Runs it.
pub(super) async fn eval(proxy: Arc<Proxy>, exchange: Arc<Exchange>) -> Result<Answer> {
    let Some(secret) = proxy.workbench() else {
        return Err(Error::client(Kind::Forbidden, "code runs inside plugins only under `ccproxy dev`"));
    };
    let body = exchange.request.lock().body.bytes().clone();
    // What stands in the body is a secret: the error tells nothing of it.
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|_| Error::client(Kind::InvalidRequest, "expected `{\"secret\": ..., \"source\": ...}`"))?;
    // Digests are compared, so that the time tells nothing.
    if digest(asked.secret.as_bytes()) != digest(secret.expose().as_bytes()) {
        return Err(Error::client(Kind::Forbidden, "this is not the secret of this `ccproxy dev`"));
    }
    let entry = entry(&exchange)?;
    let name = &entry.manifest.name;
    let Some(runtime) = &entry.runtime else {
        return Err(Error::client(Kind::NotFound, format!("plugin `{name}` does not run")));
    };
    match runtime.eval(&asked.source) {
        Some(told) => Ok(Answer::json(
            StatusCode::OK,
            &told.await.unwrap_or_else(|error| json!({ "error": error.log().unwrap_or(error.message()) })),
        )),
        None => Err(Error::client(Kind::NotFound, format!("plugin `{name}` is no script"))),
    }
}

//! The one place where an error becomes an answer, in the client's format.

use std::sync::Arc;

use http::{HeaderValue, header};
use serde_json::json;

use crate::body::Answer;
use crate::error::{Error, Side};
use crate::exchange::{Exchange, Failure};

/// Logs one line, remembers the failure, and writes the answer.
pub(super) fn answer(exchange: &Arc<Exchange>, error: Error) -> Answer {
    note(exchange, &error);
    let id = exchange.id.to_string();
    let bytes = match exchange.format() {
        Some(format) => format.error_body(&error, &id),
        None => json!({ "error": { "type": error.kind().word(), "message": error.message(), "id": id } })
            .to_string()
            .into(),
    };
    let mut answer = Answer::bytes(error.status(), "application/json", bytes);
    for (name, value) in error.headers() {
        answer.headers.append(name, value.clone());
    }
    if error.kind() == crate::error::Kind::Unauthorized
        && !answer.headers.contains_key(header::WWW_AUTHENTICATE)
    {
        answer.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// Logs one line and remembers the first failure of an exchange.
pub(super) fn note(exchange: &Exchange, error: &Error) {
    let (method, path) = {
        let request = exchange.request.lock();
        (request.method.clone(), request.uri.path().to_owned())
    };
    let status = error.status().as_u16();
    match error.side() {
        Side::Client => tracing::info!(exchange = %exchange.id, %method, path, status, "refused: {error}"),
        Side::Upstream | Side::Plugin => {
            tracing::warn!(exchange = %exchange.id, %method, path, status, "{error}")
        }
        Side::Internal => tracing::error!(exchange = %exchange.id, %method, path, status, "{error}"),
    }
    let mut failure = exchange.tally.failure.lock();
    if failure.is_none() {
        *failure = Some(Failure {
            side: error.side(),
            kind: error.kind().word(),
            message: error.message().to_owned(),
        });
    }
}

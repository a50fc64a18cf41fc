//! What is read of a request and told in an answer.

use ccproxy_core::body::Answer;
use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::oauth::{Failure, Reason};
use ccproxy_core::{Error, Result};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The fields of a JSON body; without a body those of none.
pub(super) fn fields<T: DeserializeOwned + Default>(exchange: &Exchange) -> Result<T> {
    let request = exchange.request.lock();
    if request.uri.query().is_some_and(|query| !query.is_empty()) {
        // Addresses are logged, here and on the way.
        let told = "nothing is taken from the query of this address; send a JSON object";
        return Err(Error::client(Kind::InvalidRequest, told));
    }
    let body = request.body.bytes();
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        // The message of serde may repeat what was sent.
        let told = match error.classify() {
            serde_json::error::Category::Data => {
                format!(
                    "a field is unknown or of the wrong type (line {}, column {})",
                    error.line(),
                    error.column()
                )
            }
            _ => "the body is no JSON object".to_owned(),
        };
        Error::client(Kind::InvalidRequest, format!("{told}; `docs/credentials.md` lists the fields"))
    })
}

/// A parameter of the path.
pub(super) fn param(exchange: &Exchange, name: &str) -> String {
    let request = exchange.request.lock();
    let found = request.params.iter().find(|(known, _)| &**known == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// JSON that nobody keeps.
pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    let mut answer = Answer::json(status, value);
    answer.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A page of a few words that do not depend on what was sent.
pub(super) fn page(status: StatusCode, words: &str) -> Answer {
    let page = crate::oauth::page(words);
    let mut answer = Answer::bytes(status, "text/html; charset=utf-8", page.into());
    for (name, value) in crate::oauth::PAGE_HEADERS {
        answer.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

/// A failure as an answer to whoever asked for a login, not for a model.
pub(super) fn refused(failure: Failure) -> Error {
    let status = match failure.reason() {
        Reason::NoLogin => StatusCode::NOT_FOUND,
        Reason::NeedsLogin | Reason::InvalidGrant | Reason::Denied | Reason::TooLate => StatusCode::CONFLICT,
        _ => return failure.into(),
    };
    Error::client(Kind::InvalidRequest, failure.told().to_owned()).with_status(status)
}

/// A failure as a part of an answer.
pub(super) fn failure(failure: &Failure) -> Value {
    serde_json::json!({ "type": failure.reason().word(), "message": failure.told() })
}

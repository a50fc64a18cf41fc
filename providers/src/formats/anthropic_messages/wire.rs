//! The spellings of Anthropic Messages.

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::error::Kind;
use serde::Serialize;

use crate::formats::usage::Keys;

/// Bytes of a stream's start that hold `message_start` with its usage.
pub(super) const START: usize = 2048;

/// Where the counts stand. Cached tokens are not part of `input_tokens`.
pub(super) const USAGE: Keys = Keys {
    input: "input_tokens",
    output: "output_tokens",
    cache_read: "cache_read_input_tokens",
    cache_write: &["cache_creation_input_tokens"],
    reasoning: "output_tokens_details.thinking_tokens",
};

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Detail<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Detail<'a> {
    r#type: &'static str,
    message: &'a str,
}

/// An error as a body, or, without an id, as the data of an event.
pub(super) fn error(error: &Error, request_id: Option<&str>) -> Bytes {
    write(error_type(error.kind()), error, request_id)
}

/// The error of an account that cannot pay.
pub(super) fn unpaid(error: &Error) -> Bytes {
    write("billing_error", error, None)
}

fn write(r#type: &'static str, error: &Error, request_id: Option<&str>) -> Bytes {
    let detail = Detail { r#type, message: error.message() };
    let envelope = Envelope { r#type: "error", error: detail, request_id };
    serde_json::to_vec(&envelope).unwrap_or_default().into()
}

/// The documented type of an error: <https://docs.anthropic.com/en/api/errors>.
fn error_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Unauthorized => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::NotFound => "not_found_error",
        Kind::TooLarge => "request_too_large",
        Kind::RateLimited => "rate_limit_error",
        Kind::Overloaded => "overloaded_error",
        Kind::RequestTimeout | Kind::GatewayTimeout => "timeout_error",
        Kind::Internal | Kind::NotImplemented | Kind::BadGateway | Kind::Unavailable => "api_error",
        Kind::InvalidRequest
        | Kind::MethodNotAllowed
        | Kind::UnsupportedMediaType
        | Kind::ExpectationFailed
        | Kind::Misdirected
        | Kind::HeadersTooLarge => "invalid_request_error",
    }
}

/// The kind of an error that the API names.
pub(super) fn kind_of(error_type: &str) -> Kind {
    match error_type {
        "invalid_request_error" => Kind::InvalidRequest,
        "authentication_error" => Kind::Unauthorized,
        "permission_error" | "billing_error" => Kind::Forbidden,
        "not_found_error" => Kind::NotFound,
        "request_too_large" => Kind::TooLarge,
        "rate_limit_error" => Kind::RateLimited,
        "timeout_error" => Kind::GatewayTimeout,
        "overloaded_error" => Kind::Overloaded,
        _ => Kind::Internal,
    }
}

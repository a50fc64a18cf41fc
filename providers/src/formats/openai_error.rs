//! The error object that both OpenAI formats share: <https://platform.openai.com/docs/guides/error-codes>.

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::error::Kind;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) error: Detail<'a>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Detail<'a> {
    pub(super) message: &'a str,
    pub(super) r#type: &'static str,
    pub(super) param: Option<&'a str>,
    pub(super) code: Option<&'static str>,
}

impl<'a> Envelope<'a> {
    pub(super) fn of(error: &'a Error) -> Self {
        let (r#type, code) = type_and_code(error.kind());
        Envelope { error: Detail { message: error.message(), r#type, param: None, code } }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

fn type_and_code(kind: Kind) -> (&'static str, Option<&'static str>) {
    match kind {
        Kind::Unauthorized => ("authentication_error", Some("invalid_api_key")),
        Kind::Forbidden => ("permission_error", None),
        Kind::NotFound => ("not_found_error", None),
        Kind::TooLarge => ("invalid_request_error", Some("request_too_large")),
        Kind::RateLimited => ("rate_limit_error", Some("rate_limit_exceeded")),
        // Codex stops at `server_is_overloaded` instead of asking again at once.
        Kind::Overloaded => ("server_error", Some("server_is_overloaded")),
        Kind::RequestTimeout | Kind::GatewayTimeout => ("timeout_error", Some("timeout")),
        Kind::Internal | Kind::NotImplemented | Kind::BadGateway | Kind::Unavailable => {
            ("server_error", Some("server_error"))
        }
        Kind::InvalidRequest
        | Kind::MethodNotAllowed
        | Kind::UnsupportedMediaType
        | Kind::ExpectationFailed
        | Kind::Misdirected
        | Kind::HeadersTooLarge => ("invalid_request_error", None),
    }
}

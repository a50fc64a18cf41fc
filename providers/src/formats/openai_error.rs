//! The error object that both OpenAI formats share: <https://platform.openai.com/docs/guides/error-codes>.

use bytes::Bytes;
use ccproxy_core::Error;
use ccproxy_core::document::{self as json, Json};
use ccproxy_core::error::Kind;
use serde::Serialize;

use super::hub::{Fault, Raw};
use super::json::text_at;
use super::wording::words;

/// OpenAI's code for an account without money; Anthropic has a type of its own for it.
pub(super) const UNPAID: &str = "insufficient_quota";

/// What is told where the provider tells nothing.
pub(super) const FAILED: &str = "the provider failed";

#[derive(Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) error: Detail<'a>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Detail<'a> {
    pub(super) message: &'a str,
    pub(super) r#type: &'static str,
    pub(super) param: Option<&'a str>,
    pub(super) code: Option<&'a str>,
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

/// How an answer broke, from an error body, an error event or a failed response.
pub(super) fn fault<'a>(json: &Json<'a>) -> Fault<'a> {
    let error =
        json.key("error").filter(|error| error.kind() != json::Kind::Null).unwrap_or_else(|| json.clone());
    if error.kind() != json::Kind::Object {
        return Fault::new(Kind::Internal, words(json).unwrap_or_else(|| FAILED.into()));
    }
    let code = error.key("code").filter(|code| code.kind() != json::Kind::Null);
    let status = code.as_ref().and_then(|code| code.as_u64()).and_then(|code| u16::try_from(code).ok());
    let code = code.and_then(|code| code.as_str());
    let r#type = text_at(&error, "type").filter(|kind| kind != "error");
    let message = words(&error);
    let kind = status.and_then(|status| http::StatusCode::from_u16(status).ok()).map(Kind::of);
    let kind = kind
        .or_else(|| kind_of(code.as_deref()?))
        .or_else(|| kind_of(r#type.as_deref()?))
        .unwrap_or(Kind::Internal);
    Fault {
        kind,
        message: message.or_else(|| code.clone()).unwrap_or_else(|| FAILED.into()),
        code,
        param: error
            .key("param")
            .filter(|param| param.kind() == json::Kind::String)
            .map(|param| Raw::of(&param)),
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "invalid_request_error" | "context_length_exceeded" | "invalid_prompt" => Kind::InvalidRequest,
        "authentication_error" | "invalid_api_key" => Kind::Unauthorized,
        "permission_error" => Kind::Forbidden,
        "not_found_error" | "model_not_found" => Kind::NotFound,
        "request_too_large" => Kind::TooLarge,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "requests" | "tokens"
        // The ChatGPT backend's words for a plan's limits.
        | "usage_limit_reached" | "usage_not_included" => {
            Kind::RateLimited
        }
        "server_is_overloaded" | "overloaded_error" | "slow_down" => Kind::Overloaded,
        "timeout_error" | "timeout" => Kind::GatewayTimeout,
        "server_error" | "api_error" => Kind::Internal,
        _ => return None,
    })
}

/// A fault as an error object, its own code kept.
pub(super) fn fault_detail<'a>(fault: &'a Fault<'_>, param: Option<&'a str>) -> Detail<'a> {
    let (r#type, code) = type_and_code(fault.kind);
    Detail { message: &fault.message, r#type, param, code: fault.code.as_deref().or(code) }
}

/// A fault as a body, or as the data of a chunk.
pub(super) fn fault_body(fault: &Fault<'_>) -> Vec<u8> {
    let param = param(fault);
    serde_json::to_vec(&Envelope { error: fault_detail(fault, param.as_deref()) }).unwrap_or_default()
}

/// The parameter a fault names.
pub(super) fn param(fault: &Fault<'_>) -> Option<String> {
    fault.param.as_ref()?.json()?.as_str().map(std::borrow::Cow::into_owned)
}

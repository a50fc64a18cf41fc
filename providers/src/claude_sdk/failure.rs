//! What went wrong with the CLI, and what a client is told of it.

use ccproxy_core::error::{Error, Kind, Side};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use super::command::Command;

/// The remedy for a CLI that has no login.
const LOGIN: &str = "run `claude` as the user that runs this proxy and log in with `/login`";

/// A turn that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the client.
    pub(super) error: Error,
    /// The process is gone, and another one may fare better.
    pub(super) died: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, died: false }
    }
}

/// The CLI is not there.
pub(super) fn missing(name: &str) -> Error {
    unavailable(missing_text(name))
}

/// The same, for health.
pub(super) fn missing_text(name: &str) -> String {
    format!(
        "the Claude Code CLI `{name}` is not installed, or not in PATH: install it and log in, or say where it is \
         with `plugins.claude_sdk.command`"
    )
}

/// The CLI has no login, for health.
pub(super) fn no_login_text() -> String {
    format!("the Claude Code CLI is not logged in: {LOGIN}")
}

/// Nothing is known of the CLI yet, for health.
pub(super) fn asking_text() -> String {
    "the Claude Code CLI is still being asked for its version and its login: look again in some seconds"
        .into()
}

/// The CLI does not even tell its version, for health.
pub(super) fn mute_text(limit: std::time::Duration) -> String {
    format!(
        "the Claude Code CLI answers neither `--version` nor `auth status` within {} s: run them with the words of \
         `plugins.claude_sdk.command`, as the user that runs this proxy",
        limit.as_secs()
    )
}

/// The CLI ended, or its pipe broke.
pub(super) fn died(log: String) -> Failure {
    let error = Error::upstream(Kind::BadGateway, "the Claude Code CLI ended in the middle of its work");
    Failure { error: if log.is_empty() { error } else { error.with_log(log) }, died: true }
}

/// It says things that are no protocol.
pub(super) fn garbage() -> Failure {
    Error::upstream(Kind::BadGateway, "the Claude Code CLI speaks something else than its protocol").into()
}

/// It was silent too long.
pub(super) fn silent(ready: bool) -> Failure {
    let told = match ready {
        true => "the Claude Code CLI was silent for too long",
        false => "the Claude Code CLI did not get ready in time",
    };
    Error::upstream(Kind::GatewayTimeout, told).into()
}

/// There is no place for another process.
pub(super) fn full() -> Error {
    unavailable("every process of the Claude Code CLI is taken; try again, or raise `plugins.claude_sdk.max_sessions`")
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

/// It cannot be started.
pub(super) fn unstartable(command: &Command, error: &std::io::Error) -> Error {
    let told = command.folder_trouble().unwrap_or_else(|| {
        format!(
            "the Claude Code CLI `{}` cannot be started; the proxy's log says why. See `plugins.claude_sdk.command` and \
             `plugins.claude_sdk.directory`",
            command.name()
        )
    });
    unavailable(told).with_log(format!("{}: {error}", command.shown()))
}

/// It refused a request of the protocol's.
pub(super) fn refused(why: &str) -> Failure {
    Error::upstream(Kind::BadGateway, "the Claude Code CLI refused to be set up")
        .with_log(why.to_owned())
        .into()
}

/// The session answers another request.
pub(super) fn busy(name: &str) -> Error {
    Error::client(Kind::RateLimited, format!("the session `{name}` is answering another request"))
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

const FORGOTTEN: &str = "the Claude Code CLI has nothing of this session any more: say the whole conversation, or ask again to begin anew";

/// A `result` that tells of an error.
pub(super) fn of_result(result: &Value) -> Failure {
    let text = result["result"].as_str().unwrap_or_default();
    let status = result["api_error_status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let lower = text.to_ascii_lowercase();
    if matches!(status, Some(401)) || lower.contains("not logged in") || lower.contains("/login") {
        return unavailable(no_login_text()).with_log(text.to_owned()).into();
    }
    // Words that were meant to follow others must not become the first ones: the client decides.
    let says = |word: &str| {
        result["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|error| error.as_str().is_some_and(|error| error.contains(word)))
    };
    if says("No conversation found") {
        return Error::client(Kind::NotFound, FORGOTTEN).into();
    }
    let told = match text.strip_prefix("API Error: ") {
        Some(rest) => status.map_or(rest, |code| rest.strip_prefix(&code.to_string()).unwrap_or(rest)).trim(),
        None => text.trim(),
    };
    let told = match (told, result["subtype"].as_str()) {
        ("", Some(subtype)) => format!("the Claude Code CLI gave up: {subtype}"),
        ("", None) => "the Claude Code CLI gave up".to_owned(),
        (told, _) => told.to_owned(),
    };
    let code =
        status.and_then(|status| StatusCode::from_u16(status).ok()).filter(|code| code.as_u16() >= 400);
    match code {
        Some(code) => Error::upstream(Kind::of(code), told).with_status(code).into(),
        None => Error::upstream(Kind::BadGateway, told).into(),
    }
}

fn unavailable(told: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Side::Upstream, Kind::Unavailable, told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_keep_the_status_of_the_api() {
        for (result, status, told) in [
            (json!({"api_error_status": 400, "result": "API Error: 400 too long"}), 400, "too long"),
            (json!({"api_error_status": 529, "result": "API Error: Overloaded"}), 529, "Overloaded"),
            (json!({"result": "Not logged in · Please run /login"}), 503, "log in"),
            (json!({"api_error_status": 401, "result": "Invalid"}), 503, "log in"),
            (json!({"subtype": "error_during_execution"}), 502, "error_during_execution"),
            (
                json!({"subtype": "error_during_execution", "errors": ["No conversation found with session ID: x"]}),
                404,
                "begin anew",
            ),
            (json!({"api_error_status": 99999, "result": "x"}), 502, "x"),
        ] {
            let failure = of_result(&result);
            assert_eq!(failure.error.status().as_u16(), status, "{result}");
            assert!(failure.error.message().contains(told), "{}", failure.error.message());
            assert!(!failure.died);
        }
    }
}

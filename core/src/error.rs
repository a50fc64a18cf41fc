//! The one error type: whose fault it is, whether another try can help, what the client is told
//! and what the log says. Errors become bytes in one place, [`crate::pipeline`], in the client's format.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};

/// A failed step of an exchange, or of the life of a plugin.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    side: Side,
    kind: Kind,
    status: StatusCode,
    retry: bool,
    reach: Reach,
    client: Cow<'static, str>,
    log: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The request was wrong.
    Client,
    /// The provider failed, refused or stalled.
    Upstream,
    /// A plugin failed or refused.
    Plugin,
    /// The proxy itself.
    Internal,
}

/// How far a request to a provider came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing of it arrived.
    Unsent,
    /// The connection ended without an answer, and with it whatever the provider did.
    Cut,
    /// It was sent, and no answer came in time: the provider may have done all the work.
    Unanswered,
}

/// What went wrong, in words every format can spell. Each has a usual HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 400
    InvalidRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 413
    TooLarge,
    /// 415
    UnsupportedMediaType,
    /// 417
    ExpectationFailed,
    /// 421
    Misdirected,
    /// 429
    RateLimited,
    /// 431
    HeadersTooLarge,
    /// 500
    Internal,
    /// 501
    NotImplemented,
    /// 502
    BadGateway,
    /// 503
    Unavailable,
    /// 504
    GatewayTimeout,
    /// 529, as Anthropic spells an overload
    Overloaded,
}

impl Kind {
    /// The HTTP status this kind usually has.
    pub fn status(self) -> StatusCode {
        let code = match self {
            Kind::InvalidRequest => 400,
            Kind::Unauthorized => 401,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::MethodNotAllowed => 405,
            Kind::RequestTimeout => 408,
            Kind::TooLarge => 413,
            Kind::UnsupportedMediaType => 415,
            Kind::ExpectationFailed => 417,
            Kind::Misdirected => 421,
            Kind::RateLimited => 429,
            Kind::HeadersTooLarge => 431,
            Kind::Internal => 500,
            Kind::NotImplemented => 501,
            Kind::BadGateway => 502,
            Kind::Unavailable => 503,
            Kind::GatewayTimeout => 504,
            Kind::Overloaded => 529,
        };
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// One word for logs, events and errors outside any wire format.
    pub fn word(self) -> &'static str {
        match self {
            Kind::InvalidRequest => "invalid_request",
            Kind::Unauthorized => "unauthorized",
            Kind::Forbidden => "forbidden",
            Kind::NotFound => "not_found",
            Kind::MethodNotAllowed => "method_not_allowed",
            Kind::RequestTimeout => "request_timeout",
            Kind::TooLarge => "too_large",
            Kind::UnsupportedMediaType => "unsupported_media_type",
            Kind::ExpectationFailed => "expectation_failed",
            Kind::Misdirected => "misdirected",
            Kind::RateLimited => "rate_limited",
            Kind::HeadersTooLarge => "headers_too_large",
            Kind::Internal => "internal",
            Kind::NotImplemented => "not_implemented",
            Kind::BadGateway => "bad_gateway",
            Kind::Unavailable => "unavailable",
            Kind::GatewayTimeout => "gateway_timeout",
            Kind::Overloaded => "overloaded",
        }
    }

    /// The kind that a status stands for; unknown 4xx are `InvalidRequest`, the rest `Internal`.
    pub fn of(status: StatusCode) -> Kind {
        match status.as_u16() {
            401 => Kind::Unauthorized,
            403 => Kind::Forbidden,
            404 => Kind::NotFound,
            405 => Kind::MethodNotAllowed,
            408 => Kind::RequestTimeout,
            413 => Kind::TooLarge,
            415 => Kind::UnsupportedMediaType,
            417 => Kind::ExpectationFailed,
            421 => Kind::Misdirected,
            429 => Kind::RateLimited,
            431 => Kind::HeadersTooLarge,
            501 => Kind::NotImplemented,
            502 => Kind::BadGateway,
            503 => Kind::Unavailable,
            504 => Kind::GatewayTimeout,
            529 => Kind::Overloaded,
            400..=499 => Kind::InvalidRequest,
            _ => Kind::Internal,
        }
    }
}

impl Error {
    /// An error of `side` and `kind` with the sentence the client is told (no full stop, no secrets).
    pub fn new(side: Side, kind: Kind, client: impl Into<Cow<'static, str>>) -> Self {
        let retry = matches!(side, Side::Upstream) && !matches!(kind, Kind::InvalidRequest);
        Error(Box::new(Inner {
            side,
            kind,
            status: kind.status(),
            retry,
            reach: Reach::Cut,
            client: client.into(),
            log: None,
            headers: Vec::new(),
        }))
    }

    /// The request was wrong.
    pub fn client(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Side::Client, kind, message)
    }

    /// The provider failed.
    pub fn upstream(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Side::Upstream, kind, message)
    }

    /// A plugin failed; the client only learns its name. `log` holds the script's own words.
    pub fn plugin(name: &str, log: impl Into<String>) -> Self {
        Self::new(Side::Plugin, Kind::Unavailable, format!("plugin `{name}` failed")).with_log(log)
    }

    /// A fault of the proxy; `log` is not shown to the client.
    pub fn internal(log: impl Into<String>) -> Self {
        Self::new(Side::Internal, Kind::Internal, "internal error of the proxy").with_log(log)
    }

    /// What the log says beside the client's message.
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        self.0.log = Some(log.into());
        self
    }

    /// Another status than the kind's usual one.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// A header for the client, such as `allow` or `retry-after`.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Whether another candidate may be tried.
    pub fn with_retry(mut self, retry: bool) -> Self {
        self.0.retry = retry;
        self
    }

    /// How far the request came.
    pub fn with_reach(mut self, reach: Reach) -> Self {
        self.0.reach = reach;
        self
    }

    /// How far the request came, when the provider failed.
    pub fn reach(&self) -> Reach {
        self.0.reach
    }

    /// Who can mend it.
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The status the client gets.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Whether another candidate may be tried.
    pub fn retry(&self) -> bool {
        self.0.retry
    }

    /// The sentence for the client.
    pub fn message(&self) -> &str {
        &self.0.client
    }

    /// The sentence for the log, where it differs.
    pub fn log(&self) -> Option<&str> {
        self.0.log.as_deref()
    }

    /// Headers for the client.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.log {
            // A script's error names its plugin itself: `plugin `x`, `request` at plugin.lua:12: ...`.
            Some(log) if self.0.client.strip_suffix(" failed").is_some_and(|name| log.starts_with(name)) => {
                f.write_str(log)
            }
            Some(log) => write!(f, "{}: {log}", self.0.client),
            None => f.write_str(&self.0.client),
        }
    }
}

impl std::error::Error for Error {}

/// What most functions of the house return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

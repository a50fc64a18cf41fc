//! Step 3: what every request must satisfy before anything looks at it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    AUTHORIZATION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING,
    VARY, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};

use super::RequestBody;
use super::host::{Host, Hosts};
use crate::body::Body;
use crate::error::{Error, Kind, Result};
use crate::exchange::Client;
use crate::keys::{KeyFile, KeyRing, digest};
use crate::settings::ServerSettings;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// The rules, compiled from the settings.
pub struct Guard {
    hosts: Hosts,
    origins: Vec<String>,
    /// SHA-256 of the client key: the key itself need not stay here.
    key: Option<[u8; 32]>,
    /// Named keys.
    keys: Option<KeyRing>,
    key_file: Option<KeyFile>,
    /// SHA-256 of the key of this machine's command line, read when it is first needed.
    local: OnceLock<Option<[u8; 32]>>,
    max_uri: usize,
    max_headers: usize,
    holder: Arc<str>,
}

/// Framing that hyper hides; the connection puts it on the request.
#[derive(Clone, Copy, Debug)]
pub(super) enum BadFraming {
    /// `transfer-encoding` and `content-length` together.
    Two,
    /// A chunked request whose raw head was not found.
    Unseen,
}

impl Guard {
    /// Compiles the rules; `addresses` are those listened on.
    pub fn new(settings: &ServerSettings, addresses: &[SocketAddr]) -> Self {
        Guard {
            hosts: Hosts::new(addresses, &settings.allowed_hosts),
            origins: settings
                .allowed_origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_owned())
                .collect(),
            key: settings.auth_token.as_ref().map(|token| digest(token.expose().as_bytes())),
            keys: settings.keys.clone().map(KeyRing::new),
            key_file: settings.keys.clone(),
            local: OnceLock::new(),
            max_uri: settings.max_uri,
            max_headers: settings.max_headers,
            holder: Arc::from("auth_token"),
        }
    }

    /// Method, target, Host, Origin, framing, sizes, content type: what does not depend on the route.
    pub fn check(&self, parts: &Parts, body: &RequestBody) -> Result<()> {
        self.check_landing(parts, body, || false)
    }

    /// The same; `lands` says whether other sites may send a browser to this path.
    pub(crate) fn check_landing(
        &self,
        parts: &Parts,
        body: &RequestBody,
        lands: impl FnOnce() -> bool,
    ) -> Result<()> {
        check_method(&parts.method)?;
        self.check_target(parts)?;
        self.check_host(parts)?;
        if !(is_sent_here(parts) && lands()) {
            self.check_origin(&parts.headers)?;
        }
        check_framing(parts)?;
        if parts.headers.len() > self.max_headers {
            return Err(Error::client(
                Kind::HeadersTooLarge,
                format!("more than {} header fields (`server.max_headers`)", self.max_headers),
            ));
        }
        body.check_length()?;
        check_content_type(parts, body)
    }

    /// The client key, for routes that ask for one. Takes the key out of the headers when it was the
    /// proxy's own, so that it never travels upstream; a credential that is not ours stays.
    pub fn authenticate(&self, parts: &mut Parts) -> Result<Client> {
        let named = self.keys.as_ref().filter(|keys| keys.required());
        if self.key.is_none() && named.is_none() {
            return Ok(Client::anonymous());
        }
        let holder = |value: &[u8]| self.holder(named, value);
        // Both are looked at, whatever the first one says.
        let bearer = single(&parts.headers, &AUTHORIZATION).and_then(bearer).and_then(holder);
        let api_key = single(&parts.headers, &API_KEY).and_then(holder);
        if bearer.is_some() {
            parts.headers.remove(AUTHORIZATION);
        }
        if api_key.is_some() {
            parts.headers.remove(API_KEY);
        }
        bearer.or(api_key).ok_or_else(|| {
            let wanted = if named.is_some() { "one of `ccproxy keys`" } else { "`server.auth_token`" };
            let message =
                format!("no valid client key: send {wanted} as `authorization: Bearer ...` or `x-api-key`");
            let error = Error::client(Kind::Unauthorized, message);
            error.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        })
    }

    /// The same for one that was let in before, and asks again on a connection that has stayed open since.
    pub fn authenticate_again(&self, client: &Client) -> Result<()> {
        let named = self.keys.as_ref().filter(|keys| keys.required());
        let still = match (&client.key, named) {
            (Some(key), Some(keys)) => keys.still_has(key),
            (Some(_), None) => self.key.is_none(),
            (None, _) => !client.is_anonymous() || (self.key.is_none() && named.is_none()),
        };
        let told = "the client key that opened this connection is no longer good";
        if still { Ok(()) } else { Err(Error::client(Kind::Unauthorized, told)) }
    }

    /// Whose key this is.
    fn holder(&self, named: Option<&KeyRing>, value: &[u8]) -> Option<Client> {
        let sent = digest(value);
        if self.key.as_ref().is_some_and(|key| equal(key, &sent)) {
            return Some(Client { id: self.holder.clone(), key: None });
        }
        let keys = named?;
        let local = self.local.get_or_init(|| self.key_file.as_ref().and_then(local));
        if local.as_ref().is_some_and(|local| equal(local, &sent)) {
            return Some(Client { id: Arc::from("local"), key: None });
        }
        let key = keys.find(&sent)?;
        Some(Client { id: Arc::from(key.name.as_str()), key: Some(key) })
    }

    /// Whether web pages of this origin may speak to us.
    pub(super) fn allows_origin(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }

    /// The answer to a CORS preflight, once origin and request have been found good.
    pub(super) fn preflight(&self, parts: &Parts) -> Option<Response<Body>> {
        if parts.method != Method::OPTIONS || !parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        if let Some(asked) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        Some(response)
    }

    /// Lets pages of an allowed origin read an answer.
    pub(super) fn share(&self, origin: HeaderValue, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }

    fn check_target(&self, parts: &Parts) -> Result<()> {
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        if path.len() > self.max_uri {
            let text = format!("the request target is longer than {} bytes (`server.max_uri`)", self.max_uri);
            return Err(Error::client(Kind::InvalidRequest, text).with_status(StatusCode::URI_TOO_LONG));
        }
        if !path.starts_with('/') {
            return Err(invalid("the request target must be a path that starts with `/`"));
        }
        Ok(())
    }

    /// Exactly one host, well formed, and ours: else a web page could have its own name point here.
    fn check_host(&self, parts: &Parts) -> Result<()> {
        let mut fields = parts.headers.get_all(HOST).iter();
        let field = fields.next().map(HeaderValue::as_bytes);
        if fields.next().is_some() {
            return Err(invalid("more than one `host` field"));
        }
        let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = match (field, authority) {
            (Some(field), None) => field,
            (None, Some(authority)) if parts.version == Version::HTTP_2 => authority,
            (Some(field), Some(authority)) if field.eq_ignore_ascii_case(authority) => field,
            (Some(_), Some(_)) => return Err(invalid("`host` and the request target name different hosts")),
            (None, _) => return Err(invalid("no `host` field")),
        };
        if self.hosts.is_usual(host) {
            return Ok(());
        }
        let host = Host::parse(host).ok_or_else(|| invalid("the `host` field is malformed"))?;
        if self.hosts.contains(host) {
            return Ok(());
        }
        Err(Error::client(
            Kind::Misdirected,
            "this proxy does not answer for that host: use `127.0.0.1` or `localhost` with its port, \
             or add the name to `server.allowed_hosts`",
        ))
    }

    /// Web pages may not drive the proxy, unless their origin is on the list.
    fn check_origin(&self, headers: &HeaderMap) -> Result<()> {
        let mut origins = headers.get_all(ORIGIN).iter();
        if let Some(origin) = origins.next() {
            let alone = origins.next().is_none();
            if alone && (self.allows_origin(origin) || is_own_page(origin, headers)) {
                return Ok(());
            }
            return Err(foreign());
        }
        // Some cross-site requests carry no origin; browsers say where they come from all the same.
        match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            None | Some(b"none" | b"same-origin") => Ok(()),
            Some(_) => Err(foreign()),
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard(key {}, {} origins)", self.key.is_some(), self.origins.len())
    }
}

/// Whether a page that came from here asks: the origin is the host it asks, which has been found to be ours,
/// and the browser says so too.
fn is_own_page(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    let host = single(headers, &HOST);
    authority.is_some()
        && authority == host
        && single(headers, &SEC_FETCH_SITE).is_some_and(|site| site == b"same-origin")
}

/// Whether a person's browser goes here as to a page of its own, from wherever: no frame, no picture, no script, no
/// form that posts.
fn is_sent_here(parts: &Parts) -> bool {
    let says = |name: &HeaderName, word: &[u8]| single(&parts.headers, name).is_some_and(|said| said == word);
    parts.method == Method::GET
        && !parts.headers.contains_key(ORIGIN)
        && says(&SEC_FETCH_MODE, b"navigate")
        && says(&SEC_FETCH_DEST, b"document")
}

fn check_method(method: &Method) -> Result<()> {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => Ok(()),
        Method::CONNECT | Method::TRACE => {
            Err(Error::client(Kind::MethodNotAllowed, format!("`{method}` is not served here"))
                .with_header(ALLOW, METHODS))
        }
        _ => Err(Error::client(Kind::NotImplemented, "unknown method")),
    }
}

fn check_framing(parts: &Parts) -> Result<()> {
    let headers = &parts.headers;
    match parts.extensions.get::<BadFraming>() {
        None => {}
        Some(BadFraming::Two) => {
            return Err(invalid("`transfer-encoding` and `content-length` in one request"));
        }
        Some(BadFraming::Unseen) => {
            return Err(invalid("a chunked request that cannot be told from the one before it"));
        }
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if parts.version == Version::HTTP_2 {
            return Err(invalid("`transfer-encoding` does not exist in HTTP/2"));
        }
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Error::client(Kind::NotImplemented, "a `transfer-encoding` other than `chunked`"));
        }
    }
    match headers.get(EXPECT) {
        Some(expectation) if !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Error::client(Kind::ExpectationFailed, "an `expect` other than `100-continue`"))
        }
        _ => Ok(()),
    }
}

/// Bodies must be declared as JSON, which a web page cannot do without asking first.
fn check_content_type(parts: &Parts, body: &RequestBody) -> Result<()> {
    if !matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) || body.is_empty() {
        return Ok(());
    }
    let declared = single(&parts.headers, &CONTENT_TYPE).is_some_and(|value| {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    if declared {
        return Ok(());
    }
    Err(Error::client(
        Kind::UnsupportedMediaType,
        "a request with a body needs `content-type: application/json`",
    ))
}

fn invalid(message: &'static str) -> Error {
    Error::client(Kind::InvalidRequest, message)
}

fn foreign() -> Error {
    Error::client(
        Kind::Forbidden,
        "requests of web pages are refused: add the page's origin to `server.allowed_origins` if it is yours",
    )
}

/// The hash of the command line's own key; without it the command line needs `server.auth_token`.
fn local(keys: &KeyFile) -> Option<[u8; 32]> {
    let key = keys.local().inspect_err(|problem| tracing::debug!("no key for the command line: {problem}"));
    key.ok().map(|key| digest(key.expose().as_bytes()))
}

/// The value of a field that is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Equal, in a time that does not depend on where they differ. Digests are compared, so that the
/// length of the key does not show either.
fn equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differing = one.iter().zip(other).fold(0u8, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests;

//! Requests to identity providers: one address, no redirects, clocks and limits; and nothing of them in any log.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use ccproxy_core::oauth::{Dialect, Failure, Reason};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::redirect;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::dialect;
use super::plain::standard;
use super::server::{Body, Server};

/// Clocks: for a connection, and for everything.
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(25);
/// Largest answer that is read.
const LARGEST: usize = 64 << 10;

/// The way to identity providers. Connects to nothing by itself.
#[derive(Default)]
pub struct Network {
    proxy: Option<String>,
    authorities: Option<PathBuf>,
    client: OnceCell<reqwest::Client>,
}

impl Network {
    /// `proxy` and `authorities` are those of `[upstream]`.
    pub fn new(proxy: Option<String>, authorities: Option<PathBuf>) -> Self {
        Network { proxy, authorities, client: OnceCell::new() }
    }

    /// The JSON at a place that asks for a bearer token.
    pub(super) async fn get(&self, url: &str, token: &str) -> Result<Value, Failure> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            Failure::new(Reason::Refused, "the token holds characters that no header can carry")
        })?;
        bearer.set_sensitive(true);
        let request = http::Request::get(url).header(header::AUTHORIZATION, bearer).body(Vec::new());
        let request =
            request.map_err(|_| Failure::new(Reason::Unreachable, "the profile's address is no URL"))?;
        let answer = self.send(request).await.map_err(|failed| failed.into_failure())?;
        match serde_json::from_slice(answer.body()) {
            Ok(value) if answer.status().is_success() => Ok(value),
            _ => Err(Failure::new(
                Reason::Refused,
                format!("the profile was refused ({})", answer.status().as_u16()),
            )),
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Failed> {
        let client = self.client.get_or_try_init(|| self.build()).await?;
        let (parts, body) = request.into_parts();
        let asked = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut answer = asked.send().await.map_err(Failed::of)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(Failed::Busy(status, retry_after(&headers)));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Failed::of)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Failed::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut answered = http::Response::new(body);
        *answered.status_mut() = status;
        *answered.headers_mut() = headers;
        Ok(answered)
    }

    async fn build(&self) -> Result<reqwest::Client, Failed> {
        let (proxy, authorities) = (self.proxy.clone(), self.authorities.clone());
        // It reads the system's certificates.
        let built = tokio::task::spawn_blocking(move || {
            // Another provider may be installed already; either will do.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let mut builder = reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT)
                .timeout(WHOLE)
                .pool_max_idle_per_host(1)
                .user_agent(concat!("ccproxy/", env!("CARGO_PKG_VERSION")));
            if let Some(proxy) = proxy {
                let proxy = reqwest::Proxy::all(proxy);
                builder = builder
                    .proxy(proxy.map_err(|_| Failed::Setting("`upstream.proxy` is no URL of a proxy"))?);
            }
            if let Some(file) = authorities {
                let wrong = || Failed::Setting("`upstream.ca_file` holds no certificates that can be read");
                let pem = std::fs::read(file).map_err(|_| wrong())?;
                for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| wrong())? {
                    builder = builder.add_root_certificate(certificate);
                }
            }
            builder.build().map_err(Failed::of)
        });
        built.await.unwrap_or(Err(Failed::Setting("the client could not be made")))
    }
}

/// One server's endpoints, in its own spelling.
pub(super) struct Speaking<'n> {
    pub(super) network: &'n Network,
    pub(super) server: &'n Server,
    /// What a plugin makes of its requests.
    pub(super) dialect: Option<&'n dyn Dialect>,
}

impl<'c> AsyncHttpClient<'c> for Speaking<'_> {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Failed>> + Send + 'c>>;

    fn call(&'c self, mut request: HttpRequest) -> Self::Future {
        if self.server.body == Body::Json && self.dialect.is_none() && !request.body().is_empty() {
            *request.body_mut() = as_json(request.body());
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Box::pin(async move {
            if let Some(dialect) = self.dialect {
                let wanted = dialect::request(
                    dialect,
                    request,
                    &self.server.origins(),
                    self.server.body == Body::Json,
                )
                .await;
                request = wanted.map_err(Failed::Plugin)?;
            }
            Ok(standard(self.network.send(request).await?, &self.server.answer))
        })
    }
}

/// The same at one place, whatever the request says: `oauth2` revokes at `https` only, and the settings let servers on this
/// machine do without.
pub(super) struct Revoking<'n> {
    pub(super) speaking: Speaking<'n>,
    pub(super) place: http::Uri,
}

impl<'c> AsyncHttpClient<'c> for Revoking<'_> {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Failed>> + Send + 'c>>;

    fn call(&'c self, mut request: HttpRequest) -> Self::Future {
        *request.uri_mut() = self.place.clone();
        self.speaking.call(request)
    }
}

/// The fields of a form as an object.
fn as_json(form: &[u8]) -> Vec<u8> {
    let pairs = reqwest::Url::parse(&format!("form:?{}", String::from_utf8_lossy(form)));
    let mut object = Map::new();
    if let Ok(pairs) = &pairs {
        object.extend(
            pairs.query_pairs().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))),
        );
    }
    Value::Object(object).to_string().into_bytes()
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    Busy(StatusCode, Option<Duration>),
    TooLarge,
    Setting(&'static str),
    Plugin(Failure),
    Broken(String),
}

impl Failed {
    /// Without the address, whose query may hold a secret.
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Failed::Broken(if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() })
    }

    pub(super) fn into_failure(self) -> Failure {
        if let Failed::Plugin(failure) = self {
            return failure;
        }
        let reason = if let Failed::Busy(..) = self { Reason::Busy } else { Reason::Unreachable };
        let wait = if let Failed::Busy(_, wait) = self { wait } else { None };
        Failure::new(reason, self.to_string()).with_retry_after(wait)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Busy(status, _) => write!(f, "the server has no time ({})", status.as_u16()),
            Failed::TooLarge => write!(f, "the answer is larger than {LARGEST} bytes"),
            Failed::Setting(why) => f.write_str(why),
            Failed::Plugin(failure) => failure.fmt(f),
            Failed::Broken(why) => write!(f, "the server cannot be reached: {why}"),
        }
    }
}

impl std::error::Error for Failed {}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

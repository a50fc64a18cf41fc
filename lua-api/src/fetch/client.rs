//! One plugin's client: made at its first request, shared by the later ones.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ccproxy_core::upstream::{StandIn, Upstream};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, Url, redirect};
use tokio::sync::{OnceCell, Semaphore};

use super::allow::Allowed;

/// Requests of a VM at once; more wait for their turn, inside their own time.
const AT_ONCE: usize = 16;
/// Redirects that are followed, all within one origin.
const REDIRECTS: usize = 5;

/// Sends requests of one plugin.
pub(crate) struct Fetcher {
    allowed: Allowed,
    client: OnceCell<Client>,
    turns: Semaphore,
}

/// What is asked.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// For everything, from the first look-up to the last byte.
    pub(crate) timeout: Duration,
    /// Most bytes of the answer's body.
    pub(crate) max_bytes: usize,
}

/// What was answered.
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The URL is wrong, or not for this plugin.
    Denied(String),
    /// The time was over.
    Timeout(Duration),
    /// The answer is larger than this many bytes.
    TooLarge(usize),
    /// No connection, or a broken one.
    Broken(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Denied(reason) | Failed::Broken(reason) => f.write_str(reason),
            Failed::Timeout(time) => write!(f, "no whole answer in {} s", time.as_secs_f64()),
            Failed::TooLarge(limit) => write!(f, "the answer is larger than {limit} bytes"),
        }
    }
}

impl Fetcher {
    /// Connects to nothing yet.
    pub(crate) fn new(allowed: Allowed) -> Self {
        Fetcher { allowed, client: OnceCell::new(), turns: Semaphore::new(AT_ONCE) }
    }

    /// Sends a request and reads its answer whole. Dropping the future drops the connection.
    pub(crate) async fn fetch(&self, upstream: &Upstream, request: Request) -> Result<Fetched, Failed> {
        let url = Url::parse(&request.url).map_err(|error| Failed::Denied(format!("not a URL: {error}")))?;
        self.allowed.check(&url).map_err(Failed::Denied)?;
        let timeout = request.timeout;
        let sent = async {
            match upstream.stand_in() {
                Some(stand_in) => imagined(&**stand_in, &url, request).await,
                None => self.send(url, request).await,
            }
        };
        match tokio::time::timeout(timeout, sent).await {
            Ok(done) => done,
            Err(_) => Err(Failed::Timeout(timeout)),
        }
    }

    async fn send(&self, url: Url, request: Request) -> Result<Fetched, Failed> {
        let _turn = self.turns.acquire().await.map_err(|error| Failed::Broken(error.to_string()))?;
        let client = self.client.get_or_try_init(|| connectable(self.allowed.clone())).await?;
        let asked = client.request(request.method, url).headers(request.headers).body(request.body);
        let mut answer = asked.send().await.map_err(broken)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > request.max_bytes {
                return Err(Failed::TooLarge(request.max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(answer.headers_mut());
        Ok(Fetched { status: answer.status(), headers, body: body.freeze() })
    }
}

/// What a test answers instead of the network.
async fn imagined(stand_in: &dyn StandIn, url: &Url, request: Request) -> Result<Fetched, Failed> {
    let broken = |error: http::Error| Failed::Broken(error.to_string());
    let mut asked = http::Request::new(request.body);
    *asked.method_mut() = request.method;
    *asked.uri_mut() = http::Uri::try_from(url.as_str()).map_err(|error| broken(error.into()))?;
    *asked.headers_mut() = request.headers;
    let answer = stand_in.plugin(asked).await.map_err(Failed::Broken)?;
    let (parts, body) = answer.into_parts();
    match body.len() > request.max_bytes {
        true => Err(Failed::TooLarge(request.max_bytes)),
        false => Ok(Fetched { status: parts.status, headers: parts.headers, body }),
    }
}

/// Builds the client off the worker: it reads the system's certificates.
async fn connectable(allowed: Allowed) -> Result<Client, Failed> {
    let built = tokio::task::spawn_blocking(move || {
        // reqwest is built without a provider of its own. When one is installed already, that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::builder()
            // A proxy would look names up itself, where nobody checks the address.
            .no_proxy()
            .dns_resolver(Arc::new(allowed))
            .redirect(redirect::Policy::custom(within_origin))
            .referer(false)
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(4)
            .user_agent(concat!("ccproxy/", env!("CARGO_PKG_VERSION")))
            .build()
    });
    match built.await {
        Ok(client) => client.map_err(broken),
        Err(error) => Err(Failed::Broken(error.to_string())),
    }
}

/// A redirect to another origin is not followed: the script sees it and decides.
fn within_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same = attempt.previous().last().is_some_and(|last| last.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// The innermost cause, without the URL, which may hold a key.
fn broken(error: reqwest::Error) -> Failed {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    let mut depth = 0;
    while let Some(inner) = cause.source().filter(|_| depth < 16) {
        cause = inner;
        depth += 1;
    }
    Failed::Broken(cause.to_string().chars().take(500).collect())
}

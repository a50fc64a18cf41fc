//! Step 7 and 8 for the ChatGPT backend: the client's own request, made one that is taken there, plus a
//! credential. It only streams; a client that wants a whole answer gets it collected.

use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::body::{Answer, Body, is_compressed};
use ccproxy_core::document::Document;
use ccproxy_core::error::{Error, Kind, Result};
use ccproxy_core::exchange::{Exchange, Request};
use ccproxy_core::pool::{Pool, Retry};
use ccproxy_core::provider::{Credential, Operation, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::unix_time;
use ccproxy_core::upstream::Upstream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;

use super::config::Config;
use super::credentials::Login;
use super::models::{self, Shape};
use super::{limits, request};
use crate::balancer::Pooled;
use crate::base_url::BaseUrl;
use crate::detection::Detection;
use crate::formats::Collector;
use crate::local::{OF_ANTHROPIC, take_foreign, take_local};
use crate::relay;

/// Largest list of models, and largest error body that is read for its limits.
const SMALL: usize = 4 << 20;
/// How long the end of a stream is waited for after its last event.
const AFTER: Duration = Duration::from_millis(200);
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Speaks to the backend.
pub(super) struct Adapter {
    base: BaseUrl,
    login: Login,
    pooled: Option<Pooled<Login>>,
    models: Vec<String>,
    websocket: bool,
    detection: Option<Arc<Detection>>,
    upstream: Arc<Upstream>,
}

impl Adapter {
    pub(super) fn new(
        config: &Config,
        login: Login,
        pooled: Option<Pooled<Login>>,
        detection: Option<Arc<Detection>>,
        upstream: Arc<Upstream>,
    ) -> std::result::Result<Self, String> {
        Ok(Adapter {
            base: BaseUrl::parse(&config.base_url)?,
            login,
            pooled,
            models: config.models.clone(),
            websocket: config.websocket,
            detection,
            upstream,
        })
    }

    /// The client's fields and what goes upstream of its credential.
    async fn head(
        &self,
        exchange: &Exchange,
        operation: &Operation,
        body: &Document,
        sent: bool,
    ) -> Result<(HeaderMap, HeaderMap)> {
        let (login, bearer) = match &self.pooled {
            Some(pooled) => pooled.ready(exchange, body, sent).await?,
            None => (&self.login, self.login.bearer(sent).await?),
        };
        let request = exchange.request.lock();
        let mut headers = request.headers.clone();
        let credential = login.take(&mut headers, bearer)?;
        take_local(&mut headers);
        if !is_own(&request, operation) {
            take_foreign(&mut headers, OF_ANTHROPIC);
        }
        // What comes back has to be read here.
        headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        Ok((headers, credential))
    }

    async fn responses(
        &self,
        exchange: &Exchange,
        operation: &Operation,
        mut body: Document,
        sent: bool,
    ) -> Result<Outbound> {
        let (mut headers, credential) = self.head(exchange, operation, &body, sent).await?;
        let (path, query) = {
            let request = exchange.request.lock();
            // The query of another format's client is about that format.
            let query = request.uri.query().filter(|_| is_own(&request, operation)).map(str::to_owned);
            (if operation.name == "compact" { "/responses/compact" } else { "/responses" }, query)
        };
        let mut losses = Vec::new();
        if operation.name == "responses" {
            losses = request::shape(&mut body)?;
            headers.insert(header::ACCEPT, EVENT_STREAM);
        }
        let path = self.base.join(path, query.as_deref())?;
        let (origin, method) = (self.base.origin.clone(), Method::POST);
        Ok(Outbound { origin, method, path, headers, credential, body, losses })
    }

    async fn list(&self, exchange: &Exchange, operation: &Operation, sent: bool) -> Result<Outbound> {
        let body = Document::default();
        let (headers, credential) = self.head(exchange, operation, &body, sent).await?;
        let mut query = exchange.request.lock().uri.query().unwrap_or_default().to_owned();
        if !query.split('&').any(|pair| pair.starts_with("client_version="))
            && let Some(version) = self.cli_version().await
        {
            // The list depends on it: the backend leaves out what an older CLI could not use.
            let separator = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{separator}client_version={version}");
        }
        let path = self.base.join("/models", Some(&query))?;
        Ok(Outbound {
            origin: self.base.origin.clone(),
            method: Method::GET,
            path,
            headers,
            credential,
            body,
            losses: Vec::new(),
        })
    }

    /// The version of the CLI that is installed, as far as a query can hold it.
    async fn cli_version(&self) -> Option<String> {
        let version = self.detection.as_ref()?.look().await?.version?;
        version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
            .then_some(version)
    }

    async fn listed(&self, exchange: &Exchange, outbound: Outbound) -> Result<Answer> {
        let shape = {
            let request = exchange.request.lock();
            Shape::of(&request.uri, &request.headers)
        };
        let answer = match self.sent(exchange, outbound).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(exchange = %exchange.id, "no list of models from the backend: {error}");
                return Ok(shape.fallback(&self.models));
            }
        };
        // A backend that has no list, or none without a version.
        let none = matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND);
        if none && shape == Shape::OpenAi || answer.status == StatusCode::NOT_FOUND {
            return Ok(shape.fallback(&self.models));
        }
        if shape == Shape::Codex || !answer.status.is_success() {
            return Ok(answer);
        }
        let Answer { status, mut headers, body } = answer;
        let body = models::convert(&body.collect(SMALL).await?).ok_or_else(|| {
            Error::upstream(Kind::BadGateway, "the provider's list of models is not the JSON it should be")
        })?;
        models::forget_bytes(&mut headers);
        Ok(Answer { status, headers, body: Body::full(body) })
    }

    async fn sent(&self, exchange: &Exchange, outbound: Outbound) -> Result<Answer> {
        match &self.pooled {
            Some(pooled) => pooled.send(exchange, |login| Box::pin(self.send_by(login, outbound))).await,
            None => self.send_by(&self.login, outbound).await,
        }
    }

    /// A limit tells when it ends.
    async fn send_by(&self, login: &Login, outbound: Outbound) -> Result<Answer> {
        let answer = relay::send(login.credentials(), &self.upstream, outbound).await?;
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS if !answer.headers.contains_key(header::RETRY_AFTER) => {
                limited(answer).await
            }
            _ => Ok(answer),
        }
    }

    async fn answered(
        &self,
        exchange: &Exchange,
        operation: &Operation,
        outbound: Outbound,
    ) -> Result<Answer> {
        let answer = self.sent(exchange, outbound).await?;
        let whole = {
            let request = exchange.request.lock();
            is_own(&request, operation) && !request.stream
        };
        let readable =
            answer.status.is_success() && answer.is_event_stream() && !is_compressed(&answer.headers);
        if whole && readable { collected(answer).await } else { Ok(answer) }
    }
}

impl Provider for Adapter {
    fn prepare<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
        body: Document,
        sent: bool,
    ) -> BoxFuture<'a, Result<Outbound>> {
        match operation.name {
            "models" => Box::pin(self.list(exchange, operation, sent)),
            _ => Box::pin(self.responses(exchange, operation, body, sent)),
        }
    }

    fn send<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        match operation.name {
            "models" => Box::pin(self.listed(exchange, outbound)),
            _ => Box::pin(self.answered(exchange, operation, outbound)),
        }
    }

    fn websocket(&self, operation: &Operation) -> bool {
        self.websocket && operation.name == "responses"
    }

    fn retry(&self, exchange: &Arc<Exchange>) -> Retry {
        self.pooled.as_ref().map_or(Retry::No, |pooled| pooled.retry(exchange))
    }

    fn credential(&self) -> Credential {
        self.pooled.as_ref().map_or_else(|| self.login.describe(), Pooled::credential)
    }

    fn pool(&self) -> Option<Pool> {
        self.pooled.as_ref().map(Pooled::describe)
    }
}

/// Whether the client speaks the backend's own format.
fn is_own(request: &Request, operation: &Operation) -> bool {
    request.format.as_ref().is_none_or(|format| format.name() == operation.format.name())
}

/// The stream as the one answer that was asked for.
async fn collected(answer: Answer) -> Result<Answer> {
    let Answer { mut headers, mut body, .. } = answer;
    let mut collector = Collector::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if collector.feed(data)? {
            // The rest is only the transport's end; waiting for it lets the connection live on.
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = tokio::time::timeout(AFTER, rest).await;
            break;
        }
    }
    let (status, bytes) = collector.finish()?;
    models::forget_bytes(&mut headers);
    Ok(Answer { status, headers, body: Body::full(bytes) })
}

/// A limit whose end stands in the body.
async fn limited(answer: Answer) -> Result<Answer> {
    let Answer { status, mut headers, body } = answer;
    let bytes = body.collect(SMALL).await?;
    let now = unix_time::now();
    if let Some(wait) = limits::retry_after(&bytes, now) {
        headers.insert(header::RETRY_AFTER, wait);
    }
    Ok(Answer { status, headers, body: Body::full(bytes) })
}

//! A small client: one request, one whole answer. Every request has its own connection unless it is HTTP/2.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::wait::PATIENCE;

/// Speaks to one proxy.
#[derive(Clone)]
pub struct Client {
    hyper: Hyper<HttpConnector, Full<Bytes>>,
    base: String,
    headers: Vec<(String, String)>,
    patience: Duration,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// False when the body broke.
    pub whole: bool,
    /// The protocol's version.
    pub version: http::Version,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The status must be this one; the body tells why when it is not.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

impl Client {
    /// HTTP/1.1.
    pub fn new(address: SocketAddr) -> Client {
        Self::build(address, false)
    }

    /// HTTP/2 by prior knowledge.
    pub fn http2(address: SocketAddr) -> Client {
        Self::build(address, true)
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits so long for each answer.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// GET.
    pub async fn get(&self, target: &str) -> Answer {
        self.request(Method::GET, target, &[], Bytes::new()).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        self.post_bytes(target, body.to_string()).await
    }

    /// POST with these bytes, told as JSON.
    pub async fn post_bytes(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.request(Method::POST, target, &[("content-type", "application/json")], body.into()).await
    }

    /// Any request. No answer at all is a panic.
    pub async fn request(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let asked = tokio::time::timeout(self.patience, self.try_request(method, target, headers, body));
        let Ok(answer) = asked.await else { panic!("waited {:?} in vain for an answer", self.patience) };
        answer.expect("an answer")
    }

    /// Any request; an error when no head came back.
    pub async fn try_request(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, hyper_util::client::legacy::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.base));
        for (name, value) in headers.iter().copied() {
            request = request.header(name, value);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = self.hyper.request(request.body(Full::new(body)).unwrap()).await?;
        let (head, mut stream) = response.into_parts();
        let (mut bytes, mut whole) = (Vec::new(), true);
        while let Some(frame) = stream.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Err(_) => whole = false,
            }
            if !whole {
                break;
            }
        }
        Ok(Answer { status: head.status, headers: head.headers, body: bytes, whole, version: head.version })
    }

    fn build(address: SocketAddr, http2: bool) -> Client {
        let mut builder = Hyper::builder(TokioExecutor::new());
        builder.http2_only(http2);
        if !http2 {
            builder.pool_max_idle_per_host(0);
        }
        let base = format!("http://{address}");
        Client { hyper: builder.build(HttpConnector::new()), base, headers: Vec::new(), patience: PATIENCE }
    }
}

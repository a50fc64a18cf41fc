//! A running proxy, asked over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ccproxy_core::secret::Secret;
use clap::Args;
use reqwest::{Certificate, Client, Method};
use serde_json::Value;

use super::Failure;
use crate::config::Loaded;

/// How long an answer may take; a plugin's task or command may take longer.
const ANSWER: Duration = Duration::from_secs(10);
const WORK: Duration = Duration::from_secs(600);

/// Which proxy to ask
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Target {
    /// Where the proxy listens; by default where the configuration says
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// A proxy that may be running.
pub(crate) struct Running {
    url: String,
    client: Client,
    token: Option<Secret>,
}

impl Target {
    /// The proxy at this URL.
    pub(crate) fn at(url: &str) -> Self {
        Target { url: Some(url.to_owned()) }
    }

    /// The proxy that this configuration describes. Connects to nothing yet.
    pub(crate) fn proxy(&self, loaded: &Loaded) -> Result<Running, Failure> {
        let server = &loaded.settings.core.server;
        let configured = || server.listen.first().map(|address| url(*address, server.tls.is_some()));
        let url = self.url.clone().or_else(configured).unwrap_or_default();
        if let Some(given) = &self.url {
            schemed(given)?;
        }
        // Another provider may be installed already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder().no_proxy().connect_timeout(Duration::from_secs(2));
        let certificates = server.tls.as_ref().and_then(|tls| std::fs::read(&tls.certificate).ok());
        for certificate in
            certificates.and_then(|pem| Certificate::from_pem_bundle(&pem).ok()).unwrap_or_default()
        {
            client = client.add_root_certificate(certificate);
        }
        let client =
            client.build().map_err(|error| Failure::new(format!("cannot make a client: {error}")))?;
        let local = || server.keys.as_ref().filter(|keys| keys.exists())?.local().ok();
        let token = server.auth_token.clone().or_else(local);
        Ok(Running { url: url.trim_end_matches('/').to_owned(), client, token })
    }
}

/// Whether a URL says how to ask. `localhost:8000` does not, though a reader of URLs would take it for one.
fn schemed(given: &str) -> Result<(), Failure> {
    if ["http://", "https://"].iter().any(|scheme| given.starts_with(scheme)) {
        return Ok(());
    }
    let rest = given.split_once("://").map_or(given, |(_, rest)| rest);
    let failure = Failure::new(format!("`{given}` is no address of a proxy: one begins with `http://`"));
    Err(failure.with_hint(format!("write `--url http://{rest}`")))
}

/// An address that listens everywhere is asked at the loopback one.
fn url(mut address: SocketAddr, tls: bool) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("{}://{address}", if tls { "https" } else { "http" })
}

impl Running {
    /// Where it is asked.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether anything answers there at all.
    pub(crate) async fn runs(&self) -> bool {
        self.get("/health/live").await.is_ok()
    }

    /// What it says at a path. Health answers are JSON whatever their status.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// Has it do something.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// The event stream at a path, after the event with this id. It has no end of its own.
    pub(crate) async fn stream(&self, path: &str, last: Option<&str>) -> Result<reqwest::Response, Failure> {
        let mut request =
            self.client.get(format!("{}{path}", self.url)).header("accept", "text/event-stream");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        let message = told["error"]["message"].as_str().unwrap_or("no reason given");
        Err(Failure::new(format!("the proxy at {} answered {status}: {message}", self.url)))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.url);
        let limit = if body.is_some() { WORK } else { ANSWER };
        let mut request = self.client.request(method, &url).timeout(limit);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(&error))?;
        let value: Option<Value> = serde_json::from_str(&text).ok();
        match value {
            Some(value) if status.is_success() || path.starts_with("/health") => Ok(value),
            Some(value) => {
                let message = value["error"]["message"].as_str().unwrap_or("no reason given").to_owned();
                Err(Failure::new(format!("the proxy at {} answered {status}: {message}", self.url)))
            }
            None => {
                let failure =
                    Failure::new(format!("what answers at {} is not ccproxy (status {status})", self.url));
                Err(failure.with_hint("`--url` names another address"))
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let failure = Failure::new(format!("no proxy answers at {}: {cause}", self.url));
        failure.with_hint("start one with `ccproxy serve`, or name another address with `--url`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everywhere_is_asked_at_loopback() {
        let url = |text: &str| text.parse().map(|address| url(address, false)).unwrap_or_default();
        assert_eq!(url("0.0.0.0:80"), "http://127.0.0.1:80");
        assert_eq!(url("[::]:80"), "http://[::1]:80");
        assert_eq!(url("10.0.0.1:80"), "http://10.0.0.1:80");
    }
}

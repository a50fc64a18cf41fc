//! HTTP/2: from clients by prior knowledge and by ALPN, to upstreams by ALPN.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::support::upstream::anthropic;
use super::support::upstream::secure::{Certificates, Secure};
use super::support::{self, Client, Config, Proxy, Reply, Upstream, wait::within};

fn body(stream: bool) -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [], "stream": stream })
}

#[test]
fn clients_may_speak_it_without_tls() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let client = Client::http2(proxy.address()).header("x-api-key", "sk-test");
        let plain = client.post("/claude/v1/messages?beta=true", &body(false)).await.expect(200);
        assert_eq!(plain.version, http::Version::HTTP_2);
        assert_eq!(plain.header("request-id"), "req_upstream_1");
        assert_eq!(upstream.request(0).await.target(), "/v1/messages?beta=true");
        let stream = client.post("/claude/v1/messages", &body(true)).await.expect(200);
        assert_eq!(stream.text(), anthropic::events("Hello from upstream").concat());
        let many = (0..20).map(|_| {
            let client = client.clone();
            tokio::spawn(
                async move { client.post("/claude/v1/messages", &body(true)).await.expect(200).whole },
            )
        });
        for answer in many.collect::<Vec<_>>() {
            assert!(answer.await.unwrap());
        }
        client.get("/nowhere").await.expect(404);
        assert_eq!(client.post_bytes("/claude/v1/messages", "{").await.expect(400).json()["type"], "error");
    });
}

#[test]
fn upstreams_are_spoken_to_as_they_offer() {
    support::run(async {
        let certificates = Certificates::new();
        let offers: [(&[&[u8]], http::Version); 2] =
            [(&[b"h2", b"http/1.1"], http::Version::HTTP_2), (&[b"http/1.1"], http::Version::HTTP_11)];
        for (protocols, version) in offers {
            let upstream = Secure::start(&certificates, protocols).await;
            let ca = format!("upstream.ca_file = {:?}", certificates.file("ca.pem"));
            let proxy = Proxy::start(Config::new().base_url(&upstream.url()).toml(&ca)).await;
            let answer = proxy.client().post("/claude/v1/messages", &body(true)).await.expect(200);
            assert_eq!(answer.text(), anthropic::events("Hello over TLS").concat());
            assert_eq!(answer.header("request-id"), "req_tls_1");
            assert_eq!(upstream.seen(), [(version, "/v1/messages".to_owned())]);
        }
    });
}

#[test]
fn an_upstream_with_an_unknown_certificate_is_refused() {
    support::run(async {
        let upstream = Secure::start(&Certificates::new(), &[b"h2"]).await;
        let proxy = Proxy::start(Config::new().base_url(&upstream.url())).await;
        let answer = proxy.client().post("/claude/v1/messages", &body(false)).await.expect(502);
        assert!(answer.text().contains("certificate"), "{}", answer.text());
        assert!(upstream.seen().is_empty());
    });
}

#[test]
fn clients_may_speak_either_over_tls() {
    support::run(async {
        let upstream = Upstream::start().await;
        let certificates = Certificates::new();
        let config = Config::new()
            .upstream(&upstream)
            .toml(&format!("server.tls.certificate = {:?}", certificates.file("cert.pem")))
            .toml(&format!("server.tls.key = {:?}", certificates.file("key.pem")));
        let proxy = Proxy::start(config).await;
        for protocol in [&b"h2"[..], b"http/1.1"] {
            let connector = tokio_rustls::TlsConnector::from(certificates.client(&[protocol]));
            let socket = TcpStream::connect(proxy.address()).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let stream = within("a handshake", connector.connect(name, socket)).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
            let (status, answer) = ask(stream, protocol == b"h2").await;
            assert_eq!(status, 200);
            assert_eq!(answer, Bytes::from(anthropic::events("Hello from upstream").concat()));
        }
    });
}

/// One streamed request on this connection.
async fn ask(stream: tokio_rustls::client::TlsStream<TcpStream>, http2: bool) -> (u16, Bytes) {
    let request = http::Request::post("https://localhost/claude/v1/messages")
        .header("content-type", "application/json")
        .header("x-api-key", "sk-test")
        .header("host", "localhost");
    let request = request.body(Full::new(Bytes::from(body(true).to_string()))).unwrap();
    let io = TokioIo::new(stream);
    let response = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let (mut parts, body) = request.into_parts();
        parts.uri = "/claude/v1/messages".parse().unwrap();
        sender.send_request(http::Request::from_parts(parts, body)).await.unwrap()
    };
    (response.status().as_u16(), response.collect().await.unwrap().to_bytes())
}

#[test]
fn a_wrong_certificate_file_stops_the_start() {
    support::run(async {
        let certificates = Arc::new(Certificates::new());
        let config = Config::new()
            .toml("server.tls.certificate = \"/nonexistent/cert.pem\"")
            .toml(&format!("server.tls.key = {:?}", certificates.file("key.pem")));
        let (code, _, errors) = support::proxy::cli(config, &["serve", "--port", "0"]).await;
        assert_ne!(code, 0);
        assert!(errors.contains("/nonexistent/cert.pem"), "{errors}");
    });
}

#[test]
fn a_stream_that_breaks_is_reset_after_all_there_was() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let events = anthropic::events("all there was");
        let came = format!("{}event: content_blo", events[..6].concat());
        upstream.next(Reply::stream([&came]).cut());
        let client = Client::http2(proxy.address()).header("x-api-key", "sk-test");
        let body = json!({ "model": "m", "max_tokens": 1, "messages": [], "stream": true });
        let answer = client.post("/claude/v1/messages", &body).await.expect(200);
        assert!(!answer.whole);
        assert_eq!(answer.text(), came);
    });
}

//! TLS to a provider: who is believed, and HTTP/2 by ALPN.

use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::error::Kind;

/// A provider behind TLS for `name`, the file with its authority, and what it saw of each request.
async fn secure(name: &str, alpn: &[&str]) -> (SocketAddr, tempfile::NamedTempFile) {
    let (config, file) = certified(name, 4000, alpn);
    let acceptor = TlsAcceptor::from(config);
    let address = super::provider(move |stream, number| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| async move {
                let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
                let text = format!("{number} {:?} {} {host:?}", request.version(), request.uri());
                let length = request.into_body().collect().await.unwrap().to_bytes().len();
                Ok::<_, Infallible>(http::Response::new(format!("{text} {length}")))
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    (address, file)
}

/// What a provider needs for TLS with a certificate that is good until that year, and its authority.
fn certified(name: &str, until: i32, alpn: &[&str]) -> (Arc<ServerConfig>, tempfile::NamedTempFile) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // Authorities of the same name would be taken for each other.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.not_after = rcgen::date_time_ymd(until, 1, 1);
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(authority.pem().as_bytes()).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (Arc::new(config), file)
}

fn upstream(authority: &tempfile::NamedTempFile) -> Upstream {
    Upstream::new(UpstreamSettings { ca_file: Some(authority.path().to_owned()), ..settings() }).unwrap()
}

fn to(address: SocketAddr, body: &'static str) -> Outbound {
    let mut outbound = outbound(address, body);
    outbound.origin = origin("https", address);
    outbound
}

#[tokio::test]
async fn alpn_chooses_and_a_connection_is_shared() {
    let (address, authority) = secure("127.0.0.1", &["h2", "http/1.1"]).await;
    let upstream = upstream(&authority);
    for _ in 0..2 {
        let seen = text(upstream.send(to(address, "{\"a\":1}")).await).await;
        assert_eq!(seen, format!("0 HTTP/2.0 https://{address}/v1/messages?beta=true None 7"));
    }
    let many = (0..20).map(|_| async { text(upstream.send(to(address, "{}")).await).await });
    for seen in futures_util::future::join_all(many).await {
        assert!(seen.starts_with("0 HTTP/2.0"), "{seen}");
    }
}

#[tokio::test]
async fn without_http2_it_is_http1() {
    let (address, authority) = secure("127.0.0.1", &["http/1.1"]).await;
    let upstream = upstream(&authority);
    for _ in 0..3 {
        // Idle for long enough to be asked whether it is still there.
        tokio::time::sleep(Duration::from_millis(3)).await;
        let seen = text(upstream.send(to(address, "{}")).await).await;
        assert_eq!(seen, format!("0 HTTP/1.1 /v1/messages?beta=true Some(\"{address}\") 2"));
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_believed_is_refused_with_the_reason() {
    let (address, authority) = secure("localhost", &[]).await;
    let error = upstream(&authority).send(to(address, "{}")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadGateway);
    assert!(error.message().contains("for another host name"), "{error}");

    let (_, stranger) = secure("127.0.0.1", &[]).await;
    let (address, _) = secure("127.0.0.1", &[]).await;
    let error = upstream(&stranger).send(to(address, "{}")).await.unwrap_err();
    assert!(error.message().contains("not trusted (`upstream.ca_file` adds one)"), "{error}");
}

/// Whoever can cut a connection can cut it between two records: only TLS's own goodbye is an end.
#[tokio::test]
async fn an_answer_that_tls_does_not_end_is_not_ended() {
    let (config, authority) = certified("127.0.0.1", 4000, &[]);
    for goodbye in [true, false] {
        let acceptor = TlsAcceptor::from(config.clone());
        let address = super::provider(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 1024]).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nso far").await.unwrap();
                stream.flush().await.unwrap();
                if goodbye {
                    stream.shutdown().await.unwrap();
                } else {
                    stream.get_mut().0.shutdown().await.unwrap();
                }
                let _ = stream.get_mut().0.read(&mut [0; 1024]).await;
            }
        })
        .await;
        let answer = upstream(&authority).send(to(address, "{}")).await.unwrap();
        let (pieces, error) = pieces(answer.body).await;
        assert_eq!((pieces.concat().as_slice(), error.is_none()), (&b"so far"[..], goodbye), "{error:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused_before_a_byte_of_the_request() {
    let (config, authority) = certified("127.0.0.1", 2000, &[]);
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let address = super::provider(move |stream, _| {
        let (acceptor, told) = (TlsAcceptor::from(config.clone()), told.clone());
        async move { told.send(acceptor.accept(stream).await.is_ok()).unwrap() }
    })
    .await;
    let error = upstream(&authority).send(to(address, "{}")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadGateway);
    assert!(error.message().contains("its certificate has expired"), "{error}");
    assert_eq!(heard.recv().await, Some(false));
}

/// Answers the first request in frames; to the head of the second it says `refusal` and nothing more.
async fn refusing(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, refusal: &[u8]) {
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    stream.read_exact(&mut [0; 24]).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        match (head[3], head[8]) {
            (1, 1) => stream.write_all(&[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]).await.unwrap(),
            (1, _) => break,
            _ => {}
        }
    }
    stream.write_all(refusal).await.unwrap();
    while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
}

#[tokio::test]
async fn what_an_http2_provider_did_not_look_at_is_sent_again() {
    let go_away = |code| [&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, code][..]].concat();
    let reset = |code| [&[0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, code][..]].concat();
    let rows = [
        ("goes away", go_away(0), true),
        ("goes away in anger", go_away(2), false),
        ("refuses the stream", reset(7), true),
        ("fails in the stream", reset(2), false),
    ];
    for (name, refusal, again) in rows {
        let (config, authority) = certified("127.0.0.1", 4000, &["h2"]);
        let address = super::provider(move |stream, number| {
            let (acceptor, refusal) = (TlsAcceptor::from(config.clone()), refusal.clone());
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                if number == 0 {
                    return refusing(stream, &refusal).await;
                }
                let service =
                    service_fn(|_| async { Ok::<_, Infallible>(http::Response::new("good".to_owned())) });
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await;
        let upstream = upstream(&authority);
        assert_eq!(text(upstream.send(to(address, "{}")).await).await, "", "{name}");
        match upstream.send(to(address, "{}")).await {
            Ok(answer) => assert!(again && text(Ok(answer)).await == "good", "{name}"),
            Err(error) => assert!(!again && error.kind() == Kind::BadGateway, "{name}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_provider_without_tls_is_told_from_one_with_bad_tls() {
    let address = canned("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let (_, authority) = secure("127.0.0.1", &[]).await;
    // Its bytes are no TLS record, but it only answers after a head: it just closes.
    let upstream = UpstreamSettings {
        ca_file: Some(authority.path().to_owned()),
        connect_timeout: Duration::from_millis(200),
        ..settings()
    };
    let error = Upstream::new(upstream).unwrap().send(to(address, "{}")).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::GatewayTimeout | Kind::BadGateway), "{error}");
}

#[tokio::test]
async fn tls_goes_through_a_tunnel() {
    let (address, authority) = secure("127.0.0.1", &["h2"]).await;
    let proxy = provider(move |mut stream, _| async move {
        let head = request(&mut stream).await.unwrap();
        assert!(head.starts_with(&format!("CONNECT {address} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic dTpw\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let mut target = TcpStream::connect(address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
    })
    .await;
    let upstream = Upstream::new(UpstreamSettings {
        ca_file: Some(authority.path().to_owned()),
        proxy: Some(format!("http://u:p@{proxy}")),
        ..settings()
    })
    .unwrap();
    let seen = text(upstream.send(to(address, "{}")).await).await;
    assert!(seen.starts_with("0 HTTP/2.0"), "{seen}");
}

#[test]
fn a_ca_file_that_cannot_be_used_stops_the_start() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for text in ["", "not a certificate"] {
        file.write_all(text.as_bytes()).unwrap();
        let settings = UpstreamSettings { ca_file: Some(file.path().to_owned()), ..settings() };
        let error = Upstream::new(settings).expect_err("no certificate in it").to_string();
        assert!(error.contains("upstream.ca_file"), "{error}");
    }
}

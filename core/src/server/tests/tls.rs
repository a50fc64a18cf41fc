//! HTTP/2, in the clear and by ALPN, and TLS.

use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::*;
use crate::settings::TlsSettings;

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn http2(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static) -> Sender {
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(1 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

async fn send(sender: &mut Sender, request: http::request::Builder, body: &'static str) -> (u16, String) {
    let request = request.body(Full::from(body)).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn prior_knowledge_is_http2_with_the_same_rules() {
    let house = House::new(settings());
    let mut sender = http2(house.connect().await).await;
    let to = |authority: &str, path: &str| Request::get(format!("http://{authority}{path}"));
    let ours = house.address.to_string();
    let (status, text) = send(&mut sender, to(&ours, "/x?y"), "").await;
    assert_eq!((status, text.as_str()), (200, format!("h2 GET http://{ours}/x?y ").as_str()));
    assert_eq!(send(&mut sender, to("evil.com", "/"), "").await.0, 421);
    assert_eq!(send(&mut sender, to(&ours, "/").header("host", "evil.com"), "").await.0, 400);
    assert_eq!(send(&mut sender, to(&ours, "/").header("origin", "https://evil.com"), "").await.0, 403);
    let post = || Request::post(format!("http://{ours}/"));
    assert_eq!(send(&mut sender, post(), "{}").await.0, 415);
    assert_eq!(send(&mut sender, post().header("content-type", "application/json"), "{}").await.0, 200);
    let long = format!("/{}", "a".repeat(9000));
    assert_eq!(send(&mut sender, to(&ours, &long), "").await.0, 414);
    let many = (0..120).fold(to(&ours, "/"), |request, _| request.header("x", "y"));
    assert_eq!(send(&mut sender, many, "").await.0, 431);
}

#[tokio::test]
async fn streams_that_get_no_room_are_let_go() {
    let house = House::new(ServerSettings { write_idle_timeout: Duration::from_millis(200), ..settings() });
    let mut sender = http2(house.connect().await).await;
    let request = Request::get(format!("http://{}/endless", house.address)).body(Full::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    // Held, but never read: its window of 1 KiB stays full.
    tokio::time::timeout(Duration::from_secs(10), async {
        while house.drain.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the connection is cut");
    drop(response);
}

#[tokio::test]
async fn a_drained_http2_connection_goes_when_its_streams_are_done() {
    let house = House::new(settings());
    let mut sender = http2(house.connect().await).await;
    let request = Request::get(format!("http://{}/", house.address));
    assert_eq!(send(&mut sender, request, "").await.0, 200);
    house.drain.begin();
    tokio::time::timeout(Duration::from_secs(10), house.running).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn tls_offers_both_and_bad_files_say_which() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = |certificate: &std::path::Path, key: &std::path::Path| ServerSettings {
        tls: Some(TlsSettings { certificate: certificate.to_owned(), key: key.to_owned() }),
        ..settings()
    };
    let house = House::new(files(&certificate, &key));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    for alpn in ["h2", "http/1.1"] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream =
            TlsConnector::from(Arc::new(config)).connect(name, house.connect().await).await.unwrap();
        if alpn == "h2" {
            let mut sender = http2(stream).await;
            let request = Request::get(format!("https://localhost:{}/", house.address.port()));
            assert_eq!(send(&mut sender, request, "").await.0, 200);
        } else {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert_eq!(statuses(&text), [200]);
        }
    }
    // Plain HTTP to a TLS port ends; the server lives on.
    house.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;

    let missing = folder.path().join("none.pem");
    let error = Server::bind(&files(&missing, &key)).unwrap_err().to_string();
    assert!(error.contains("none.pem") && error.contains("certificate"), "{error}");
    let error = Server::bind(&files(&certificate, &certificate)).unwrap_err().to_string();
    assert!(error.contains("private key") && error.contains("cert.pem"), "{error}");
    let other = folder.path().join("other.pem");
    std::fs::write(&other, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = Server::bind(&files(&certificate, &other)).unwrap_err().to_string();
    assert!(error.contains("cert.pem") && error.contains("other.pem"), "{error}");
    let error = Server::bind(&files(&other, &other)).unwrap_err().to_string();
    assert!(error.contains("no certificate") && error.contains("other.pem"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_every_client_refuses_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let tls = TlsSettings { certificate: certificate.clone(), key: key.clone() };
    let settings = ServerSettings { tls: Some(tls), ..settings() };
    // Years of the certificate's life, whether it is its own authority, and what is wrong with it.
    let rows = [
        ((2000, 2001), false, Some("has expired")),
        ((2000, 2001), true, Some("has expired")),
        ((4000, 4001), false, Some("is not valid yet")),
        ((2000, 4000), false, None),
        ((2000, 4000), true, None),
    ];
    for ((from, until), authority, wrong) in rows {
        let mut params = rcgen::CertificateParams::new(vec!["proxy.example.com".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        if authority {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let pair = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let error = Server::bind(&settings).err().map(|error| error.to_string());
        match (wrong, error) {
            (None, None) => {}
            (Some(wrong), Some(error)) => {
                assert!(error.contains(wrong) && error.contains("cert.pem"), "{error}")
            }
            (_, error) => panic!("{from} to {until}, authority {authority}: {error:?}"),
        }
    }
}

//! Web pages must not drive the proxy: Host, Origin, Sec-Fetch-Site, method and route, in every combination.

use serde_json::Value;

use super::support::{self, Config, Proxy, Raw};

const TARGETS: [(&str, &str); 6] = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/plugins/status"),
    ("GET", "/nowhere"),
    ("POST", "/mock/v1/messages"),
    ("POST", "/claude/v1/messages"),
];

async fn status(raw: &mut Raw, method: &str, target: &str, headers: &str) -> u16 {
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#;
    let content = match method {
        "POST" => format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
        _ => String::new(),
    };
    let text = if method == "POST" { body } else { "" };
    raw.send(format!("{method} {target} HTTP/1.1\r\n{headers}{content}connection: close\r\n\r\n{text}"))
        .await;
    let answer = raw.answer().await.expect("an answer");
    let cors = answer.head.to_ascii_lowercase();
    assert!(!cors.contains("access-control-allow"), "{method} {target} {headers}: {cors}");
    answer.status
}

#[test]
fn foreign_hosts_are_refused_on_every_route() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let port = proxy.address().port();
        let good = ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"];
        let foreign =
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.4", "0.0.0.0"];
        for (method, target) in TARGETS {
            for host in foreign {
                for host in [host.to_owned(), format!("{host}:{port}")] {
                    let mut raw = proxy.raw().await;
                    let got = status(&mut raw, method, target, &format!("host: {host}\r\n")).await;
                    assert_eq!(got, 421, "{method} {target} for `{host}`");
                }
            }
            for host in good {
                let mut raw = proxy.raw().await;
                let got = status(&mut raw, method, target, &format!("host: {host}:{port}\r\n")).await;
                assert!(![400, 403, 421].contains(&got), "{method} {target} for `{host}`: {got}");
            }
        }
    });
}

#[test]
fn foreign_origins_are_refused_on_every_route() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let port = proxy.address().port();
        let mut origins: Vec<String> =
            ["https://evil.example", "null", "http://localhost", "http://localhost:3000", "file://", "*", ""]
                .map(str::to_owned)
                .to_vec();
        origins.push(format!("http://evil.example:{port}"));
        for (method, target) in TARGETS {
            for origin in &origins {
                let mut raw = proxy.raw().await;
                let headers = format!("host: localhost\r\norigin: {origin}\r\n");
                assert_eq!(
                    status(&mut raw, method, target, &headers).await,
                    403,
                    "{method} {target} from `{origin}`"
                );
            }
            for site in ["cross-site", "same-site"] {
                let mut raw = proxy.raw().await;
                let headers = format!("host: localhost\r\nsec-fetch-site: {site}\r\n");
                assert_eq!(status(&mut raw, method, target, &headers).await, 403, "{method} {target} {site}");
            }
            for site in ["none", "same-origin"] {
                let mut raw = proxy.raw().await;
                let headers = format!("host: localhost\r\nsec-fetch-site: {site}\r\n");
                assert_ne!(status(&mut raw, method, target, &headers).await, 403, "{method} {target} {site}");
            }
        }
    });
}

#[test]
fn preflights_are_refused_by_default() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        for (_, target) in TARGETS {
            let mut raw = proxy.raw().await;
            let headers =
                "host: localhost\r\norigin: https://evil.example\r\naccess-control-request-method: POST\r\n";
            assert_eq!(status(&mut raw, "OPTIONS", target, headers).await, 403, "{target}");
        }
    });
}

#[test]
fn allowed_hosts_and_origins_are_let_in() {
    support::run(async {
        let config = Config::new()
            .toml("server.allowed_hosts = [\"proxy.example\"]")
            .toml("server.allowed_origins = [\"https://app.example\"]");
        let proxy = Proxy::start(config).await;
        let mut raw = proxy.raw().await;
        raw.send("GET /health/live HTTP/1.1\r\nhost: proxy.example\r\norigin: https://app.example\r\n\r\n")
            .await;
        let answer = raw.answer().await.expect("an answer");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("https://app.example"));
        let mut raw = proxy.raw().await;
        raw.send("OPTIONS /mock/v1/messages HTTP/1.1\r\nhost: proxy.example\r\norigin: https://app.example\r\naccess-control-request-method: POST\r\n\r\n").await;
        let answer = raw.answer().await.expect("an answer");
        assert!(answer.status == 204 || answer.status == 200, "{}", answer.head);
        assert!(answer.header("access-control-allow-methods").is_some(), "{}", answer.head);
    });
}

#[test]
fn an_open_address_needs_a_key() {
    support::run(async {
        let (code, _, errors) =
            support::proxy::cli(Config::new(), &["serve", "--host", "0.0.0.0", "--port", "0"]).await;
        assert_ne!(code, 0);
        assert!(errors.contains("auth_token") || errors.contains("--auth-token"), "{errors}");
    });
}

#[test]
fn refusals_are_json_with_a_reason() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let mut raw = proxy.raw().await;
        raw.send("GET /health HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
        let answer = raw.answer().await.expect("an answer");
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(value["error"]["message"].as_str().unwrap().contains("allowed_hosts"), "{value}");
    });
}

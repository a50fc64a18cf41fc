//! Every way to be refused, in every format: the status, the shape, one line in the log, and no secret.

use serde_json::Value;

use super::support::{self, Config, Proxy, Upstream, eventually};

const KEY: &str = "house-key-51f7";
const OTHER: &str = "sk-ant-wr0ng-key";
/// A format's path, a near miss, and where its errors keep their type.
const FORMATS: [(&str, &str, &str); 5] = [
    ("/mock/v1/messages", "/mock/v1/message", "anthropic"),
    ("/claude/v1/messages", "/claude/v1/messagess", "anthropic"),
    ("/mock/v1/chat/completions", "/mock/v1/chat/completion", "openai"),
    ("/mock/v1/responses", "/mock/v1/response", "openai"),
    ("/plugins/status", "/plugins/statu", "core"),
];

struct Refusal {
    name: &'static str,
    /// The request line and fields; `{path}` is the format's.
    head: String,
    body: String,
    near: bool,
    status: u16,
    field: Option<(&'static str, &'static str)>,
    said: &'static str,
}

fn refusals() -> Vec<Refusal> {
    let json = "content-type: application/json\r\n";
    let key = format!("x-api-key: {KEY}\r\n");
    let ours = "host: localhost\r\n";
    let row = |name, head: String, body: &str, status, said| Refusal {
        name,
        head,
        body: body.to_owned(),
        near: false,
        status,
        field: None,
        said,
    };
    let post = |fields: &str| format!("POST {{path}} HTTP/1.1\r\n{fields}");
    vec![
        row("foreign host", post(&format!("host: evil.example\r\n{json}{key}")), "{}", 421, "allowed_hosts"),
        row("no host", post(&format!("{json}{key}")), "{}", 400, "no `host`"),
        row(
            "foreign origin",
            post(&format!("{ours}{json}{key}origin: https://evil.example\r\n")),
            "{}",
            403,
            "allowed_origins",
        ),
        row(
            "cross-site",
            post(&format!("{ours}{json}{key}sec-fetch-site: cross-site\r\n")),
            "{}",
            403,
            "allowed_origins",
        ),
        row("no declared type", post(&format!("{ours}{key}")), "{}", 415, "application/json"),
        row("trace", format!("TRACE {{path}} HTTP/1.1\r\n{ours}{key}"), "", 405, "TRACE"),
        Refusal {
            near: true,
            ..row("near path", post(&format!("{ours}{json}{key}")), "{}", 404, "did you mean")
        },
        Refusal {
            field: Some(("allow", "")),
            ..row("wrong method", format!("DELETE {{path}} HTTP/1.1\r\n{ours}{key}"), "", 405, "it takes")
        },
        Refusal {
            field: Some(("www-authenticate", "Bearer")),
            ..row("no key", post(&format!("{ours}{json}")), "{}", 401, "no valid client key")
        },
        row(
            "wrong key",
            post(&format!("{ours}{json}x-api-key: {OTHER}\r\n")),
            "{}",
            401,
            "no valid client key",
        ),
        row(
            "wrong bearer",
            post(&format!("{ours}{json}authorization: Bearer {OTHER}\r\n")),
            "{}",
            401,
            "no valid client key",
        ),
        row(
            "key in the query",
            format!("POST {{path}}?key={OTHER} HTTP/1.1\r\n{ours}{json}"),
            "{}",
            401,
            "no valid client key",
        ),
        row(
            "too large",
            post(&format!("{ours}{json}{key}content-length: 68157440\r\n")),
            "",
            413,
            "max_body",
        ),
        row(
            "too large, asked first",
            post(&format!("{ours}{json}{key}expect: 100-continue\r\ncontent-length: 68157440\r\n")),
            "",
            413,
            "max_body",
        ),
        row(
            "malformed JSON",
            post(&format!("{ours}{json}{key}")),
            "{\"model\": \"m\",\n oops}",
            400,
            "line 2",
        ),
        row("no body", post(&format!("{ours}{json}{key}")), "", 400, "no body"),
        row(
            "compressed in a way that is not taken",
            post(&format!("{ours}{json}{key}content-encoding: br\r\n")),
            "{}",
            415,
            "content-encoding",
        ),
        row(
            "not compressed as it says",
            post(&format!("{ours}{json}{key}content-encoding: gzip\r\n")),
            "{}",
            400,
            "content-encoding: gzip",
        ),
    ]
}

fn kind(shape: &str, value: &Value) -> Option<String> {
    let at = match shape {
        "anthropic" if value["type"] != "error" => return None,
        _ => &value["error"]["type"],
    };
    assert!(value["error"]["message"].is_string(), "{value}");
    at.as_str().map(str::to_owned)
}

#[test]
fn each_has_its_status_its_shape_one_line_and_no_secret() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = Config::new().upstream(&upstream).toml(&format!("server.auth_token = \"{KEY}\""));
        let proxy = Proxy::start(config).await;
        for (path, near, shape) in FORMATS {
            for refusal in refusals() {
                let Refusal { name, head, body, status, field, said, .. } = refusal;
                // The core's own routes take no POST and read no body.
                if shape == "core" && status != 421 && status != 403 && name != "near path" {
                    continue;
                }
                let target = if refusal.near { near } else { path };
                let length = if head.contains("content-length")
                    || head.starts_with("DELETE")
                    || head.starts_with("TRACE")
                {
                    String::new()
                } else {
                    format!("content-length: {}\r\n", body.len())
                };
                let before = proxy.log().lines().count();
                let mut raw = proxy.raw().await;
                let head = head.replace("{path}", target);
                raw.send(format!("{head}{length}connection: close\r\n\r\n{body}")).await;
                let answer = raw.answer().await.expect(name);
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!(answer.status, status, "{name} at {path}: {text}");
                assert!(text.contains(said), "{name} at {path}: {text}");
                let value: Value = serde_json::from_str(&text).expect(name);
                assert!(kind(shape, &value).is_some(), "{name} at {path}: {text}");
                if let Some((field, value)) = field {
                    assert!(
                        answer.header(field).is_some_and(|found| found.contains(value)),
                        "{name}: {}",
                        answer.head
                    );
                }
                let lines = eventually("a line", async || {
                    let log = proxy.log();
                    let lines: Vec<String> = log.lines().skip(before).map(str::to_owned).collect();
                    (!lines.is_empty()).then_some(lines)
                })
                .await;
                assert_eq!(lines.len(), 1, "{name} at {path}: {lines:?}");
                assert!(lines[0].contains(&format!("status={status}")), "{name}: {lines:?}");
                let told = text + &lines[0];
                assert!(!told.contains(KEY) && !told.contains(OTHER), "{name}: {told}");
            }
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn what_is_no_http_gets_a_line_too() {
    support::run(async {
        let config = Config::new().toml("server.head_timeout = \"300ms\"");
        let proxy = Proxy::start(config).await;
        let rows = [
            ("GET /health HTTP/1.1\r\nhost : localhost\r\n\r\n", 400, "not a valid HTTP message"),
            ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", 400, "not a valid HTTP message"),
            ("GET /health HTTP/1.1\r\nhost: local", 408, "gave up on a client"),
        ];
        for (message, status, line) in rows {
            let before = proxy.log().lines().count();
            let mut raw = proxy.raw().await;
            raw.send(message).await;
            assert_eq!(raw.answer().await.expect("an answer").status, status, "{message:?}");
            let lines = eventually("a line", async || {
                let log = proxy.log();
                let lines: Vec<String> = log.lines().skip(before).map(str::to_owned).collect();
                (!lines.is_empty()).then_some(lines)
            })
            .await;
            assert!(lines.len() == 1 && lines[0].contains(line), "{message:?}: {lines:?}");
        }
        // Who says nothing is let go without a word.
        let before = proxy.log();
        let mut silent = proxy.raw().await;
        assert!(silent.answer().await.is_none());
        assert_eq!(proxy.log(), before);
    });
}

#[test]
fn answers_without_a_body_are_delivered() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let mut raw = proxy.raw().await;
        for _ in 0..2 {
            raw.send("HEAD /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            assert!(raw.read_head().await.expect("a head").starts_with("HTTP/1.1 200"));
        }
        proxy.anonymous().get("/health/live").await.expect(200);
        assert!(!proxy.log().contains("left"), "{}", proxy.log());
    });
}

#[test]
fn a_house_with_few_open_files_serves_whom_it_has_let_in() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).open_files(64)).await;
        let body = r#"{"model":"m","max_tokens":1,"messages":[]}"#;
        let (mut inside, mut refused) = (Vec::new(), 0);
        for _ in 0..60 {
            let mut raw = proxy.raw().await;
            raw.post("/claude/v1/messages", body).await;
            match raw.answer().await {
                Some(answer) if answer.status == 200 => inside.push(raw),
                Some(answer) => {
                    assert_eq!(answer.status, 503, "{}", answer.head);
                    refused += 1;
                }
                None => refused += 1,
            }
        }
        assert!(inside.len() >= 16 && refused > 0, "{} inside, {refused} refused", inside.len());
        for raw in &mut inside {
            raw.post("/claude/v1/messages", body).await;
            assert_eq!(raw.answer().await.expect("an answer").status, 200);
        }
        drop(inside);
        eventually("room again", async || {
            let mut raw = proxy.raw().await;
            raw.post("/claude/v1/messages", body).await;
            raw.answer().await.filter(|answer| answer.status == 200)
        })
        .await;
        let log = proxy.log();
        assert!(log.contains("ulimit -n") && !log.contains("cannot accept"), "{log}");
    });
}

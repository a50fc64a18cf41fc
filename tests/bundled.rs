//! The bundled plugins, as a user switches them on.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream, eventually, sse};

fn body(stream: bool) -> Value {
    json!({ "model": "claude-x", "max_tokens": 1000, "messages": [{ "role": "user", "content": "my secret plan" }], "stream": stream })
}

async fn house(settings: &[&str]) -> (Upstream, Proxy) {
    let upstream = Upstream::start().await;
    let config = settings.iter().fold(Config::new().upstream(&upstream), |config, line| config.toml(line));
    (upstream, Proxy::start(config).await)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

/// The text of all files of a plugin, when it contains `wanted`.
async fn written(proxy: &Proxy, plugin: &str, wanted: &str) -> String {
    eventually(&format!("`{wanted}` in the files of {plugin}"), async || {
        let all = files(&proxy.home().join(".local/share/ccproxy"));
        let mut all: Vec<_> =
            all.into_iter().filter(|path| path.to_string_lossy().contains(plugin)).collect();
        all.sort();
        let text: String = all.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect();
        text.contains(wanted).then_some(text)
    })
    .await
}

#[test]
fn they_sleep_until_the_configuration_mentions_them() {
    support::run(async {
        let (_upstream, proxy) = house(&[]).await;
        for name in ["access_log", "raw_http_logger", "request_id", "max_tokens", "model_alias"] {
            let plugin = proxy.plugin(name).await;
            assert_eq!(plugin["state"], "disabled", "{plugin}");
        }
    });
}

#[test]
fn access_log_writes_one_line_an_exchange_in_each_format() {
    support::run(async {
        for (format, part) in [
            ("structured", "\"path\":\"/claude/v1/messages\""),
            ("common", "\"POST /claude/v1/messages HTTP/1.1\" 200"),
            ("combined", "\"POST /claude/v1/messages HTTP/1.1\" 200"),
        ] {
            let setting = format!("plugins.access_log.format = \"{format}\"");
            let (_upstream, proxy) = house(&["plugins.access_log.enabled = true", &setting]).await;
            for stream in [false, true] {
                proxy.client().post("/claude/v1/messages", &body(stream)).await.expect(200);
            }
            proxy.client().get("/nowhere").await.expect(404);
            let text = written(&proxy, "access_log", "/nowhere").await;
            assert_eq!(text.matches(part).count(), 2, "{text}");
            assert!(!text.contains("sk-test") && !text.contains("secret plan"), "{text}");
            if format == "structured" {
                for line in text.lines() {
                    serde_json::from_str::<Value>(line).expect("every line is JSON");
                }
            }
        }
    });
}

#[test]
fn access_log_is_turned_over_by_size() {
    support::run(async {
        let (_upstream, proxy) =
            house(&["plugins.access_log.max_size = \"2KiB\"", "plugins.access_log.keep = 2"]).await;
        for _ in 0..60 {
            proxy.client().post("/claude/v1/messages", &body(false)).await.expect(200);
        }
        let folder = proxy.home().join(".local/share/ccproxy");
        eventually("turned over files", async || {
            let logs =
                files(&folder).into_iter().filter(|path| path.to_string_lossy().contains("access.log"));
            (logs.count() == 3).then_some(())
        })
        .await;
    });
}

#[test]
fn raw_http_logger_writes_both_sides_without_credentials() {
    support::run(async {
        let (_upstream, proxy) = house(&["plugins.raw_http_logger.enabled = true"]).await;
        let client = proxy
            .client()
            .header("authorization", "Bearer sk-ant-oat01-canary")
            .header("cookie", "sk-ant-canary");
        client.post("/claude/v1/messages?beta=true", &body(true)).await.expect(200);
        let text = written(&proxy, "raw_http_logger", "message_stop").await;
        for part in [
            "client request",
            "provider request",
            "client response",
            "provider response",
            "secret plan",
            "anthropic-ratelimit-unified-status: allowed",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for secret in ["sk-test", "canary"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        for file in files(&proxy.home().join(".local/share/ccproxy/")) {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", file.display());
        }
    });
}

#[test]
fn raw_http_logger_caps_bodies_and_filters_paths() {
    support::run(async {
        let (_upstream, proxy) = house(&[
            "plugins.raw_http_logger.max_body = 10",
            "plugins.raw_http_logger.exclude_paths = [\"/mock/*\"]",
        ])
        .await;
        proxy.client().post("/mock/v1/messages", &json!({ "model": "m", "max_tokens": 5, "messages": [{ "role": "user", "content": "not this" }] })).await.expect(200);
        proxy.client().post("/claude/v1/messages", &body(false)).await.expect(200);
        let text = written(&proxy, "raw_http_logger", "provider response").await;
        assert!(!text.contains("secret plan") && text.contains("[10 of "), "{text}");
        assert!(!text.contains("/mock/"), "{text}");
    });
}

#[test]
fn request_id_is_shared() {
    support::run(async {
        let (upstream, proxy) = house(&["plugins.request_id.to_provider = true"]).await;
        let answer =
            proxy.client().header("x-request-id", "mine-1").post("/claude/v1/messages", &body(false)).await;
        assert_eq!(answer.header("x-request-id"), "mine-1");
        assert_eq!(upstream.request(0).await.header("x-request-id").as_deref(), Some("mine-1"));
        let made =
            proxy.client().post("/claude/v1/messages", &body(true)).await.header("x-request-id").to_owned();
        assert!(!made.is_empty());
        assert_eq!(upstream.request(1).await.header("x-request-id"), Some(made));
        let odd =
            proxy.client().header("x-request-id", "a b\"c").post("/claude/v1/messages", &body(false)).await;
        assert_ne!(odd.header("x-request-id"), "a b\"c");
        assert!(!proxy.anonymous().get("/health").await.header("x-request-id").is_empty());
    });
}

#[test]
fn max_tokens_caps_and_fills() {
    support::run(async {
        let (upstream, proxy) = house(&[
            "plugins.max_tokens.limit = 500",
            "plugins.max_tokens.models = { \"claude-big*\" = 9000 }",
        ])
        .await;
        let mut asked = body(false);
        proxy.client().post("/claude/v1/messages", &asked).await.expect(200);
        asked["max_tokens"] = 3.into();
        proxy.client().post("/claude/v1/messages", &asked).await.expect(200);
        asked.as_object_mut().unwrap().remove("max_tokens");
        proxy.client().post("/claude/v1/messages", &asked).await.expect(200);
        asked["model"] = "claude-big-1".into();
        asked["max_tokens"] = 10_000.into();
        proxy.client().post("/claude/v1/messages", &asked).await.expect(200);
        let mut sent = Vec::new();
        for number in 0..4 {
            sent.push(upstream.request(number).await.json()["max_tokens"].clone());
        }
        assert_eq!(sent, [500, 3, 500, 9000]);
    });
}

#[test]
fn model_alias_renames_and_restores() {
    support::run(async {
        let (upstream, proxy) = house(&[
            "plugins.model_alias.aliases = { fast = \"claude-haiku\", \"gpt-*\" = \"claude-opus-5-5\" }",
        ])
        .await;
        let mut asked = body(false);
        asked["model"] = "fast".into();
        let answer = proxy.client().post("/claude/v1/messages", &asked).await.expect(200).json();
        assert_eq!(upstream.request(0).await.json()["model"], "claude-haiku");
        assert_eq!(answer["model"], "fast");
        asked["model"] = "gpt-9".into();
        asked["stream"] = true.into();
        let stream = proxy.client().post("/claude/v1/messages", &asked).await.expect(200);
        assert_eq!(upstream.request(1).await.json()["model"], "claude-opus-5-5");
        assert_eq!(sse::data(&stream.body)[0]["message"]["model"], "gpt-9");
        asked["model"] = "claude-sonnet".into();
        upstream.next(Reply::stream(anthropic::events("as is")));
        let untouched = proxy.client().post("/claude/v1/messages", &asked).await.expect(200);
        assert_eq!(untouched.text(), anthropic::events("as is").concat());
    });
}

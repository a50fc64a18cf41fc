//! The bundled plugins, each through real sockets: what they write, change and leave alone.

mod access_log;
mod max_tokens;
mod model_alias;
pub mod permissions;
mod raw_http_logger;
mod request_id;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{self, Answer, Client, Config, Proxy, Reply, Upstream, eventually, sse};

/// Where a plugin keeps its files.
fn data(proxy: &Proxy, plugin: &str) -> PathBuf {
    proxy.home().join(".local/share/ccproxy/plugins").join(plugin)
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The text of every file below a folder. A file may be turned over between the look and the read: who
/// waits for its text looks again.
fn text(folder: &Path) -> String {
    let read = |path: &PathBuf| std::fs::read(path).ok();
    files(folder).iter().filter_map(read).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Waits until the files below a folder say `wanted` so many times, and gives all they say.
async fn written(folder: &Path, wanted: &str, times: usize) -> String {
    eventually(&format!("{times} x `{wanted}` in {}", folder.display()), async || {
        Some(text(folder)).filter(|text| text.matches(wanted).count() >= times)
    })
    .await
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A question to the mock provider in one of the three formats: target and body.
fn question(format: &str, model: &str, stream: bool) -> (&'static str, Value) {
    let messages = json!([{ "role": "user", "content": "hello" }]);
    match format {
        "anthropic_messages" => (
            "/mock/v1/messages",
            json!({ "model": model, "max_tokens": 100, "messages": messages, "stream": stream }),
        ),
        "openai_chat" => {
            ("/mock/v1/chat/completions", json!({ "model": model, "messages": messages, "stream": stream }))
        }
        _ => ("/mock/v1/responses", json!({ "model": model, "input": "hello", "stream": stream })),
    }
}

const FORMATS: [&str; 3] = ["anthropic_messages", "openai_chat", "openai_responses"];

async fn ask(client: &Client, format: &str, model: &str, stream: bool) -> Answer {
    let (target, body) = question(format, model, stream);
    client.post(target, &body).await.expect(200)
}

#[test]
fn they_sleep_until_they_are_mentioned() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        for name in [
            "access_log",
            "raw_http_logger",
            "request_id",
            "max_tokens",
            "model_alias",
            "permissions",
            "recorder",
        ] {
            let plugin = proxy.plugin(name).await;
            assert_eq!(plugin["state"], "disabled", "{plugin}");
            assert!(plugin["reason"].as_str().unwrap().contains(name), "{plugin}");
        }
        ask(&proxy.client(), "openai_chat", "mock", true).await;
        proxy.stop().await;
    });
}

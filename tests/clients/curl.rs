//! curl, as a user types it.

use std::path::Path;

use super::program::Program;
use super::{House, installed_at, text};
use crate::support::upstream::scenes;
use crate::support::{self, Config, Proxy};

fn curl() -> Option<Program> {
    Some(Program::new(&installed_at(Path::new("/usr/bin/curl"))?).args([
        "--silent",
        "--show-error",
        "--max-time",
        "20",
    ]))
}

const HELLO: &str = r#"{"model":"mock","max_tokens":50,"messages":[{"role":"user","content":"hello"}]}"#;
const STREAM: &str =
    r#"{"model":"m","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hello"}]}"#;
const JSON: [&str; 2] = ["-H", "content-type: application/json"];

#[test]
fn what_the_readme_says() {
    support::run(async {
        let Some(curl) = curl() else { return };
        let proxy = Proxy::start(Config::new()).await;
        let url = format!("http://{}/mock/v1/messages", proxy.address());
        let answer = curl.args([&url]).args(JSON).args(["-d", HELLO]).run().await.json();
        assert_eq!(text(&answer["content"][0]["text"]), "The mock provider heard: hello");
    });
}

#[test]
fn a_stream_over_either_http() {
    support::run(async {
        for version in ["--http1.1", "--http2-prior-knowledge", "--http2"] {
            let Some(curl) = curl() else { return };
            let house = House::new(scenes::done).await;
            let url = format!("{}/v1/messages?beta=true", house.url("claude"));
            let output = curl.args([version, "--no-buffer", "--include", &url]).args(JSON);
            let output = output.args(["-H", "x-api-key: sk-own", "-d", STREAM]).run().await;
            assert_eq!(output.code, Some(0), "{version}: {output:?}");
            for part in
                [" 200", "request-id: req_scene_1", "event: message_start\n", "word", "event: message_stop\n"]
            {
                assert!(output.stdout.contains(part), "{version}: no `{part}` in {}", output.stdout);
            }
            house.bodies_are_untouched();
        }
    });
}

#[test]
fn a_broken_stream_is_no_success() {
    support::run(async {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let Some(curl) = curl() else { return };
            let cut = support::Reply::stream(scenes::half()).bytes("event: content_blo").cut();
            let house = House::new(scenes::always(cut)).await;
            let url = format!("{}/v1/messages", house.url("claude"));
            let output = curl
                .args([version, "--no-buffer", &url])
                .args(JSON)
                .args(["-H", "x-api-key: sk-own", "-d", STREAM])
                .run()
                .await;
            assert_ne!(output.code, Some(0), "{version}: {output:?}");
            assert!(output.stdout.contains("must "), "{version}: what came before is lost: {output:?}");
        }
    });
}

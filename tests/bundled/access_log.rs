//! `access_log`

use super::*;

fn config(format: &str) -> Config {
    Config::new().toml(&format!("plugins.access_log.format = \"{format}\""))
}

#[test]
fn structured_lines_tell_what_happened() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(config("structured").upstream(&upstream)).await;
        for format in FORMATS {
            ask(&proxy.client(), format, "mock", false).await;
            ask(&proxy.client(), format, "mock", true).await;
        }
        let folder = data(&proxy, "access_log");
        let text = written(&folder, "\n", 6).await;
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (line, (format, streamed)) in
            lines.iter().zip(FORMATS.into_iter().flat_map(|format| [(format, false), (format, true)]))
        {
            assert_eq!(line["event"], "request.completed", "{line}");
            assert_eq!((&line["format"], &line["streamed"]), (&json!(format), &json!(streamed)), "{line}");
            assert_eq!((&line["status"], &line["model"]), (&json!(200), &json!("mock")), "{line}");
            assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
            assert!(line["response_bytes"].as_u64().unwrap() > 100, "{line}");
            assert!(
                line["usage"]["output_tokens"].as_u64().is_some() || (format == "openai_chat" && streamed),
                "{line}"
            );
        }
        let body = json!({ "model": "claude-x", "max_tokens": 9, "messages": [] });
        upstream.next(Reply::json(529, &json!({ "type": "error" })));
        proxy.client().post("/claude/v1/messages", &body).await.expect(529);
        proxy.anonymous().get("/no/such/path").await.expect(404);
        let text = written(&folder, "\n", 8).await;
        let refused: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(refused["event"], "request.failed");
        assert_eq!((&refused["status"], &refused["error"]["kind"]), (&json!(404), &json!("not_found")));
        let passed: Value = serde_json::from_str(text.lines().nth(6).unwrap()).unwrap();
        assert_eq!((&passed["status"], &passed["provider"]), (&json!(529), &json!("claude_api")));
        assert_eq!(mode(&folder.join("access.log")), 0o600);
        assert_eq!(mode(&folder), 0o700);
        proxy.stop().await;
    });
}

#[test]
fn common_and_combined_are_what_web_servers_write() {
    support::run(async {
        for (format, tail) in [("common", ""), ("combined", " \"http://here/\" \"agent/1\"")] {
            let proxy = Proxy::start(config(format)).await;
            let client = proxy.client().header("user-agent", "agent/1").header("referer", "http://here/");
            let answer = client.get("/mock/v1/models?limit=2&api_key=sk-canary").await.expect(200);
            let text = written(&data(&proxy, "access_log"), "\n", 1).await;
            let (start, rest) = text.split_once('[').unwrap();
            let (time, rest) = rest.split_once(']').unwrap();
            assert_eq!(start, "127.0.0.1 - - ");
            let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            assert!(
                shape.starts_with("99/") && shape.ends_with("/9999:99:99:99 +9999") && shape.len() == 26,
                "{text}"
            );
            let target = "/mock/v1/models?limit=2&api_key=[redacted]";
            let length = answer.body.len();
            assert_eq!(rest, format!(" \"GET {target} HTTP/1.1\" 200 {length}{tail}\n"));
            proxy.stop().await;
        }
    });
}

#[test]
fn a_client_cannot_fake_a_line() {
    support::run(async {
        let nasty = "x\" 200 9\u{9b}31m\u{202e}\n127.0.0.1 - - fake";
        for format in ["structured", "common", "combined"] {
            let proxy = Proxy::start(config(format)).await;
            let mut raw = proxy.raw().await;
            raw.send("GET /mock/v1/models?a=\\x HTTP/1.1\r\nhost: localhost\r\nuser-agent: a\"b\\ \tc\u{9b}\r\n\r\n").await;
            raw.answer().await.unwrap();
            let (target, body) = question("openai_chat", nasty, false);
            proxy.client().post(target, &body).await;
            let text = written(&data(&proxy, "access_log"), "\n", 2).await;
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(text.is_ascii(), "{text}");
            assert!(!text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\n'), "{text:?}");
            if format == "structured" {
                let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
                assert_eq!(line["model"], nasty, "the value itself is kept");
            }
            proxy.stop().await;
        }
    });
}

#[test]
fn a_full_file_is_turned_over_and_paths_are_left_out() {
    support::run(async {
        let config = config("structured")
            .toml("plugins.access_log.max_size = \"1KiB\"")
            .toml("plugins.access_log.keep = 2")
            .toml("plugins.access_log.exclude_paths = [\"/health*\", \"/mock/v1/models\"]");
        let proxy = Proxy::start(config).await;
        proxy.anonymous().get("/health/live").await.expect(200);
        proxy.client().get("/mock/v1/models").await.expect(200);
        for _ in 0..12 {
            ask(&proxy.client(), "openai_chat", "mock", false).await;
        }
        ask(&proxy.client(), "openai_chat", "the-last-one", false).await;
        let folder = data(&proxy, "access_log");
        let text = written(&folder, "the-last-one", 1).await;
        assert!(!text.contains("/health") && !text.contains("/mock/v1/models"), "{text}");
        let names: Vec<_> = files(&folder).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["access.log", "access.log.1", "access.log.2"]);
        for path in files(&folder) {
            assert!(std::fs::metadata(&path).unwrap().len() <= 1024, "{}", path.display());
            assert_eq!(mode(&path), 0o600);
        }
        proxy.stop().await;
    });
}

#[test]
fn it_writes_where_the_operator_says_and_to_the_log() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.log");
        let config = config("common")
            .toml(&format!("plugins.access_log.file = \"{}\"", path.display()))
            .toml("plugins.access_log.console = true");
        let proxy = Proxy::start(config).await;
        proxy.client().get("/mock/v1/models").await.expect(200);
        let text = written(&folder.path().join("logs"), "\n", 1).await;
        let line = proxy.logged("GET /mock/v1/models").await;
        assert!(line.contains("plugin=access_log"), "{line}");
        assert!(text.contains("\"GET /mock/v1/models HTTP/1.1\" 200"), "{text}");
        assert!(!data(&proxy, "access_log").exists(), "nothing is written beside it");
        let health = proxy.anonymous().get("/plugins/access_log/health").await.expect(200).json();
        assert_eq!((&health["status"], &health["details"]["lines"]), (&json!("healthy"), &json!(1)));
        proxy.stop().await;

        let silent = Config::new().toml("plugins.access_log.to_file = false");
        let proxy = Proxy::start(silent).await;
        proxy.client().get("/mock/v1/models").await.expect(200);
        proxy.stop().await;
    });
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    support::run(async {
        let proxy = Proxy::start(config("common")).await;
        for _ in 0..50 {
            proxy.client().get("/mock/v1/models").await.expect(200);
        }
        let home = proxy.home().to_owned();
        // The home goes with the proxy, so it is looked at between the signal and the end of the test.
        let mut proxy = proxy;
        proxy.terminate();
        assert!(proxy.ended().await.success());
        let text = text(&home.join(".local/share/ccproxy/plugins/access_log"));
        assert_eq!(text.lines().count(), 50);
    });
}

#[test]
fn wrong_settings_are_told_with_their_place() {
    support::run(async {
        let proxy = Proxy::start(config("jsn").toml("plugins.access_log.keeep = 3")).await;
        let plugin = proxy.plugin("access_log").await;
        assert_eq!(plugin["state"], "failed", "{plugin}");
        let reason = plugin["reason"].as_str().unwrap();
        assert!(reason.contains("plugins.access_log.format") && reason.contains("config.toml"), "{reason}");
        assert!(reason.contains("plugins.access_log.keep"), "{reason}");
        proxy.client().get("/mock/v1/models").await.expect(200);
        proxy.stop().await;
    });
}

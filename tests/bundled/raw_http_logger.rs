//! `raw_http_logger`

use super::*;

fn on() -> Config {
    Config::new().toml("plugins.raw_http_logger.enabled = true")
}

fn message(stream: bool) -> Value {
    json!({ "model": "claude-x", "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": "what is a canary" }] })
}

#[test]
fn both_sides_are_written_with_what_went_over_the_wire() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(on().upstream(&upstream)).await;
        let folder = data(&proxy, "raw_http_logger");
        for stream in [false, true] {
            let answer =
                proxy.client().post("/claude/v1/messages?beta=true", &message(stream)).await.expect(200);
            let times = 1 + usize::from(stream);
            let all = written(&folder, "client response", times).await;
            let path = files(&folder).into_iter().find(|path| {
                std::fs::read_to_string(path).unwrap().contains(&format!("\"stream\":{stream}"))
            });
            let text = std::fs::read_to_string(path.unwrap()).unwrap();
            let heads: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("### ")?.split_once(' ')?.1.split(',').next())
                .collect();
            assert_eq!(
                heads,
                ["client request", "provider request", "provider response", "client response"],
                "{all}"
            );
            assert_eq!(text.matches(&message(stream).to_string()).count(), 2, "{text}");
            assert_eq!(text.matches(&answer.text()).count(), 2, "{text}");
            assert!(text.contains("POST /claude/v1/messages?beta=true\n"), "{text}");
            assert!(text.contains(&format!("POST {}/v1/messages?beta=true\n", upstream.url())), "{text}");
            assert!(text.contains("request-id: req_upstream_1\n") && text.contains("\n200\n"), "{text}");
            let length = format!("body {0} of {0} bytes", message(stream).to_string().len());
            assert_eq!(text.matches(&length).count(), 2, "{text}");
        }
        for path in files(&folder) {
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(path.parent().unwrap()), 0o700);
        }
        proxy.stop().await;
    });
}

#[test]
fn no_credential_is_ever_written() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = on()
            .upstream(&upstream)
            .toml("plugins.claude_api.api_key = \"sk-ant-canary-configured-0001\"")
            .toml("server.auth_token = \"canary-client-key-0002\"")
            .toml("plugins.raw_http_logger.redact_patterns = [\"ACME-[0-9]+\"]")
            .toml("plugins.access_log.enabled = true");
        let proxy = Proxy::start(config).await;
        let client = Client::new(proxy.address())
            .header("authorization", "Bearer canary-client-key-0002")
            .header("x-api-key", "sk-ant-canary-own-0003")
            .header("cookie", "session=canary-0004")
            .header("x-amz-security-token", "canary-0005")
            .header("x-goog-api-key", "canary-0006");
        let prompt = "my keys: sk-ant-api03-canary-0007-abcdef, Bearer canary-0008-abcdefgh, ACME-00091234 and \
            {\"client_secret\": \"canary-0010\"} and refresh_token=canary-0011-x&x=1";
        let body = json!({
            "model": "claude-x", "max_tokens": 9, "api_key": "canary-0012",
            "messages": [{ "role": "user", "content": prompt }],
        });
        upstream.next(
            Reply::json(200, &json!({ "access_token": "canary-0013", "text": "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjE0fQ.canary0014" }))
                .header("set-cookie", "s=canary-0015")
                .header("x-session-token", "canary-0016"),
        );
        client.post("/claude/v1/messages?api_key=canary-0017&beta=true", &body).await.expect(200);
        let folder = data(&proxy, "raw_http_logger");
        let written = written(&folder, "client response", 1).await;
        assert!(written.contains("x-api-key: [redacted]") && written.contains("beta=true"), "{written}");
        assert!(written.contains("my keys: [redacted]"), "the rest of the prompt is there: {written}");
        let everything = text(proxy.home().join(".local").as_path()) + &proxy.log();
        let found: Vec<&str> =
            everything.lines().filter(|line| line.contains("canary-") || line.contains("canary0")).collect();
        assert_eq!(found, Vec::<&str>::new());
        assert!(!everything.contains("ACME-00091234"));
        proxy.stop().await;
    });
}

#[test]
fn bodies_are_cut_left_out_or_spelled_in_base64() {
    support::run(async {
        let upstream = Upstream::start().await;
        let small = on().upstream(&upstream).toml("plugins.raw_http_logger.max_body = 100");
        let proxy = Proxy::start(small).await;
        let mut long = message(false);
        long["messages"][0]["content"] = json!("ü".repeat(5000));
        proxy.client().post("/claude/v1/messages", &long).await.expect(200);
        let text = written(&data(&proxy, "raw_http_logger"), "client response", 1).await;
        let length = long.to_string().len();
        assert!(text.contains(&format!("of {length} bytes, cut\n")), "{text}");
        assert!(text.len() < 3000, "{}", text.len());
        proxy.stop().await;

        let proxy =
            Proxy::start(on().upstream(&upstream).toml("plugins.raw_http_logger.bodies = false")).await;
        proxy.client().post("/claude/v1/messages", &message(false)).await.expect(200);
        let text = written(&data(&proxy, "raw_http_logger"), "client response", 1).await;
        assert!(!text.contains("canary") && text.contains("bytes, left out\n"), "{text}");
        proxy.stop().await;

        let proxy = Proxy::start(on().upstream(&upstream)).await;
        let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        upstream.next(Reply::status(200).header("content-encoding", "gzip").bytes(gzip));
        proxy.client().post("/claude/v1/messages", &message(false)).await.expect(200);
        let text = written(&data(&proxy, "raw_http_logger"), "client response", 1).await;
        assert_eq!(text.matches("H4sIAAAAAAAAAwMAAAAAAAAAAAA=").count(), 2, "{text}");
        assert!(text.contains("of 20 bytes, base64\n"), "{text}");
        proxy.stop().await;
    });
}

#[test]
fn sides_and_paths_are_chosen() {
    support::run(async {
        let config = on()
            .toml("plugins.raw_http_logger.provider = false")
            .toml("plugins.raw_http_logger.include_paths = [\"/mock/*\"]")
            .toml("plugins.raw_http_logger.exclude_paths = [\"/mock/v1/models\"]");
        let proxy = Proxy::start(config).await;
        proxy.client().get("/mock/v1/models").await.expect(200);
        proxy.client().get("/plugins").await.expect(200);
        ask(&proxy.client(), "openai_chat", "mock", false).await;
        let text = written(&data(&proxy, "raw_http_logger"), "client response", 1).await;
        assert_eq!(text.matches("### ").count(), 2, "{text}");
        assert!(!text.contains("provider re"), "{text}");
        proxy.stop().await;
    });
}

#[test]
fn refusals_and_broken_providers_are_written_too() {
    support::run(async {
        let refused = Upstream::refused().await;
        let proxy = Proxy::start(on().base_url(&refused)).await;
        proxy.client().post("/claude/v1/messages", &message(false)).await.expect(502);
        let text = written(&data(&proxy, "raw_http_logger"), "client response", 1).await;
        assert!(text.contains("provider error\nbad_gateway (send): "), "{text}");
        proxy.client().post_bytes("/claude/v1/messages", "{\"model\": ").await.expect(400);
        let text = written(&data(&proxy, "raw_http_logger"), "client response", 2).await;
        assert!(text.contains("\n400\n"), "{text}");
        proxy.stop().await;
    });
}

#[test]
fn old_days_go() {
    support::run(async {
        let proxy = Proxy::start(on().toml("plugins.raw_http_logger.keep_days = 2")).await;
        let folder = data(&proxy, "raw_http_logger");
        for path in ["2020-01-01/a.http", "2020-01-01/b.http", "2199-01-01/c.http", "notes/d.http"] {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        proxy.anonymous().post("/plugins/raw_http_logger/tasks/sweep/run", &json!({})).await.expect(200);
        eventually("the old day to go", async || (!folder.join("2020-01-01").exists()).then_some(())).await;
        assert!(folder.join("2199-01-01/c.http").exists() && folder.join("notes/d.http").exists());
        proxy.stop().await;
    });
}

#[test]
fn a_wrong_pattern_is_told() {
    support::run(async {
        let proxy = Proxy::start(on().toml("plugins.raw_http_logger.redact_patterns = [\"a(\"]")).await;
        let plugin = proxy.plugin("raw_http_logger").await;
        assert_eq!(plugin["state"], "failed", "{plugin}");
        assert!(plugin["reason"].as_str().unwrap().contains("redact_patterns"), "{plugin}");
        proxy.stop().await;
    });
}

//! `ccproxy explain`: what would become of a request. Nothing is ever sent.

use serde_json::{Value, json};

use super::support::proxy::{cli, cli_in};
use super::support::upstream::openai;
use super::support::{self, Config, Proxy, Reply, Upstream};

const PLUGIN: &str = r#"return { name = "watcher", version = "1.0.0",
  middleware = { { layer = "security", body = "read", request = function(req) error("it is never run") end } },
  hooks = { ["provider.request.prepared"] = function(out) error("it is never run") end },
}"#;

fn config(claude: &Upstream, gpt: &Upstream) -> Config {
    Config::new()
        .upstream(claude)
        .toml("plugins.claude_api.api_key = \"sk-ant-house\"")
        .toml(&format!("plugins.openai.base_url = \"{}/v1\"", gpt.url()))
        .toml("routing.aliases.both = [\"openai/gpt-5\", \"claude_api/claude-opus-5-5\"]")
        .script("watcher", PLUGIN)
}

/// A folder with this request in it.
fn request(body: &Value) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("request.json");
    std::fs::write(&file, body.to_string()).unwrap();
    let name = file.to_string_lossy().into_owned();
    (folder, name)
}

fn body() -> Value {
    json!({ "model": "both", "seed": 7, "messages": [{ "role": "user", "content": "hi" }] })
}

const CHAT: [&str; 2] = ["--path", "/v1/chat/completions"];

#[test]
fn tells_the_way_of_a_request_in_lines() {
    support::run(async {
        let (claude, gpt) = (Upstream::start().await, Upstream::with(openai::answer).await);
        let (_folder, file) = request(&body());
        let flags = ["--header", "authorization: Bearer sk-ant-own", "--header", "openai-project: p"];
        let words = [&["explain", &file, "--offline"][..], &CHAT, &flags].concat();
        let (code, out, err) = cli(config(&claude, &gpt), &words).await;
        assert_eq!(code, 0, "{err}");
        for line in [
            "route       POST /v1/chat/completions (front_door, openai_chat)",
            "model       both",
            "reason      alias `both`",
            "candidates  openai/gpt-5  no credential for OpenAI",
            "            claude_api/claude-opus-5-5  API key from the settings",
            "plugins     100 watcher (request, reads bodies)",
            "            watcher hears `provider.request.prepared`, and may edit what is sent",
            "asked       claude_api/claude-opus-5-5",
            "changed     the model, to claude-opus-5-5",
            "            the body, from openai_chat to anthropic_messages",
            "            headers left out: openai-project",
            "lost        seed: ",
            &format!("would send  POST {}/v1/messages", claude.url()),
            "            anthropic-version: 2023-06-01",
            "            x-api-key: [redacted]",
            "no proxy was asked",
        ] {
            assert!(out.contains(line), "`{line}` is missing in:\n{out}");
        }
        assert!(!out.contains("sk-ant"), "{out}");
        assert!(!out.contains("\"content\""), "the body is shown only when it is asked for: {out}");
        let (_, out, _) = cli(config(&claude, &gpt), &[&words[..], &["--body"]].concat()).await;
        assert!(out.contains("\"text\": \"hi\""), "{out}");
        assert_eq!((claude.requests().len(), gpt.requests().len()), (0, 0));
    });
}

#[test]
fn a_running_proxy_tells_who_rests() {
    support::run(async {
        let (claude, gpt) = (Upstream::start().await, Upstream::with(openai::answer).await);
        let config = config(&claude, &gpt).toml("plugins.openai.api_key = \"sk-proj-house\"");
        let config = config.toml("plugins.watcher.enabled = false");
        let proxy = Proxy::start(config).await;
        gpt.next(Reply::json(429, &openai::error("limit", "slow down")).header("retry-after", "60"));
        proxy.anonymous().post("/v1/chat/completions", &body()).await.expect(200);

        let (_folder, file) = request(&body());
        let url = format!("http://{}", proxy.address());
        let words = [&["explain", &file, "--json", "--url", &url][..], &CHAT].concat();
        let (code, out, err) = cli(Config::new(), &words).await;
        assert_eq!(code, 0, "{err}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(told["route"]["plugin"], "front_door");
        let candidates = told["candidates"].as_array().unwrap();
        let states: Vec<&str> = candidates.iter().filter_map(|one| one["state"].as_str()).collect();
        assert_eq!(states, ["resting", "closed"]);
        assert!(candidates[0]["rests_seconds"].as_f64().unwrap() > 30.0);
        assert_eq!(told["chosen"], json!({ "provider": "claude_api", "model": "claude-opus-5-5" }));
        assert_eq!(told["formats"], json!({ "client": "openai_chat", "provider": "anthropic_messages" }));
        assert_eq!(told["losses"][0]["field"], "seed");
        assert_eq!(told["upstream"]["body"]["messages"][0]["content"][0]["text"], "hi");
        assert_eq!(told["upstream"]["headers"]["x-api-key"], "[redacted]");
        let (_, text, _) =
            cli(Config::new(), &[&["explain", &file, "--url", &url][..], &CHAT].concat()).await;
        assert!(text.contains("openai/gpt-5 [resting, "), "{text}");
        assert_eq!((claude.requests().len(), gpt.requests().len()), (1, 1), "explaining asks nobody");
        assert_eq!(proxy.status().await["routing"]["aliases"]["both"][0], "openai/gpt-5");
    });
}

#[test]
fn refusals_and_the_routes_of_one_provider() {
    support::run(async {
        let (claude, gpt) = (Upstream::start().await, Upstream::with(openai::answer).await);
        let tell = async |body: &Value, more: &[&str]| -> Value {
            let (_folder, file) = request(body);
            let words = [&["explain", &file, "--offline", "--json"][..], more].concat();
            let (code, out, err) = cli(config(&claude, &gpt), &words).await;
            assert_eq!(code, 0, "{err}");
            serde_json::from_str(&out).unwrap()
        };
        let told = tell(&json!({ "model": "unheard", "input": "hi" }), &[]).await;
        assert_eq!(told["route"]["path"], "/v1/responses", "the only format with `input`");
        assert_eq!(told["refused"]["status"], 404);
        let told = tell(&json!({ "model": "both" }), &["--path", "/nowhere"]).await;
        assert_eq!(told["refused"]["status"], 404);
        let told = tell(
            &json!({ "model": "claude-x", "messages": [] }),
            &["--path", "/claude/v1/messages?beta=true"],
        )
        .await;
        assert_eq!(told["changes"]["body"], "same");
        assert_eq!(told["upstream"]["url"], format!("{}/v1/messages?beta=true", claude.url()));
        let told = tell(&json!({ "model": "claude_api/x", "messages": [] }), &[]).await;
        assert_eq!((&told["changes"]["body"], &told["changes"]["model"]), (&json!("edited"), &json!("x")));
        let told =
            tell(&json!({ "model": "mock/x", "messages": [] }), &["--path", "/v1/messages/count_tokens"])
                .await;
        assert_eq!(told["chosen"]["provider"], "mock");
        assert_eq!((claude.requests().len(), gpt.requests().len()), (0, 0));

        let home = tempfile::tempdir().unwrap();
        let (code, _, err) =
            cli_in(home.path(), &Config::new().without_file(), &["explain", "nothing.json"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("cannot read `nothing.json`"), "{err}");
        let (_folder, file) = request(&body());
        let (code, _, err) = cli(Config::new(), &["explain", &file, "--offline", "--header", "odd"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("has no colon"), "{err}");
    });
}

#[test]
fn the_route_of_the_running_proxy_refuses_what_is_no_question() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        for (question, said) in [
            (json!({}), "missing field `path`"),
            (json!({ "path": "v1/messages" }), "is no path"),
            (json!({ "path": "http://elsewhere/v1/messages" }), "is no path"),
            (json!({ "path": "/v1/messages", "method": "P ST" }), "is no method"),
            (json!({ "path": "/v1/messages", "headers": { "a b": "c" } }), "is no header field"),
            (json!({ "path": "/v1/messages", "extra": 1 }), "unknown field"),
        ] {
            let answer = proxy.anonymous().post("/routing/explain", &question).await.expect(400);
            assert!(answer.text().contains(said), "{question}: {}", answer.text());
        }
        let told =
            proxy.anonymous().post("/routing/explain", &json!({ "path": "/v1/messages", "body": "{" })).await;
        assert_eq!(told.expect(200).json()["refused"]["status"], 400);
        let told =
            proxy.anonymous().post("/routing/explain", &json!({ "path": "/health", "method": "GET" })).await;
        let told = told.expect(200).json();
        assert_eq!((&told["route"]["plugin"], &told["refused"]), (&json!("core"), &Value::Null));
        let guarded = Proxy::start(Config::new().toml("server.auth_token = \"k\"")).await;
        guarded.anonymous().post("/routing/explain", &json!({ "path": "/health" })).await.expect(401);
    });
}

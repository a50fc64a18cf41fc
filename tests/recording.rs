//! Exchanges are recorded as they were, without credentials, and go through a plugin again without a network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::support::config::write_script;
use super::support::proxy::{cli_in, home};
use super::support::{self, Config, Proxy, Upstream};

pub(super) fn message(stream: bool) -> Value {
    json!({ "model": "claude-x", "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": "what is a canary" }] })
}

/// The lines of a recording.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two exchanges with Claude, whole and streamed, one through the translation, and one that no provider saw.
pub(super) async fn recorded(folder: &Path) -> Vec<String> {
    let upstream = Upstream::start().await;
    let config = Config::new().upstream(&upstream).toml("plugins.claude_api.api_key = \"sk-test-house\"");
    let config = config.command("record").arg("--out").arg("exchanges.jsonl");
    let proxy = Proxy::start(config).await;
    let mut told = Vec::new();
    let client = proxy
        .client()
        .header("x-github-token", "sk-test-token")
        .header("sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-test-page");
    for stream in [false, true] {
        told.push(client.post("/claude/v1/messages?beta=true", &message(stream)).await.expect(200).text());
    }
    let chat =
        json!({ "model": "claude-x", "messages": [{ "role": "user", "content": "translate \u{e9}" }] });
    told.push(proxy.client().post("/v1/chat/completions", &chat).await.expect(200).text());
    proxy.anonymous().get("/health/live").await.expect(200);
    let path = proxy.home().join("exchanges.jsonl");
    proxy.terminate();
    let mut proxy = proxy;
    assert!(proxy.ended().await.success(), "{}", proxy.log());
    assert!(proxy.log().contains("prompts and answers are written to"), "{}", proxy.log());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    fs::copy(path, folder.join("exchanges.jsonl")).unwrap();
    told
}

#[test]
fn a_recording_holds_both_sides_and_no_credential() {
    support::run(async {
        let folder = tempfile::tempdir().unwrap();
        let told = recorded(folder.path()).await;
        let path = folder.path().join("exchanges.jsonl");
        let lines = lines(&path);
        let of = |side: &str, kind: &str| -> Vec<&Value> {
            lines.iter().filter(|line| line["side"] == side && line["kind"] == kind).collect()
        };
        assert_eq!(of("provider", "request").len(), 3);
        assert_eq!(of("client", "request")[0]["body"], message(false).to_string());
        assert_eq!(of("client", "request")[0]["url"], "/claude/v1/messages?beta=true");
        let answers: Vec<&str> =
            of("client", "response").iter().filter_map(|line| line["body"].as_str()).collect();
        for text in &told {
            assert!(answers.contains(&text.as_str()), "{text}");
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("sk-test") && text.contains("[redacted]"), "{text}");
        let headers = &of("client", "request")[0]["headers"];
        assert_eq!(headers["x-github-token"], "[redacted]");
        assert_eq!(headers["sec-websocket-protocol"], "realtime, openai-insecure-api-key.[redacted]");
        // A recording is never continued or overwritten.
        let config = Config::new();
        let home = home(&config);
        fs::write(home.path().join("a.jsonl"), "mine").unwrap();
        let (code, _, errors) = cli_in(home.path(), &config, &["record", "--out", "a.jsonl"]).await;
        assert!(code == 1 && errors.contains("exists"), "{errors}");
        let (code, _, errors) = cli_in(home.path(), &config, &["record", "--out", "no/a.jsonl"]).await;
        assert!(code == 1 && errors.contains("cannot write"), "{errors}");
    });
}

/// A command that says that it records, records.
#[test]
fn what_would_not_record_does_not_serve() {
    support::run(async {
        let config = Config::new();
        let home = home(&config);
        let record = async |config: &Config, more: &[&str]| {
            let words = ["record", "--out", "a.jsonl", "--port", "0"];
            let told = cli_in(home.path(), config, &[&words, more].concat()).await;
            assert!(!home.path().join("a.jsonl").exists(), "{told:?}");
            told
        };
        for (size, why) in
            [("10zB", "a size such as `10MiB`"), ("", "a size such as"), ("9B", "at least 1KiB")]
        {
            let (code, out, errors) = record(&config, &["--max-size", size]).await;
            assert!(code == 2 && out.is_empty() && errors.contains(why), "{size}: {errors}");
        }
        let (code, out, errors) = record(&config, &["--disable-plugin", "recorder"]).await;
        assert!(code == 1 && out.is_empty(), "{out}{errors}");
        assert!(
            errors.contains("nothing would be recorded") && errors.contains("`disabled_plugins`"),
            "{errors}"
        );
        for line in ["disabled_plugins = [\"recorder\"]", "enable_plugins = false"] {
            let config = Config::new().toml(line);
            let home = super::support::proxy::home(&config);
            let words = ["record", "--out", "a.jsonl", "--port", "0"];
            let (code, _, errors) = cli_in(home.path(), &config, &words).await;
            assert!(code == 1 && errors.contains("nothing would be recorded"), "{line}: {errors}");
        }
        // Another plugin of that name that does not come up.
        let broken = "return { name = \"recorder\", version = \"1.0.0\",
            config = { file = ccproxy.schema.path { default = \"x\" }, paths = ccproxy.schema.list { of = ccproxy.schema.string(), default = {} } },
            setup = function() error(\"no disk\") end }";
        write_script(&home.path().join("mine"), "recorder", broken);
        let words = ["--scripts", "mine", "record", "--out", "a.jsonl", "--port", "0"];
        let (code, out, errors) = cli_in(home.path(), &config, &words).await;
        assert!(code == 1 && out.is_empty(), "{out}{errors}");
        assert!(errors.contains("does not run") && errors.contains("no disk"), "{errors}");
        assert!(!home.path().join("a.jsonl").exists());
    });
}

const EDITOR: &str = r#"
return {
  name = "editor",
  version = "1.0.0",
  config = { most = ccproxy.schema.integer { default = 9 }, refuse = ccproxy.schema.string { default = "" } },
  capabilities = { "http:api.example.com" },
  middleware = {
    {
      layer = "transformation",
      body = "write",
      request = function(req, plugin)
        if plugin.config.refuse ~= "" then
          return ccproxy.error(429, "rate_limit_error", plugin.config.refuse)
        end
        if plugin.config.most ~= 9 then
          req.headers["x-team"] = "blue"
          req.body:set("max_tokens", plugin.config.most)
        end
      end,
      event = function(_, ev, plugin)
        if plugin.config.most ~= 9 and ev.text then
          ev.text = ev.text .. "!"
        end
      end,
    },
  },
}
"#;

#[test]
fn a_replay_shows_exactly_what_a_plugin_changes() {
    support::run(async {
        let config = Config::new().without_scripts();
        let home = home(&config);
        recorded(home.path()).await;
        write_script(&home.path().join("mine"), "editor", EDITOR);
        let replay = async |more: &[&str]| {
            let words = ["plugins", "replay", "exchanges.jsonl", "--plugin", "mine/editor"];
            cli_in(home.path(), &config, &[&words, more].concat()).await
        };
        // It edits nothing. What it declares has its price, and that is seen: events are read uncompressed.
        let (code, out, errors) = replay(&[]).await;
        assert_eq!(code, 0, "{out}{errors}");
        assert!(out.contains("header accept-encoding\n    + identity"), "{out}");
        assert_eq!(out.matches("to the client").count() + out.matches("body").count(), 0, "{out}");
        assert!(out.contains("transformation.request: 3 calls") && out.contains("µs each"), "{out}");
        let (code, out, errors) = replay(&["--set", "most=5"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        for part in [
            "POST /claude/v1/messages?beta=true",
            "to the provider: header x-team\n    + blue",
            "to the provider: body, from byte 33\n    - ...",
            "\"max_tokens\":9",
            "\"max_tokens\":5",
            "to the client: event",
            "3 changed, 1 as before",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        let (code, _, errors) = replay(&["--set", "most=5", "--fail-on-change"]).await;
        assert!(code == 1 && errors.contains("changes 3 exchanges"), "{errors}");
        let (code, out, _) = replay(&["--set", "refuse=too much", "--json"]).await;
        assert_eq!(code, 0, "{out}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&told["changed"], &told["failures"]), (&json!(3), &json!(0)));
        let changes = told["exchanges"][0]["changes"].as_array().unwrap();
        let status = changes.iter().find(|change| change["what"] == "status").unwrap();
        assert_eq!((&status["before"], &status["after"]), (&json!("200"), &json!("429")));
        let requests = changes.iter().find(|change| change["what"] == "requests").unwrap();
        assert_eq!((&requests["before"], &requests["after"]), (&json!("1"), &json!("0")));
        assert_eq!(told["handlers"][0]["calls"], 3);
    });
}

#[test]
fn a_replay_asks_nobody_and_tells_what_fails() {
    support::run(async {
        let config = Config::new().without_scripts();
        let home = home(&config);
        recorded(home.path()).await;
        let replay = async |name: &str, lua: &str, more: &[&str]| {
            write_script(&home.path().join("mine"), name, lua);
            let folder = format!("mine/{name}");
            let words = ["plugins", "replay", "exchanges.jsonl", "--plugin", &folder];
            cli_in(home.path(), &config, &[&words, more].concat()).await
        };
        let asks = "return { name = \"asks\", version = \"1.0.0\", capabilities = { \"http:api.example.com\" },
            middleware = { { layer = \"security\", request = function() ccproxy.http.get(\"https://api.example.com/x\") end } } }";
        let (code, out, errors) = replay("asks", asks, &[]).await;
        assert_eq!(code, 0, "{out}{errors}");
        assert!(out.contains("by the plugin itself: fetch\n    + GET https://api.example.com/x"), "{out}");
        let fails = "return { name = \"fails\", version = \"1.0.0\",
            middleware = { { layer = \"security\", request = function() error(\"no\") end } } }";
        let (code, out, errors) = replay("fails", fails, &[]).await;
        assert_eq!(code, 1, "{out}{errors}");
        assert!(errors.contains("failed 3 times") && out.contains("3 failed"), "{out}{errors}");
        let (code, _, errors) = replay("broken", "return {", &[]).await;
        assert!(code == 1 && errors.contains("plugin.lua:1"), "{errors}");
        let (code, _, errors) = replay("fails", fails, &["--set", "most=1"]).await;
        assert!(code == 1 && errors.contains("most"), "{errors}");
    });
}

#[test]
fn bundled_plugins_and_odd_recordings() {
    support::run(async {
        let config = Config::new().without_scripts();
        let home = home(&config);
        recorded(home.path()).await;
        let replay = async |file: &str, plugin: &str, more: &[&str]| {
            cli_in(home.path(), &config, &[&["plugins", "replay", file, "--plugin", plugin], more].concat())
                .await
        };
        let (code, out, errors) = replay("exchanges.jsonl", "request_id", &[]).await;
        assert_eq!(code, 0, "{out}{errors}");
        assert!(out.contains("header x-request-id"), "{out}");
        let (code, _, errors) = replay("exchanges.jsonl", "request_ids", &[]).await;
        assert!(code == 1 && errors.contains("did you mean `request_id`"), "{errors}");
        let line = |id: &str, url: &str, more: &str| {
            format!(
                "{{\"v\":1,\"id\":\"{id}\",\"side\":\"client\",\"kind\":\"request\",\"method\":\"POST\",\"url\":\"{url}\",\"headers\":{{\"content-type\":\"application/json\"}},\"body\":\"{{}}\"{more}}}\n"
            )
        };
        let answer = "{\"v\":1,\"id\":\"a\",\"side\":\"provider\",\"kind\":\"response\",\"status\":200,\"headers\":{}}\n";
        let odd = line("a", "/nowhere/v1", "")
            + answer
            + &line("b", "/claude/v1/messages", ",\"truncated\":true")
            + "{\"v\":1,\"id\":\"c\",\"side\":\"client\",\"kind\":\"response\",\"status\":200,\"headers\":{}}\n";
        fs::write(home.path().join("odd.jsonl"), odd).unwrap();
        let (code, out, errors) = replay("odd.jsonl", "max_tokens", &[]).await;
        assert!(code == 1 && errors.contains("nothing was replayed: all 3"), "{out}{errors}");
        for part in [
            "a POST /nowhere/v1: left out: the replay refuses it with 404",
            "b POST /claude/v1/messages: left out: a body was too long",
            "c: left out: the client's request",
            "0 changed, 0 as before, 3 left out",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        fs::write(home.path().join("odd.jsonl"), "nothing\n").unwrap();
        let (code, _, errors) = replay("odd.jsonl", "max_tokens", &[]).await;
        assert!(code == 1 && errors.contains("line 1"), "{errors}");
    });
}

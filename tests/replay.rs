//! What a replay takes from the configuration, what it leaves out and why, and what it says of failures.

use std::fs;
use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::recording::{message, recorded};
use super::support::config::write_script;
use super::support::proxy::{cli_in, home};
use super::support::upstream::anthropic;
use super::support::{self, Config};

/// Replays a file of a home through a plugin.
async fn replay(
    home: &Path,
    config: &Config,
    file: &str,
    plugin: &str,
    more: &[&str],
) -> (i32, String, String) {
    cli_in(home, config, &[&["plugins", "replay", file, "--plugin", plugin], more].concat()).await
}

/// A line of a recording.
fn line(id: &str, side: &str, kind: &str, more: Value) -> String {
    let mut line = json!({ "v": 1, "id": id, "side": side, "kind": kind });
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{line}\n")
}

/// A request and what a provider was asked with it.
fn asked(id: &str, headers: &Value) -> String {
    let request = |url: &str| json!({ "method": "POST", "url": url, "headers": headers, "body": message(false).to_string() });
    line(id, "client", "request", request("/claude/v1/messages"))
        + &line(id, "provider", "request", request("https://api.anthropic.com/v1/messages"))
}

/// An answer of a provider.
fn answered(id: &str, coding: Option<&str>, bytes: &[u8]) -> String {
    let mut headers = json!({ "content-type": "application/json" });
    if let Some(coding) = coding {
        headers["content-encoding"] = coding.into();
    }
    let answer = json!({ "status": 200, "headers": headers, "body_base64": STANDARD.encode(bytes) });
    line(id, "provider", "response", answer)
}

const TUNED: &str = r#"
return {
  name = "tuned",
  version = "1.0.0",
  capabilities = { "files" },
  config = {
    most = ccproxy.schema.integer { default = 9 },
    key = ccproxy.schema.secret {},
    words = ccproxy.schema.path { default = "words.txt" },
  },
  middleware = {
    {
      layer = "transformation",
      request = function(req, plugin)
        req.headers["x-tuned"] = plugin.config.most .. " " .. #plugin.config.key
        req.headers["x-words"] = ccproxy.file.read(plugin.config.words) or "none"
        ccproxy.file.append(plugin.config.words, "more")
        ccproxy.file.flush()
      end,
    },
  },
}
"#;

#[test]
fn a_plugin_is_replayed_with_the_settings_of_the_configuration() {
    support::run(async {
        let config = Config::new()
            .without_scripts()
            .toml(
                "plugins.tuned.enabled = false\nplugins.tuned.most = 5\nplugins.tuned.words = \"words.txt\"",
            )
            .env("PLUGINS__TUNED__KEY", "env:TUNED_KEY")
            .env("TUNED_KEY", "hush-hush");
        let home = home(&config);
        recorded(home.path()).await;
        write_script(&home.path().join("mine"), "tuned", TUNED);
        fs::write(home.path().join("words.txt"), "canary").unwrap();
        let replay = async |more: &[&str]| {
            let told = replay(home.path(), &config, "exchanges.jsonl", "mine/tuned", more).await;
            assert!(!format!("{told:?}").contains("hush"), "{told:?}");
            told
        };
        let (code, out, errors) = replay(&[]).await;
        assert_eq!(code, 0, "{out}{errors}");
        for part in [
            "header x-tuned\n    + 5 9\n",
            "header x-words\n    + canary",
            "with plugins.tuned.most = 5  # ",
            "config.toml:2:15\n",
            "with plugins.tuned.key = \"...\"  # environment `PLUGINS__TUNED__KEY`\n",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        let (code, out, errors) = replay(&["--set", "most=7"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        assert!(out.contains("x-tuned\n    + 7 9\n"), "{out}");
        assert!(out.contains("with plugins.tuned.most = 7  # flag `--set`\n"), "{out}");
        let (code, out, errors) = replay(&["--set", "most=7", "--json"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let told: Value = serde_json::from_str(&out).unwrap();
        let settings = told["settings"].as_array().unwrap();
        let setting = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap();
        assert_eq!(setting("plugins.tuned.most")["value"], "7");
        assert_eq!(setting("plugins.tuned.most")["origin"], "flag `--set`");
        assert_eq!(setting("plugins.tuned.key")["value"], "\"...\"");
        // What the plugin writes goes to a copy.
        assert_eq!(fs::read_to_string(home.path().join("words.txt")).unwrap(), "canary");
        let (code, _, errors) = replay(&["--set", "moost=7"]).await;
        assert!(code == 1 && errors.contains("`plugins.tuned.moost`") && errors.contains("most"), "{errors}");
    });
}

#[test]
fn a_bundled_plugin_has_its_configured_settings_too() {
    support::run(async {
        let config =
            Config::new().without_scripts().toml("plugins.max_tokens = { enabled = true, limit = 5 }");
        let home = home(&config);
        recorded(home.path()).await;
        let replay =
            async |more: &[&str]| replay(home.path(), &config, "exchanges.jsonl", "max_tokens", more).await;
        let (code, out, errors) = replay(&[]).await;
        assert!(code == 0 && out.contains("\"max_tokens\":5"), "{out}{errors}");
        let (code, out, errors) = replay(&["--set", "limit=1000"]).await;
        assert!(code == 0 && !out.contains("\"max_tokens\":"), "{out}{errors}");
    });
}

const SHOWS: &str = r#"
return {
  name = "shows",
  version = "1.0.0",
  middleware = {
    {
      layer = "observability",
      body = "write",
      response = function(_, res)
        res.headers["x-saw"] = res.body and res.body:get("content[1].text") or "nothing"
        if res.body then
          res.body:set("model", "claude-y")
        end
      end,
    },
  },
}
"#;

#[test]
fn compressed_answers_are_plain_for_who_reads_them() {
    support::run(async {
        let config = Config::new().without_scripts();
        let home = home(&config);
        write_script(&home.path().join("mine"), "shows", SHOWS);
        let plain = anthropic::message("a canary").to_string();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(plain.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let headers = json!({ "content-type": "application/json", "accept-encoding": "gzip, br" });
        let text = asked("packed", &headers)
            + &answered("packed", Some("gzip"), &packed)
            + &asked("plain", &headers)
            + &answered("plain", None, plain.as_bytes())
            + &asked("odd", &headers)
            + &answered("odd", Some("br"), b"\x0b\x02\x80")
            + &asked("torn", &headers)
            + &answered("torn", Some("gzip"), &packed[..20]);
        fs::write(home.path().join("a.jsonl"), text).unwrap();
        let (code, out, errors) = replay(home.path(), &config, "a.jsonl", "mine/shows", &["--json"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let told: Value = serde_json::from_str(&out).unwrap();
        let exchange = |id: &str| {
            let exchanges = told["exchanges"].as_array().unwrap();
            exchanges.iter().find(|exchange| exchange["id"] == id).unwrap()
        };
        let change = |id: &str, name: &str, what: &str| {
            let changes = exchange(id)["changes"].as_array().unwrap();
            let found = changes.iter().find(|change| {
                change["side"] == "client" && change["what"] == what && change["name"] == name
            });
            found.cloned().unwrap_or_default()
        };
        for id in ["packed", "plain"] {
            assert_eq!(change(id, "x-saw", "header")["after"], "a canary", "{out}");
            let body = change(id, "", "body");
            assert!(
                body["before"].as_str().unwrap().contains("claude-"),
                "read as a client reads it: {body}"
            );
            assert!(body["after"].as_str().unwrap().contains("claude-y"), "{body}");
        }
        assert_eq!(change("packed", "content-encoding", "header")["before"], "gzip");
        assert_eq!(change("packed", "content-encoding", "header")["after"], Value::Null);
        for (id, coding) in [("odd", "br"), ("torn", "gzip")] {
            let reason = exchange(id)["left_out"].as_str().unwrap();
            assert!(reason.contains(coding) && reason.contains("cannot be decoded"), "{reason}");
        }
        assert_eq!((&told["replayed"], &told["left_out"]), (&json!(2), &json!(2)));
        // Who does not read answers gets them as they were.
        let (code, out, errors) = replay(home.path(), &config, "a.jsonl", "request_id", &[]).await;
        assert_eq!(code, 0, "{out}{errors}");
        assert!(out.contains("0 left out") && !out.contains("content-encoding"), "{out}");
    });
}

#[test]
fn what_has_no_answer_is_left_out_and_nothing_replayed_is_a_failure() {
    support::run(async {
        let config = Config::new().without_scripts();
        let home = home(&config);
        let replay = async |text: &str, more: &[&str]| {
            fs::write(home.path().join("a.jsonl"), text).unwrap();
            replay(home.path(), &config, "a.jsonl", "max_tokens", more).await
        };
        let headers = json!({ "content-type": "application/json" });
        let cut = asked("cut", &headers);
        // The provider's request was in no line yet.
        let begun = cut.lines().next().unwrap().replace("cut", "begun") + "\n";
        let plain = anthropic::message("a canary").to_string();
        let whole = asked("whole", &headers) + &answered("whole", None, plain.as_bytes());
        let (code, out, errors) =
            replay(&format!("{cut}{begun}{whole}"), &["--set", "limit=1", "--json"]).await;
        assert_eq!(code, 0, "{out}{errors}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&told["changed"], &told["left_out"]), (&json!(1), &json!(2)));
        for (number, reason) in
            [(0, "whose answer was not recorded"), (1, "no answer of a provider was recorded")]
        {
            let exchange = &told["exchanges"][number];
            assert!(exchange["left_out"].as_str().unwrap().contains(reason), "{exchange}");
            assert_eq!(exchange["changes"], json!([]));
        }
        for (text, why) in [("", "no exchange"), (cut.as_str(), "its exchange was left out")] {
            for more in [&[][..], &["--fail-on-change"]] {
                let (code, out, errors) = replay(text, more).await;
                assert!(
                    code == 1 && errors.contains("nothing was replayed") && errors.contains(why),
                    "{errors}"
                );
                assert!(out.contains("0 changed, 0 as before"), "{out}");
            }
            let (code, out, _) = replay(text, &["--json"]).await;
            let told: Value = serde_json::from_str(&out).unwrap();
            assert_eq!((code, &told["replayed"]), (1, &json!(0)));
        }
    });
}

#[test]
fn a_failure_is_told_with_its_place_and_how_often() {
    support::run(async {
        let config = Config::new().without_scripts();
        let home = home(&config);
        recorded(home.path()).await;
        let raises = "return { name = \"raises\", version = \"1.0.0\",
            middleware = { { layer = \"transformation\", on_error = \"open\",
              request = function(req)
                if req.stream then local x = nil; return x.y end
                error(\"no \" .. req.id)
              end,
            } },
            hooks = { [\"request.completed\"] = function() error(\"heard\") end } }";
        write_script(&home.path().join("mine"), "raises", raises);
        let replay =
            async |more: &[&str]| replay(home.path(), &config, "exchanges.jsonl", "mine/raises", more).await;
        let (code, out, errors) = replay(&[]).await;
        assert_eq!(code, 1, "{out}{errors}");
        for part in [
            "\nfailed once: `request` at plugin.lua:4: attempt to index nil with 'y'\n",
            "\nfailed 2 times: `request` at plugin.lua:5: no ",
            "failed 3 times: hook `request.completed` at plugin.lua:8: heard\n",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        assert!(errors.contains("`raises` failed 6 times"), "{errors}");
        let (code, out, _) = replay(&["--json"]).await;
        let told: Value = serde_json::from_str(&out).unwrap();
        let failed = told["failed"].as_array().unwrap();
        assert!(code == 1 && failed.iter().any(|one| one["times"] == 2), "{out}");
        // What it asks the network itself is a kind of its own.
        let asks = "return { name = \"asks\", version = \"1.0.0\", capabilities = { \"http:api.example.com\" },
            middleware = { { layer = \"security\", request = function() ccproxy.http.get(\"https://api.example.com/x\") end } } }";
        write_script(&home.path().join("mine"), "asks", asks);
        let (_, out, errors) =
            super::replay::replay(home.path(), &config, "exchanges.jsonl", "mine/asks", &["--json"]).await;
        let told: Value = serde_json::from_str(&out).unwrap();
        let change = &told["exchanges"][0]["changes"][0];
        assert_eq!((&change["side"], &change["what"]), (&json!("plugin"), &json!("fetch")), "{out}{errors}");
    });
}

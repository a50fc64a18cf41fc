//! Keys of clients: made and revoked on the command line, asked for by a running proxy, bounded.

use serde_json::{Value, json};

use super::support::proxy::{cli, cli_in};
use super::support::upstream::openai;
use super::support::{self, Client, Config, Proxy, Upstream, eventually};

fn ask() -> Value {
    json!({ "model": "mock-small", "messages": [{ "role": "user", "content": "hello" }] })
}

/// Makes a key in the home of a proxy; the key itself.
async fn create(proxy: &Proxy, arguments: &[&str]) -> String {
    let all = [&["keys", "create", "--json"], arguments].concat();
    let (code, out, err) = cli_in(proxy.home(), &Config::new(), &all).await;
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_first_key_closes_a_running_proxy_and_a_revoked_one_opens_nothing() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let path = "/mock/v1/chat/completions";
        proxy.anonymous().post(path, &ask()).await.expect(200);
        let key = create(&proxy, &["desk"]).await;
        let refused = eventually("the key to be asked for", async || {
            let answer = proxy.anonymous().post(path, &ask()).await;
            (answer.status == 401).then_some(answer)
        })
        .await;
        assert!(refused.text().contains("ccproxy keys"), "{}", refused.text());
        for (name, value) in [("x-api-key", key.clone()), ("authorization", format!("Bearer {key}"))] {
            Client::new(proxy.address()).header(name, &value).post(path, &ask()).await.expect(200);
        }
        // The command line of this machine needs no key of its own.
        let arguments = ["status", "--url", &format!("http://{}", proxy.address()), "--json"];
        let (code, out, err) = cli_in(proxy.home(), &Config::new(), &arguments).await;
        assert_eq!(code, 0, "{out} {err}");

        let (code, _, err) = cli_in(proxy.home(), &Config::new(), &["keys", "revoke", "desk"]).await;
        assert_eq!(code, 1, "without a terminal nobody can be asked");
        assert!(err.contains("--yes"), "{err}");
        let (code, ..) = cli_in(proxy.home(), &Config::new(), &["keys", "revoke", "desk", "--yes"]).await;
        assert_eq!(code, 0);
        let client = Client::new(proxy.address()).header("x-api-key", &key);
        eventually("the key to be useless", async || {
            (client.post(path, &ask()).await.status == 401).then_some(())
        })
        .await;
        proxy.anonymous().post(path, &ask()).await.expect(401);
        let whole = format!("{} {}", proxy.log(), std::fs::read_to_string(keys_file(&proxy)).unwrap());
        assert!(!whole.contains(&key), "a key is nowhere but in its holder's hands");
    });
}

fn keys_file(proxy: &Proxy) -> std::path::PathBuf {
    proxy.home().join(".local/share/ccproxy/keys.json")
}

#[test]
fn a_key_is_good_for_its_providers_and_models_only() {
    support::run(async {
        let upstream = Upstream::with(openai::answer).await;
        let more = format!(
            "plugins.openai.base_url = \"{}/v1\"\nplugins.openai.api_key = \"sk-proj-house\"\nrouting.aliases.any = [\"openai/gpt-5\", \"mock/mock-small\"]",
            upstream.url()
        );
        let proxy = Proxy::start(Config::new().toml(&more)).await;
        let key =
            create(&proxy, &["team", "--provider", "mock", "--model", "mock-*", "--expires", "1h"]).await;
        let client = Client::new(proxy.address()).header("x-api-key", &key);
        let of = |model: &str| {
            let mut body = ask();
            body["model"] = model.into();
            body
        };
        eventually("the key to count", async || {
            (proxy.anonymous().get("/plugins").await.status == 401).then_some(())
        })
        .await;
        client.post("/mock/v1/chat/completions", &ask()).await.expect(200);
        let answer = client.post("/mock/v1/chat/completions", &of("other")).await.expect(403);
        assert!(answer.text().contains("`team` is not good for model `other`"), "{}", answer.text());
        let messages = json!({ "model": "gpt-5", "max_tokens": 9, "messages": [] });
        let answer = client.post("/openai/v1/messages", &messages).await.expect(403).json();
        assert_eq!(
            (&answer["type"], &answer["error"]["type"]),
            (&json!("error"), &json!("permission_error"))
        );
        client.post("/v1/chat/completions", &of("gpt-5")).await.expect(403);
        // Of several candidates the one that it is good for.
        let answer = client.post("/v1/chat/completions", &of("any")).await.expect(200);
        assert_eq!(answer.header("x-ccproxy-route"), "mock/mock-small");
        // It sees no more than it may ask for.
        let list = client.get("/v1/models").await.expect(200);
        assert_eq!(list.header("x-ccproxy-left-out"), "");
        let list = list.json();
        let ids: Vec<_> =
            list["data"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
        assert!(ids.contains(&"any") && ids.contains(&"mock/mock-small"), "{ids:?}");
        assert!(ids.iter().all(|id| *id == "any" || id.starts_with("mock/mock-")), "{ids:?}");
        assert_eq!(list["left_out"], json!([]));
        client.get("/v1/models/openai/gpt-5").await.expect(404);
        assert!(upstream.requests().iter().all(|asked| asked.target() == "/v1/models"));
    });
}

#[test]
fn a_key_with_bounds_gets_nothing_else() {
    support::run(async {
        let upstream = Upstream::with(openai::answer).await;
        let more = format!(
            "plugins.openai.base_url = \"{}/v1\"\nplugins.openai.api_key = \"sk-proj-house\"",
            upstream.url()
        );
        let lua = "return { name = \"house\", version = \"1.0.0\", routes = { { path = \"/x\", handler = function() return { json = { 1 } } end } } }";
        let proxy = Proxy::start(Config::new().toml(&more).script("house", lua)).await;
        let bound = create(&proxy, &["ci", "--provider", "openai", "--model", "gpt-5*"]).await;
        let free = create(&proxy, &["desk"]).await;
        let client = |key: &str| Client::new(proxy.address()).header("x-api-key", key);
        eventually("the keys to count", async || {
            let closed = proxy.anonymous().get("/plugins").await.status == 401;
            (closed && client(&free).get("/plugins").await.status == 200).then_some(())
        })
        .await;
        // What is the operator's is for keys without bounds.
        for path in [
            "/credentials",
            "/traffic",
            "/metrics",
            "/plugins",
            "/plugins/status",
            "/oauth/providers",
            "/house/x",
        ] {
            let answer = client(&bound).get(path).await.expect(403);
            assert!(
                answer.text().contains("`ci` is good for requests to providers only"),
                "{}",
                answer.text()
            );
            client(&free).get(path).await.expect(200);
        }
        for path in ["/oauth/claude-api/revoke", "/oauth/claude-api/refresh", "/oauth/claude-api/login"] {
            client(&bound).post(path, &json!({})).await.expect(403);
        }
        client(&bound).get("/health/ready").await.expect(200);
        client(&bound).get("/openai/v1/models").await.expect(200);
        // The model is bounded, so it is named, once and as text.
        let before = upstream.requests().len();
        for model in [Value::Null, json!(""), json!(5), json!(["gpt-4o"])] {
            for path in [
                "/openai/v1/chat/completions",
                "/openai/v1/embeddings",
                "/openai/v1/responses",
                "/v1/chat/completions",
            ] {
                let body = json!({ "model": model, "messages": [], "input": "x" });
                let answer = client(&bound).post(path, &body).await;
                assert!(matches!(answer.status.as_u16(), 400 | 403), "{path} {model}: {}", answer.text());
            }
        }
        let twice = r#"{"model":"gpt-4o","model":"gpt-5","messages":[]}"#;
        let answer = client(&bound).post_bytes("/openai/v1/chat/completions", twice).await.expect(403);
        assert!(answer.text().contains("exactly one"), "{}", answer.text());
        assert_eq!(upstream.requests().len(), before, "nothing of it has left");
        client(&bound)
            .post("/openai/v1/chat/completions", &json!({ "model": "gpt-5", "messages": [] }))
            .await
            .expect(200);
        client(&free).post_bytes("/openai/v1/chat/completions", twice).await.expect(200);
    });
}

#[test]
fn plugins_and_rules_see_the_name_and_never_the_key() {
    support::run(async {
        let lua = r#"return { name = "who", version = "1.0.0", middleware = { { layer = "application",
  request = function(req) req.headers["x-who"] = req.client.id end,
  response = function(req, res) res.headers["x-who"] = req.headers["x-who"] .. " " .. tostring(req.headers["x-api-key"]) end } } }"#;
        let proxy = Proxy::start(Config::new().script("who", lua)).await;
        let key = create(&proxy, &["desk"]).await;
        let client = Client::new(proxy.address()).header("x-api-key", &key);
        let answer = eventually("the key to count", async || {
            let answer = client.post("/mock/v1/chat/completions", &ask()).await;
            (answer.header("x-who") != "anonymous nil").then_some(answer)
        })
        .await;
        assert_eq!(answer.header("x-who"), "desk nil");
    });
}

#[test]
fn keys_are_listed_and_mistakes_told() {
    support::run(async {
        let home = tempfile::tempdir().unwrap();
        let run =
            async |arguments: &[&str]| cli_in(home.path(), &Config::new().without_file(), arguments).await;
        let (code, out, _) = run(&["keys", "list"]).await;
        assert!(code == 0 && out.contains("none is asked for"), "{out}");
        let (code, out, err) = run(&["keys", "create", "desk", "--model", "claude-*"]).await;
        assert!(code == 0 && out.trim().starts_with("ccp_") && err.contains("only time"), "{out} {err}");
        for (arguments, told) in [
            (&["keys", "create", "desk"][..], "already"),
            (&["keys", "create", "a b"], "letters"),
            (&["keys", "create", "x", "--expires", "soon"], "no time such as"),
            (&["keys", "create", "x", "--provider", "opnai"], "there is no provider `opnai`"),
            (&["keys", "create", "x", "--provider", ""], "there is no provider ``"),
            (&["keys", "revoke", "nobody", "--yes"], "no key `nobody`"),
        ] {
            let (code, out, err) = run(arguments).await;
            assert!(code == 1 && err.contains(told), "{arguments:?}: {out} {err}");
        }
        let (_, out, _) = run(&["keys", "list"]).await;
        assert!(out.contains("desk") && out.contains("claude-*") && !out.contains("ccp_"), "{out}");
        let (_, out, _) = run(&["keys", "list", "--json"]).await;
        let list: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&list["required"], &list["keys"][0]["name"]), (&json!(true), &json!("desk")));
        // An address that others can reach is fine once there are keys.
        let (code, _, err) = cli(Config::new().toml("server.host = \"0.0.0.0\""), &["config", "check"]).await;
        assert!(code != 0 && err.contains("ccproxy keys create"), "{err}");
    });
}

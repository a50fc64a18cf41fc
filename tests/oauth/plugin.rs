//! Identity providers and commands that scripts bring.

use serde_json::{Value, json};

use super::command_line::{Asking, agree, visit};
use crate::support::config::write_script;
use crate::support::idp::{Idp, pairs};
use crate::support::proxy::{cli_in, home};
use crate::support::upstream::{Recorded, openai};
use crate::support::{self, Config, Proxy, Reply, Upstream, eventually};

/// A script that declares this identity provider and nothing else.
fn plain(idp: &Idp) -> String {
    let at = |path: &str| format!("{}{path}", idp.url());
    format!(
        r#"return {{ name = "acme_login", version = "1.0.0", description = "Acme's identity provider",
          config = {{ client_id = ccproxy.schema.string {{ default = "client-of-tests" }} }},
          oauth_provider = {{ name = "acme", display_name = "Acme", scopes = {{ "one", "two" }}, redirect_uri = "http://127.0.0.1:0/callback",
            authorize_url = "{}", token_url = "{}", profile_url = "{}" }} }}"#,
        at("/authorize"),
        at("/token"),
        at("/profile"),
    )
}

fn config() -> Config {
    Config::new().toml("credentials.seal = \"off\"")
}

#[test]
fn a_script_s_provider_logs_in_at_the_command_line() {
    support::run(async {
        let idp = Idp::start().await;
        let config = config().script("acme_login", &plain(&idp));
        let home = home(&config);
        let home = home.path();
        let (code, listed, _) = cli_in(home, &config, &["auth", "providers"]).await;
        assert!(code == 0 && listed.contains("acme") && listed.contains("Acme"), "{listed}");
        let mut asking = Asking::start(home, &config, &["auth", "login", "acme", "--no-browser", "--json"]);
        let url = asking.says("/authorize?").await;
        assert_eq!(pairs(url.split_once('?').unwrap().1)["scope"], "one two");
        visit("GET", &agree(&url).await, &[]).await;
        let (code, told) = asking.ends().await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((code, &told["summary"]["account"]["email"]), (0, &json!("a@example.com")));
        let (code, ..) = cli_in(home, &config, &["auth", "refresh", "acme"]).await;
        assert_eq!((code, idp.refreshes()), (0, 1));
        let (code, told, _) = cli_in(home, &config, &["auth", "status", "acme"]).await;
        assert!(code == 0 && told.contains("acme"), "{told}");
    });
}

#[test]
fn it_comes_and_goes_with_its_script_while_the_proxy_runs() {
    support::run(async {
        let idp = Idp::start().await;
        let good = idp.judge();
        let server = Upstream::with(move |request: &Recorded| match good(request.header("authorization")) {
            true => openai::answer_at("/v1/chat/completions", request),
            false => Reply::json(401, &json!({ "error": { "message": "not that token" } })),
        })
        .await;
        let config = config()
            .script("acme_login", &plain(&idp))
            .toml(&format!("providers.lan.base_url = \"{}\"", server.url()))
            .toml("providers.lan.credential = \"oauth\"\nproviders.lan.oauth = \"acme\"");
        let proxy = Proxy::start(config).await;
        let client = proxy.anonymous();
        assert_eq!(client.get("/oauth/providers").await.json()["providers"]["acme"]["display_name"], "Acme");
        assert_eq!(proxy.plugin("acme_login").await["type"], "auth_provider");
        let begun = client.post("/oauth/acme/login", &json!({})).await.expect(200).json();
        visit("GET", &agree(begun["url"].as_str().unwrap()).await, &[]).await;
        let chat = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        let ask = async || client.post("/lan/v1/chat/completions", &chat).await;
        eventually("the login", async || (ask().await.status == 200).then_some(())).await;
        // A new generation serves the same login.
        let renamed = plain(&idp).replace("display_name = \"Acme\"", "display_name = \"Acme Corp\"");
        proxy.save("acme_login", &renamed).await;
        assert_eq!(
            client.get("/oauth/providers").await.json()["providers"]["acme"]["display_name"],
            "Acme Corp"
        );
        idp.expire();
        ask().await.expect(200);
        assert_eq!(idp.refreshes(), 1);
        // Without its script nobody refreshes; the stored login stays.
        proxy.save("acme_login", "return { name = \"acme_login\", version = \"1.0.1\" }").await;
        assert!(client.get("/oauth/providers").await.json()["providers"]["acme"].is_null());
        client.post("/oauth/acme/login", &json!({})).await.expect(404);
        ask().await.expect(200);
        idp.expire();
        ask().await.expect(401);
        assert_eq!(idp.refreshes(), 1);
        let data = proxy.home().join(".local/share/ccproxy/credentials/acme/default.json");
        assert!(std::fs::read_to_string(data).unwrap().contains("rt-0-1"));
    });
}

/// Speaks a protocol of its own: other names of fields, a header, tokens inside of something else.
async fn odd() -> Upstream {
    Upstream::with(|request: &Recorded| {
        let target = request.target();
        if target.starts_with("/me") {
            return Reply::json(200, &json!({ "user": { "uid": 7, "mail": "odd@example.com" } }));
        }
        let fields = request.json();
        let known = request.header("x-tenant").as_deref() == Some("blue")
            && request.header("authorization").as_deref() == Some("Basic Y2xpZW50Om9kZC1zZWNyZXQ=");
        let token = |access: &str, refresh: &str| {
            let tokens = json!({ "token": access, "renewal": refresh, "seconds": 3600 });
            Reply::json(200, &json!({ "ok": true, "data": tokens }))
        };
        match (fields["op"].as_str(), known) {
            (Some("exchange"), true) if fields["ticket"] == "odd-code" && fields["proof"].is_string() => {
                token("odd-at-1", "odd-rt-1")
            }
            (Some("renew"), true) if fields["renewal"] == "odd-rt-1" => token("odd-at-2", "odd-rt-2"),
            (Some("drop"), true) if fields["what"] == "odd-rt-2" => Reply::json(200, &json!({})),
            _ => Reply::json(400, &json!({ "error": "invalid_request" })),
        }
    })
    .await
}

const ODD: &str = r#"
local seen = {}
local function note(what) seen[#seen + 1] = ccproxy.json.encode(what) end
local names = { authorization_code = "exchange", refresh_token = "renew" }
return { name = "odd_login", version = "1.0.0",
  config = { client_secret = ccproxy.schema.secret { required = true } },
  oauth_provider = { name = "odd", client_id = "client", redirect_uri = "http://127.0.0.1:0/callback",
    authorize_url = "$URL/authorize", token_url = "$URL/token", revoke_url = "$REVOKE", profile_url = "$URL/me",
    answer = { access_token = "/data/token", refresh_token = "/data/renewal", expires_in = "/data/seconds" },
    authorization = function(asked, plugin)
      note(asked); note(plugin)
      asked.query.tenant = "blue"
      return asked
    end,
    request = function(asked)
      note(asked)
      asked.headers["x-tenant"] = "blue"
      asked.body = "json"
      asked.fields = { op = names[asked.grant] or "drop", ticket = asked.fields.code, proof = asked.fields.code_verifier, renewal = asked.fields.refresh_token, what = asked.fields.token }
      return asked
    end,
    account = function(known) return { id = "odd-" .. tostring(known.profile.user.uid), email = known.profile.user.mail } end,
    summary = function(summary) note(summary); summary.tenant = "blue"; return summary end,
  },
  routes = { { path = "/seen", handler = function() return { json = ccproxy.json.array(seen) } end } } }
"#;

#[test]
fn functions_shape_what_is_said_and_see_no_secret() {
    support::run(async {
        let server = odd().await;
        let lua = ODD.replace("$URL", &server.url()).replace("$REVOKE", "https://localhost:9/drop");
        let config = config().script("odd_login", &lua).env("ODD_SECRET", "odd-secret");
        let proxy = Proxy::start(config.toml("plugins.odd_login.client_secret = \"env:ODD_SECRET\"")).await;
        let client = proxy.anonymous();
        let begun = client.post("/oauth/odd/login", &json!({})).await.expect(200).json();
        let url = begun["url"].as_str().unwrap();
        let asked = pairs(url.split_once('?').unwrap().1);
        assert_eq!((asked["tenant"].as_str(), asked["code_challenge_method"].as_str()), ("blue", "S256"));
        assert!(asked["state"].len() == 43 && asked["code_challenge"].len() == 43, "{url}");
        let back = format!("{}?code=odd-code&state={}", asked["redirect_uri"], asked["state"]);
        visit("GET", &back, &[]).await;
        let look = format!("/oauth/odd/login/{}", begun["login"].as_str().unwrap());
        let told = eventually("its end", async || {
            let told = client.get(&look).await.json();
            (told["status"] != "waiting" && told["status"] != "finishing").then_some(told)
        })
        .await;
        assert_eq!(
            (&told["summary"]["account"]["id"], &told["summary"]["tenant"]),
            (&json!("odd-7"), &json!("blue")),
            "{told} {}",
            proxy.log()
        );
        let fresh = client.post("/oauth/odd/refresh", &json!({})).await.expect(200).json();
        assert_eq!(fresh["expires_in"], 3600);
        let seen = client.get("/odd_login/seen").await.text();
        let sent: Vec<String> = server
            .requests()
            .iter()
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect();
        assert!(
            sent[0].contains("odd-code") && sent.iter().any(|body| body.contains("odd-rt-1")),
            "{sent:?}"
        );
        for secret in [&asked["state"], "odd-code", "odd-secret", "Y2xpZW50", "odd-at", "odd-rt"] {
            assert!(!seen.contains(secret), "{secret}: {seen}");
        }
        for shown in ["{code}", "{code_verifier}", "{refresh_token}", "{authorization}", "{state}"] {
            assert!(seen.contains(shown), "{shown}: {seen}");
        }
        let log = proxy.stop().await;
        assert!(!log.contains("odd-secret") && !log.contains("odd-at-"), "{log}");
    });
}

#[test]
fn what_a_script_may_not_say_is_refused_before_anything_is_sent() {
    support::run(async {
        let (server, elsewhere) = (odd().await, Upstream::with(|_: &Recorded| Reply::status(200)).await);
        let lua = ODD
            .replace("$URL", &server.url())
            .replace("$REVOKE", "https://localhost:9/drop")
            .replace("asked.body = \"json\"", &format!("asked.url = \"{}/token\"", elsewhere.url()));
        let taken = plain(&Idp::start().await).replace("name = \"acme\",", "name = \"codex\",");
        let config = config().script("odd_login", &lua).script("acme_login", &taken);
        let proxy = Proxy::start(config.toml("plugins.odd_login.client_secret = \"odd-secret\"")).await;
        let client = proxy.anonymous();
        let begun = client.post("/oauth/odd/login", &json!({ "flow": "browser" })).await.expect(200).json();
        let asked = pairs(begun["url"].as_str().unwrap().split_once('?').unwrap().1);
        let code = format!("{}?code=odd-code&state={}", asked["redirect_uri"], asked["state"]);
        let body = json!({ "login": begun["login"], "code": code });
        let told = client.post("/oauth/odd/callback", &body).await.expect(400).text();
        assert!(told.contains("only ask where the endpoints"), "{told}");
        assert!(server.requests().is_empty() && elsewhere.requests().is_empty());
        // The name of a provider that is there already.
        let plugin = proxy.plugin("acme_login").await;
        assert!(plugin["reason"].as_str().unwrap().contains("`codex` already"), "{plugin}");
        assert_eq!(
            client.get("/oauth/providers").await.json()["providers"]["codex"]["flows"]["browser"],
            true
        );
    });
}

#[test]
fn mistakes_in_a_declaration_are_told() {
    support::run(async {
        for (table, told) in [
            ("name = \"x\", client_secret = \"s\"", "make it a setting"),
            ("name = \"x\", token_ur = \"https://x\"", "token_ur"),
            ("client_id = \"x\"", "`oauth_provider.name`: is missing"),
            ("name = \"x\", answer = { access_token = 7 }", "not a string"),
        ] {
            let lua =
                format!("return {{ name = \"bad\", version = \"1.0.0\", oauth_provider = {{ {table} }} }}");
            let config = config().script("bad", &lua);
            let home = home(&config);
            let (code, out, err) = cli_in(home.path(), &config, &["plugins", "check", "bad"]).await;
            assert!(code != 0 && format!("{out}{err}").contains(told), "{table}: {out}{err}");
        }
        let lua = "return { name = \"bad\", version = \"1.0.0\", oauth_provider = { name = \"x\", client_id = \"c\", token_url = \"http://example.com/t\", authorize_url = \"https://x\" } }";
        let proxy = Proxy::start(config().script("bad", lua)).await;
        assert!(proxy.plugin("bad").await["reason"].as_str().unwrap().contains("must be `https`"));
    });
}

#[test]
fn commands_of_plugins_stand_under_auth() {
    support::run(async {
        let lua = |name: &str| {
            format!(
                r#"return {{ name = "{name}", version = "1.0.0", auth_commands = {{ {{ name = "enrol", summary = "Enrols this machine",
                  run = function(args, plugin) return plugin.name .. " enrolled " .. table.concat(args, "+") end }} }} }}"#
            )
        };
        let config = config().script("gate", &lua("gate"));
        let proxy = Proxy::start(config).await;
        let port = proxy.address().port().to_string();
        let here = || Config::new().env("SERVER__PORT", &port);
        let auth = async |words: &[&str]| cli_in(proxy.home(), &here(), &[&["auth"], words].concat()).await;
        let (code, listed, _) = auth(&["commands"]).await;
        assert!(code == 0 && listed.contains("enrol") && listed.contains("Enrols this machine"), "{listed}");
        let (code, help, _) = auth(&["--help"]).await;
        assert!(code == 0 && help.contains("ccproxy auth commands"), "{help}");
        let (code, told, err) = auth(&["enrol", "a", "--b"]).await;
        assert_eq!((code, told.trim()), (0, "gate enrolled a+--b"), "{err}");
        let (code, _, err) = auth(&["enroll"]).await;
        assert!(code == 1 && err.contains("did you mean `enrol`"), "{err}");
        write_script(&proxy.scripts(), "other", &lua("other"));
        let (code, _, err) = auth(&["enrol"]).await;
        assert!(code == 1 && err.contains("`gate.enrol`, `other.enrol`"), "{err}");
        let (code, told, _) = auth(&["gate.enrol"]).await;
        assert_eq!((code, told.trim()), (0, "gate enrolled"));
        proxy.stop().await;
    });
}

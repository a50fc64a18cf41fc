//! Nothing that is secret is shown or written anywhere but where it belongs: forty-two secrets are planted, everything is
//! used, and everything that the program said or left behind is searched.

mod plants;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::idp::pairs;
use crate::support::proxy::{cli_in, home};
use crate::support::upstream::{Recorded, anthropic, openai};
use crate::support::{self, Client, Config, Proxy, Reply, Upstream, eventually};
use plants::{Found, secret};

/// The servers of one run.
struct World {
    api: Upstream,
    idp: Upstream,
    github: Upstream,
    refused: String,
}

impl World {
    async fn new() -> World {
        let api = Upstream::with(|request: &Recorded| {
            let target = request.target();
            let reply = match target.as_str() {
                path if path.contains("chat/completions") => {
                    openai::answer_at("/v1/chat/completions", request)
                }
                path if path.contains("/models") => {
                    Reply::json(200, &json!({ "object": "list", "data": [] }))
                }
                _ => anthropic::answer(request),
            };
            reply
                .header("set-cookie", &format!("session={}", secret("an answer's set-cookie")))
                .header("authentication-info", &secret("an answer's authentication-info"))
        })
        .await;
        let idp = Upstream::with(identity).await;
        let github = Upstream::with({
            let host = api.url();
            move |_: &Recorded| Reply::json(200, &json!({ "token": secret("Copilot's exchanged token"), "expires_at": 4_000_000_000_u64, "refresh_in": 1500, "endpoints": { "api": host } }))
        })
        .await;
        World { api, idp, github, refused: Upstream::refused().await }
    }

    fn config(&self, folder: &Path, level: &str, format: &str) -> Config {
        let file = |name: &str, place: &str| {
            let path = folder.join(name);
            std::fs::write(&path, secret(place)).unwrap();
            format!("file:{}", path.display())
        };
        let at = |path: &str| format!("{}{path}", self.idp.url());
        let acme = format!(
            "client_id = \"us\"\nclient_secret = \"{}\"\nauthorize_url = \"{}\"\ntoken_url = \"{}\"\ndevice_url = \"{}\"\n\
             profile_url = \"{}\"\nredirect_uri = \"http://localhost:9/oauth/acme/callback\"\nmanual_redirect_uri = \"{}\"",
            secret("the OAuth client secret"),
            at("/authorize"),
            at("/token"),
            at("/device"),
            at("/profile"),
            at("/code"),
        );
        let lan = format!(
            "base_url = \"{}/v1\"\napi_key = \"{}\"\nheaders = {{ x-lan-gateway = \"{}\" }}",
            self.api.url(),
            secret("providers.lan.api_key in the configuration"),
            secret("providers.lan.headers")
        );
        let kimi = format!(
            "api = \"anthropic\"\nbase_url = \"{}\"\napi_key = \"{}\"\nkey_as = \"bearer\"",
            self.api.url(),
            secret("providers.kimi.api_key as a bearer token")
        );
        let lines = [
            // Every line counts, however fast they come.
            format!("logging.level = \"{level}\"\nlogging.format = \"{format}\"\nlua.log_rate = 10000"),
            format!("server.auth_token = \"{}\"", file("client.key", "server.auth_token in a file")),
            format!("credentials.key_file = \"{}\"", folder.join("seal.key").display()),
            format!("plugins.claude_api.base_url = \"{}\"", self.api.url()),
            format!(
                "plugins.openai.base_url = \"{}/v1\"\nplugins.openai.api_key = \"{}\"",
                self.api.url(),
                file("openai.key", "openai.api_key in a file")
            ),
            format!(
                "plugins.mistral.base_url = \"{}/v1\"\nplugins.mistral.api_key = \"env:MISTRAL\"",
                self.api.url()
            ),
            format!(
                "plugins.copilot.github_api = \"{}\"\nplugins.copilot.github_token = \"{}\"",
                self.github.url(),
                secret("the GitHub token of Copilot")
            ),
            "plugins.access_log = { enabled = true, console = true }".to_owned(),
            "plugins.raw_http_logger = { enabled = true, exclude_paths = [] }".to_owned(),
            format!(
                "plugins.nosy = {{ webhook = \"{}\", client_secret = \"{}\" }}",
                secret("a plugin's secret setting"),
                secret("a plugin's OAuth client secret")
            ),
            format!(
                "[providers.own]\nbase_url = \"{}/v1\"\ncredential = \"oauth\"\noauth = \"acme\"\n[providers.through]\nbase_url = \"http://llm.invalid/v1\"",
                self.api.url()
            ),
            format!(
                "[providers.away]\nbase_url = \"{}/v1\"\napi_key = \"{}\"",
                self.refused,
                secret("providers.lan.api_key in the configuration")
            ),
            format!("[providers.lan]\n{lan}\n[providers.kimi]\n{kimi}\n[oauth.acme]\n{acme}"),
        ];
        std::fs::write(folder.join("seal.key"), secret("the key that seals logins").repeat(2)).unwrap();
        let config = lines.iter().fold(Config::new(), |config, line| config.toml(line));
        config
            .script("nosy", NOSY)
            .env("ANTHROPIC_API_KEY", &secret("claude_api.api_key in the environment"))
            .env("MISTRAL", &secret("mistral.api_key by env:"))
            .env(
                "HTTP_PROXY",
                &format!(
                    "http://user:{}@{}",
                    secret("upstream proxy in HTTP_PROXY"),
                    self.refused.trim_start_matches("http://")
                ),
            )
            .env("NO_PROXY", "127.0.0.1,localhost")
    }
}

/// A plugin that tells all that it is given.
const NOSY: &str = r#"
local function all(event) ccproxy.log.info("heard", { event = ccproxy.json.encode(event) }) end
return { name = "nosy", version = "1.0.0",
  config = { webhook = ccproxy.schema.secret {}, client_secret = ccproxy.schema.secret {} },
  oauth_provider = { name = "nosy", client_id = "us", authorize_url = "https://id.invalid/a", token_url = "https://id.invalid/t",
    redirect_uri = "http://127.0.0.1:0/callback",
    authorization = function(asked, plugin) ccproxy.log.info(ccproxy.json.encode({ asked, plugin.config.client_secret or "none" })) end },
  middleware = { { layer = "security", when = { routes = { "provider", "plugin", "core" } }, body = "read",
    request = function(req)
      local seen = {}
      for name, value in req.headers do seen[#seen + 1] = name .. "=" .. tostring(value) end
      ccproxy.log.info("request", { headers = table.concat(seen, " "), path = req.path })
      -- `/oauth/providers` takes no credential: what stands in its query is told like anybody's.
      if string.sub(req.path, 1, 7) == "/oauth/" and req.path ~= "/oauth/providers" then
        ccproxy.log.info("oauth", { query = tostring(req.query_string), all = ccproxy.json.encode(req.query), body = req.body:text() })
      end
    end,
    response = function(req, res)
      local seen = {}
      for name, value in res.headers do seen[#seen + 1] = name .. "=" .. tostring(value) end
      ccproxy.log.info("response", { headers = table.concat(seen, " ") })
    end } },
  hooks = { ["request.completed"] = all, ["request.failed"] = all, ["provider.request.prepared"] = function(out)
      for name, value in out.headers do ccproxy.log.info("outbound", { field = name .. "=" .. tostring(value) }) end
    end, ["oauth.token.request"] = all,
    ["oauth.token.response"] = all, ["oauth.refresh.request"] = all, ["oauth.refresh.response"] = all, ["oauth.error"] = all,
    ["http.request"] = all, ["http.response"] = all, ["http.error"] = all },
  commands = { { name = "tell", run = function(_, plugin) return plugin.name end } },
  routes = { { path = "/fail", handler = function() error("a failure of a script") end } } }
"#;

/// An identity provider that hands out what was planted.
fn identity(request: &Recorded) -> Reply {
    let target = request.target();
    let fields = pairs(&String::from_utf8_lossy(&request.body));
    let tokens = |access: &str, refresh: &str| {
        let id = format!("e30.eyJzdWIiOiJ1c2VyLTEifQ.{}", secret("the ID token"));
        let tokens = json!({ "access_token": secret(access), "refresh_token": secret(refresh), "id_token": id, "expires_in": 3600,
            "token_type": "Bearer", "odd": secret("another field of a token answer") });
        Reply::json(200, &tokens)
    };
    match target.split('?').next().unwrap() {
        "/device" => Reply::json(
            200,
            &json!({ "device_code": secret("the device code"), "user_code": "ABCD", "verification_uri": "http://localhost/d", "expires_in": 60, "interval": 0 }),
        ),
        "/profile" => Reply::json(200, &json!({ "sub": "user-1", "email": "a@example.com" })),
        "/token" => match fields.get("grant_type").map(String::as_str) {
            Some("authorization_code") if fields["code"] == secret("the authorization code") => {
                tokens("the first access token", "the first refresh token")
            }
            Some("refresh_token") => tokens("the second access token", "the second refresh token"),
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                tokens("the access token of a device", "the refresh token of a device")
            }
            // A server that repeats what it was sent.
            _ => Reply::json(
                400,
                &json!({ "error": "invalid_grant", "error_description": format!("no such code") }),
            ),
        },
        _ => Reply::status(404),
    }
}

/// A run: what was asked and answered, and what must be in no log.
struct Run {
    found: Found,
    made: Vec<(String, String)>,
}

impl Run {
    fn answer(&mut self, what: &str, answer: Answer) -> Value {
        let own = ["set-cookie", "authentication-info"];
        let headers: Vec<String> = answer
            .headers
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        self.found.add(format!("the answer to {what}"), format!("{}\n{}", headers.join("\n"), answer.text()));
        answer.json()
    }

    /// What clients do.
    async fn ask(&mut self, proxy: &Proxy) {
        let key = secret("server.auth_token in a file");
        let client = proxy.anonymous().header("x-api-key", &key);
        let odd = client
            .clone()
            .header("authorization", &format!("Bearer {}", secret("a client's bearer token")))
            .header("cookie", &format!("a={}", secret("a client's cookie")))
            .header("proxy-authorization", &secret("a client's proxy-authorization"))
            .header("x-amz-security-token", &secret("a client's x-amz-security-token"))
            .header("x-github-token", &secret("a client's x-github-token"))
            .header(
                "sec-websocket-protocol",
                &format!("realtime, openai-insecure-api-key.{}", secret("a client's sec-websocket-protocol")),
            );
        let messages = |model: &str, stream: bool| json!({ "model": model, "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] });
        let query = format!(
            "api_key={}&access_token={}&key={}",
            secret("a query's api_key"),
            secret("a query's access_token"),
            secret("a query's key")
        );
        for prefix in
            ["claude", "openai", "lan", "kimi", "mistral", "copilot", "own", "away", "through", "mock"]
        {
            for (client, stream) in [(&odd, false), (&client, true)] {
                for path in ["messages", "chat/completions"] {
                    let target = format!("/{prefix}/v1/{path}?{query}");
                    let answer = client.post(&target, &messages("m", stream)).await;
                    self.answer(&format!("/{prefix}/v1/{path}"), answer);
                }
            }
        }
        let answer = proxy
            .anonymous()
            .header("x-api-key", &secret("a client's x-api-key"))
            .header("authorization", &format!("Bearer {}", secret("a refused client key")))
            .post("/claude/v1/messages", &messages("m", false))
            .await;
        assert_eq!(answer.status, 401);
        self.answer("a wrong key", answer);
        let broken =
            format!("{{\"model\": \"m\", \"api_key\": \"{}\" nonsense", secret("a body that is no JSON"));
        for target in [
            "/claude/v1/messages",
            "/openai/v1/chat/completions",
            "/routing/explain",
            "/oauth/acme/login",
            "/oauth/acme/callback",
            "/plugins/nosy/commands/tell",
        ] {
            let answer = client.post_bytes(target, broken.clone()).await;
            assert!(
                answer.status.is_client_error(),
                "{target}: {} {}",
                answer.text(),
                proxy
                    .log()
                    .lines()
                    .filter(|line| line.contains("WARN") || line.contains("ERROR"))
                    .collect::<Vec<_>>()
                    .join("\n")
            );
            self.answer(&format!("broken JSON at {target}"), answer);
        }
        for target in [
            "/",
            "/health",
            "/plugins",
            "/plugins/status",
            "/openapi.json",
            "/oauth/providers",
            "/v1/models",
            "/nosy/fail",
            "/nowhere",
            "/plugins/claude_api/health",
            "/plugins/lan/health",
            "/plugins/copilot/health",
            "/plugins/own/health",
            "/plugins/nosy/health",
            "/plugins/oauth/health",
        ] {
            let answer = client.get(&format!("{target}?{query}")).await;
            self.answer(target, answer);
        }
        for path in
            ["/claude/v1/messages", "/own/v1/chat/completions", "/lan/v1/chat/completions", "/v1/messages"]
        {
            let headers = json!({ "authorization": format!("Bearer {}", secret("a client's bearer token")), "x-api-key": secret("a client's x-api-key"), "cookie": secret("a client's cookie") });
            let answer = client
                .post(
                    "/routing/explain",
                    &json!({ "path": path, "headers": headers, "body": messages("m", false) }),
                )
                .await;
            self.answer(&format!("explain {path}"), answer);
        }
    }

    /// Logins over HTTP.
    async fn log_in(&mut self, client: &Client) {
        let begun = client.post("/oauth/acme/login", &json!({})).await.expect(200).json();
        let url = begun["url"].as_str().unwrap().to_owned();
        let state = pairs(url.split_once('?').unwrap().1)["state"].clone();
        self.made.push(("the state of a login".to_owned(), state.clone()));
        let code = secret("the authorization code");
        let landing = |code: &str, state: &str| format!("/oauth/acme/callback?code={code}&state={state}");
        let answer = client.get(&landing(&code, &secret("a forged state"))).await.expect(400);
        self.answer("a forged landing", answer);
        let answer = client.get(&landing(&code, &state)).await.expect(200);
        self.answer("the landing", answer);
        let manual = client
            .post("/oauth/acme/login", &json!({ "flow": "manual", "account": "hand" }))
            .await
            .expect(200)
            .json();
        let state = pairs(manual["url"].as_str().unwrap().split_once('?').unwrap().1)["state"].clone();
        self.made.push(("the state of another login".to_owned(), state.clone()));
        let brought = format!("{}#{state}", secret("a code brought by hand"));
        let answer = client
            .post("/oauth/acme/callback", &json!({ "login": manual["login"], "code": brought }))
            .await
            .expect(409);
        self.answer("a code by hand", answer);
        let device = client
            .post("/oauth/acme/login", &json!({ "flow": "device", "account": "phone" }))
            .await
            .expect(200)
            .json();
        self.found.add("a login on a device", device.to_string());
        let look = format!("/oauth/acme/login/{}", device["login"].as_str().unwrap());
        let told = eventually("the device", async || {
            let told = client.get(&look).await.json();
            (told["status"] == "done").then_some(told)
        })
        .await;
        self.found.add("the end of a login on a device", told.to_string());
        for (what, body) in [
            (
                "a wrong type",
                json!({ "account": { "x": secret("a body of the wrong type for an OAuth route") } }),
            ),
            ("an unknown field", json!({ secret("an unknown field of an OAuth route"): 1 })),
        ] {
            let answer = client.post("/oauth/acme/refresh", &body).await.expect(400);
            self.answer(what, answer);
        }
        let answer = client.post("/oauth/nosy/login", &json!({})).await.expect(200);
        let state = pairs(answer.json()["url"].as_str().unwrap().split_once('?').unwrap().1)["state"].clone();
        self.made.push(("the state of a plugin's login".to_owned(), state));
        let answer = client.post("/oauth/acme/refresh", &json!({})).await.expect(200);
        self.answer("a refresh", answer);
    }

    /// The command line.
    async fn command(&mut self, home: &Path, config: &Config, words: &[&str]) {
        let (_, out, err) = cli_in(home, config, words).await;
        let what = words.join(" ");
        self.found.add(format!("`ccproxy {what}`"), format!("{out}\n{err}"));
    }
}

#[test]
fn forty_two_secrets_are_found_nowhere() {
    support::run(async {
        let world = Arc::new(World::new().await);
        let runs: Vec<(&str, &str)> = ["trace", "debug", "info", "warn", "error"]
            .into_iter()
            .flat_map(|level| [(level, "plain"), (level, "json")])
            .collect();
        for (level, format) in runs {
            let folder = tempfile::tempdir().unwrap();
            let config = || world.config(folder.path(), level, format);
            let proxy = Proxy::start(config()).await;
            let mut run = Run { found: Found::default(), made: Vec::new() };
            run.found.add("the banner", proxy.banner().to_string());
            let client = proxy.anonymous().header("x-api-key", &secret("server.auth_token in a file"));
            run.log_in(&client).await;
            run.ask(&proxy).await;
            for file in ["cmdline", "comm", "status"] {
                run.found.add(
                    format!("/proc/{file}"),
                    std::fs::read_to_string(format!("/proc/{}/{file}", proxy.pid())).unwrap(),
                );
            }
            let verifiers = world.idp.requests();
            let verifier = verifiers
                .iter()
                .rev()
                .find_map(|request| pairs(&String::from_utf8_lossy(&request.body)).remove("code_verifier"));
            run.made.push(("the verifier".to_owned(), verifier.unwrap()));
            if level == "trace" {
                commands(&mut run, &proxy, &config).await;
            }
            let answer = client.post("/oauth/acme/revoke", &json!({ "account": "phone" })).await.expect(200);
            run.answer("a logout", answer);
            let home = proxy.home().to_owned();
            let file =
                std::fs::read_to_string(home.join(".local/share/ccproxy/credentials/acme/default.json"))
                    .unwrap();
            assert!(file.contains("sealed"), "{file}");
            run.found.add("a sealed login", file);
            proxy.terminate();
            let mut proxy = proxy;
            proxy.ended().await;
            run.found.add("the log", proxy.log());
            // Where they belong: the configuration itself.
            run.found.folder(&home, &["config.toml"]);
            assert!(
                run.found.bytes() > 50_000 && run.found.holds("### "),
                "little was written: {}",
                run.found.bytes()
            );
            assert!(
                level != "trace" || (run.found.holds("/kimi/v1/messages") && run.found.holds("[redacted]"))
            );
            run.found.assert_clean(&run.made);
        }
        let (wanted, asked) = (secret("the second access token"), world.api.requests());
        assert!(
            asked
                .iter()
                .any(|request| request.header("authorization").is_some_and(|sent| sent.contains(&wanted))),
            "the login was used"
        );
    });
}

async fn commands(run: &mut Run, proxy: &Proxy, config: &dyn Fn() -> Config) {
    let port = proxy.address().port().to_string();
    let config = config().env("SERVER__PORT", &port);
    let body = proxy.home().join("request.json");
    std::fs::write(&body, json!({ "model": "m", "max_tokens": 9, "messages": [] }).to_string()).unwrap();
    let body = body.display().to_string();
    let header = format!("x-api-key: {}", secret("a client's x-api-key"));
    let commands: [&[&str]; 22] = [
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["config", "path"],
        &["doctor"],
        &["doctor", "--json"],
        &["explain", &body, "--path", "/claude/v1/messages", "--header", &header],
        &["explain", &body, "--path", "/lan/v1/messages", "--offline", "--json"],
        &["models"],
        &["status"],
        &["plugins", "list"],
        &["plugins", "settings"],
        &["plugins", "settings", "nosy"],
        &["plugins", "show", "nosy"],
        &["plugins", "check"],
        &["auth", "providers", "--json"],
        &["auth", "status"],
        &["auth", "status", "--json"],
        &["auth", "accounts", "--json"],
        &["auth", "refresh", "acme", "--json"],
        &["auth", "commands"],
        &["keys", "list"],
    ];
    for words in commands {
        run.command(proxy.home(), &config, words).await;
    }
}

#[test]
fn a_wrong_configuration_is_told_without_its_secrets() {
    support::run(async {
        let plant = secret("providers.lan.api_key in the configuration");
        for line in [
            format!("server.auth_token = [\"{plant}\"]"),
            format!("plugins.claude_api.api_kee = \"{plant}\""),
            format!("plugins.claude_api.api_key = \"env:{plant}\"").replace(&plant, "NOT_THERE"),
            format!("upstream.proxy = \"ftp://user:{plant}@127.0.0.1:1\""),
            format!("upstream.proxy = \"http://user:{plant}@\""),
            format!("plugins.claude_api.base_url = \"ftp://user:{plant}@127.0.0.1:1\""),
            format!("plugins.claude_api.base_url = \"http://user:{plant}@127.0.0.1:1\""),
            format!("oauth.acme.client_secret = {{ x = \"{plant}\" }}"),
            format!("oauth.acme = {{ client_secret = \"{plant}\", client_id = 7 }}"),
            format!("plugins.claude_api.headers = {{ \"x y\" = \"{plant}\" }}"),
        ] {
            let config = Config::new().toml(&line);
            let home = home(&config);
            let mut found = Found::default();
            for words in [
                &["config", "check"][..],
                &["config", "show"],
                &["doctor"],
                &["serve", "--port", "0", "--host", "300.0.0.1"],
            ] {
                let (_, out, err) = cli_in(home.path(), &config, words).await;
                found.add(format!("{} of `{line}`", words.join(" ")), format!("{out}\n{err}"));
            }
            found.assert_clean(&[]);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_proxy_that_dies_leaves_no_core_file() {
    support::run(async {
        use rustix::process::{Pid, Signal, kill_process};
        let world = World::new().await;
        let folder = tempfile::tempdir().unwrap();
        let mut proxy = Proxy::start(world.config(folder.path(), "info", "plain")).await;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).unwrap();
        let core: Vec<&str> = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(core[4], "0");
        kill_process(Pid::from_raw(proxy.pid()).unwrap(), Signal::ABORT).unwrap();
        let status = proxy.ended().await;
        assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&status), "{status}");
        let left: Vec<_> =
            std::fs::read_dir(proxy.home()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("core")), "{left:?}");
    });
}

//! Providers with a stored login.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{logins, tokens};
use crate::support::idp::Idp;
use crate::support::proxy::{cli_in, home};
use crate::support::upstream::{Recorded, anthropic, openai, responses};
use crate::support::{self, Client, Config, Proxy, Reply, Upstream, eventually};

/// An API that takes the newest token of a login, and a proxy for it whose data is in `folder`.
struct House {
    idp: Idp,
    api: Upstream,
    folder: tempfile::TempDir,
}

impl House {
    async fn new() -> House {
        let idp = Idp::start().await;
        let good = idp.judge();
        let api = Upstream::with(move |request: &Recorded| match good(request.header("authorization")) {
            true => anthropic::answer(request),
            false => Reply::json(401, &anthropic::error("authentication_error", "not that token")),
        })
        .await;
        House { idp, api, folder: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> Config {
        let data = format!("data_dir = {:?}", self.folder.path().display().to_string());
        let base = Config::new().toml(&data).upstream(&self.api).toml("credentials.seal = \"off\"");
        self.idp.toml("claude-api").iter().fold(base, |config, line| config.toml(line))
    }

    /// What is said of a login that is of no use: by the proxy, its health, `doctor` and `auth accounts`.
    async fn said(&self, proxy: &Proxy) -> [String; 5] {
        let providers = proxy.anonymous().get("/credentials").await.expect(200).json();
        let providers = providers["providers"].as_array().unwrap().clone();
        let told =
            providers.iter().find(|told| told["provider"] == "claude_api").unwrap()["credential"].clone();
        assert_eq!((&told["kind"], &told["present"]), (&json!("oauth"), &json!(false)), "{told}");
        let health = proxy.anonymous().get("/plugins/claude_api/health").await.text();
        assert!(health.contains("\"status\":\"degraded\""), "{health}");
        let home = home(&self.config());
        let (_, doctor, _) = cli_in(home.path(), &self.config(), &["doctor"]).await;
        let doctor = doctor.lines().find(|line| line.contains("`claude_api`: ")).unwrap().to_owned();
        assert!(doctor.contains("warn"), "{doctor}");
        let accounts = ["auth", "accounts", "--url"];
        let url = format!("http://{}", proxy.address());
        let (_, running, told_why) =
            cli_in(home.path(), &self.config(), &[&accounts[..], &[&url]].concat()).await;
        let (_, would_be, _) = cli_in(home.path(), &self.config(), &["auth", "accounts"]).await;
        for accounts in [&running, &would_be] {
            assert!(
                accounts.contains("needs a login for `claude_api`") && !accounts.contains("in use"),
                "{accounts}{told_why}"
            );
        }
        [told["hint"].to_string(), health, doctor, running, would_be]
    }

    async fn log_in(&self) {
        let logins = logins("claude-api", &self.idp.settings(), self.folder.path());
        let login = logins.login("claude-api", "default").unwrap();
        login.store(tokens(self.idp.log_in())).await.unwrap();
    }
}

fn messages() -> Value {
    json!({ "model": "claude-x", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] })
}

async fn ask(client: &Client, status: u16) -> Value {
    client.post("/claude/v1/messages", &messages()).await.expect(status).json()
}

#[test]
fn a_stored_login_is_used_and_renewed_when_its_token_is_refused() {
    support::run(async {
        let house = House::new().await;
        house.log_in().await;
        let proxy = Proxy::start(house.config()).await;
        ask(&proxy.client().header("anthropic-beta", "a, b"), 200).await;
        let seen = house.api.request(0).await;
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer at-0-0"));
        assert_eq!(seen.header("x-api-key"), None, "the client's own key stays here");
        let betas: Vec<String> = seen
            .headers()
            .into_iter()
            .filter(|(name, _)| name == "anthropic-beta")
            .map(|(_, beta)| beta)
            .collect();
        assert_eq!(betas, ["a, b", "oauth-2025-04-20"]);
        house.idp.expire();
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let client = proxy.client();
            all.spawn(async move { ask(&client, 200).await });
        }
        all.join_all().await;
        assert_eq!(house.idp.refreshes(), 1);
        let providers = proxy.anonymous().get("/oauth/providers").await.expect(200).json();
        assert_eq!(providers["providers"]["claude-api"]["supports_pkce"], true);
        assert_eq!(providers["providers"]["copilot"]["flows"]["device"], true);
        let health = proxy.anonymous().get("/plugins/claude_api/health").await.text();
        assert!(health.contains("\"credential\":\"oauth\"") && !health.contains("at-0"), "{health}");
        let log = proxy.stop().await;
        assert!(!log.contains("at-0-") && !log.contains("rt-0-"), "{log}");
    });
}

#[test]
fn a_login_that_has_ended_is_told_with_its_remedy_and_keeps_its_tokens() {
    support::run(async {
        let house = House::new().await;
        house.log_in().await;
        let proxy = Proxy::start(house.config()).await;
        house.idp.end();
        for _ in 0..3 {
            let told = ask(&proxy.client(), 401).await;
            assert_eq!(told["type"], "error");
            let message = told["error"]["message"].as_str().unwrap();
            assert!(message.contains("`ccproxy auth login claude-api`"), "{message}");
        }
        assert_eq!(house.idp.refreshes(), 1, "nobody asks in vain");
        let file = house.folder.path().join("credentials/claude-api/default.json");
        let file = std::fs::read_to_string(file).unwrap();
        assert!(file.contains("rt-0-0") && file.contains("needs_login"), "{file}");
        // Everybody who is asked says so.
        let said = house.said(&proxy).await;
        assert!(said.iter().all(|said| said.contains("it was invalid_grant")), "{said:#?}");
        std::fs::write(house.folder.path().join("credentials/claude-api/default.json"), "{").unwrap();
        let said = house.said(&proxy).await;
        assert!(said.iter().all(|said| said.contains("is damaged")), "{said:#?}");
        // Another login counts at once.
        house.log_in().await;
        eventually("the new login", async || {
            let answer = proxy.client().post("/claude/v1/messages", &messages()).await;
            (answer.status == 200).then_some(())
        })
        .await;
    });
}

#[test]
fn without_a_login_the_client_s_own_credential_passes_and_oauth_alone_says_how_to_log_in() {
    support::run(async {
        let house = House::new().await;
        let proxy = Proxy::start(house.config()).await;
        ask(&proxy.client(), 401).await;
        assert_eq!(house.api.request(0).await.header("x-api-key").as_deref(), Some("sk-test"));
        let config = house.config().toml("plugins.claude_api.credential = \"oauth\"");
        let proxy = Proxy::start(config.toml("plugins.claude_api.account = \"work\"")).await;
        let told = ask(&proxy.client(), 401).await["error"]["message"].as_str().unwrap().to_owned();
        assert!(told.contains("`ccproxy auth login claude-api --account work`"), "{told}");
        assert_eq!(house.api.requests().len(), 1, "nothing was sent");
    });
}

#[test]
fn events_tell_how_a_refresh_went_and_nothing_secret() {
    support::run(async {
        let house = House::new().await;
        house.log_in().await;
        let lua = r#"local seen = {}
            local function note(event) seen[#seen + 1] = event end
            return { name = "ear", version = "1.0.0",
              hooks = { ["oauth.refresh.request"] = note, ["oauth.refresh.response"] = note, ["oauth.error"] = note },
              routes = { { path = "/seen", handler = function() return { json = ccproxy.json.array(seen) } end } } }"#;
        let proxy = Proxy::start(house.config().script("ear", lua)).await;
        house.idp.expire();
        ask(&proxy.client(), 200).await;
        house.idp.end();
        ask(&proxy.client(), 401).await;
        let seen = eventually("four events", async || {
            let seen = proxy.anonymous().get("/ear/seen").await.json();
            (seen.as_array()?.len() == 4).then_some(seen)
        })
        .await;
        let names: Vec<&str> =
            seen.as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap()).collect();
        let refresh = ["oauth.refresh.request", "oauth.refresh.response"];
        assert_eq!(names, [refresh[0], refresh[1], refresh[0], "oauth.error"]);
        assert_eq!((&seen[0]["provider"], &seen[0]["why"]), (&json!("claude-api"), &json!("refused")));
        assert_eq!((&seen[1]["expires_in"], &seen[1]["rotated"]), (&json!(3600), &json!(true)));
        assert_eq!((&seen[3]["error"], &seen[3]["needs_login"]), (&json!("needs_login"), &json!(true)));
        let text = seen.to_string();
        assert!(!text.contains("at-0-") && !text.contains("rt-0-"), "{text}");
    });
}

#[test]
fn a_keyring_that_never_answers_holds_nobody_up() {
    support::run(async {
        let house = House::new().await;
        house.log_in().await;
        let socket = house.folder.path().join("bus");
        let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let began = Instant::now();
        let data = format!("data_dir = {:?}", house.folder.path().display().to_string());
        let config = house
            .idp
            .toml("claude-api")
            .iter()
            .fold(Config::new().toml(&data).upstream(&house.api), |config, line| config.toml(line));
        let bus = format!("unix:path={}", socket.display());
        let proxy = Proxy::start(config.env("DBUS_SESSION_BUS_ADDRESS", &bus)).await;
        assert!(began.elapsed() < Duration::from_secs(4), "it started after {:?}", began.elapsed());
        ask(&proxy.client(), 200).await;
        house.idp.expire();
        ask(&proxy.client(), 200).await;
        assert_eq!(house.idp.refreshes(), 1);
        proxy.stop().await;
    });
}

#[test]
fn copilot_exchanges_the_github_token_of_a_login() {
    support::run(async {
        let copilot = Arc::new(
            Upstream::with(|request: &Recorded| openai::answer_at("/v1/chat/completions", request)).await,
        );
        let host = copilot.url();
        let github = Upstream::with(move |request: &Recorded| {
            assert_eq!(request.header("authorization").as_deref(), Some("token gho_login"));
            Reply::json(200, &json!({ "token": "tid-1", "expires_at": 4_000_000_000_u64, "refresh_in": 1500, "endpoints": { "api": host } }))
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let config = |folder: &Path| {
            Config::new()
                .toml(&format!("data_dir = {:?}", folder.display().to_string()))
                .toml("credentials.seal = \"off\"")
                .toml(&format!("plugins.copilot.github_api = \"{}\"", github.url()))
        };
        let proxy = Proxy::start(config(folder.path())).await;
        let chat = json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "hi" }] });
        let told = proxy.anonymous().post("/copilot/v1/chat/completions", &chat).await.expect(401);
        assert!(told.text().contains("`ccproxy auth login copilot`"), "{}", told.text());
        let idp = Idp::start().await;
        let logins = logins("copilot", &idp.settings(), folder.path());
        let login = logins.login("copilot", "default").unwrap();
        let mut github_token = tokens(("gho_login".to_owned(), String::new()));
        (github_token.refresh, github_token.expires_at) = (None, None);
        login.store(github_token).await.unwrap();
        eventually("the login", async || {
            let answer = proxy.anonymous().post("/copilot/v1/chat/completions", &chat).await;
            (answer.status == 200).then_some(())
        })
        .await;
        assert_eq!(copilot.request(0).await.header("authorization").as_deref(), Some("Bearer tid-1"));
    });
}

#[test]
fn codex_takes_the_token_of_a_login_with_its_account_and_renews_it() {
    support::run(async {
        let (idp, folder) = (Idp::start().await, tempfile::tempdir().unwrap());
        let good = idp.judge();
        let backend = Upstream::with(move |request: &Recorded| match good(request.header("authorization")) {
            true => responses::answer(request),
            false => Reply::json(401, &responses::error("unauthorized", "not that token")),
        })
        .await;
        let logins = logins("codex", &idp.settings(), folder.path());
        let mut login = tokens(idp.log_in());
        login.account.id = Some("acct-login".to_owned());
        logins.login("codex", "default").unwrap().store(login).await.unwrap();
        let config = Config::new()
            .toml(&format!("data_dir = {:?}", folder.path().display().to_string()))
            .toml("credentials.seal = \"off\"")
            .toml(&format!("plugins.codex.base_url = \"{}/codex\"", backend.url()));
        let config = idp.toml("codex").iter().fold(config, |config, line| config.toml(line));
        let proxy = Proxy::start(config).await;
        let client = proxy.anonymous().header("chatgpt-account-id", "acct-of-the-client");
        let body = json!({ "model": "gpt-6.1-sol", "input": "hi", "stream": true });
        client.post("/codex/v1/responses", &body).await.expect(200);
        idp.expire();
        client.post("/codex/v1/responses", &body).await.expect(200);
        assert_eq!(idp.refreshes(), 1);
        for (number, token) in [(0, "Bearer at-0-0"), (1, "Bearer at-0-0"), (2, "Bearer at-0-1")] {
            let seen = backend.request(number).await;
            assert_eq!(seen.header("authorization").as_deref(), Some(token));
            assert_eq!(seen.header("chatgpt-account-id").as_deref(), Some("acct-login"));
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_proxy_leaves_no_core_file() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        proxy.stop().await;
    });
}

#[test]
fn a_server_of_one_s_own_takes_the_token_of_a_login_and_is_asked_once_more_after_a_401() {
    support::run(async {
        for (api, path, body) in [
            (
                "openai",
                "/lan/v1/chat/completions",
                json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] }),
            ),
            ("anthropic", "/lan/v1/messages", messages()),
        ] {
            let (idp, folder) = (Idp::start().await, tempfile::tempdir().unwrap());
            let good = idp.judge();
            let server =
                Upstream::with(move |request: &Recorded| match good(request.header("authorization")) {
                    true if api == "openai" => openai::answer_at("/v1/chat/completions", request),
                    true => anthropic::answer(request),
                    false => Reply::json(401, &json!({ "error": { "message": "not that token" } })),
                })
                .await;
            let config = |more: &str| {
                let config = Config::new()
                    .toml(&format!("data_dir = {:?}", folder.path().display().to_string()))
                    .toml("credentials.seal = \"off\"")
                    .toml(&format!("providers.lan.base_url = \"{}\"", server.url()))
                    .toml(&format!("providers.lan.api = \"{api}\""))
                    .toml(more);
                idp.toml("acme").iter().fold(config, |config, line| config.toml(line))
            };
            let login = "providers.lan.credential = \"oauth\"\nproviders.lan.oauth = \"acme\"";
            let proxy = Proxy::start(config(login)).await;
            let told = proxy.client().post(path, &body).await.expect(401).text();
            assert!(told.contains("`ccproxy auth login acme`"), "{told}");
            assert_eq!(server.requests().len(), 0, "nothing was sent");
            let logins = logins("acme", &idp.settings(), folder.path());
            logins.login("acme", "default").unwrap().store(tokens(idp.log_in())).await.unwrap();
            eventually("the login", async || {
                (proxy.client().post(path, &body).await.status == 200).then_some(())
            })
            .await;
            let before = server.requests().len();
            idp.expire();
            proxy.client().post(path, &body).await.expect(200);
            assert_eq!((server.requests().len() - before, idp.refreshes()), (2, 1));
            let seen = server.request(before + 1).await;
            assert_eq!(seen.header("authorization").as_deref(), Some("Bearer at-0-1"));
            assert_eq!((seen.header("x-api-key"), seen.header("anthropic-beta")), (None, None));
            // Whatever is refused again is the client's to know.
            idp.end();
            let told = proxy.client().post(path, &body).await.expect(401).text();
            assert!(told.contains("`ccproxy auth login acme`"), "{told}");
            proxy.stop().await;
            // `auto` uses a login only where one is named.
            let proxy = Proxy::start(config("providers.lan.account = \"default\"")).await;
            let before = server.requests().len();
            proxy.client().post(path, &body).await.expect(401);
            let seen = server.request(before).await;
            let sent = seen.header("x-api-key").or(seen.header("authorization")).unwrap();
            assert!(sent.ends_with("sk-test"), "{sent}");
        }
    });
}

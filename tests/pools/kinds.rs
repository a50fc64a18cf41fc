//! What the members of a pool may be, at which providers, and what the command line says of them.

use std::path::Path;

use serde_json::{Value, json};

use super::{House, ask, key, member, refusal};
use crate::oauth::{logins, tokens};
use crate::support::idp::Idp;
use crate::support::proxy::cli_in;
use crate::support::upstream::{Recorded, anthropic, openai};
use crate::support::{self, Config, Proxy, Reply, Upstream, eventually};

async fn log_in(idp: &Idp, folder: &Path, account: &str) -> String {
    let login = logins("claude-api", &idp.settings(), folder).login("claude-api", account).unwrap();
    let (access, refresh) = idp.log_in();
    login.store(tokens((access.clone(), refresh))).await.unwrap();
    access
}

#[test]
fn logins_and_keys_take_turns_and_a_login_that_ended_is_told_with_its_remedy() {
    support::run(async {
        let (idp, folder) = (Idp::start().await, tempfile::tempdir().unwrap());
        let good = idp.judge();
        let api = Upstream::with(move |request: &Recorded| match request.header("x-api-key") {
            Some(_) => anthropic::answer(request),
            None if good(request.header("authorization")) => anthropic::answer(request),
            None => Reply::json(401, &anthropic::error("authentication_error", "not that token")),
        })
        .await;
        let work = log_in(&idp, folder.path(), "work").await;
        let base = Config::new().toml(&format!("data_dir = {:?}", folder.path().display().to_string()));
        let base = base.upstream(&api).toml("credentials.seal = \"off\"");
        let base = idp.toml("claude-api").iter().fold(base, |config, line| config.toml(line));
        let config = base.toml(
            "[credential_balancer.claude_api]\ncredentials = [{ account = \"work\" }, { account = \"nobody\" }, { name = \"key\", api_key = \"env:SPARE\" }]",
        ).env("SPARE", "key-spare");
        let home = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(config).await;
        ask(&proxy.client()).await.expect(200);
        let seen = api.request(0).await;
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {work}")));
        assert_eq!(seen.header("anthropic-beta").as_deref(), Some("oauth-2025-04-20"));
        // A token that is refused before its time is renewed, not benched.
        idp.expire();
        ask(&proxy.client()).await.expect(200);
        assert_eq!((idp.refreshes(), &member(&proxy, "work").await["errors"]), (1, &json!(0)));
        // A login that ended: the next ones, and a key has no beta of logins.
        idp.end();
        ask(&proxy.client()).await.expect(200);
        let seen = api.requests().pop().unwrap();
        assert_eq!(
            (seen.header("x-api-key").as_deref(), seen.header("anthropic-beta")),
            (Some("key-spare"), None)
        );
        let (work, nobody) = (member(&proxy, "work").await, member(&proxy, "nobody").await);
        assert_eq!(
            (&work["state"], &nobody["state"]),
            (&json!("needs_login"), &json!("needs_login")),
            "{work} {nobody}"
        );
        let why = work["why"].as_str().unwrap();
        assert!(why.contains("`ccproxy auth login claude-api --account work`"), "{why}");

        let url = format!("http://{}", proxy.address());
        let config = proxy.home().join("config.toml");
        std::fs::copy(&config, home.path().join("config.toml")).unwrap();
        let environment = Config::new().env("SPARE", "key-spare");
        let (code, out, error) =
            cli_in(home.path(), &environment, &["auth", "accounts", "--url", &url]).await;
        assert_eq!(code, 0, "{error}");
        let row = |name: &str| out.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        assert!(row("nobody").contains("ccproxy auth login claude-api --account nobody"), "{out}");
        assert!(row("work").contains("needs a login for `claude_api`"), "{out}");
        assert!(row("API key").contains("in use by `claude_api`: the first of those"), "{out}");
        assert!(!out.contains("key-spare") && !out.contains("at-0"), "{out}");

        // Another login counts soon, without a restart.
        let work = log_in(&idp, folder.path(), "work").await;
        eventually("the new login", async || {
            ask(&proxy.client()).await.expect(200);
            (api.requests().pop()?.header("authorization") == Some(format!("Bearer {work}"))).then_some(())
        })
        .await;
        let log = proxy.stop().await;
        assert!(!log.contains("key-spare") && !log.contains("at-0") && !log.contains("rt-0"), "{log}");
    });
}

#[test]
fn a_login_that_nobody_made_hides_no_limit() {
    support::run(async {
        let house = House::start().await;
        house.plan("key-a", refusal(429).header("retry-after", "120"));
        let config = Config::new().upstream(&house.api).toml("credentials.seal = \"off\"").toml(
            "[credential_balancer.claude_api]\nstrategy = \"failover\"\ncredentials = [{ name = \"a\", api_key = \"key-a\" }, { account = \"nobody\" }]",
        );
        let proxy = Proxy::start(config).await;
        for turn in 0..3 {
            let answer = ask(&proxy.client()).await.expect(429);
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((60..=120).contains(&wait), "{turn}: {wait} {}", answer.text());
        }
        assert_eq!(house.asked(), "a", "a limit that was told is kept");
        assert_eq!(member(&proxy, "nobody").await["state"], "needs_login");
    });
}

#[test]
fn servers_of_one_s_own_and_vendors_have_pools_too() {
    support::run(async {
        let api = Upstream::with(|request: &Recorded| match key(request).as_str() {
            "key-1" => {
                Reply::json(429, &openai::error("rate_limit", "slow down")).header("retry-after", "30")
            }
            _ => openai::answer(request),
        })
        .await;
        let lines = [
            format!("plugins.groq.base_url = \"{}/v1\"", api.url()),
            format!("providers.lan.base_url = \"{}/v1\"", api.url()),
            "[credential_balancer.groq]\ncredentials = [{ api_key = \"key-1\" }, { api_key = \"key-2\" }]"
                .to_owned(),
            "[credential_balancer.lan]\ncredentials = [{ api_key = \"key-1\" }, { api_key = \"key-3\" }]"
                .to_owned(),
        ];
        let proxy = Proxy::start(lines.iter().fold(Config::new(), |config, line| config.toml(line))).await;
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        for (path, used) in [("/groq", "key-2"), ("/lan", "key-3")] {
            proxy.client().post(&format!("{path}/v1/chat/completions"), &body).await.expect(200);
            let requests = api.requests();
            let last: Vec<String> = requests.iter().rev().take(2).map(|request| key(request)).collect();
            assert_eq!(last, [used, "key-1"], "{path}");
            assert_eq!(requests.last().unwrap().header("authorization"), Some(format!("Bearer {used}")));
        }
    });
}

#[test]
fn copilot_asks_another_account_when_the_host_of_one_is_gone() {
    support::run(async {
        let gone = Upstream::refused().await;
        let copilot = Upstream::with(|request: &Recorded| {
            openai::answer_at(&format!("/v1{}", request.target()), request)
        })
        .await;
        let host = copilot.url();
        let github = Upstream::with(move |request: &Recorded| {
            let answer = |token: &str, host: &str| {
                Reply::json(200, &json!({ "token": token, "expires_at": 4_000_000_000_u64, "refresh_in": 1500, "endpoints": { "api": host } }))
            };
            match request.header("authorization").as_deref() {
                Some("token gho_first") => answer("tid-first", &gone),
                Some("token gho_third") => answer("tid-third", &host),
                _ => Reply::json(401, &json!({ "message": "Bad credentials" })),
            }
        })
        .await;
        let base = format!("plugins.copilot.github_api = \"{}\"", github.url());
        let pool = "[credential_balancer.copilot]\ncredentials = [{ name = \"first\", api_key = \"gho_first\" }, { name = \"second\", api_key = \"gho_second\" }, { name = \"third\", api_key = \"gho_third\" }]";
        let proxy = Proxy::start(Config::new().toml(&base).toml(pool)).await;
        let body = json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "hi" }] });
        for _ in 0..2 {
            proxy.client().post("/copilot/v1/chat/completions", &body).await.expect(200);
        }
        let tokens: Vec<String> = copilot.requests().iter().map(|request| key(request)).collect();
        assert_eq!(tokens, ["tid-third", "tid-third"]);
        let health = proxy.anonymous().get("/plugins/copilot/health").await.expect(200).json();
        let members = &health["details"]["pool"]["members"];
        assert_eq!(members[0]["rests"][0]["why"], "unreachable", "{members}");
        assert_eq!(members[1]["rests"][0]["why"], "unauthorized", "{members}");
        let why = members[1]["why"].as_str().unwrap();
        assert!(why.contains("set another token in `credential_balancer.copilot.credentials`"), "{why}");
        assert!(!health.to_string().contains("gho_") && !health.to_string().contains("tid-"));
    });
}

#[test]
fn what_passes_through_is_never_replaced() {
    support::run(async {
        let house = House::start().await;
        let config = Config::new().toml("plugins.claude_api.credential = \"passthrough\"");
        let proxy = Proxy::start(house.of(config, &["a"], "failover", "")).await;
        ask(&proxy.client()).await.expect(200);
        assert_eq!(house.asked(), "sk-test");
        proxy.logged("are not used: `credential` is `passthrough`").await;
        let all = proxy.anonymous().get("/credentials").await.expect(200).json();
        let claude =
            all["providers"].as_array().unwrap().iter().find(|one| one["provider"] == "claude_api").unwrap();
        assert_eq!((&claude["pool"], &claude["credential"]["kind"]), (&Value::Null, &json!("passthrough")));
    });
}

#[test]
fn explain_and_a_stopped_proxy_say_what_would_be_and_change_nothing() {
    support::run(async {
        let (house, folder) = (House::start().await, tempfile::tempdir().unwrap());
        let data = format!("data_dir = {:?}", folder.path().display().to_string());
        house.plan("key-a", refusal(429).header("retry-after", "500"));
        let config = || house.of(Config::new().toml(&data), &["a", "b"], "failover", "");
        let proxy = Proxy::start(config()).await;
        ask(&proxy.client()).await.expect(200);
        let question = json!({ "path": "/claude/v1/messages", "body": super::messages("hi").to_string() });
        proxy.anonymous().post("/routing/explain", &question).await.expect(200);
        assert_eq!(member(&proxy, "b").await["uses"], 1, "who only looks uses nothing");
        proxy.stop().await;
        let home = support::proxy::home(&config());
        let (code, out, error) = cli_in(
            home.path(),
            &Config::new(),
            &["auth", "accounts", "--json", "--url", "http://127.0.0.1:9"],
        )
        .await;
        assert_eq!(code, 0, "{error}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(told["running"], false);
        let claude =
            told["providers"].as_array().unwrap().iter().find(|one| one["provider"] == "claude_api").unwrap();
        assert_eq!(claude["pool"]["members"][0]["rests"][0]["why"], "rate_limited", "{claude}");
        assert!(!out.contains("key-a"));
        let (_, out, _) = cli_in(home.path(), &Config::new(), &["config", "show"]).await;
        assert!(out.contains("credential_balancer") && !out.contains("key-a"), "{out}");
    });
}

#[test]
fn a_configuration_that_is_wrong_says_where() {
    support::run(async {
        let config = Config::new().toml("[credential_balancer.claude-api]\ncredentials = [{ api_key = \"k-1\" }, { api_key = \"k-2\", account = \"x\" }]");
        let home = support::proxy::home(&config);
        let (code, _, error) = cli_in(home.path(), &config, &["config", "check"]).await;
        assert_eq!(code, 78);
        assert!(
            error.contains("credential_balancer.claude-api.credentials[1]") && error.contains("either"),
            "{error}"
        );
        assert!(!error.contains("k-2"), "{error}");
        let config =
            Config::new().toml("[credential_balancer.claude-api]\ncredentials = [{ api_key = \"k-1\" }]");
        let home = support::proxy::home(&config);
        let (code, out, error) = cli_in(home.path(), &config, &["config", "check"]).await;
        assert_eq!(code, 0, "{error}");
        assert!((out + &error).contains("did you mean `claude_api`"));
    });
}

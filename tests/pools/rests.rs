//! How long a credential is left alone, what a client is told meanwhile, and what a restart changes of it.

use serde_json::json;

use super::{House, ask, member, messages, refusal, told};
use crate::support::config::Config;
use crate::support::{self, Proxy, eventually};

fn kept(house: &House, folder: &std::path::Path, strategy: &str, more: &str) -> Config {
    let data = format!("data_dir = {:?}", folder.display().to_string());
    house.of(Config::new().toml(&data), &["a", "b"], strategy, more)
}

#[test]
fn a_rest_is_as_long_as_the_provider_says_and_about_its_model() {
    support::run(async {
        let house = House::start().await;
        house.plan("key-a", refusal(429).header("retry-after", "300"));
        let proxy = Proxy::start(house.config("failover", "")).await;
        ask(&proxy.client()).await.expect(200);
        let a = member(&proxy, "a").await;
        let rest = &a["rests"][0];
        assert_eq!((&rest["model"], &rest["asked"]), (&json!("claude-x"), &json!(true)), "{a}");
        let ends = rest["ends_in"].as_f64().unwrap();
        assert!(ends <= 300.0 && ends > 250.0, "{a}");
        let page = proxy.client().get("/metrics").await.expect(200).text();
        let of = |name: &str, credential: &str, more: &str| {
            let start = format!(
                "ccproxy_credential_{name}{{provider=\"claude_api\",credential=\"{credential}\"{more}}} "
            );
            let line = page.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("no `{start}` in {page}")).parse::<f64>().unwrap()
        };
        assert_eq!((of("uses_total", "a", ""), of("errors_total", "a", "")), (1.0, 1.0));
        let b = (of("uses_total", "b", ""), of("errors_total", "b", ""), of("in_flight", "b", ""));
        assert_eq!((b, of("ready", "b", "")), ((1.0, 0.0, 0.0), 1.0));
        assert!(of("rest_seconds", "a", ",model=\"claude-x\",why=\"rate_limited\"") > 250.0, "{page}");
        let mut other = messages("hi");
        other["model"] = "claude-y".into();
        proxy.client().post("/claude/v1/messages", &other).await.expect(200);
        assert_eq!(house.asked(), "a b a", "another model has another limit");
        proxy.client().post("/claude/v1/messages/count_tokens", &messages("hi")).await.expect(200);
        assert_eq!(house.asked(), "a b a a", "and so has counting");
    });
}

#[test]
fn a_rest_ends_and_success_ends_what_was_guessed() {
    support::run(async {
        let house = House::start().await;
        house.plan("key-a", refusal(429).header("retry-after-ms", "150"));
        let lua = r#"local seen = {}
            local function note(event) seen[#seen + 1] = event end
            return { name = "ear", version = "1.0.0",
              hooks = { ["credential.rested"] = note, ["credential.restored"] = note, ["provider.request.sent"] = note },
              routes = { { path = "/seen", handler = function() return { json = ccproxy.json.array(seen) } end } } }"#;
        let proxy = Proxy::start(house.config("failover", "").script("ear", lua)).await;
        ask(&proxy.client()).await.expect(200);
        eventually("the first to be asked again", async || {
            ask(&proxy.client()).await.expect(200);
            house.asked().ends_with(" a").then_some(())
        })
        .await;
        assert_eq!(member(&proxy, "a").await["rests"], json!([]));
        let seen = eventually("the events", async || {
            let seen = proxy.anonymous().get("/ear/seen").await.json();
            let names = seen.as_array()?.iter().any(|event| event["name"] == "credential.restored");
            names.then_some(seen)
        })
        .await;
        let rested =
            seen.as_array().unwrap().iter().find(|event| event["name"] == "credential.rested").unwrap();
        assert_eq!(
            (&rested["provider"], &rested["credential"], &rested["why"], &rested["asked"]),
            (&json!("claude_api"), &json!("a"), &json!("rate_limited"), &json!(true))
        );
        assert_eq!((&seen[0]["credential"], &seen[0]["attempt"]), (&json!("a"), &json!(1)));
        assert!(!seen.to_string().contains("key-"), "{seen}");
    });
}

#[test]
fn when_all_rest_the_client_is_told_when_the_first_is_back_and_nothing_is_sent() {
    support::run(async {
        let house = House::start().await;
        house.plan("key-a", refusal(429).header("retry-after", "90"));
        house.plan("key-b", refusal(429).header("retry-after", "50"));
        house.plan("key-c", refusal(429).header("retry-after", "70"));
        let proxy = Proxy::start(house.config("round_robin", "")).await;
        ask(&proxy.client()).await.expect(429);
        assert_eq!(house.asked(), "a b c");
        let answer = ask(&proxy.client()).await.expect(429);
        assert_eq!(house.asked(), "a b c", "nobody is asked");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!(wait <= 50 && wait > 30, "{wait}");
        assert_eq!(
            (&answer.json()["type"], &answer.json()["error"]["type"]),
            (&json!("error"), &json!("rate_limit_error"))
        );
        assert!(told(&answer).contains("every credential of `claude_api` rests"), "{}", told(&answer));
        let body = json!({ "model": "claude-x", "messages": [{ "role": "user", "content": "hi" }] });
        let chat = proxy.client().post("/claude/v1/chat/completions", &body).await.expect(429);
        assert!(chat.json()["error"]["code"].is_string() || chat.json()["error"]["type"].is_string());
        let health = proxy.anonymous().get("/plugins/claude_api/health").await.expect(200).json();
        assert_eq!(health["details"]["pool"]["members"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn a_guess_yields_when_nobody_else_is_there_and_one_alone_is_never_benched() {
    support::run(async {
        let house = House::start().await;
        for key in ["key-a", "key-b", "key-c"] {
            house.plan(key, refusal(529));
        }
        let proxy = Proxy::start(house.config("failover", "cooldown = \"1h\"")).await;
        ask(&proxy.client()).await.expect(529);
        ask(&proxy.client()).await.expect(200);
        assert_eq!(house.asked(), "a b c a", "one of them says for itself how it is");

        let house = House::start().await;
        house.plan("key-a", refusal(429).header("retry-after", "600"));
        let proxy = Proxy::start(house.of(Config::new(), &["a"], "failover", "")).await;
        assert_eq!(ask(&proxy.client()).await.expect(429).header("retry-after"), "600");
        ask(&proxy.client()).await.expect(200);
    });
}

#[test]
fn a_good_answer_without_quota_lets_others_go_first() {
    support::run(async {
        let house = House::start().await;
        let reply = crate::support::Reply::json(200, &crate::support::upstream::anthropic::message("Hello"));
        let reply = reply.header("anthropic-ratelimit-requests-remaining", "0");
        house.plan("key-a", reply.header("anthropic-ratelimit-requests-reset", "2099-01-01T00:00:00Z"));
        let proxy = Proxy::start(house.config("failover", "longest_cooldown = \"2h\"")).await;
        ask(&proxy.client()).await.expect(200);
        ask(&proxy.client()).await.expect(200);
        assert_eq!(house.asked(), "a b");
        let a = member(&proxy, "a").await;
        assert_eq!((&a["rests"][0]["why"], &a["errors"]), (&json!("quota"), &json!(0)), "{a}");
        assert!(a["rests"][0]["ends_in"].as_f64().unwrap() <= 7200.0, "never longer than the settings allow");
    });
}

#[test]
fn rests_survive_a_restart_and_a_file_of_nonsense_harms_nobody() {
    support::run(async {
        let (house, folder) = (House::start().await, tempfile::tempdir().unwrap());
        house.plan("key-a", refusal(401));
        house.plan("key-b", refusal(429).header("retry-after", "500"));
        let proxy = Proxy::start(kept(&house, folder.path(), "failover", "cooldown = \"1h\"")).await;
        ask(&proxy.client()).await.expect(429);
        let file = folder.path().join("credentials/balancer.json");
        let text = eventually("the file", async || {
            std::fs::read_to_string(&file)
                .ok()
                .filter(|text| text.contains("rate_limited") && text.contains("unauthorized"))
        })
        .await;
        assert!(!text.contains("key-"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // Killed, not stopped: what rests is on disk already.
        drop(proxy);
        let proxy = Proxy::start(kept(&house, folder.path(), "failover", "cooldown = \"1h\"")).await;
        let (a, b) = (member(&proxy, "a").await, member(&proxy, "b").await);
        assert_eq!((&a["state"], &b["rests"][0]["asked"]), (&json!("cooling"), &json!(true)), "{a} {b}");
        ask(&proxy.client()).await.expect(200);
        assert_eq!(house.asked(), "a b a", "of the two, the one that nobody asked to be left alone");
        proxy.stop().await;
        for nonsense in [
            "{",
            "[1]",
            "{\"credentials\":{\"claude_api/a\":{\"rests\":[{\"why\":\"rate_limited\",\"since\":1,\"until\":18446744073709551615}]}}}",
        ] {
            std::fs::write(&file, nonsense).unwrap();
            let proxy = Proxy::start(kept(&house, folder.path(), "failover", "")).await;
            ask(&proxy.client()).await.expect(200);
            let a = member(&proxy, "a").await;
            assert!(a["rests"][0]["ends_in"].as_f64().unwrap_or_default() <= 6.0 * 3600.0, "{a}");
        }
    });
}

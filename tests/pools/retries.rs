//! A request that failed because of its credential goes to another, before the first byte, and to each at most once.

use serde_json::json;

use super::{House, ask, member, messages, refusal, told};
use crate::support::upstream::anthropic;
use crate::support::{self, Config, Proxy, Reply, Upstream};

#[test]
fn each_status_that_a_credential_is_to_blame_for_is_mended_by_another() {
    support::run(async {
        for (status, why, whole) in [
            (401, "unauthorized", true),
            (402, "payment_required", true),
            (403, "forbidden", true),
            (429, "rate_limited", false),
            (529, "overloaded", false),
        ] {
            for stream in [false, true] {
                let house = House::start().await;
                house.plan("key-a", refusal(status));
                let proxy = Proxy::start(house.config("failover", "")).await;
                let mut body = messages("hi");
                body["stream"] = stream.into();
                let answer = proxy.client().post("/claude/v1/messages", &body).await.expect(200);
                assert!(answer.whole && answer.text().contains("Hello"), "{status}: {}", answer.text());
                assert_eq!(house.asked(), "a b", "{status}");
                assert_eq!(house.api.request(0).await.body, house.api.request(1).await.body, "byte for byte");
                let a = member(&proxy, "a").await;
                assert_eq!(a["rests"][0]["why"], why, "{a}");
                assert_eq!(a["rests"][0]["model"].is_null(), whole, "{a}");
                assert_eq!((&a["errors"], &a["rests"][0]["asked"]), (&json!(1), &json!(false)));
                ask(&proxy.client()).await.expect(200);
                assert_eq!(house.asked(), "a b b", "{status}: it rests");
            }
        }
    });
}

#[test]
fn what_no_credential_can_mend_stands() {
    support::run(async {
        for status in [400, 404, 413, 500, 502, 503] {
            let house = House::start().await;
            house.plan("key-a", refusal(status));
            let proxy = Proxy::start(house.config("failover", "")).await;
            let answer = ask(&proxy.client()).await.expect(status);
            assert_eq!(told(&answer), format!("refused with {status}"));
            assert_eq!(house.asked(), "a", "{status}");
            assert_eq!(member(&proxy, "a").await["rests"], json!([]));
        }
        // Nor does a host that is not there for anybody.
        let url = Upstream::refused().await;
        let house = House::start().await;
        let pool = "[credential_balancer.claude_api]\ncredentials = [{ api_key = \"key-1\" }, { api_key = \"key-2\" }]";
        let proxy = Proxy::start(Config::new().base_url(&url).toml(pool)).await;
        ask(&proxy.client()).await.expect(502);
        assert_eq!(member(&proxy, "key-1").await["rests"], json!([]));
        assert_eq!(house.asked(), "");
    });
}

#[test]
fn each_is_tried_once_and_the_failure_that_tells_most_passes() {
    support::run(async {
        let house = House::start().await;
        house.plan("key-a", refusal(429).header("retry-after", "40"));
        house.plan("key-b", refusal(429).header("retry-after", "20"));
        house.plan("key-c", refusal(401));
        let proxy = Proxy::start(house.config("failover", "")).await;
        let answer = ask(&proxy.client()).await.expect(429);
        assert_eq!(house.asked(), "a b c", "each once");
        assert_eq!(answer.header("retry-after"), "20", "the first to be back");
        assert_eq!(told(&answer), "refused with 429");
        let log = proxy.stop().await;
        for secret in ["key-a", "key-b", "key-c"] {
            assert!(!log.contains(secret), "{log}");
        }
    });
}

#[test]
fn nothing_is_sent_again_after_the_first_byte() {
    support::run(async {
        let house = House::start().await;
        let pieces: Vec<String> = anthropic::events("Hello from upstream").into_iter().take(4).collect();
        house.plan("key-a", Reply::stream(pieces).chunked().cut());
        let proxy = Proxy::start(house.config("failover", "")).await;
        let body = json!({ "model": "claude-x", "max_tokens": 9, "stream": true, "messages": [] });
        let answer = proxy.client().post("/claude/v1/messages", &body).await.expect(200);
        assert!(answer.text().contains("event: error") || !answer.whole, "{}", answer.text());
        assert_eq!(house.asked(), "a");
    });
}

#[test]
fn the_front_door_asks_the_next_provider_when_all_of_one_are_used_up() {
    support::run(async {
        let house = House::start().await;
        for key in ["key-a", "key-b", "key-c"] {
            house.plan(key, refusal(429).header("retry-after", "60"));
        }
        let other = Upstream::start().await;
        let lines = format!(
            "routing.aliases.pair = [\"claude_api/x\", \"two/y\"]\nproviders.two.api = \"anthropic\"\nproviders.two.base_url = \"{}\"",
            other.url()
        );
        let proxy =
            Proxy::start(house.of(Config::new().toml(&lines), &["a", "b", "c"], "failover", "")).await;
        for asked in ["a b c", "a b c"] {
            let mut body = messages("hi");
            body["model"] = "pair".into();
            let answer = proxy.client().post("/v1/messages", &body).await.expect(200);
            assert_eq!(answer.header("x-ccproxy-route"), "two/y");
            assert_eq!(house.asked(), asked);
        }
        assert_eq!(other.requests().len(), 2);
    });
}

#[test]
fn a_pool_is_tried_once_for_each_try_of_a_plugin() {
    support::run(async {
        let house = House::start().await;
        for key in ["key-a", "key-b", "key-c"] {
            house.plan(key, refusal(403));
        }
        let lua = r#"return { name = "again", version = "1.0.0", middleware = { { layer = "routing",
            around = function(req, next)
              local res = next()
              if res.status == 403 then return next() end
              return res
            end } } }"#;
        let proxy = Proxy::start(house.config("failover", "").script("again", lua)).await;
        ask(&proxy.client()).await.expect(200);
        assert_eq!(house.asked().split(' ').count(), 4, "{}", house.asked());
    });
}

//! Who is asked when all are well.

use serde_json::json;

use super::{House, ask, member, messages};
use crate::support::upstream::{Gate, anthropic};
use crate::support::{self, Proxy, Reply, eventually};

#[test]
fn failover_asks_the_first_and_round_robin_one_after_the_other() {
    support::run(async {
        let house = House::start().await;
        let proxy = Proxy::start(house.config("failover", "")).await;
        for _ in 0..3 {
            ask(&proxy.client()).await.expect(200);
        }
        assert_eq!(house.asked(), "a a a");
        let seen = house.api.request(0).await;
        assert_eq!(seen.header("authorization"), None, "the client's own credential stays here");
        assert_eq!(member(&proxy, "b").await["state"], "standby");

        let house = House::start().await;
        let proxy = Proxy::start(house.config("round_robin", "")).await;
        for _ in 0..5 {
            ask(&proxy.client()).await.expect(200);
        }
        assert_eq!(house.asked(), "a b c a b");
        let a = member(&proxy, "a").await;
        assert_eq!((&a["uses"], &a["errors"], &a["in_flight"]), (&json!(2), &json!(0), &json!(0)), "{a}");
    });
}

#[test]
fn least_used_counts_those_that_are_on_their_way() {
    support::run(async {
        let house = House::start().await;
        let gate = Gate::default();
        house.plan("key-a", Reply::stream(anthropic::events("slow")).gate(&gate));
        let proxy = Proxy::start(house.config("least_used", "")).await;
        let client = proxy.client();
        let body = json!({ "model": "claude-x", "max_tokens": 9, "stream": true, "messages": [] });
        let slow = tokio::spawn(async move { client.post("/claude/v1/messages", &body).await });
        house.api.request(0).await;
        assert_eq!(member(&proxy, "a").await["in_flight"], 1);
        for _ in 0..4 {
            ask(&proxy.client()).await.expect(200);
        }
        assert_eq!(house.asked(), "a b c b c", "{}", proxy.log());
        gate.open();
        assert!(slow.await.unwrap().expect(200).whole);
        eventually("none on its way", async || (member(&proxy, "a").await["in_flight"] == 0).then_some(()))
            .await;
        ask(&proxy.client()).await.expect(200);
        assert_eq!(house.asked(), "a b c b c a");
    });
}

#[test]
fn sticky_keeps_a_conversation_and_spreads_them() {
    support::run(async {
        let house = House::start().await;
        let proxy = Proxy::start(house.config("sticky", "")).await;
        for session in 0..12 {
            let client = proxy.client().header("x-claude-code-session-id", &format!("session-{session}"));
            for turn in 0..3 {
                client.post("/claude/v1/messages", &messages(&format!("turn {turn}"))).await.expect(200);
            }
        }
        let asked = house.asked();
        let asked: Vec<&str> = asked.split(' ').collect();
        for turns in asked.chunks(3) {
            assert!(turns.iter().all(|key| *key == turns[0]), "{asked:?}");
        }
        for key in ["a", "b", "c"] {
            assert!(asked.contains(&key), "{asked:?}");
        }
        // A restart changes nothing of it.
        let again = Proxy::start(house.config("sticky", "")).await;
        let client = again.client().header("x-claude-code-session-id", "session-5");
        ask(&client).await.expect(200);
        assert_eq!(house.asked().split(' ').next_back(), Some(asked[15]));
    });
}

#[test]
fn a_hundred_at_once_are_spread_and_counted() {
    support::run(async {
        let house = House::start().await;
        let proxy = Proxy::start(house.config("least_used", "")).await;
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..99 {
            let client = proxy.client();
            all.spawn(async move { ask(&client).await.expect(200) });
        }
        all.join_all().await;
        let mut uses = Vec::new();
        for name in ["a", "b", "c"] {
            let member = member(&proxy, name).await;
            assert_eq!(member["in_flight"], 0);
            uses.push(member["uses"].as_u64().unwrap());
        }
        assert_eq!(uses.iter().sum::<u64>(), 99);
        assert!(uses.iter().all(|uses| (25..=41).contains(uses)), "{uses:?}");
    });
}

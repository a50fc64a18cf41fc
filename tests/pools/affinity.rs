//! What a provider encrypted for one credential goes back to that credential.

use http::Method;
use serde_json::{Value, json};

use super::{House, ask, key, messages, refusal};
use crate::support::upstream::{Recorded, anthropic, openai, responses};
use crate::support::{self, Config, Proxy, Reply, Upstream};

const SIGNATURE: &str = "EqQBCgIYAhIMq1w2e3r4t5y6u7i8o9p0QWERTYUIOPASDFGHJKLZXCVBNM1234567890==";
const REDACTED: &str =
    "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpPkNRj2YfWXGmKDxH4mPnZ5sQ7";

fn thought(signature: &str) -> Value {
    json!([{ "type": "thinking", "thinking": "hm", "signature": signature }, { "type": "text", "text": "yes" }])
}

/// A request that brings back what an answer held.
fn follow_up(content: Value) -> Value {
    let mut body = messages("hi");
    let more =
        [json!({ "role": "assistant", "content": content }), json!({ "role": "user", "content": "more" })];
    body["messages"].as_array_mut().unwrap().extend(more);
    body
}

#[test]
fn thoughts_go_back_to_the_key_that_had_them_streamed_or_not() {
    support::run(async {
        let house = House::start().await;
        house.plan("key-b", Reply::json(200, &anthropic::message_of("end_turn", &thought(SIGNATURE))));
        let redacted = json!({ "type": "redacted_thinking", "data": REDACTED });
        let mut stream = vec![anthropic::start(), anthropic::block(0, &redacted), anthropic::stop(0)];
        stream.extend(anthropic::end("end_turn"));
        // Cut into pieces in the middle of everything.
        let whole = stream.concat();
        let pieces: Vec<&[u8]> = whole.as_bytes().chunks(7).collect();
        house.plan("key-c", Reply::stream(pieces).chunked());
        let proxy = Proxy::start(house.config("round_robin", "")).await;
        let client = proxy.client().header("accept-encoding", "gzip");
        ask(&client).await.expect(200);
        ask(&client).await.expect(200);
        let mut streamed = messages("hi");
        streamed["stream"] = true.into();
        let answer = client.post("/claude/v1/messages", &streamed).await.expect(200);
        assert_eq!(answer.text(), whole, "its bytes pass as they came");
        assert_eq!(house.asked(), "a b c");
        assert_eq!(house.api.request(1).await.header("accept-encoding").as_deref(), Some("identity"));
        for (content, asked) in [
            (thought(SIGNATURE), "b"),
            (json!([redacted]), "c"),
            (thought(SIGNATURE), "b"),
            (thought("a-signature-of-somebody-else-entirely"), "a"),
        ] {
            client.post("/claude/v1/messages", &follow_up(content)).await.expect(200);
            assert_eq!(house.asked().split(' ').next_back(), Some(asked), "{}", house.asked());
        }
        // Where it rests, another one has to do.
        house.plan("key-b", refusal(429).header("retry-after", "100"));
        client.post("/claude/v1/messages", &follow_up(thought(SIGNATURE))).await.expect(200);
        let asked = house.asked();
        assert!(asked.contains(" a b ") && !asked.ends_with('b'), "{asked}");
    });
}

#[test]
fn encrypted_contents_and_stored_answers_go_back_too() {
    support::run(async {
        let sealed = "gAAAAABo1234567890abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789==";
        let api = Upstream::with(move |request: &Recorded| {
            let name = key(request).replace("key-", "");
            let mut response = openai::response_of("completed", &json!([
                { "id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": format!("{name}{sealed}{name}") }
            ]));
            response["id"] = format!("resp_of_{name}").into();
            Reply::json(200, &response)
        })
        .await;
        let pool = "[credential_balancer.lan]\nstrategy = \"round_robin\"\ncredentials = [{ name = \"a\", api_key = \"key-a\" }, { name = \"b\", api_key = \"key-b\" }]";
        let lan = format!("[providers.lan]\nbase_url = \"{}\"\nresponses = true", api.url());
        let proxy = Proxy::start(Config::new().toml(&lan).toml(pool)).await;
        let client = proxy.client();
        let asked =
            || api.requests().iter().map(|request| key(request).replace("key-", "")).collect::<Vec<_>>();
        let hello = json!({ "model": "m", "input": "hi" });
        client.post("/lan/v1/responses", &hello).await.expect(200);
        client.post("/lan/v1/responses", &hello).await.expect(200);
        assert_eq!(asked(), ["a", "b"]);
        for name in ["b", "b", "a", "b"] {
            let item = json!({ "type": "reasoning", "summary": [], "encrypted_content": format!("{name}{sealed}{name}") });
            let body = json!({ "model": "m", "input": [item, { "role": "user", "content": "more" }] });
            client.post("/lan/v1/responses", &body).await.expect(200);
            assert_eq!(asked().last().unwrap(), name);
        }
        for name in ["a", "a", "b"] {
            let body =
                json!({ "model": "m", "input": "more", "previous_response_id": format!("resp_of_{name}") });
            client.post("/lan/v1/responses", &body).await.expect(200);
            assert_eq!(asked().last().unwrap(), name);
        }
        assert!(asked().iter().all(|name| ["a", "b"].contains(&name.as_str())));
    });
}

#[test]
fn a_turn_of_codex_stays_where_it_was_begun() {
    support::run(async {
        let api = Upstream::with(|request: &Recorded| {
            let reply = Reply::stream(responses::text("resp_1", "Hello from upstream"));
            reply.header("x-codex-turn-state", &format!("turn-of-{}", key(request)))
        })
        .await;
        let base = format!("plugins.codex.base_url = \"{}/codex\"", api.url());
        let pool = "[credential_balancer.codex]\nstrategy = \"round_robin\"\ncredentials = [{ name = \"a\", api_key = \"token-a\", account_id = \"acct-a\" }, { name = \"b\", api_key = \"token-b\", account_id = \"acct-b\" }]";
        let proxy = Proxy::start(Config::new().toml(&base).toml(pool)).await;
        let body = json!({ "model": "gpt-6.1-sol", "input": "hi", "stream": true });
        let client =
            proxy.anonymous().header("authorization", "Bearer own").header("chatgpt-account-id", "acct-own");
        let mut states = Vec::new();
        for _ in 0..2 {
            let answer = client.post("/codex/v1/responses", &body).await.expect(200);
            states.push(answer.header("x-codex-turn-state").to_owned());
        }
        for at in [1, 1, 0] {
            let headers = [("content-type", "application/json"), ("x-codex-turn-state", &*states[at])];
            client
                .request(Method::POST, "/codex/v1/responses", &headers, body.to_string().into())
                .await
                .expect(200);
            let seen = api.requests().pop().unwrap();
            assert_eq!(key(&seen), ["token-a", "token-b"][at]);
            let account = ["acct-a", "acct-b"][at];
            assert_eq!(
                seen.header("chatgpt-account-id").as_deref(),
                Some(account),
                "a token goes with its own account"
            );
        }
    });
}
